#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "plugins/data/increment_kinds.h"
#include "plugins/data/window.h"

namespace udon::data {
namespace {

constexpr auto lag_of_times = std::chrono::minutes(5);
const std::vector<std::string> cursor_keys = {"by", "key", "lag"};

struct Cursor {
  std::vector<std::string> columns;  // `by`, then `key`
  Value lag;                         // a duration, a number, or null
};

Result<Cursor> parse_cursor(const Value& value) {
  if (!value.is_map())
    return Error{ErrorKind::invalid, "mode: expected {cursor: {by: a column, key: a column, lag: 5m}}"};
  for (const auto& [key, unused] : value.as_map())
    if (std::ranges::find(cursor_keys, key) == cursor_keys.end())
      return Error{ErrorKind::invalid, fmt::format("mode: a cursor has {}, no `{}`{}", join(cursor_keys, ", "), key,
                                                   did_you_mean(key, cursor_keys))};
  Cursor cursor;
  cursor.columns.push_back(value.text("by"));
  if (cursor.columns[0].empty()) return Error{ErrorKind::invalid, "mode: a cursor goes `by` a column; say its name"};
  const Value& key = value.get("key");
  if (key.is_string()) cursor.columns.push_back(key.as_string());
  if (key.is_list())
    for (const Value& column : key.as_list()) cursor.columns.push_back(column.is_string() ? column.as_string() : "");
  if (std::ranges::find(cursor.columns, "") != cursor.columns.end() || (!key.is_null() && cursor.columns.size() == 1))
    return Error{ErrorKind::invalid, "mode: cursor: key: expected a column, or a list of them"};
  cursor.lag = value.get("lag");
  return cursor;
}

enum class Kind { time, day, whole, other };
Kind kind_of(const std::string& source_type) {
  const std::string type = lower_ascii(source_type);
  if (type.starts_with("timestamp") || type.starts_with("datetime")) return Kind::time;
  if (type == "date") return Kind::day;
  for (const char* whole : {"tinyint", "smallint", "mediumint", "int", "bigint"})
    if (type.starts_with(whole) && !type.starts_with("interval")) return Kind::whole;
  return Kind::other;
}

// The greatest (by, key) of all rows.
class CursorLayout final : public Layout {
 public:
  explicit CursorLayout(std::vector<std::string> names) : names_(std::move(names)) {}

  Result<void> open(const std::vector<ColumnInfo>& columns) override {
    columns_.clear();
    types_.clear();
    greatest_.reset();
    for (const std::string& name : names_) {
      TRY_ASSIGN(const size_t column, layout_column(columns, name, "mode: cursor"));
      const arrow::DataType& type = *columns[column].type;
      if (!is_time_column(type) && !is_whole(type))
        return Error{ErrorKind::invalid,
                     fmt::format("mode: cursor: column `{}` is of type {}; a cursor goes by times, days and whole "
                                 "numbers, whose order is the same here and there",
                                 name, columns[column].source_type)};
      columns_.push_back(column);
      types_.push_back(columns[column].type);
    }
    return {};
  }

  Result<std::vector<uint32_t>> places_of(const arrow::RecordBatch& rows) override {
    std::vector<std::vector<int64_t>> values;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const arrow::Array& array = *rows.column(static_cast<int>(columns_[i]));
      if (array.null_count() > 0) return null_has_no_place(names_[i], "behind no cursor");
      std::vector<int64_t>& of_column = values.emplace_back();
      for (int64_t row = 0; row < rows.num_rows(); ++row) {
        TRY_ASSIGN(const int64_t value, value_at(array, row, names_[i]));
        of_column.push_back(value);
      }
    }
    size_t greatest = 0;
    const auto is_less = [&](size_t a, size_t b) {
      for (const std::vector<int64_t>& column : values)
        if (column[a] != column[b]) return column[a] < column[b];
      return false;
    };
    for (size_t row = 1; row < static_cast<size_t>(rows.num_rows()); ++row)
      if (is_less(greatest, row)) greatest = row;
    std::vector<int64_t> position;
    for (const std::vector<int64_t>& column : values) position.push_back(column[greatest]);
    const std::lock_guard lock(mutex_);
    if (!greatest_ || *greatest_ < position) greatest_ = std::move(position);
    return std::vector<uint32_t>(static_cast<size_t>(rows.num_rows()), 0);
  }

  // As a condition can be given it; null: there were no rows.
  Value greatest() const {
    if (!greatest_) return {};
    Value list = Value::list();
    for (size_t i = 0; i < types_.size(); ++i) {
      const int64_t value = (*greatest_)[i];
      if (!is_time_column(*types_[i])) {
        list.push_back(value);
        continue;
      }
      const bool is_day = types_[i]->id() == arrow::Type::DATE32;
      const bool is_instant = !is_day && !static_cast<const arrow::TimestampType&>(*types_[i]).timezone().empty();
      const std::string text = to_string(Moment{value, is_instant});
      list.push_back(is_day ? text.substr(0, 10) : text);
    }
    return list;
  }

 private:
  static bool is_whole(const arrow::DataType& type) {
    if (type.id() == arrow::Type::DECIMAL128) return static_cast<const arrow::Decimal128Type&>(type).scale() == 0;
    return arrow::is_signed_integer(type.id());
  }
  static Result<int64_t> value_at(const arrow::Array& array, int64_t row, const std::string& name) {
    switch (array.type_id()) {
      case arrow::Type::INT8: return int64_t{static_cast<const arrow::Int8Array&>(array).Value(row)};
      case arrow::Type::INT16: return int64_t{static_cast<const arrow::Int16Array&>(array).Value(row)};
      case arrow::Type::INT32: return int64_t{static_cast<const arrow::Int32Array&>(array).Value(row)};
      case arrow::Type::INT64: return static_cast<const arrow::Int64Array&>(array).Value(row);
      case arrow::Type::DECIMAL128: {
        const auto& decimals = static_cast<const arrow::Decimal128Array&>(array);
        const auto whole = arrow::Decimal128(decimals.GetValue(row)).ToInteger<int64_t>();
        if (whole.ok()) return *whole;
        return Error{ErrorKind::unsupported,
                     fmt::format("mode: cursor: `{}` has a number beyond 63 bits, which no cursor holds", name)};
      }
      default: return time_us_at(array, row);
    }
  }

  std::vector<std::string> names_;
  std::vector<size_t> columns_;
  std::vector<std::shared_ptr<arrow::DataType>> types_;
  std::mutex mutex_;
  std::optional<std::vector<int64_t>> greatest_;
};

// Rows past the cursor, and up to where all that was given a time or number before has been committed, as far as `lag`
// tells. A rerun of a run that has added a chunk reads that chunk's range again.
class CursorIncrement final : public Increment {
 public:
  CursorIncrement(const IncrementRequest& request, Cursor cursor, Standing standing)
      : request_(request), cursor_(std::move(cursor)), standing_(std::move(standing)), layout_(cursor_.columns) {
    from_ = standing_.cursor;
    for (size_t i = 0; i < standing_.chunks.size(); ++i) {
      if (standing_.chunks[i].run != request_.run) continue;
      replaced_ = i;
      from_ = standing_.chunks[i].from;
      if (i + 1 < standing_.chunks.size()) until_ = standing_.chunks[i].to;
      break;
    }
  }

  Result<void> on_catalog(const std::vector<CatalogColumn>& catalog, TableRequest& request) override {
    std::vector<std::string> names;
    std::vector<bool> nullable;
    Kind kind = Kind::other;
    const CatalogColumn* first = nullptr;
    for (const std::string& name : cursor_.columns) {
      TRY_ASSIGN(const CatalogColumn* const column, catalog_column(catalog, name, "mode: cursor"));
      if (names.empty()) kind = kind_of(column->type), first = column;
      names.push_back(quote_identifier(column->name, request_.dialect));
      nullable.push_back(column->is_nullable);
    }
    if (kind == Kind::other)
      return Error{
          ErrorKind::invalid,
          fmt::format("mode: cursor: by: `{}` is neither a time, nor a day, nor a whole number", cursor_.columns[0])};
    TRY(check_key(catalog));
    std::vector<std::string> conditions;
    Value values = Value::map();
    TRY(check_position(from_));
    if (!from_.is_null()) conditions.push_back(beyond(names, nullable, from_, ">", "mode_from", values));
    if (!until_.is_null()) {
      conditions.push_back(beyond(names, nullable, until_, "<", "mode_to", values));
    } else {
      if (kind == Kind::time) TRY(check_zone(*first));
      TRY(add_lag(kind, names[0], nullable[0], conditions, values));
    }
    if (conditions.empty()) return {};
    return add_condition(request, "(" + join(conditions, " and ") + ")", values);
  }

  Layout& layout() override { return layout_; }

  std::string plan() const override {
    std::string text = fmt::format("mode cursor: rows past ({}) = {}", join(cursor_.columns, ", "),
                                   from_.is_null() ? "the beginning" : to_json(from_));
    if (replaced_) text += ", which this run has read before: its rows are replaced";
    if (!until_.is_null()) text += ", up to " + to_json(until_) + ", where the next run's begin";
    if (standing_.has_state || standing_.certificate.empty()) return text;
    return text + "; the target holds a result of mode full, which they replace";
  }

  Result<Growth> grow(CopyResult& copied, const std::string& try_id) override {
    Certificate& certificate = copied.certificate;
    Chunk chunk;
    chunk.run = request_.run;
    chunk.from = from_;
    chunk.to = until_;
    if (until_.is_null()) chunk.to = certificate.rows > 0 ? layout_.greatest() : from_;
    chunk.rows = certificate.rows;
    if (certificate.row_sum) chunk.row_sum = std::to_string(*certificate.row_sum);
    chunk.certificate = certificate.id;
    chunk.made_at = certificate.made_at;
    for (size_t i = 0; i < copied.files.size(); ++i) chunk.files.push_back(grown_name(i, try_id));

    Growth growth;
    growth.based_on = standing_.certificate;
    std::vector<Chunk> stay = standing_.chunks;
    if (replaced_) stay.erase(stay.begin() + static_cast<std::ptrdiff_t>(*replaced_));
    TRY_ASSIGN(growth.keeps, files_of(standing_, stay));
    if (certificate.rows == 0 && !growth.keeps.empty()) {
      copied.files.clear();
      certificate.files.clear();
    }
    // A run without rows has added nothing that a rerun of it could replace, unless others follow.
    if (certificate.rows > 0 || !until_.is_null()) {
      if (certificate.rows == 0) chunk.files.clear();
      stay.insert(replaced_ ? stay.begin() + static_cast<std::ptrdiff_t>(*replaced_) : stay.end(), chunk);
    }
    Value list = Value::list(), key = Value::list();
    for (const Chunk& one : stay) list.push_back(to_value(one));
    for (size_t i = 1; i < cursor_.columns.size(); ++i) key.push_back(cursor_.columns[i]);
    growth.state = Value(Value::Map{{"mode", "cursor"},
                                    {"by", cursor_.columns[0]},
                                    {"key", std::move(key)},
                                    {"cursor", until_.is_null() ? chunk.to : standing_.cursor},
                                    {"chunks", std::move(list)}});
    certificate.increment =
        Value(Value::Map{{"mode", "cursor"},
                         {"by", cursor_.columns[0]},
                         {"from", chunk.from},
                         {"to", chunk.to},
                         {"lag", lag_text_},
                         {"not_seen", "deleted rows; rows committed later than `lag` after what they have in `" +
                                          cursor_.columns[0] + "`; changes that leave it as it was" +
                                          (is_key_proven_ ? ""
                                                          : "; rows that have the same place as one that was read: no "
                                                            "primary key says that there are none")}});
    return growth;
  }

 private:
  // A row that comes later with the same place as one that was read would never be past the cursor.
  Result<void> check_key(const std::vector<CatalogColumn>& catalog) {
    std::vector<std::string> key;
    bool is_covered = true;
    for (const CatalogColumn& column : catalog) {
      if (!column.is_key) continue;
      key.push_back(column.name);
      is_covered = is_covered && std::ranges::any_of(cursor_.columns, [&](const std::string& name) {
                     return lower_ascii(name) == lower_ascii(column.name);
                   });
    }
    is_key_proven_ = !key.empty() && is_covered;
    if (is_key_proven_ || (key.empty() && cursor_.columns.size() > 1)) return {};
    return Error{ErrorKind::invalid,
                 fmt::format("mode: cursor: rows may have the same ({}), and one that comes later would be lost; say a "
                             "`key`, a column or a list of columns that tells them apart{}",
                             join(cursor_.columns, ", "),
                             key.empty() ? "" : fmt::format(": the primary key is ({})", join(key, ", ")))};
  }

  // `lag` is counted back from now, and what is now on the clock that the column's times were read from?
  Result<void> check_zone(const CatalogColumn& column) const {
    const std::string type = lower_ascii(column.type);
    const bool has_zone = request_.dialect == SqlDialect::mysql
                              ? type.starts_with("timestamp")
                              : type.find("with time zone") != type.npos || type.starts_with("timestamptz");
    const bool is_zero =
        cursor_.lag.is_string() && parse_duration(cursor_.lag.as_string()).value_or(Duration(1)) == Duration(0);
    if (has_zone || is_zero || !request_.timezone.empty()) return {};
    return Error{
        ErrorKind::invalid,
        fmt::format("mode: cursor: `{}` ({}) has no zone, and {} is counted back from now: say which zone its "
                    "times are meant in, for example `timezone: Asia/Seoul`; or `lag: 0s`, if no row is ever "
                    "committed after one with a later time was read",
                    column.name, column.type, cursor_.lag.is_null() ? "`lag`, 5m unless said otherwise," : "`lag`")};
  }

  Result<void> check_position(const Value& position) const {
    if (position.is_null() || (position.is_list() && position.size() == cursor_.columns.size())) return {};
    return Error{ErrorKind::data, "the manifest's cursor is not as we write it"};
  }

  // (a, b) > (x, y) so that an index can be used, and the same with <, then with the end itself. NULLs are asked for:
  // the layout refuses them.
  static std::string beyond(const std::vector<std::string>& names, const std::vector<bool>& nullable,
                            const Value& position, const std::string& sign, const std::string& prefix, Value& values) {
    std::string sql;
    for (size_t i = names.size(); i-- > 0;) {
      const std::string parameter = fmt::format("{}_{}", prefix, i);
      values.set(parameter, position.as_list()[i]);
      const bool is_last = i + 1 == names.size();
      std::string here = fmt::format("{} {}{} :{}", names[i], sign, is_last && sign == "<" ? "=" : "", parameter);
      if (!is_last) here += fmt::format(" or ({} = :{} and {})", names[i], parameter, sql);
      if (nullable[i]) here += fmt::format(" or {} is null", names[i]);
      sql = "(" + here + ")";
    }
    if (nullable[0] || names.size() == 1) return sql;
    return fmt::format("{} {}= :{}_0 and {}", names[0], sign, prefix, sql);
  }

  Result<void> add_lag(Kind kind, const std::string& name, bool is_nullable, std::vector<std::string>& conditions,
                       Value& values) {
    const std::string or_null = is_nullable ? fmt::format(" or {} is null", name) : "";
    if (kind == Kind::time) {
      Duration lag = lag_of_times;
      if (!cursor_.lag.is_null()) {
        auto parsed = cursor_.lag.is_string()
                          ? parse_duration(cursor_.lag.as_string())
                          : Result<Duration>(Error{ErrorKind::invalid, "expected a duration such as 5m"});
        if (!parsed) return parsed.error().within("mode: cursor: lag");
        lag = *parsed;
      }
      lag_text_ = format_duration(lag);
      if (lag == Duration(0)) return {};
      conditions.push_back(fmt::format("({} < :mode_until{})", name, or_null));
      values.set("mode_until", format_time(request_.now - lag));
      return {};
    }
    if (cursor_.lag.is_null()) {
      lag_text_ = "0";
      return {};
    }
    if (kind != Kind::whole || !cursor_.lag.is_int() || cursor_.lag.as_int() < 0)
      return Error{
          ErrorKind::invalid,
          "mode: cursor: lag: a duration where the cursor goes by a time, a number where it goes by whole numbers"};
    lag_text_ = std::to_string(cursor_.lag.as_int());
    TRY_ASSIGN(const TableName table, parse_table_name(request_.table, request_.dialect));
    const std::string from = (table.schema.empty() ? "" : quote_identifier(table.schema, request_.dialect) + ".") +
                             quote_identifier(table.table, request_.dialect);
    conditions.push_back(
        fmt::format("({0} <= (select max({0}) from {1}) - {2}{3})", name, from, cursor_.lag.as_int(), or_null));
    return {};
  }

  IncrementRequest request_;
  Cursor cursor_;
  Standing standing_;
  bool is_key_proven_ = false;
  CursorLayout layout_;
  std::optional<size_t> replaced_;  // of the standing chunks
  Value from_, until_;              // positions; null: from the beginning, without end
  std::string lag_text_;
};

}  // namespace

Result<std::unique_ptr<Increment>> make_cursor_increment(const IncrementRequest& request, Standing standing) {
  TRY_ASSIGN(Cursor cursor, parse_cursor(request.mode.get("cursor")));
  if (standing.has_state) {
    Value key = Value::list();
    for (size_t i = 1; i < cursor.columns.size(); ++i) key.push_back(cursor.columns[i]);
    const bool is_same =
        standing.mode == ModeKind::cursor && standing.by == Value(cursor.columns[0]) && standing.key == key;
    if (!is_same)
      return Error{
          ErrorKind::invalid,
          fmt::format("mode: the target holds a result by {} `{}`{}, and not by a cursor over ({}); name another "
                      "folder in `to`, or begin anew with one run of `mode: full`",
                      standing.mode == ModeKind::window ? "windows of" : "a cursor over",
                      standing.by.is_string() ? standing.by.as_string() : "",
                      standing.key.size() > 0 ? " with key " + to_json(standing.key) : "", join(cursor.columns, ", "))};
  }
  return std::unique_ptr<Increment>(std::make_unique<CursorIncrement>(request, std::move(cursor), std::move(standing)));
}

}  // namespace udon::data
