#pragma once
// `mode: {window: {by, from, to, late}}`: the rows of a stretch of time, by a column that says when each was.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/value.h"
#include "plugins/data/layout.h"
#include "plugins/data/reader.h"
#include "plugins/db/sql_text.h"

namespace udon::data {

// A moment as a DAG file says it: an instant, or what a clock on a wall shows where no zone is known.
struct Moment {
  int64_t us = 0;  // since 1970
  bool is_instant = false;
  auto operator<=>(const Moment&) const = default;
};
// "2026-01-31T00:00:00+09:00"; without an offset, and plain days, in `timezone` if there is one. invalid otherwise.
Result<Moment> parse_moment(const Value& value, const std::string& zone_name, const std::string& what);
std::string to_string(const Moment& moment);  // as parse_moment reads it

// From the first on, before the second.
struct Stretch {
  Moment from, to;
  bool operator==(const Stretch&) const = default;
};

struct Window {
  std::string by;
  Stretch asked;
  Duration late{0};
};
// invalid: names what is wrong; also where `from` is not before `to`.
Result<Window> parse_window(const Value& value, const std::string& zone_name);

// Adds to the request's condition that `by` is in one of the stretches. Where `by` may be NULL such rows are asked for,
// too: they are in no window, and the layout refuses them. not_found: there is no such column.
Result<void> ask_for(const std::string& by, const std::vector<Stretch>& stretches, SqlDialect dialect,
                     const std::vector<CatalogColumn>& catalog, TableRequest& request);
// The column of the catalog. not_found with the nearest name; `what`: the parameter.
Result<const CatalogColumn*> catalog_column(const std::vector<CatalogColumn>& catalog, const std::string& name,
                                            const std::string& what);
// With the request's own condition. invalid: one of the values' names is taken.
Result<void> add_condition(TableRequest& request, const std::string& sql, const Value& values);

// The place of a row is the number of its stretch.
class WindowLayout final : public Layout {
 public:
  WindowLayout(std::string by, std::vector<Stretch> stretches, std::string zone_name)
      : by_(std::move(by)), stretches_(std::move(stretches)), timezone_(std::move(zone_name)) {}
  Result<void> open(const std::vector<ColumnInfo>& columns) override;
  Result<std::vector<uint32_t>> places_of(const arrow::RecordBatch& rows) override;

 private:
  std::string by_;
  std::vector<Stretch> stretches_;  // ascending, apart
  std::string timezone_;
  size_t column_ = 0;
  std::vector<std::pair<int64_t, int64_t>> bounds_;  // in the column's microseconds
};

// A column of days or times in microseconds: of instants, or of the clock on the wall.
bool is_time_column(const arrow::DataType& type);
int64_t time_us_at(const arrow::Array& array, int64_t row);
// A moment as that column holds it.
Result<int64_t> as_column_us(const Moment& moment, const arrow::DataType& type, const std::string& zone_name);
// data: rows have NULL there, and so no place.
Error null_has_no_place(const std::string& by, const std::string& what);

}  // namespace udon::data
