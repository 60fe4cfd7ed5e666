#include "plugins/data/mysql_split.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace udon::data {
namespace {

std::string quoted(const std::string& name) { return quote_identifier(name, SqlDialect::mysql); }

bool is_one_of(const std::string& word, std::initializer_list<const char*> words) {
  return std::ranges::any_of(words, [&](const char* one) { return word == one; });
}

// A column whose values are numbers in effect, which can be cut in the middle without being looked at.
struct Numbered {
  std::string name;    // quoted
  const char* number;  // with {} for the value: its number
  const char* value;   // with {} for the number: the value
  const char* finite;  // condition of the values that have a number; may be empty
};

std::optional<Numbered> numbered(const MysqlCatalogColumn& column) {
  const std::string name = quoted(column.name);
  if (is_one_of(column.data_type, {"tinyint", "smallint", "mediumint", "int", "bigint"}))
    return Numbered{name, "{}", "{}", ""};
  if (column.data_type == "date")
    return Numbered{name, "timestampdiff(day, '1970-01-01', {})", "(date'1970-01-01' + interval {} day)",
                    "{} >= '0001-01-01'"};
  if (is_one_of(column.data_type, {"datetime", "timestamp"}))
    return Numbered{name, "timestampdiff(microsecond, '1970-01-01', {})",
                    "(timestamp'1970-01-01 00:00:00' + interval {} microsecond)", "{} >= '0001-01-01'"};
  return std::nullopt;
}

// Any other: the cuts are values of the table, fetched and written so that no conversion changes them.
struct Valued {
  std::string name;     // quoted
  std::string fetched;  // the expression that is selected
  std::string literal;  // with {} for what was fetched
};

std::optional<Valued> valued(const MysqlCatalogColumn& column) {
  const std::string name = quoted(column.name);
  if (is_one_of(column.data_type, {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal"}))
    return Valued{name, name, "{}"};
  if (is_one_of(column.data_type, {"date", "datetime", "timestamp", "time", "year", "uuid", "inet4", "inet6"}))
    return Valued{name, name, "'{}'"};
  if (is_one_of(column.data_type, {"char", "varchar"}) && !column.charset.empty())
    return Valued{name, "hex(" + name + ")", "_" + column.charset + " x'{}'"};
  if (is_one_of(column.data_type, {"binary", "varbinary"})) return Valued{name, "hex(" + name + ")", "x'{}'"};
  return std::nullopt;
}

class MysqlSplit {
 public:
  MysqlSplit(MysqlSession& session, const MysqlTableFacts& facts, size_t ranges, const BoundSql& where)
      : session_(session),
        facts_(facts),
        ranges_(ranges),
        from_(" from " + quoted(facts.name.schema) + "." + quoted(facts.name.table)) {
    std::vector<std::string> literals;
    for (const Value& value : where.values)
      literals.push_back(value.is_string() ? session.literal(value.as_string())
                         : value.is_null() ? "null"
                                           : to_json(value));
    if (!where.sql.empty()) where_ = "(" + with_literals(where, literals) + "\n)";
  }

  Result<Ranges> by(const std::vector<std::string>& names) {
    std::vector<MysqlCatalogColumn> columns;
    for (const std::string& name : names) {
      TRY_ASSIGN(MysqlCatalogColumn column, find(name));
      columns.push_back(std::move(column));
    }
    TRY_ASSIGN(index_, index_on(columns.front()));
    if (const auto column = columns.size() == 1 ? numbered(columns.front()) : std::nullopt)
      return by_number(*column, columns.front().is_nullable);
    return by_values(columns);
  }

 private:
  Result<MysqlCatalogColumn> find(const std::string& name) const {
    std::vector<std::string> known;
    for (const MysqlCatalogColumn& column : facts_.columns) {
      if (lower_ascii(column.name) == lower_ascii(name)) return column;
      known.push_back(column.name);
    }
    return Error{ErrorKind::not_found, "split: there is no column `" + name + "`" + did_you_mean(name, known)};
  }

  // Of those that begin with the column, the primary key first; empty for a view.
  Result<std::string> index_on(const MysqlCatalogColumn& column) {
    if (facts_.is_view) return std::string();
    TRY_ASSIGN(const MysqlTable rows,
               session_.query("select index_name from information_schema.statistics where table_schema = " +
                              session_.literal(facts_.name.schema) +
                              " and table_name = " + session_.literal(facts_.name.table) +
                              " and seq_in_index = 1 and column_name = " + session_.literal(column.name) +
                              " and index_type = 'BTREE' order by index_name <> 'PRIMARY', 1"));
    if (!rows.rows.empty()) return rows.rows[0][0].value_or("");
    return Error{ErrorKind::invalid, "split: no index begins with `" + column.name +
                                         "`, so each reader would have to go through the whole table; name the columns "
                                         "of an index, or leave `by` out: then the primary key is taken"};
  }

  std::string where(const std::string& more) const {
    if (where_.empty() && more.empty()) return {};
    return " where " + where_ + (where_.empty() || more.empty() ? "" : " and ") + more;
  }

  Result<Ranges> by_number(const Numbered& column, bool is_nullable) {
    const std::string finite = filled(column.finite, column.name);
    TRY_ASSIGN(const MysqlTable ends,
               session_.query("select " + filled(column.number, "min(" + column.name + ")") + ", " +
                              filled(column.number, "max(" + column.name + ")") + from_ + where(finite)));
    const auto least = parse_int128(ends.rows[0][0].value_or(""));
    const auto greatest = parse_int128(ends.rows[0][1].value_or(""));
    if (!least || !greatest) return whole("there are no rows to split");
    const auto value = [&](Int128 number) { return filled(column.value, to_string(number)); };
    TRY_ASSIGN(const std::vector<Int128> cuts, cut_numbers(*least, *greatest, ranges_, [&](Int128 begin, Int128 end) {
                 return rows_between(column.name, value(begin), value(end));
               }));
    return ranges_of(conditions_of(
                         cuts.size(), [&](size_t i) { return column.name + " < " + value(cuts[i]); },
                         [&](size_t i) { return column.name + " >= " + value(cuts[i]); },
                         is_nullable ? column.name + " is null" : ""),
                     column.name);
  }

  // The optimizer's guess, from the index itself: two dives, no rows are read. 0 where there is none.
  Result<double> rows_between(const std::string& name, const std::string& begin, const std::string& end) {
    if (index_.empty()) return 0.0;
    TRY_ASSIGN(const MysqlTable plan,
               session_.query("explain select 1" + from_ + " force index (" + quoted(index_) + ") where " + name +
                              " >= " + begin + " and " + name + " < " + end));
    double rows = 0;
    if (plan.rows.empty()) return rows;
    const std::string text = plan.at(0, "rows").value_or("");
    std::from_chars(text.data(), text.data() + text.size(), rows);
    return rows;
  }

  // Each cut is the value so many rows behind the one before, by the server's own order.
  Result<Ranges> by_values(const std::vector<MysqlCatalogColumn>& columns) {
    std::vector<Valued> keys;
    for (const MysqlCatalogColumn& column : columns) {
      const auto key = valued(column);
      if (!key)
        return Error{
            ErrorKind::unsupported,
            "split: `" + column.name + "` is of type " + column.column_type +
                "; a table is split by integers, decimals, dates, times, uuid, char, varchar, binary or varbinary"};
      if (columns.size() > 1 && column.is_nullable)
        return Error{ErrorKind::unsupported,
                     "split: `" + column.name + "` may be NULL; of several columns none may be, as in a primary key"};
      keys.push_back(*key);
    }
    std::string names, fetched;
    for (const Valued& key : keys) {
      names += (names.empty() ? "" : ", ") + key.name;
      fetched += (fetched.empty() ? "" : ", ") + key.fetched;
    }
    TRY_ASSIGN(const MysqlTable count, session_.query("select count(*)" + from_ + where("")));
    const auto rows = parse_int128(count.rows[0][0].value_or(""));
    const Int128 step = rows.value_or(0) / static_cast<Int128>(ranges_);
    if (step == 0) return whole("there are too few rows to split");

    std::vector<std::vector<std::string>> cuts;
    const std::string is_known = keys.size() == 1 ? keys[0].name + " is not null" : "";
    while (cuts.size() + 1 < ranges_) {
      const std::string behind = cuts.empty() ? is_known : beyond(keys, cuts.back(), ">");
      // Rows that equal the last cut are not counted again: a value of many rows makes a large range, never two.
      TRY_ASSIGN(const MysqlTable next, session_.query("select " + fetched + from_ + where(behind) + " order by " +
                                                       names + " limit 1 offset " + to_string(step)));
      if (next.rows.empty()) break;
      std::vector<std::string> cut;
      for (size_t i = 0; i < keys.size(); ++i) cut.push_back(filled(keys[i].literal, next.rows[0][i].value_or("")));
      cuts.push_back(std::move(cut));
    }
    return ranges_of(conditions_of(
                         cuts.size(), [&](size_t i) { return beyond(keys, cuts[i], "<"); },
                         [&](size_t i) { return beyond(keys, cuts[i], ">="); },
                         keys.size() == 1 && columns[0].is_nullable ? keys[0].name + " is null" : ""),
                     names);
  }

  // (a, b) > (x, y) as a > x or a = x and b > y: the server finds no range in the comparison of rows.
  static std::string beyond(const std::vector<Valued>& keys, const std::vector<std::string>& cut,
                            const char* relation) {
    const std::string strict(1, *relation);
    std::string text;
    for (size_t i = 0; i < keys.size(); ++i) {
      std::string term;
      for (size_t before = 0; before < i; ++before) term += keys[before].name + " = " + cut[before] + " and ";
      term += keys[i].name + " " + (i + 1 == keys.size() ? relation : strict) + " " + cut[i];
      text += (text.empty() ? "" : " or ") + (keys.size() == 1 ? term : "(" + term + ")");
    }
    return keys.size() == 1 ? text : "(" + text + ")";
  }

  static Ranges whole(const std::string& why) { return {{""}, why}; }

  MysqlSession& session_;
  const MysqlTableFacts& facts_;
  const size_t ranges_;
  const std::string from_;
  std::string where_;
  std::string index_;
};

}  // namespace

Result<Ranges> split_mysql_table(MysqlSession& session, const MysqlTableFacts& facts, const SplitRequest& split,
                                 const BoundSql& where) {
  if (split.into < 2) return Ranges{{""}, ""};
  const std::vector<std::string>& by = split.by.empty() ? facts.key : split.by;
  if (by.empty()) return Ranges{{""}, "the table has no primary key to split by: name the columns of an index in `by`"};
  // Nobody chose that key: as with a table that has none, one reader does.
  if (split.by.empty())
    for (const MysqlCatalogColumn& column : facts.columns)
      if (std::find(by.begin(), by.end(), column.name) != by.end() && !valued(column))
        return Ranges{{""},
                      "its primary key has `" + column.name + "` of type " + column.column_type +
                          ", which no table is split by: name the columns of an index in `by`"};
  MysqlSplit splitting(session, facts, static_cast<size_t>(split.into) * ranges_per_reader, where);
  return splitting.by(by);
}

}  // namespace udon::data
