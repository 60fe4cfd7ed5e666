#include "plugins/data/window.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "base/timezone.h"
#include "plugins/data/wall_clock.h"

namespace udon::data {
namespace {

constexpr int64_t day_us = 86'400'000'000;
const std::vector<std::string> window_keys = {"by", "from", "to", "late"};

std::string wall_text(int64_t us) {
  std::string text = format_time(TimePoint(Duration(us)));
  text[10] = ' ';
  text.pop_back();  // the Z
  return text;
}

}  // namespace

Result<Moment> parse_moment(const Value& value, const std::string& zone_name, const std::string& what) {
  constexpr size_t plain_date = 10;
  if (!value.is_string())
    return Error{ErrorKind::invalid, what + ": expected a time such as 2026-01-31T00:00:00Z, or a day"};
  std::string text(trim(value.as_string()));
  if (text.size() > plain_date) {
    if (const auto instant = parse_time(text)) return Moment{instant->time_since_epoch().count(), true};
    if (text[plain_date] == ' ') text[plain_date] = 'T';
    if (std::ranges::count(text, ':') == 1) text += ":00";
    text += 'Z';
  }
  const auto wall = parse_time(text);
  if (!wall)
    return Error{ErrorKind::invalid,
                 fmt::format("{}: `{}` is no time such as 2026-01-31T00:00:00Z, and no day", what, value.as_string())};
  const int64_t wall_us = wall->time_since_epoch().count();
  if (zone_name.empty()) return Moment{wall_us, false};
  TRY_ASSIGN(WallClock clock, WallClock::of_zone(zone_name));
  Moment moment{0, true};
  if (clock.to_instant(wall_us, moment.us) == TimeZone::Kind::unique) return moment;
  return Error{ErrorKind::invalid, fmt::format("{}: `{}` is no one moment on a clock of {}; write it with its offset",
                                               what, value.as_string(), zone_name)};
}

std::string to_string(const Moment& moment) {
  return moment.is_instant ? format_time(TimePoint(Duration(moment.us))) : wall_text(moment.us);
}

Result<Window> parse_window(const Value& value, const std::string& zone_name) {
  if (!value.is_map())
    return Error{ErrorKind::invalid, "mode: expected {window: {by: a column, from: …, to: …, late: 2d}}"};
  for (const auto& [key, unused] : value.as_map())
    if (std::ranges::find(window_keys, key) == window_keys.end())
      return Error{ErrorKind::invalid, fmt::format("mode: a window has {}, no `{}`{}", join(window_keys, ", "), key,
                                                   did_you_mean(key, window_keys))};
  Window window;
  window.by = value.text("by");
  if (window.by.empty()) return Error{ErrorKind::invalid, "mode: a window goes `by` a column; say its name"};
  TRY_ASSIGN(window.asked.from, parse_moment(value.get("from"), zone_name, "mode: window: from"));
  TRY_ASSIGN(window.asked.to, parse_moment(value.get("to"), zone_name, "mode: window: to"));
  if (window.asked.from.is_instant != window.asked.to.is_instant)
    return Error{ErrorKind::invalid, "mode: window: of `from` and `to` one has an offset and the other has none"};
  if (window.asked.from.us >= window.asked.to.us)
    return Error{ErrorKind::invalid,
                 fmt::format("mode: the window from {} to {} holds no time: `from` has to be before `to` (a run that "
                             "was triggered by hand has no data interval of its own)",
                             to_string(window.asked.from), to_string(window.asked.to))};
  if (const Value& late = value.get("late"); !late.is_null()) {
    if (!late.is_string()) return Error{ErrorKind::invalid, "mode: window: late: expected a duration such as 2d or 6h"};
    auto parsed = parse_duration(late.as_string());
    if (!parsed) return parsed.error().within("mode: window: late");
    window.late = *parsed;
  }
  return window;
}

Result<const CatalogColumn*> catalog_column(const std::vector<CatalogColumn>& catalog, const std::string& name,
                                            const std::string& what) {
  std::vector<std::string> names;
  for (const CatalogColumn& column : catalog) {
    if (lower_ascii(column.name) == lower_ascii(name)) return &column;
    names.push_back(column.name);
  }
  return Error{ErrorKind::not_found, fmt::format("{}: there is no column `{}`{} (columns: {})", what, name,
                                                 did_you_mean(name, names), join(names, ", "))};
}

Result<void> add_condition(TableRequest& request, const std::string& sql, const Value& values) {
  for (const auto& [name, value] : values.as_map()) {
    if (request.where_parameters.find(name) != nullptr)
      return Error{ErrorKind::invalid, fmt::format("where: the name :{} is taken by `mode`; choose another", name)};
    request.where_parameters.set(name, value);
  }
  request.where = request.where.empty() ? sql : "(" + request.where + "\n) and " + sql;
  return {};
}

Result<void> ask_for(const std::string& by, const std::vector<Stretch>& stretches, SqlDialect dialect,
                     const std::vector<CatalogColumn>& catalog, TableRequest& request) {
  TRY_ASSIGN(const CatalogColumn* const column, catalog_column(catalog, by, "mode: window: by"));
  const std::string name = quote_identifier(column->name, dialect);
  // Those that touch are one to the server.
  std::vector<Stretch> merged;
  for (const Stretch& stretch : stretches) {
    if (!merged.empty() && merged.back().to == stretch.from)
      merged.back().to = stretch.to;
    else
      merged.push_back(stretch);
  }
  std::vector<std::string> conditions;
  Value values = Value::map();
  for (size_t i = 0; i < merged.size(); ++i) {
    const std::string from = fmt::format("mode_from_{}", i), to = fmt::format("mode_to_{}", i);
    conditions.push_back(fmt::format("({0} >= :{1} and {0} < :{2})", name, from, to));
    values.set(from, to_string(merged[i].from));
    values.set(to, to_string(merged[i].to));
  }
  if (column->is_nullable) conditions.push_back(name + " is null");
  return add_condition(request, "(" + join(conditions, " or ") + ")", values);
}

bool is_time_column(const arrow::DataType& type) {
  return type.id() == arrow::Type::TIMESTAMP || type.id() == arrow::Type::DATE32;
}

int64_t time_us_at(const arrow::Array& array, int64_t row) {
  if (array.type_id() == arrow::Type::DATE32) return static_cast<const arrow::Date32Array&>(array).Value(row) * day_us;
  return static_cast<const arrow::TimestampArray&>(array).Value(row);
}

Result<int64_t> as_column_us(const Moment& moment, const arrow::DataType& type, const std::string& zone_name) {
  const bool holds_instants =
      type.id() == arrow::Type::TIMESTAMP && !static_cast<const arrow::TimestampType&>(type).timezone().empty();
  if (holds_instants == moment.is_instant) return moment.us;
  if (holds_instants || zone_name.empty())
    return Error{ErrorKind::invalid, fmt::format("mode: {} and the column are not both instants; say `timezone:`, the "
                                                 "zone that times without one are meant in",
                                                 to_string(moment))};
  TRY_ASSIGN(const WallClock clock, WallClock::of_zone(zone_name));
  return clock.to_wall(moment.us);
}

Error null_has_no_place(const std::string& by, const std::string& what) {
  return {
      ErrorKind::data,
      fmt::format("column `{0}` is NULL in some rows (or a policy makes it so), and such rows are {1}: they would be "
                  "lost without a word. To leave them out on purpose: where: {{sql: \"{0} is not null\"}}",
                  by, what)};
}

Result<size_t> layout_column(const std::vector<ColumnInfo>& columns, const std::string& source_name,
                             const std::string& what) {
  for (size_t c = 0; c < columns.size(); ++c) {
    const ColumnRequest& column = columns[c].request;
    if (lower_ascii(column.source_name) != lower_ascii(source_name)) continue;
    if (!column.mask.empty())
      return Error{ErrorKind::invalid,
                   fmt::format("{}: column `{}` is masked; it would stand in the open here", what, source_name)};
    if (columns[c].is_recast)
      return Error{ErrorKind::invalid,
                   fmt::format("{}: column `{}` has a `type`; it has to come as the source has it", what, source_name)};
    return c;
  }
  return Error{ErrorKind::invalid,
               fmt::format("{}: column `{}` is not exported; add it to `columns`", what, source_name)};
}

Result<void> WindowLayout::open(const std::vector<ColumnInfo>& columns) {
  TRY_ASSIGN(column_, layout_column(columns, by_, "mode: window: by"));
  const arrow::DataType& type = *columns[column_].type;
  if (!is_time_column(type))
    return Error{ErrorKind::invalid, fmt::format("mode: window: column `{}` ({}) holds neither days nor times", by_,
                                                 columns[column_].source_type)};
  bounds_.clear();
  for (const Stretch& stretch : stretches_) {
    TRY_ASSIGN(const int64_t from, as_column_us(stretch.from, type, timezone_));
    TRY_ASSIGN(const int64_t to, as_column_us(stretch.to, type, timezone_));
    bounds_.emplace_back(from, to);
  }
  return {};
}

Result<std::vector<uint32_t>> WindowLayout::places_of(const arrow::RecordBatch& rows) {
  const arrow::Array& array = *rows.column(static_cast<int>(column_));
  std::vector<uint32_t> places(static_cast<size_t>(rows.num_rows()));
  size_t at = 0;
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    if (array.IsNull(row)) return null_has_no_place(by_, "in no window");
    const int64_t us = time_us_at(array, row);
    const auto is_in = [&](size_t i) { return bounds_[i].first <= us && us < bounds_[i].second; };
    if (!is_in(at)) {
      for (at = 0; at < bounds_.size() && !is_in(at);) ++at;
      if (at == bounds_.size())
        return Error{ErrorKind::data,
                     fmt::format("the server gave a row whose `{}` is not in the window that was asked "
                                 "for; nothing was published",
                                 by_)};
    }
    places[static_cast<size_t>(row)] = static_cast<uint32_t>(at);
  }
  return places;
}

}  // namespace udon::data
