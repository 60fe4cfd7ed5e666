#include "plugins/archive/table_facts.h"

#include <fmt/format.h>

#include "base/text.h"
#include "plugins/data/mysql_catalog.h"
#include "plugins/db/mysql/session.h"
#include "plugins/db/postgres/session.h"
#include "plugins/db/sql_text.h"

namespace udon {
namespace {

Error unsupported(const std::string& table, const std::string& why) {
  return {ErrorKind::unsupported, fmt::format("table {}: {}", table, why)};
}

Result<void> judge(const std::string& table, const ArchiveFacts& facts, const std::vector<std::string>& dependents,
                   const std::vector<std::string>& triggers, bool with_triggers) {
  if (facts.key.empty())
    return unsupported(table, "it has no primary key, by which its rows could be deleted one by one");
  if (!dependents.empty())
    return unsupported(table,
                       fmt::format("deleting its rows would delete or change rows of {} by a foreign key, and those "
                                   "are in no archive; archive them first, and let the foreign key RESTRICT",
                                   join(dependents, ", ")));
  if (!triggers.empty() && !with_triggers)
    return unsupported(table, fmt::format("trigger {} would run for each deleted row; if that is meant, say "
                                          "`with_triggers: true`",
                                          join(triggers, ", ")));
  return {};
}

template <class Table>
std::vector<std::string> first_column(const Table& table) {
  std::vector<std::string> texts;
  for (const auto& row : table.rows) texts.push_back(row[0].value_or(""));
  return texts;
}

Result<ArchiveFacts> mysql_facts(const Connection& connection, const std::string& table, bool with_triggers,
                                 std::stop_token stop) {
  TRY_ASSIGN(const auto session, MysqlSession::connect(connection, {.program = "udon archive"}, std::move(stop)));
  TRY_ASSIGN(TableName name, parse_table_name(table, SqlDialect::mysql));
  if (name.schema.empty()) name.schema = connection.schema;
  TRY_ASSIGN(const data::MysqlTableFacts found, data::read_mysql_table_facts(*session, name));
  if (found.is_view) return unsupported(table, "it is a view");
  if (!found.other_engines.empty())
    return unsupported(table, fmt::format("{} has no transactions", join(found.other_engines, ", ")));
  ArchiveFacts facts{.columns = {}, .key = found.key};
  for (const auto& column : found.columns) facts.columns.push_back(column.name);
  const std::string schema = session->literal(name.schema), own = session->literal(name.table);
  TRY_ASSIGN(const MysqlTable dependents,
             session->query("select concat(constraint_schema, '.', table_name, ' (', constraint_name, ')') from "
                            "information_schema.referential_constraints where unique_constraint_schema = " +
                            schema + " and referenced_table_name = " + own +
                            " and delete_rule not in ('RESTRICT', 'NO ACTION')"));
  TRY_ASSIGN(const MysqlTable triggers,
             session->query("select trigger_name from information_schema.triggers where event_object_schema = " +
                            schema + " and event_object_table = " + own + " and event_manipulation = 'DELETE'"));
  TRY(judge(table, facts, first_column(dependents), first_column(triggers), with_triggers));
  return facts;
}

Result<ArchiveFacts> postgres_facts(const Connection& connection, const std::string& table, bool with_triggers,
                                    std::stop_token stop) {
  TRY_ASSIGN(const auto session, PostgresSession::connect(connection, {.program = "udon archive"}, std::move(stop)));
  TRY_ASSIGN(const TableName name, parse_table_name(table, SqlDialect::postgresql));
  const std::string quoted = (name.schema.empty() ? "" : quote_identifier(name.schema, SqlDialect::postgresql) + ".") +
                             quote_identifier(name.table, SqlDialect::postgresql);
  TRY_ASSIGN(const PostgresTable relation,
             session->query("select c.oid, c.relkind, (select count(*) from pg_catalog.pg_rewrite r where r.ev_class = "
                            "c.oid and r.ev_type = '4') from pg_catalog.pg_class c where c.oid = $1::regclass",
                            {quoted}));
  if (relation.rows.empty()) return Error{ErrorKind::not_found, session->address() + ": there is no table " + table};
  const std::string kind = relation.rows[0][1].value_or("");
  if (kind != "r" && kind != "p") return unsupported(table, "it is no table that rows can be deleted from");
  if (relation.rows[0][2] != "0") return unsupported(table, "a rule rewrites DELETE on it");
  if (kind == "r") {
    TRY_ASSIGN(const PostgresTable heirs,
               session->query("select inhrelid::regclass::text from pg_catalog.pg_inherits where "
                              "inhparent = $1::oid",
                              {relation.rows[0][0]}));
    if (!heirs.rows.empty())
      return unsupported(table,
                         fmt::format("{} inherits from it, and its rows are read with ours; archive table by table, "
                                     "or partition it",
                                     heirs.rows[0][0].value_or("")));
  }
  const std::vector<std::optional<std::string>> oid{relation.rows[0][0]};
  TRY_ASSIGN(
      const PostgresTable columns,
      session->query("select attname from pg_catalog.pg_attribute where attrelid = $1::oid and attnum > 0 and not "
                     "attisdropped order by attnum",
                     oid));
  TRY_ASSIGN(
      const PostgresTable key,
      session->query("select a.attname from pg_catalog.pg_index i join "
                     "pg_catalog.unnest(i.indkey::pg_catalog.int2[]) with ordinality as k(attnum, n) on true join "
                     "pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where "
                     "i.indrelid = $1::oid and i.indisprimary order by k.n",
                     oid));
  TRY_ASSIGN(const PostgresTable dependents,
             session->query("select conrelid::regclass::text || ' (' || conname || ')' from pg_catalog.pg_constraint "
                            "where contype = 'f' and confrelid = $1::oid and confdeltype in ('c', 'n', 'd') and "
                            "conparentid = 0",
                            oid));
  // Of it and of its partitions; DELETE is bit 3 of tgtype.
  TRY_ASSIGN(
      const PostgresTable triggers,
      session->query("select distinct tgname from pg_catalog.pg_trigger where (tgrelid = $1::oid or tgrelid in "
                     "(select relid from pg_catalog.pg_partition_tree($1::oid::regclass))) and not tgisinternal and "
                     "tgtype & 8 <> 0 and tgenabled <> 'D'",
                     oid));
  const ArchiveFacts facts{.columns = first_column(columns), .key = first_column(key)};
  TRY(judge(table, facts, first_column(dependents), first_column(triggers), with_triggers));
  return facts;
}

}  // namespace

Result<ArchiveFacts> archive_facts(const Connection& connection, const std::string& table, bool with_triggers,
                                   std::stop_token stop) {
  return connection.type == "mysql" ? mysql_facts(connection, table, with_triggers, std::move(stop))
                                    : postgres_facts(connection, table, with_triggers, std::move(stop));
}

}  // namespace udon
