#include "plugins/tables/table_list.h"

#include <map>

#include "base/text.h"
#include "plugins/db/mysql/session.h"
#include "plugins/db/postgres/session.h"
#include "plugins/db/sql_text.h"

namespace udon {
namespace {

// Plain names need no quotes; all others get them, so that a dot in a name is not taken for two names.
std::string as_parameter(const std::string& name, SqlDialect dialect) {
  const bool is_plain = !name.empty() && name.find_first_of("`\". \t\r\n") == std::string::npos && trim(name) == name;
  return is_plain ? name : quote_identifier(name, dialect);
}

using Row = std::vector<std::optional<std::string>>;

// Tables by their rows of (schema, table, is view, is readable, column, type), and of (schema, table, column) for keys.
std::vector<ListedTable> assemble(const std::vector<Row>& columns, const std::vector<Row>& keys,
                                  const std::string& own_schema, SqlDialect dialect) {
  std::vector<ListedTable> tables;
  std::map<std::pair<std::string, std::string>, size_t> places;
  for (const Row& row : columns) {
    const std::string schema = row[0].value_or(""), name = row[1].value_or("");
    const auto [place, is_new] = places.emplace(std::pair(schema, name), tables.size());
    if (is_new) {
      ListedTable& table = tables.emplace_back();
      table.schema = schema;
      table.name = name;
      table.table = (schema == own_schema ? "" : as_parameter(schema, dialect) + ".") + as_parameter(name, dialect);
      table.is_view = row[2] == "1";
      table.is_readable = row[3] == "1";
    }
    if (row[4]) tables[place->second].columns.push_back({*row[4], row[5].value_or("")});
  }
  for (const Row& row : keys)
    if (const auto place = places.find({row[0].value_or(""), row[1].value_or("")}); place != places.end())
      tables[place->second].key.push_back(row[2].value_or(""));
  return tables;
}

}  // namespace

Result<std::vector<ListedTable>> list_mysql_tables(const Connection& connection, bool with_views,
                                                   std::stop_token stop) {
  TRY_ASSIGN(const auto session, MysqlSession::connect(connection, {.program = "udon tables"}, std::move(stop)));
  TRY(session->execute("set session sql_mode = '', group_concat_max_len = 1000000"));
  const std::string where = connection.schema.empty()
                                ? " not in ('information_schema', 'mysql', 'performance_schema', 'sys')"
                                : " = " + session->literal(connection.schema);
  TRY_ASSIGN(
      const MysqlTable columns,
      session->query("select t.table_schema, t.table_name, t.table_type like '%VIEW' as is_view, 1 as is_readable, "
                     "c.column_name, c.column_type from information_schema.tables t join information_schema.columns c "
                     "on c.table_schema = t.table_schema and c.table_name = t.table_name and binary c.table_name = "
                     "binary t.table_name "
                     "where t.table_schema" +
                     where + " and t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED'" + (with_views ? ", 'VIEW'" : "") +
                     ") order by t.table_schema, t.table_name, binary t.table_name, c.ordinal_position"));
  TRY_ASSIGN(const MysqlTable keys,
             session->query("select table_schema, table_name, column_name from information_schema.statistics where "
                            "index_name = 'PRIMARY' and table_schema" +
                            where + " order by table_schema, table_name, seq_in_index"));
  return assemble(columns.rows, keys.rows, connection.schema, SqlDialect::mysql);
}

Result<std::vector<ListedTable>> list_postgres_tables(const Connection& connection, bool with_views,
                                                      std::stop_token stop) {
  TRY_ASSIGN(const auto session, PostgresSession::connect(connection, {.program = "udon tables"}, std::move(stop)));
  const std::string which = std::string(" c.relkind in ('r', 'p', 'f'") + (with_views ? ", 'v', 'm'" : "") +
                            ") and not c.relispartition and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'";
  TRY_ASSIGN(
      const PostgresTable columns,
      session->query("select n.nspname, c.relname, (c.relkind in ('v', 'm'))::int, "
                     "(pg_catalog.has_schema_privilege(n.oid, 'USAGE') and (pg_catalog.has_table_privilege(c.oid, "
                     "'SELECT') or pg_catalog.has_any_column_privilege(c.oid, 'SELECT')))::int, a.attname, "
                     "pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_class c join "
                     "pg_catalog.pg_namespace n on n.oid = c.relnamespace left join pg_catalog.pg_attribute a on "
                     "a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped where" +
                     which + " order by n.nspname collate \"C\", c.relname collate \"C\", a.attnum"));
  TRY_ASSIGN(const PostgresTable keys,
             session->query("select n.nspname, c.relname, a.attname from pg_catalog.pg_class c join "
                            "pg_catalog.pg_namespace n on n.oid = c.relnamespace join pg_catalog.pg_index i on "
                            "i.indrelid = c.oid and i.indisprimary join "
                            "pg_catalog.unnest(i.indkey::pg_catalog.int2[]) with ordinality as k(attnum, n) on true "
                            "join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum where" +
                            which + " order by n.nspname, c.relname, k.n"));
  return assemble(columns.rows, keys.rows, "", SqlDialect::postgresql);
}

}  // namespace udon
