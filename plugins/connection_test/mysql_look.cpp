#include <algorithm>

#include "base/text.h"
#include "connections/source_bounds.h"
#include "plugins/connection_test/looks.h"
#include "plugins/connection_test/mysql_grants.h"
#include "plugins/db/mysql/session.h"

namespace udon {
namespace {

// Of a table that is nowhere: LOCK TABLES looks at the rights first, and then has nothing to lock.
constexpr const char* no_such_table = "udon_connection_test_no_such_table";

std::string identifier(const std::string& name) { return quote_identifier(name, SqlDialect::mysql); }

class MysqlLook {
 public:
  MysqlLook(const Connection& connection, const TestQuestion& question, MysqlSession& session)
      : connection_(connection), question_(question), session_(session) {}

  Result<Finding> run(bool may_enter) {
    TRY(look_at_server());
    schema_ = question_.table && !question_.table->schema.empty() ? question_.table->schema : connection_.schema;
    if (question_.table && schema_.empty())
      return Error{ErrorKind::invalid, "table: the connection names no database; write database.table"};
    if (!may_enter && !question_.wants("export"))
      finding_.missing("export", "the connection's database may not be entered: no right is had in it",
                       grant("SELECT", identifier(connection_.schema) + ".*"));
    bool is_there = true;
    if (question_.wants("export")) {
      TRY_ASSIGN(is_there, look_at_select());
    }
    if (question_.wants("split")) TRY(look_at_lock());
    if (question_.wants("position")) TRY(look_at_position());
    if (question_.wants("lag")) TRY(look_at_lag());
    if (question_.wants("archive") && is_there) TRY(look_at_delete());
    TRY(look_at_bounds());
    return std::move(finding_);
  }

 private:
  // Denied is an answer; any other error is the caller's.
  Result<bool> may(const std::string& sql, std::string* said = nullptr) {
    const auto rows = session_.query(sql);
    if (rows) return true;
    if (said != nullptr) *said = rows.error().message;
    if (rows.error().kind == ErrorKind::denied) return false;
    return Error(rows.error());
  }

  Result<bool> is_in_grants(std::string_view right, const std::string& table) {
    TRY_ASSIGN(const MysqlTable rows, session_.query("show grants"));
    std::vector<std::string> lines;
    for (const auto& row : rows.rows) lines.push_back(row[0].value_or(""));
    return mysql_grants_hold(lines, right, schema_, table);
  }

  std::string grant(const std::string& right, const std::string& place) const {
    return "GRANT " + right + " ON " + place + " TO " + user_ + ";";
  }
  std::string place() const { return identifier(schema_) + "." + identifier(question_.table->table); }

  Result<void> look_at_server() {
    TRY_ASSIGN(const MysqlTable server,
               session_.query("select current_user(), @@global.read_only, @@global.innodb_read_only"));
    const std::string who = server.rows[0][0].value_or("");
    const size_t at = std::min(who.rfind('@'), who.size());
    user_ = session_.literal(who.substr(0, at)) + "@" + session_.literal(at < who.size() ? who.substr(at + 1) : "%");
    is_mariadb_ = session_.is_mariadb();
    TRY_ASSIGN(const MysqlTable aurora, session_.query("show variables like 'aurora_version'"));
    const bool is_aurora_reader = server.rows[0][2] == "1";
    finding_.facts =
        Value::Map{{"address", session_.address()},
                   {"server", std::string(is_mariadb_ ? "MariaDB " : "MySQL ") + session_.server_version() +
                                  (aurora.rows.empty() ? "" : ", Aurora " + aurora.rows[0][1].value_or(""))},
                   {"user", who},
                   {"tls", tls_text(session_.is_encrypted(), session_.is_verified())},
                   {"writes", is_aurora_reader           ? "refused: an InnoDB reader (innodb_read_only)"
                              : server.rows[0][1] != "0" ? "refused: read_only is on, as on a replica"
                                                         : "taken: no replica, or one that is not read_only"}};
    return {};
  }

  // Whether there is such a table, as far as the user may know.
  Result<bool> look_at_select() {
    if (!question_.table) {
      const std::string where = schema_.empty()
                                    ? "table_schema not in ('information_schema', 'mysql', 'performance_schema', 'sys')"
                                    : "table_schema = " + session_.literal(schema_);
      TRY_ASSIGN(const MysqlTable count,
                 session_.query("select count(*) from information_schema.tables where " + where));
      const std::string tables = count.rows[0][0].value_or("0");
      TRY_ASSIGN(const bool is_granted, is_in_grants("SELECT", ""));
      if (tables == "0" && is_granted)
        finding_.ok("export", "there are no tables yet; whatever there will be may be read");
      else if (tables == "0")
        finding_.missing("export", "no table can be seen",
                         grant("SELECT", schema_.empty() ? "*.*" : identifier(schema_) + ".*"));
      else
        finding_.ok("export", tables + " tables can be seen; `table` looks at the rights of one");
      return true;
    }
    std::string said;
    const auto all = session_.query("select * from " + place() + " limit 0");
    if (!all && all.error().kind == ErrorKind::not_found) {
      finding_.missing("export", "there is no such table: " + all.error().message, "");
      return false;
    }
    if (!all && all.error().kind != ErrorKind::denied) return Error(all.error());
    if (all) {
      finding_.ok("export", place() + " may be read");
    } else {
      TRY_ASSIGN(
          const MysqlTable columns,
          session_.query("select group_concat(column_name order by ordinal_position separator ', ') from "
                         "information_schema.columns where privileges like '%select%' and table_schema = " +
                         session_.literal(schema_) + " and table_name = " + session_.literal(question_.table->table)));
      const std::string some = columns.rows[0][0].value_or("");
      if (some.empty())
        finding_.missing("export", place() + " may not be read", grant("SELECT", place()));
      else
        finding_.ok("export", "of " + place() + " only these columns may be read: " + some);
    }
    TRY(look_at_view());
    return true;
  }

  // The tables below a view are looked at for whether they have snapshots.
  Result<void> look_at_view() {
    TRY_ASSIGN(
        const MysqlTable view,
        session_.query("select view_definition from information_schema.views where table_schema = " +
                       session_.literal(schema_) + " and table_name = " + session_.literal(question_.table->table)));
    if (view.rows.empty()) return {};
    if (view.rows[0][0].value_or("").empty())
      finding_.missing("export", "it is a view, and what it reads cannot be seen", grant("SHOW VIEW", place()));
    else
      finding_.ok("export", "it is a view, and what it reads can be seen");
    return {};
  }

  Result<void> look_at_lock() {
    if (finding_.facts.text("writes").find("innodb_read_only") != std::string::npos) {
      finding_.unknown("split", "an InnoDB reader takes no locks: one reader reads here");
      return {};
    }
    if (schema_.empty()) {
      finding_.unknown("split", "not looked at: neither the connection nor `table` names a database");
      return {};
    }
    const auto locked = session_.execute("lock tables " + identifier(schema_) + "." + no_such_table + " read");
    if (locked) TRY(session_.execute("unlock tables"));
    const bool is_denied = !locked && locked.error().kind == ErrorKind::denied;
    if (!locked && !is_denied && locked.error().kind != ErrorKind::not_found) return Error(locked.error());
    // Refused on the database: LOCK TABLES itself. Refused on the table: SELECT, which is another check's.
    if (is_denied && locked.error().message.find("to database") != std::string::npos)
      finding_.missing("split", "several readers cannot have one snapshot: LOCK TABLES is refused",
                       grant("LOCK TABLES", identifier(schema_) + ".*"));
    else
      finding_.ok("split", "several readers may open one snapshot (LOCK TABLES)");
    return {};
  }

  Result<void> look_at_position() {
    if (!is_mariadb_) {
      finding_.ok("position", "GTIDs can be read by anybody");
      return {};
    }
    TRY_ASSIGN(const bool is_allowed, may("show master status"));
    if (is_allowed)
      finding_.ok("position", "the binary log's position can be read");
    else
      finding_.missing("position", "certificates would not hold the GTID of the source",
                       grant("BINLOG MONITOR", "*.*"));
    return {};
  }

  Result<void> look_at_lag() {
    TRY_ASSIGN(const bool is_allowed, may(is_mariadb_ ? "show all slaves status" : "show replica status"));
    if (is_allowed)
      finding_.ok("lag", "the state of replication can be read");
    else
      finding_.missing("lag", "the state of replication may not be read",
                       grant(is_mariadb_ ? "SLAVE MONITOR" : "REPLICATION CLIENT", "*.*"));
    return {};
  }

  // What it takes to keep to the bounds that the connection's options set.
  Result<void> look_at_bounds() {
    TRY_ASSIGN(const SourceBounds bounds, parse_source_bounds(connection_));
    if (!bounds.any()) return {};
    const size_t before = finding_.checks.size();
    if (bounds.max_lag) {
      TRY_ASSIGN(const bool is_allowed, may(is_mariadb_ ? "show all slaves status" : "show replica status"));
      if (!is_allowed)
        finding_.missing("bounds", "max_lag: the state of replication may not be read",
                         grant(is_mariadb_ ? "SLAVE MONITOR" : "REPLICATION CLIENT", "*.*"));
    }
    if (bounds.max_snapshot_age) {
      TRY_ASSIGN(const bool is_allowed, may("select count(*) from information_schema.innodb_trx"));
      if (!is_allowed)
        finding_.missing("bounds", "max_snapshot_age: the transactions of others may not be seen",
                         grant("PROCESS", "*.*"));
    }
    if (finding_.checks.size() == before) finding_.ok("bounds", "what they need to know can be read");
    return {};
  }

  Result<void> look_at_delete() {
    if (!question_.table) {
      finding_.unknown("archive", "not looked at: say `table`");
      return {};
    }
    if (finding_.facts.text("writes").starts_with("refused"))
      finding_.missing("archive", "this server takes no writes: rows are deleted on the primary", "");
    // Planned, not run.
    TRY_ASSIGN(const bool may_delete, may("explain delete from " + place() + " where false"));
    TRY_ASSIGN(const bool may_see_triggers, is_in_grants("TRIGGER", question_.table->table));
    if (!may_delete)
      finding_.missing("archive", "rows of " + place() + " may not be deleted", grant("DELETE", place()));
    else
      finding_.ok("archive", "rows of " + place() + " may be deleted");
    if (!may_see_triggers)
      finding_.missing("archive", "triggers of " + place() + ", which deleting rows would fire, cannot be seen",
                       grant("TRIGGER", place()));
    else
      finding_.ok("archive", "its triggers can be seen");
    return {};
  }

  const Connection& connection_;
  const TestQuestion& question_;
  MysqlSession& session_;
  Finding finding_;
  std::string user_, schema_;
  bool is_mariadb_ = false;
};

}  // namespace

Result<Finding> look_at_mysql(const Connection& connection, const TestQuestion& question, std::stop_token stop) {
  TRY(check_features(question, connection.type, {"export", "split", "position", "lag", "archive"}));
  const MysqlOptions options{.answer_timeout = std::chrono::seconds(30), .program = "udon connections test"};
  auto session = MysqlSession::connect(connection, options, stop);
  bool may_enter = true;
  if (!session && session.error().kind == ErrorKind::denied && !connection.schema.empty()) {
    // Who has no right in a database may not enter it: that is a right to be named, where the password is good.
    Connection outside = connection;
    outside.schema.clear();
    auto again = MysqlSession::connect(outside, options, stop);
    if (!again) return session.error();
    session = std::move(again);
    may_enter = false;
  }
  if (!session) return session.error();
  return MysqlLook(connection, question, **session).run(may_enter);
}

}  // namespace udon
