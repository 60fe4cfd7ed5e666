#include "plugins/data/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/text.h"
#include "plugins/data/query_sessions.h"

namespace udon::data {
namespace {

Result<std::vector<std::string>> texts_of(const Value& sql, SqlDialect dialect) {
  std::vector<std::string> texts;
  if (sql.is_string()) {
    auto statements = split_statements(sql.as_string(), dialect);
    if (!statements) return statements.error().within("sql");
    texts = std::move(*statements);
  } else if (sql.is_list()) {
    for (const Value& item : sql.as_list()) {
      if (!item.is_string())
        return Error{ErrorKind::invalid, fmt::format("sql: expected texts, found {}", item.type_name())};
      std::string_view text = trim(item.as_string());
      while (text.ends_with(';')) text = trim(text.substr(0, text.size() - 1));
      if (!text.empty()) texts.emplace_back(text);
    }
  }
  if (texts.empty()) return Error{ErrorKind::invalid, "sql: holds no statement"};
  return texts;
}

bool has_any(const std::vector<std::string>& words, std::initializer_list<std::string_view> of) {
  return std::ranges::any_of(words, [&](const std::string& word) { return std::ranges::find(of, word) != of.end(); });
}

// The first word that is no parenthesis.
std::string verb_of(const std::vector<std::string>& words) {
  const auto verb = std::ranges::find_if(words, [](const std::string& word) { return word != "(" && word != ")"; });
  return verb == words.end() ? std::string() : *verb;
}

std::string format_wall(int64_t wall_us) {
  using namespace std::chrono;
  const sys_time<microseconds> time{microseconds(wall_us)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  std::string text =
      fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", int(date.year()), unsigned(date.month()), unsigned(date.day()),
                  clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (clock.subseconds().count() != 0) text += fmt::format(".{:06}", clock.subseconds().count());
  return text;
}

}  // namespace

Result<std::vector<Statement>> make_statements(const Value& sql, const Value& parameters, SqlDialect dialect) {
  TRY_ASSIGN(std::vector<std::string> texts, texts_of(sql, dialect));
  std::vector<std::string> given, used;
  if (parameters.is_map())
    for (const auto& [name, value] : parameters.as_map()) given.push_back(name);
  std::vector<Statement> statements;
  for (std::string& text : texts) {
    Statement statement{.sql = std::move(text)};
    TRY_ASSIGN(const std::vector<std::string> names, parameter_names(statement.sql, dialect));
    for (const std::string& name : names) {
      const Value* value = parameters.find(name);
      if (value == nullptr)
        return Error{ErrorKind::invalid,
                     fmt::format("sql: `:{}` has no value in `parameters`{}", name, did_you_mean(name, given))};
      statement.parameters.set(name, *value);
      used.push_back(name);
    }
    statements.push_back(std::move(statement));
  }
  for (const std::string& name : given)
    if (std::ranges::find(used, name) == used.end())
      return Error{ErrorKind::invalid, fmt::format("parameters: `{}` has a value but no place `:{}` in `sql`{}", name,
                                                   name, did_you_mean(name, used))};
  return statements;
}

bool may_give_rows(const Statement& statement, SqlDialect dialect) {
  const auto words = words_of(statement.sql, dialect);
  if (!words) return false;
  const std::string verb = verb_of(*words);
  if (verb == "select") return !has_any(*words, {"outfile", "dumpfile"});
  return has_any({verb}, {"with", "values", "table", "show", "describe", "desc", "explain", "pragma", "call", "fetch",
                          "execute"}) ||
         has_any(*words, {"returning"});
}

bool only_reads(const Statement& statement, SqlDialect dialect) {
  const auto words = words_of(statement.sql, dialect);
  return words &&
         has_any({verb_of(*words)}, {"select", "with", "values", "table", "show", "describe", "desc", "explain"}) &&
         !has_any(*words, {"insert", "update", "delete", "merge", "replace", "into", "analyze"});
}

Result<SqlDialect> dialect_of(const Connection& connection) {
  if (connection.type == "mysql") return SqlDialect::mysql;
  if (connection.type == "postgresql") return SqlDialect::postgresql;
  if (connection.type == "sqlite") return SqlDialect::sqlite;
  return Error{ErrorKind::invalid,
               fmt::format("connection `{}` is of type {}; expected mysql (MariaDB too), postgresql or sqlite",
                           connection.id, connection.type)};
}

Result<std::unique_ptr<QuerySession>> open_query_session(const Connection& connection, const QueryOptions& options,
                                                         std::stop_token stop) {
  TRY_ASSIGN(const SqlDialect dialect, dialect_of(connection));
  switch (dialect) {
    case SqlDialect::mysql: return open_mysql_queries(connection, options, std::move(stop));
    case SqlDialect::postgresql: return open_postgres_queries(connection, options, std::move(stop));
    case SqlDialect::sqlite: return open_sqlite_queries(connection, options, std::move(stop));
  }
  return Error{ErrorKind::invalid, "no such database"};
}

Result<std::optional<WallClock>> clock_of(const std::string& timezone) {
  if (timezone.empty()) return std::optional<WallClock>();
  TRY_ASSIGN(WallClock clock, WallClock::of_zone(timezone));
  return std::optional(std::move(clock));
}

Result<BoundSql> bind_as_wall_clock(const Statement& statement, SqlDialect dialect, const std::string& timezone) {
  constexpr size_t plain_date = 10;
  TRY_ASSIGN(BoundSql bound, bind_parameters(statement.sql, statement.parameters, dialect));
  TRY_ASSIGN(const std::optional<WallClock> clock, clock_of(timezone));
  for (Value& value : bound.values) {
    if (!value.is_string() || value.as_string().size() <= plain_date) continue;
    const auto instant = parse_time(value.as_string());
    if (!instant) continue;
    if (!clock)
      return Error{
          ErrorKind::invalid,
          fmt::format("parameters: {} is an instant, and the database would drop its offset; say which zone the "
                      "columns that it is compared with are meant in, for example `timezone: Asia/Seoul` (of "
                      "MySQL's TIMESTAMP: UTC)",
                      value.as_string())};
    value = Value(format_wall(clock->to_wall(instant->time_since_epoch().count())));
  }
  return bound;
}

Result<void> check_distinct(const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i)
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i))
      return Error{ErrorKind::invalid,
                   fmt::format("sql: two columns of the answer are called `{}`; name one of them with AS", names[i])};
  return {};
}

std::string place_of(const ColumnInfo& column, uint64_t row) {
  return fmt::format("column `{}` ({}), row {} of the answer", column.request.name, column.source_type, row);
}

Error value_too_large(const ColumnInfo& column, uint64_t row, const TableRequest& request, int64_t bytes) {
  return Error{ErrorKind::data, fmt::format("{}: a value of {} bytes, more than the {} that one may have here; {}, or "
                                            "leave the column out",
                                            place_of(column, row), bytes, request.value_bytes_max,
                                            memory_advice(request.memory, bytes))};
}

Error row_too_large(uint64_t row, const TableRequest& request, int64_t bytes) {
  return Error{ErrorKind::data, fmt::format("row {} of the answer: its values have {} bytes together, more than the {} "
                                            "that they may have here; {}, or leave columns out",
                                            row, bytes, request.row_bytes_max, memory_advice(request.memory, bytes))};
}

}  // namespace udon::data
