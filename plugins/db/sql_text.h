#pragma once
// SQL as text, for every database: identifiers quoted, `:name` parameters turned into the server's placeholders. Values
// are always bound, never spliced.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace udon {

enum class SqlDialect { mysql, postgresql, sqlite };

// `name` or "name"; quotes inside are doubled. Any script, any character.
std::string quote_identifier(std::string_view name, SqlDialect dialect);

// "orders", "shop.orders", "`weird.schema`.`or``ders`" (or with double quotes). One part: the table; two: schema,
// table.
struct TableName {
  std::string schema;  // empty: the connection's
  std::string table;
  bool operator==(const TableName&) const = default;
};
Result<TableName> parse_table_name(std::string_view text, SqlDialect dialect);

// "a >= :from and b < :to" → "a >= ? and b < ?" (PostgreSQL: $1, $2; SQLite: ?1, ?2) and the values in that order, one
// for each place (SQLite: each name; PostgreSQL infers a type for each place, and refuses one value for two types).
// Colons in literals, quoted names and comments, casts (::) and assignments (:=) stay. invalid: a name without a value
// (with the nearest name), a value without a place.
struct BoundSql {
  std::string sql;
  std::vector<Value> values;
  struct Place {
    size_t offset, length;  // of the placeholder in sql
    size_t value;           // which of values
    // The name that stands beside it, as in `name >= :x`, `name between :x and :y`, `name in (:x, :y)`, `:x < name`;
    // empty if there is none, as in `date(name) = :x`.
    std::string compared_with;
  };
  std::vector<Place> places;
  std::vector<std::string>
      words;  // identifiers that the text mentions, unquoted, as written: to tell which columns it touches
};
Result<BoundSql> bind_parameters(std::string_view sql, const Value& parameters, SqlDialect dialect);
// The statements of a text, which a `;` separates: without it, and without those that hold only white space and
// comments. invalid: a literal, name or comment that has no end.
Result<std::vector<std::string>> split_statements(std::string_view sql, SqlDialect dialect);
// The `:name` parameters of a text, each once, in order.
Result<std::vector<std::string>> parameter_names(std::string_view sql, SqlDialect dialect);
// The words of a text outside literals, comments and quoted names, in lower case, in order: what tells kinds of
// statements apart. Parentheses are words of their own.
Result<std::vector<std::string>> words_of(std::string_view sql, SqlDialect dialect);

// For statements that take no bound values (COPY): each placeholder replaced by the literal of its value, which the
// caller has had quoted by the database's own library.
std::string with_literals(const BoundSql& bound, const std::vector<std::string>& literals);

}  // namespace udon
