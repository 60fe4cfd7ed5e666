#include "plugins/data/mysql_where.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/clock.h"
#include "base/text.h"

namespace udon::data {
namespace {

// A time as text: an instant if it says its offset, else what a clock on a wall shows.
struct TimeText {
  int64_t us = 0;  // since 1970
  bool is_instant = false;
};

std::optional<TimeText> time_of(const Value& value) {
  constexpr size_t plain_date = 10;
  if (!value.is_string()) return std::nullopt;
  std::string text = value.as_string();
  if (text.size() > plain_date) {
    if (const auto time = parse_time(text)) return TimeText{time->time_since_epoch().count(), true};
    if (text[plain_date] == ' ') text[plain_date] = 'T';
    if (std::ranges::count(text, ':') == 1) text += ":00";
    text += 'Z';
  }
  if (const auto time = parse_time(text)) return TimeText{time->time_since_epoch().count(), false};
  return std::nullopt;
}

// What a value is compared with, as far as times go.
enum class Meaning { no_time, wall, instant, unknown };

std::string format_wall(int64_t wall_us) {
  using namespace std::chrono;
  const sys_time<microseconds> time{microseconds(wall_us)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

class Binding {
 public:
  Binding(const BoundSql& bound, const std::vector<MysqlCatalogColumn>& catalog, const std::string& zone,
          std::optional<WallClock> clock)
      : catalog_(catalog), zone_(zone), clock_(std::move(clock)) {
    for (const std::string& word : bound.words) {
      const MysqlCatalogColumn* column = find(word);
      if (column == nullptr) continue;
      const Meaning meaning = meaning_of(*column);
      if (meaning == Meaning::wall) wall_column_ = column->name;
      if (meaning == Meaning::instant) instant_column_ = column->name;
    }
  }

  // The value as the server, whose session is in UTC, is to get it.
  Result<Value> bind(const Value& value, const std::string& compared_with) {
    if (wall_column_.empty() && instant_column_.empty()) return value;
    const MysqlCatalogColumn* column = find(compared_with);
    const Meaning meaning = column != nullptr ? meaning_of(*column) : Meaning::unknown;
    const bool may_be_instant =
        meaning == Meaning::instant || (meaning == Meaning::unknown && !instant_column_.empty());
    if (meaning == Meaning::instant && value.is_number())
      return Error{ErrorKind::invalid, "where: " + to_json(value) + " is compared with `" + column->name +
                                           "`, an instant; write it as a time, as in '2026-01-31T00:00:00Z'"};
    const std::optional<TimeText> time = time_of(value);
    if (!time || meaning == Meaning::no_time) return value;
    const std::string text = value.as_string();
    if (!time->is_instant) return may_be_instant ? wall_as_instant(text, *time, meaning) : Result<Value>(value);

    const bool may_be_wall = meaning == Meaning::wall || (meaning == Meaning::unknown && !wall_column_.empty());
    const std::string wall = meaning == Meaning::wall ? column->name : wall_column_;
    if (may_be_wall && may_be_instant)
      return Error{
          ErrorKind::invalid,
          "where: " + text + " is an instant, but column `" + wall + "` has no zone while `" + instant_column_ +
              "` has one, and it is not known which of them is meant; write the value beside its column, as in "
              "`" +
              instant_column_ + " >= :from`"};
    if (may_be_wall && !clock_)
      return Error{ErrorKind::invalid, "where: " + text + " is an instant, but column `" + wall +
                                           "` has no zone; say which one it is meant in, for example `timezone: "
                                           "Asia/Seoul`"};
    return Value(format_wall(may_be_wall ? clock_->to_wall(time->us) : time->us));
  }

 private:
  const MysqlCatalogColumn* find(const std::string& name) const {
    for (const MysqlCatalogColumn& column : catalog_)
      if (lower_ascii(column.name) == lower_ascii(name)) return &column;
    return nullptr;
  }
  static Meaning meaning_of(const MysqlCatalogColumn& column) {
    if (column.data_type == "datetime" || column.data_type == "date") return Meaning::wall;
    return column.data_type == "timestamp" ? Meaning::instant : Meaning::no_time;
  }

  // The server would take it as UTC without a word, and a day would start hours off.
  Result<Value> wall_as_instant(const std::string& text, const TimeText& time, Meaning meaning) {
    const std::string what = "where: '" + text + "' has no offset and is compared with ";
    if (meaning == Meaning::unknown)
      return Error{ErrorKind::invalid, what + "an expression that may be of `" + instant_column_ +
                                           "`, an instant; write it beside its column, as in `" + instant_column_ +
                                           " >= :from`, or with its offset, as in '2026-01-31T00:00:00+09:00'"};
    if (!clock_)
      return Error{ErrorKind::invalid,
                   what + "`" + instant_column_ +
                       "`, an instant; write the offset, as in '2026-01-31T00:00:00+09:00', or say which zone it is "
                       "meant in, for example `timezone: Asia/Seoul`"};
    int64_t instant_us = 0;
    const TimeZone::Kind kind = clock_->to_instant(time.us, instant_us);
    if (kind != TimeZone::Kind::unique)
      return Error{ErrorKind::invalid, "where: '" + text + "' " +
                                           (kind == TimeZone::Kind::skipped ? "never was" : "was twice") +
                                           " on a clock of " + zone_ + "; write it with its offset"};
    return Value(format_wall(instant_us));
  }

  const std::vector<MysqlCatalogColumn>& catalog_;
  const std::string zone_;
  std::optional<WallClock> clock_;
  std::string wall_column_, instant_column_;  // mentioned in the condition
};

}  // namespace

Result<BoundSql> bind_mysql_where(const TableRequest& request, const std::vector<MysqlCatalogColumn>& catalog,
                                  const std::optional<WallClock>& clock) {
  auto bound = bind_parameters(request.where, request.where_parameters, SqlDialect::mysql);
  if (!bound) return bound.error().within("where");
  Binding binding(*bound, catalog, request.timezone, clock);
  for (const BoundSql::Place& place : bound->places) {
    TRY_ASSIGN(bound->values[place.value], binding.bind(bound->values[place.value], place.compared_with));
  }
  return std::move(*bound);
}

}  // namespace udon::data
