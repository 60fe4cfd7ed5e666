#include "plugins/data/postgres_split.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "plugins/db/sql_text.h"

namespace udon::data {
namespace {

constexpr int tid_range_scan_since = 140'000;  // PostgreSQL 14
constexpr uint32_t oid_int8 = 20, oid_int2 = 21, oid_int4 = 23, oid_date = 1082, oid_timestamp = 1114,
                   oid_timestamptz = 1184;

// A column whose values are numbers in effect, which can be cut in the middle without being looked at.
struct Numbered {
  std::string number;  // with {} for the value: its number
  std::string value;   // with {} for the number: the value
  bool has_infinity = false;
};

std::optional<Numbered> numbered(const PostgresCatalogColumn& column) {
  switch (column.type) {
    case oid_int2:
    case oid_int4:
    case oid_int8: return Numbered{"{}", "({})::pg_catalog.int8", false};
    case oid_date: return Numbered{"({} - date '1970-01-01')", "(date '1970-01-01' + ({})::pg_catalog.int4)", true};
    // In seconds: a cut needs not be finer, and no fraction is rounded on the way.
    case oid_timestamp:
      return Numbered{"pg_catalog.floor(extract(epoch from {}))::pg_catalog.int8",
                      "(timestamp '1970-01-01' + pg_catalog.make_interval(secs => {}))", true};
    case oid_timestamptz:
      return Numbered{"pg_catalog.floor(extract(epoch from {}))::pg_catalog.int8", "pg_catalog.to_timestamp({})", true};
    default: return std::nullopt;
  }
}

class PostgresSplit {
 public:
  PostgresSplit(PostgresSession& session, const PostgresRelation& relation,
                const std::vector<PostgresCatalogColumn>& catalog, size_t ranges, const std::string& where)
      : session_(session), relation_(relation), catalog_(catalog), ranges_(ranges), where_(where) {}

  // Blocks hold about equally many rows, whatever their keys; a range of them is read without an index.
  Result<Ranges> by_blocks() {
    TRY_ASSIGN(const PostgresTable size, session_.query("select pg_catalog.pg_relation_size($1::pg_catalog.oid) / "
                                                        "pg_catalog.current_setting('block_size')::pg_catalog.int8",
                                                        {{relation_.oid}}));
    const auto blocks = parse_int128(size.rows[0][0].value_or(""));
    if (!blocks || *blocks < 2) return Ranges{{""}, "the table is too small to split"};
    const Int128 count = std::min<Int128>(static_cast<Int128>(ranges_), *blocks);
    const auto cut = [&](size_t i) {
      return fmt::format("'({},0)'::pg_catalog.tid", to_string(*blocks * static_cast<Int128>(i + 1) / count));
    };
    return ranges_of(conditions_of(
                         static_cast<size_t>(count) - 1, [&](size_t i) { return "ctid < " + cut(i); },
                         [&](size_t i) { return "ctid >= " + cut(i); }, ""),
                     "blocks");
  }

  Result<Ranges> by(const std::vector<std::string>& names) {
    std::vector<const PostgresCatalogColumn*> columns;
    for (const std::string& name : names) {
      TRY_ASSIGN(const PostgresCatalogColumn* column, find(name));
      columns.push_back(column);
    }
    TRY(check_index(names.front()));
    if (const auto column = columns.size() == 1 ? numbered(*columns[0]) : std::nullopt)
      return by_number(quoted(names[0]), *column, columns[0]->is_nullable);
    return by_values(columns);
  }

 private:
  static std::string quoted(const std::string& name) { return quote_identifier(name, SqlDialect::postgresql); }

  Result<const PostgresCatalogColumn*> find(const std::string& name) const {
    std::vector<std::string> known;
    for (const PostgresCatalogColumn& column : catalog_) {
      if (column.name == name) return &column;
      known.push_back(column.name);
    }
    return Error{ErrorKind::not_found,
                 fmt::format("split: there is no column `{}`{}", name, did_you_mean(name, known))};
  }

  Result<void> check_index(const std::string& name) {
    if (relation_.kind == 'v' || relation_.kind == 'f') return {};
    TRY_ASSIGN(const PostgresTable index,
               session_.query("select 1 from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = "
                              "i.indrelid and a.attnum = i.indkey[0] where i.indrelid = $1::pg_catalog.oid and "
                              "i.indisvalid and a.attname = $2 limit 1",
                              {{relation_.oid}, {name}}));
    if (!index.rows.empty()) return {};
    return Error{
        ErrorKind::invalid,
        fmt::format("split: no index begins with `{}`, so each reader would have to go through the whole table; "
                    "name the columns of an index, or leave `by` out",
                    name)};
  }

  std::string where(const std::string& more) const {
    if (where_.empty() && more.empty()) return {};
    return " where " + (where_.empty() ? "" : "(" + where_ + "\n)") + (where_.empty() || more.empty() ? "" : " and ") +
           more;
  }

  Result<Ranges> by_number(const std::string& name, const Numbered& column, bool is_nullable) {
    TRY_ASSIGN(const PostgresTable ends,
               session_.query(fmt::format("select {}, {} from {}{}", filled(column.number, "min(" + name + ")"),
                                          filled(column.number, "max(" + name + ")"), relation_.from,
                                          where(column.has_infinity ? "isfinite(" + name + ")" : ""))));
    const auto least = parse_int128(ends.rows[0][0].value_or(""));
    const auto greatest = parse_int128(ends.rows[0][1].value_or(""));
    if (!least || !greatest) return Ranges{{""}, "there are no rows to split"};
    TRY_ASSIGN(const std::vector<Int128> cuts,
               cut_numbers(*least, *greatest, ranges_, [&](Int128 begin, Int128 end) -> Result<double> {
                 TRY_ASSIGN(const std::string first, value(column, begin));
                 TRY_ASSIGN(const std::string last, value(column, end - 1));
                 return rows_between(name, first, last);
               }));
    std::vector<std::string> values;
    for (const Int128 cut : cuts) {
      TRY_ASSIGN(values.emplace_back(), value(column, cut));
    }
    return ranges_of(conditions_of(
                         values.size(), [&](size_t i) { return name + " < " + values[i]; },
                         [&](size_t i) { return name + " >= " + values[i]; }, is_nullable ? name + " is null" : ""),
                     name);
  }

  // As a literal, so that each range's condition says the same whatever its session is set to.
  Result<std::string> value(const Numbered& column, Int128 number) {
    if (!column.has_infinity) return filled(column.value, to_string(number));
    TRY_ASSIGN(const PostgresTable text,
               session_.query("select pg_catalog.quote_literal(" + filled(column.value, to_string(number)) +
                              ") || '::' || pg_catalog.pg_typeof(" + filled(column.value, to_string(number)) + ")"));
    return text.rows[0][0].value_or("");
  }

  // The planner's guess by its statistics: no rows are read.
  Result<double> rows_between(const std::string& name, const std::string& first, const std::string& last) {
    TRY_ASSIGN(const PostgresTable plan,
               session_.query(fmt::format("explain (format json) select 1 from {} where {} >= {} and {} <= {}",
                                          relation_.from, name, first, name, last)));
    const auto json = parse_json(plan.rows.empty() ? "" : plan.rows[0][0].value_or(""));
    if (!json || !json->is_list() || json->size() == 0) return 0.0;
    const Value rows = json->as_list()[0].get("Plan").get("Plan Rows");
    return rows.is_number() ? rows.as_double() : 0.0;
  }

  // Each cut is the value so many rows behind the one before, by the server's own order.
  Result<Ranges> by_values(const std::vector<const PostgresCatalogColumn*>& columns) {
    std::vector<std::string> names, fetched;
    for (const PostgresCatalogColumn* column : columns) {
      if (columns.size() > 1 && column->is_nullable)
        return Error{
            ErrorKind::unsupported,
            fmt::format("split: `{}` may be NULL; of several columns none may be, as in a primary key", column->name)};
      names.push_back(quoted(column->name));
      // quote_literal gives what the server itself reads as the same value, in every session.
      fetched.push_back(fmt::format("pg_catalog.quote_literal({}::pg_catalog.text) || '::{}'", names.back(),
                                    without_quote(column->type_text)));
    }
    TRY_ASSIGN(const PostgresTable count,
               session_.query(fmt::format("select count(*) from {}{}", relation_.from, where(""))));
    const auto rows = parse_int128(count.rows[0][0].value_or(""));
    const Int128 step = rows.value_or(0) / static_cast<Int128>(ranges_);
    if (step == 0) return Ranges{{""}, "there are too few rows to split"};

    const bool may_be_null = columns.size() == 1 && columns[0]->is_nullable;
    const std::string tuple = names.size() == 1 ? names[0] : "(" + join(names, ", ") + ")";
    std::vector<std::string> cuts;
    while (cuts.size() + 1 < ranges_) {
      const std::string behind =
          !cuts.empty() ? tuple + " > " + cuts.back() : (may_be_null ? names[0] + " is not null" : "");
      TRY_ASSIGN(const PostgresTable next,
                 session_.query(fmt::format("select {} from {}{} order by {} limit 1 offset {}", join(fetched, ", "),
                                            relation_.from, where(behind), join(names, ", "), to_string(step))));
      if (next.rows.empty()) break;
      std::vector<std::string> cut;
      for (const auto& text : next.rows[0]) cut.push_back(text.value_or("null"));
      cuts.push_back(names.size() == 1 ? cut[0] : "(" + join(cut, ", ") + ")");
    }
    return ranges_of(conditions_of(
                         cuts.size(), [&](size_t i) { return tuple + " < " + cuts[i]; },
                         [&](size_t i) { return tuple + " >= " + cuts[i]; }, may_be_null ? names[0] + " is null" : ""),
                     join(names, ", "));
  }

  // The name of a type stands inside a literal there.
  static std::string without_quote(const std::string& type) {
    std::string doubled;
    for (const char c : type) doubled += c == '\'' ? "''" : std::string(1, c);
    return doubled;
  }

  PostgresSession& session_;
  const PostgresRelation& relation_;
  const std::vector<PostgresCatalogColumn>& catalog_;
  const size_t ranges_;
  const std::string where_;
};

}  // namespace

Result<Ranges> split_postgres_table(PostgresSession& session, const PostgresRelation& relation,
                                    const std::vector<PostgresCatalogColumn>& catalog, const SplitRequest& split,
                                    const std::string& where) {
  if (split.into < 2) return Ranges{{""}, ""};
  PostgresSplit splitting(session, relation, catalog, static_cast<size_t>(split.into) * ranges_per_reader, where);
  if (!split.by.empty()) return splitting.by(split.by);
  const bool has_blocks = relation.kind == 'r' || relation.kind == 'm';
  if (has_blocks && session.server_version() >= tid_range_scan_since) return splitting.by_blocks();
  if (!relation.key.empty()) return splitting.by(relation.key);
  return Ranges{{""},
                has_blocks ? "before PostgreSQL 14 a table without a primary key is split only by columns named in `by`"
                           : "it has no blocks of its own and no primary key: name columns to split by in `by`"};
}

}  // namespace udon::data
