#include "base/text.h"
#include "connections/source_bounds.h"
#include "plugins/connection_test/looks.h"
#include "plugins/db/postgres/session.h"

namespace udon {
namespace {

std::string identifier(const std::string& name) { return quote_identifier(name, SqlDialect::postgresql); }

class PostgresLook {
 public:
  PostgresLook(const Connection& connection, const TestQuestion& question, PostgresSession& session)
      : connection_(connection), question_(question), session_(session) {}

  Result<Finding> run() {
    TRY(look_at_server());
    if (question_.table) {
      TRY_ASSIGN(const bool is_there, find_table());
      if (is_there && question_.wants("export")) TRY(look_at_select());
      if (is_there && question_.wants("archive")) TRY(look_at_delete());
    } else {
      if (question_.wants("export")) TRY(look_at_all());
      if (question_.wants("archive")) finding_.unknown("archive", "not looked at: say `table`");
    }
    if (question_.wants("split"))
      finding_.ok("split", "several readers share an exported snapshot, which takes no right");
    if (question_.wants("position")) finding_.ok("position", "the WAL position can be read by anybody");
    if (question_.wants("lag")) TRY(look_at_lag());
    TRY(look_at_bounds());
    return std::move(finding_);
  }

 private:
  std::string grant(const std::string& right) const { return "GRANT " + right + " TO " + user_ + ";"; }

  Result<void> look_at_server() {
    TRY_ASSIGN(const PostgresTable server,
               session_.query("select pg_catalog.current_setting('server_version'), current_user, "
                              "pg_catalog.quote_ident(current_user), pg_catalog.pg_is_in_recovery(), "
                              "pg_catalog.current_setting('default_transaction_read_only')"));
    const auto& row = server.rows[0];
    user_ = row[2].value_or("");
    is_replica_ = row[3] == "t";
    finding_.facts = Value::Map{{"address", session_.address()},
                                {"server", "PostgreSQL " + row[0].value_or("")},
                                {"user", row[1].value_or("")},
                                {"tls", tls_text(session_.is_encrypted(), session_.is_verified())},
                                {"writes", is_replica_      ? "refused: a replica (in recovery)"
                                           : row[4] == "on" ? "refused: default_transaction_read_only is on"
                                                            : "taken: no replica"}};
    return {};
  }

  Result<bool> find_table() {
    TRY_ASSIGN(const PostgresTable found,
               session_.query("select c.oid, n.nspname, pg_catalog.has_schema_privilege(n.oid, 'USAGE') from "
                              "pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where "
                              "c.relname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f') and ($2 = '' or n.nspname = "
                              "$2) and ($2 <> '' or n.nspname = any(pg_catalog.current_schemas(true)) or n.nspname = "
                              "'public') order by pg_catalog.array_position(pg_catalog.current_schemas(true), "
                              "n.nspname) limit 1",
                              {question_.table->table, question_.table->schema}));
    if (found.rows.empty()) {
      finding_.missing("export", "there is no table " + shown_name(), "");
      return false;
    }
    oid_ = found.rows[0][0].value_or("");
    const std::string schema = found.rows[0][1].value_or("");
    place_ = identifier(schema) + "." + identifier(question_.table->table);
    if (found.rows[0][2] != "t")
      finding_.missing("export", "schema " + identifier(schema) + " may not be used",
                       grant("USAGE ON SCHEMA " + identifier(schema)));
    return true;
  }

  std::string shown_name() const {
    return (question_.table->schema.empty() ? "" : question_.table->schema + ".") + question_.table->table +
           (question_.table->schema.empty() ? " in the search path" : "") + " in this database";
  }

  Result<void> look_at_select() {
    TRY_ASSIGN(const PostgresTable rights,
               session_.query("select pg_catalog.has_table_privilege($1::pg_catalog.oid, 'SELECT'), "
                              "(select pg_catalog.string_agg(attname, ', ' order by attnum) from "
                              "pg_catalog.pg_attribute where attrelid = $1::pg_catalog.oid and attnum > 0 and not "
                              "attisdropped and pg_catalog.has_column_privilege(attrelid, attnum, 'SELECT')), "
                              "pg_catalog.row_security_active($1::pg_catalog.oid)",
                              {oid_}));
    const auto& row = rights.rows[0];
    if (row[0] == "t")
      finding_.ok("export", place_ + " may be read");
    else if (row[1])
      finding_.ok("export", "of " + place_ + " only these columns may be read: " + *row[1]);
    else
      finding_.missing("export", place_ + " may not be read", grant("SELECT ON " + place_));
    if (row[2] == "t")
      finding_.missing("export", "row security shows this user only some of its rows",
                       "ALTER ROLE " + user_ + " BYPASSRLS;");
    return {};
  }

  Result<void> look_at_all() {
    TRY_ASSIGN(const PostgresTable counts,
               session_.query("select pg_catalog.count(*), pg_catalog.count(*) filter (where "
                              "pg_catalog.has_schema_privilege(n.oid, 'USAGE') and (pg_catalog.has_table_privilege("
                              "c.oid, 'SELECT') or pg_catalog.has_any_column_privilege(c.oid, 'SELECT'))) from "
                              "pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where "
                              "c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and n.nspname <> "
                              "'information_schema' and n.nspname !~ '^pg_'"));
    const std::string all = counts.rows[0][0].value_or("0"), readable = counts.rows[0][1].value_or("0");
    if (readable == "0" && all != "0")
      finding_.missing("export", "none of " + all + " tables may be read",
                       grant("USAGE ON SCHEMA public") + " " + grant("SELECT ON ALL TABLES IN SCHEMA public"));
    else
      finding_.ok("export", readable + " of " + all + " tables may be read; `table` looks at one");
    return {};
  }

  Result<void> look_at_lag() {
    TRY_ASSIGN(const PostgresTable has, session_.query("select pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')"));
    if (has.rows[0][0] == "t")
      finding_.ok("lag", is_replica_ ? "the WAL receiver's state can be read"
                                     : "the WAL receiver's state could be read, were this a replica");
    else
      finding_.missing("lag", "the WAL receiver's state may not be read", grant("pg_read_all_stats"));
    return {};
  }

  // What it takes to keep to the bounds that the connection's options set.
  Result<void> look_at_bounds() {
    TRY_ASSIGN(const SourceBounds bounds, parse_source_bounds(connection_));
    if (!bounds.any()) return {};
    TRY_ASSIGN(const PostgresTable has, session_.query("select pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')"));
    if (has.rows[0][0] == "t" || (!bounds.max_lag && !bounds.max_threads_running && !bounds.max_snapshot_age))
      finding_.ok("bounds", "what they need to know can be read");
    else
      finding_.missing("bounds", "what the sessions of others do may not be seen", grant("pg_read_all_stats"));
    return {};
  }

  Result<void> look_at_delete() {
    if (finding_.facts.text("writes").starts_with("refused"))
      finding_.missing("archive", "this server takes no writes: rows are deleted on the primary", "");
    for (const char* right : {"SELECT", "DELETE"}) {
      TRY_ASSIGN(const PostgresTable has,
                 session_.query("select pg_catalog.has_table_privilege($1::pg_catalog.oid, $2)", {oid_, right}));
      if (has.rows[0][0] == "t")
        finding_.ok("archive", place_ + ": " + right + " is allowed");
      else
        finding_.missing("archive", place_ + ": " + right + " is refused", grant(std::string(right) + " ON " + place_));
    }
    return {};
  }

  const Connection& connection_;
  const TestQuestion& question_;
  PostgresSession& session_;
  Finding finding_;
  std::string user_, oid_, place_;
  bool is_replica_ = false;
};

}  // namespace

Result<Finding> look_at_postgres(const Connection& connection, const TestQuestion& question, std::stop_token stop) {
  TRY(check_features(question, connection.type, {"export", "split", "position", "lag", "archive"}));
  TRY_ASSIGN(
      const auto session,
      PostgresSession::connect(
          connection, {.statement_timeout = std::chrono::seconds(30), .program = "udon connections test"}, stop));
  return PostgresLook(connection, question, *session).run();
}

}  // namespace udon
