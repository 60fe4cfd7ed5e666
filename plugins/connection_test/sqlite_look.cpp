#include "plugins/connection_test/looks.h"
#include "plugins/db/sqlite/session.h"
#include "plugins/db/sqlite/statement.h"

namespace udon {

Result<Finding> look_at_sqlite(const Connection& connection, const TestQuestion& question, std::stop_token stop) {
  TRY(check_features(question, connection.type, {"export"}));
  Finding finding;
  // Never made by a look: `rwc` would.
  Connection as_it_is = connection;
  if (as_it_is.option("mode") == "rwc") as_it_is.extra.set("mode", "rw");
  TRY_ASSIGN(const auto session, SqliteSession::open(as_it_is, {.busy_timeout = std::chrono::seconds(5)}, stop));
  TRY_ASSIGN(const auto version, SqliteStatement::prepare(*session,
                                                          "select sqlite_version(), count(*) from "
                                                          "sqlite_master where type in ('table', 'view')"));
  TRY_ASSIGN(const bool has_row, version->next());
  if (!has_row) return Error{ErrorKind::data, session->path() + ": no answer"};
  finding.facts = Value::Map{{"address", session->path()}, {"server", "SQLite " + std::string(version->bytes(0))}};
  const std::string tables = std::to_string(version->integer(1));
  if (!question.wants("export")) return finding;
  if (!question.table) {
    finding.ok("export", tables + " tables can be read");
    return finding;
  }
  const auto table = SqliteStatement::prepare(
      *session, "select * from " + quote_identifier(question.table->table, SqlDialect::sqlite) + " limit 0");
  if (table)
    finding.ok("export", question.table->table + " may be read");
  else
    finding.missing("export", table.error().message, "");
  return finding;
}

}  // namespace udon
