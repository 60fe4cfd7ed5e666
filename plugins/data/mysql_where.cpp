#include "plugins/data/mysql_where.h"

#include <fmt/format.h>

#include <chrono>

#include "base/clock.h"
#include "base/text.h"

namespace udon::data {
namespace {

// Of a text that is an instant; a plain date is none.
std::optional<int64_t> instant_of(const Value& value) {
  constexpr size_t plain_date = 10;
  if (!value.is_string() || value.as_string().size() <= plain_date) return std::nullopt;
  const auto time = parse_time(value.as_string());
  if (!time) return std::nullopt;
  return time->time_since_epoch().count();
}

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

}  // namespace

Result<BoundSql> bind_mysql_where(const TableRequest& request, const std::vector<MysqlCatalogColumn>& catalog,
                                  const std::optional<WallClock>& clock) {
  auto bound = bind_parameters(request.where, request.where_parameters, SqlDialect::mysql);
  if (!bound) return bound.error().within("where");
  std::string wall_column, instant_column;  // mentioned in the condition
  for (const std::string& word : bound->words) {
    for (const MysqlCatalogColumn& column : catalog) {
      if (lower_ascii(column.name) != lower_ascii(word)) continue;
      if (column.data_type == "datetime" || column.data_type == "date") wall_column = column.name;
      if (column.data_type == "timestamp") instant_column = column.name;
    }
  }
  for (Value& value : bound->values) {
    const std::optional<int64_t> instant = instant_of(value);
    if (!instant || (wall_column.empty() && instant_column.empty())) continue;
    const std::string what = "where: " + value.as_string() + " is an instant, but column `" + wall_column + "`";
    if (!wall_column.empty() && !instant_column.empty())
      return Error{ErrorKind::invalid,
                   what + " has no zone while `" + instant_column +
                       "` has one, and it is not known which of them is meant; compare only one of them"};
    if (!wall_column.empty() && !clock)
      return Error{ErrorKind::invalid,
                   what + " has no zone; say which one it is meant in, for example `timezone: Asia/Seoul`"};
    value = Value(format_wall(wall_column.empty() ? *instant : clock->to_wall(*instant)));
  }
  return std::move(*bound);
}

}  // namespace udon::data
