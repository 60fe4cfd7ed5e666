#include "plugins/data/mysql_catalog.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/text.h"

namespace udon::data {
namespace {

int64_t number_of(const std::optional<std::string>& text, int64_t otherwise) {
  int64_t value = otherwise;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

std::string dotted(const TableName& name) { return name.schema + "." + name.table; }

// All `a`.`b` in the text of a view as the server keeps it: each table it reads stands there as `schema`.`table`. Pairs
// that are no tables (`alias`.`column`) are asked for in vain.
std::vector<TableName> pairs_in(std::string_view definition) {
  std::vector<TableName> pairs;
  std::vector<std::string> parts;
  for (size_t i = 0; i < definition.size();) {
    if (definition[i] != '`') {
      if (definition[i] != '.') parts.clear();
      ++i;
      continue;
    }
    std::string name;
    for (++i; i < definition.size(); ++i) {
      if (definition[i] == '`' && (i + 1 >= definition.size() || definition[i + 1] != '`')) break;
      if (definition[i] == '`') ++i;
      name += definition[i];
    }
    ++i;
    parts.push_back(std::move(name));
    if (parts.size() >= 2) pairs.push_back({parts[parts.size() - 2], parts.back()});
  }
  return pairs;
}

struct Found {
  bool exists = false;
  std::string type;  // BASE TABLE, VIEW, …
  std::string engine;
};

Result<Found> find(MysqlSession& session, const TableName& name) {
  TRY_ASSIGN(const MysqlTable rows,
             session.query("select table_type, engine from information_schema.tables where table_schema = " +
                           session.literal(name.schema) + " and table_name = " + session.literal(name.table)));
  if (rows.rows.empty()) return Found{};
  return Found{true, rows.rows[0][0].value_or(""), rows.rows[0][1].value_or("")};
}

// Collects the tables below a view that are not of InnoDB.
Result<void> look_below(MysqlSession& session, const TableName& view, std::set<std::string>& seen,
                        std::vector<std::string>& others) {
  if (!seen.insert(dotted(view)).second) return {};
  TRY_ASSIGN(const MysqlTable rows,
             session.query("select view_definition from information_schema.views where table_schema = " +
                           session.literal(view.schema) + " and table_name = " + session.literal(view.table)));
  const std::string definition = rows.rows.empty() ? "" : rows.rows[0][0].value_or("");
  if (definition.empty())
    return Error{
        ErrorKind::denied,
        "view " + dotted(view) + ": the tables below it cannot be seen, so it is not known whether they have " +
            "snapshots; GRANT SHOW VIEW ON " + quote_identifier(view.schema, SqlDialect::mysql) + "." +
            quote_identifier(view.table, SqlDialect::mysql) + " TO the connection's user, or say `consistency: none`"};
  for (const TableName& name : pairs_in(definition)) {
    TRY_ASSIGN(const Found found, find(session, name));
    if (!found.exists) continue;
    if (found.type == "VIEW") {
      TRY(look_below(session, name, seen, others));
    } else if (lower_ascii(found.engine) != "innodb" && seen.insert(dotted(name)).second) {
      others.push_back(dotted(name) + " (" + found.engine + ")");
    }
  }
  return {};
}

Result<Error> missing_table(MysqlSession& session, const TableName& name) {
  const std::string quoted =
      quote_identifier(name.schema, SqlDialect::mysql) + "." + quote_identifier(name.table, SqlDialect::mysql);
  // The catalog hides what we may not see; the server's own refusal says which of both it is.
  auto refused = session.query("select 1 from " + quoted + " limit 0");
  if (!refused && refused.error().kind != ErrorKind::not_found) return Error(refused.error());
  TRY_ASSIGN(const MysqlTable rows,
             session.query("select table_name from information_schema.tables where table_schema = " +
                           session.literal(name.schema) + " limit 10000"));
  std::vector<std::string> names;
  for (const auto& row : rows.rows) names.push_back(row[0].value_or(""));
  return Error{ErrorKind::not_found, session.address() + ": there is no table " + dotted(name) +
                                         did_you_mean(name.table, names) +
                                         "; it is not there, or the user may not SELECT from it"};
}

Result<std::vector<MysqlCatalogColumn>> read_columns(MysqlSession& session, const TableName& name) {
  TRY_ASSIGN(const MysqlTable rows,
             session.query("select column_name, data_type, column_type, character_set_name, character_octet_length, "
                           "numeric_precision, numeric_scale, is_nullable, extra from information_schema.columns "
                           "where table_schema = " +
                           session.literal(name.schema) + " and table_name = " + session.literal(name.table) +
                           " order by ordinal_position"));
  std::vector<MysqlCatalogColumn> columns;
  for (const auto& row : rows.rows) {
    MysqlCatalogColumn& column = columns.emplace_back();
    column.name = row[0].value_or("");
    column.data_type = lower_ascii(row[1].value_or(""));
    column.column_type = row[2].value_or("");
    column.charset = row[3].value_or("");
    column.octets_max = number_of(row[4], -1);
    column.precision = static_cast<int>(number_of(row[5], 0));
    column.scale = static_cast<int>(number_of(row[6], 0));
    column.is_nullable = row[7].value_or("YES") != "NO";
    column.is_invisible = row[8].value_or("").find("INVISIBLE") != std::string::npos;
  }
  return columns;
}

}  // namespace

Result<void> prepare_mysql_session(MysqlSession& session) {
  TRY(session.execute("set session time_zone = '+00:00', sql_mode = '', " + std::string(patient_server)));
  // Under READ COMMITTED the next WITH CONSISTENT SNAPSHOT would be ignored without a word.
  TRY(session.execute("set session transaction isolation level repeatable read"));
  return {};
}

Result<MysqlTableFacts> read_mysql_table_facts(MysqlSession& session, const TableName& table) {
  MysqlTableFacts facts;
  facts.name = table;
  TRY_ASSIGN(const Found found, find(session, facts.name));
  if (!found.exists) {
    TRY_ASSIGN(Error error, missing_table(session, facts.name));
    return error;
  }
  facts.is_view = found.type.find("VIEW") != std::string::npos;
  if (facts.is_view) {
    std::set<std::string> seen;
    TRY(look_below(session, facts.name, seen, facts.other_engines));
  } else if (lower_ascii(found.engine) != "innodb") {
    facts.other_engines.push_back(dotted(facts.name) + " (" + (found.engine.empty() ? "no engine" : found.engine) +
                                  ")");
  }
  TRY_ASSIGN(facts.columns, read_columns(session, facts.name));
  TRY_ASSIGN(
      const MysqlTable key,
      session.query("select column_name from information_schema.key_column_usage where table_schema = " +
                    session.literal(facts.name.schema) + " and table_name = " + session.literal(facts.name.table) +
                    " and constraint_name = 'PRIMARY' order by ordinal_position"));
  for (const auto& row : key.rows) facts.key.push_back(row[0].value_or(""));
  return facts;
}

namespace {

// The GTID of that place in the binary log if nothing was written behind it yet, else nothing: BINLOG_GTID_POS would
// tell it always, but reads the log from its start, up to a gigabyte.
Result<std::string> gtid_at(MysqlSession& session, const std::string& file, const std::string& offset) {
  // In this order: the log had not grown past our place when it was asked last, so not when the GTID was read either.
  TRY_ASSIGN(const MysqlTable gtid, session.query("select @@global.gtid_binlog_pos"));
  const auto status = session.query("show master status");
  if (!status || status->rows.empty()) return std::string();  // the right BINLOG MONITOR is missing
  if (status->at(0, "File") != file || status->at(0, "Position") != offset) return std::string();
  return gtid.rows[0][0].value_or("");
}

}  // namespace

Result<void> MysqlPosition::before_snapshot(MysqlSession& session) {
  TRY_ASSIGN(const MysqlTable rows,
             session.query(session.is_mariadb() ? "select @@gtid_slave_pos" : "select @@global.gtid_executed"));
  executed_ = rows.rows[0][0].value_or("");
  return {};
}

Result<std::string> MysqlPosition::after_snapshot(MysqlSession& session) const {
  if (session.is_mariadb()) {
    // MariaDB keeps for us where the binary log stood when the snapshot was made, which is exact.
    TRY_ASSIGN(const MysqlTable status, session.query("show session status like 'binlog_snapshot_%'"));
    std::string file, offset;
    for (const auto& row : status.rows) {
      if (lower_ascii(row[0].value_or("")) == "binlog_snapshot_file") file = row[1].value_or("");
      if (lower_ascii(row[0].value_or("")) == "binlog_snapshot_position") offset = row[1].value_or("");
    }
    if (!file.empty()) {
      TRY_ASSIGN(const std::string gtid, gtid_at(session, file, offset));
      return "binlog " + file + ":" + offset + (gtid.empty() ? "" : ", gtid " + gtid);
    }
  }
  // Without one, what was executed before and after brackets the snapshot.
  MysqlPosition again;
  TRY(again.before_snapshot(session));
  if (again.executed_.empty() || again.executed_ != executed_) return std::string();
  return "gtid " + executed_ + " (before and after the snapshot)";
}

}  // namespace udon::data
