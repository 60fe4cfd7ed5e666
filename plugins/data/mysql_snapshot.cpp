#include "plugins/data/mysql_snapshot.h"

#include <algorithm>

#include "plugins/data/mysql_catalog.h"
#include "plugins/data/mysql_pause.h"

namespace udon::data {
namespace {

// Writers of the table queue behind a lock that waits: it must not wait for long.
constexpr int lock_wait_seconds = 3;

class Opening {
 public:
  Opening(const Connection& connection, const TableName& table, std::stop_token stop)
      : connection_(connection),
        stop_(std::move(stop)),
        quoted_(quote_identifier(table.schema, SqlDialect::mysql) + "." +
                quote_identifier(table.table, SqlDialect::mysql)) {
    options_.program = "udon export " + table.schema + "." + table.table;
  }

  Result<MysqlSnapshot> run(int readers) {
    TRY(add_session());
    std::string why_one;
    if (readers > 1) {
      TRY_ASSIGN(why_one, open_several(readers));
      if (why_one.empty()) return std::move(snapshot_);
    }
    MysqlSession& session = *snapshot_.sessions[0];
    MysqlPosition position;
    TRY(position.before_snapshot(session));
    TRY(session.execute(begin_));
    TRY_ASSIGN(snapshot_.position, position.after_snapshot(session));
    snapshot_.mechanism = "one reader, START TRANSACTION WITH CONSISTENT SNAPSHOT, REPEATABLE READ";
    if (!why_one.empty()) snapshot_.mechanism += " (not several: " + why_one + ")";
    return std::move(snapshot_);
  }

 private:
  Result<void> add_session() {
    TRY_ASSIGN(auto session, MysqlSession::connect(connection_, options_, stop_));
    TRY(prepare_mysql_session(*session));
    snapshot_.sessions.push_back(std::move(session));
    return {};
  }

  // Why it cannot be; empty: they are open.
  Result<std::string> open_several(int readers) {
    MysqlSession& first = *snapshot_.sessions[0];
    // As Aurora's readers have it: a lock there says nothing of what the writer's pages become.
    TRY_ASSIGN(const MysqlTable read_only, first.query("select @@global.innodb_read_only"));
    if (read_only.rows[0][0] == "1") return std::string("the server is an InnoDB reader (innodb_read_only)");
    for (int i = 1; i < readers; ++i) TRY(add_session());
    TRY_ASSIGN(const std::string state_before, state_of(first));
    TRY_ASSIGN(const auto lock, MysqlSession::connect(connection_, options_, stop_));
    TRY(lock->execute("set session lock_wait_timeout = " + std::to_string(lock_wait_seconds)));
    if (const auto locked = lock->execute("lock tables " + quoted_ + " read"); !locked) {
      if (locked.error().kind == ErrorKind::cancelled) return Error(locked.error());
      TRY_ASSIGN(const std::string why_one, open_on_paused_replica());
      if (why_one.empty()) {
        TRY_ASSIGN(const std::string state, state_of(first));
        if (state == state_before) snapshot_.state = state;
        return why_one;
      }
      snapshot_.sessions.resize(1);
      return "LOCK TABLES … READ: " + locked.error().message + "; " + why_one;
    }
    MysqlPosition position;
    TRY(position.before_snapshot(first));
    TRY(open_snapshots());
    TRY_ASSIGN(snapshot_.position, position.after_snapshot(first));
    TRY_ASSIGN(const std::string state, state_of(first));
    if (state == state_before) snapshot_.state = state;
    for (size_t i = 1; i < snapshot_.sessions.size() && first.is_mariadb(); ++i) {
      TRY_ASSIGN(const std::string other, position.after_snapshot(*snapshot_.sessions[i]));
      // The lock holds for this table; others may have been written to between the snapshots.
      if (other == snapshot_.position || snapshot_.position.empty()) continue;
      snapshot_.position += ", of the first reader; other tables were written to while the others opened theirs";
      break;
    }
    TRY(lock->execute("unlock tables"));
    snapshot_.mechanism = std::to_string(readers) +
                          " readers, one snapshot: LOCK TABLES … READ while each opened its own with START TRANSACTION "
                          "WITH CONSISTENT SNAPSHOT, REPEATABLE READ";
    return std::string();
  }

  // How far InnoDB's log goes, to which every change of its tables is written, whoever makes it. Empty: not told.
  static Result<std::string> state_of(MysqlSession& session) {
    TRY_ASSIGN(const MysqlTable log, session.query("show global status where variable_name in ('Innodb_lsn_current', "
                                                   "'Innodb_redo_log_current_lsn')"));
    if (log.rows.empty()) return std::string();
    TRY_ASSIGN(const MysqlTable server, session.query("select @@hostname, @@port, @@server_id"));
    std::string state = "server";
    for (const auto& part : server.rows[0]) state += " " + part.value_or("");
    return state + ", InnoDB's log at " + log.rows[0][1].value_or("");
  }

  Result<void> open_snapshots() {
    for (const auto& session : snapshot_.sessions) {
      TRY(session->execute(begin_));
      // From now on the table keeps its form until the session's transaction ends.
      TRY(session->query("select 1 from " + quoted_ + " limit 1"));
    }
    return {};
  }

  // Why it cannot be; empty: they are open.
  Result<std::string> open_on_paused_replica() {
    MysqlSession& first = *snapshot_.sessions[0];
    TRY_ASSIGN(const MysqlPause before, look_at_mysql_pause(first));
    if (before.position.empty()) return before.why_not;
    TRY(open_snapshots());
    TRY_ASSIGN(const MysqlPause after, look_at_mysql_pause(first));
    if (after.position != before.position) {
      // One snapshot is not more than these; the caller opens its own.
      for (const auto& session : snapshot_.sessions) TRY(session->execute("rollback"));
      return "the replica stood still before the snapshots were opened, but not after";
    }
    snapshot_.position = "replication stopped at " + before.position;
    snapshot_.mechanism = std::to_string(snapshot_.sessions.size()) +
                          " readers, one snapshot: paused replica, replication stopped at " + before.position +
                          " before and after each opened its own with START TRANSACTION WITH CONSISTENT SNAPSHOT, "
                          "REPEATABLE READ";
    return std::string();
  }

  static constexpr const char* begin_ = "start transaction with consistent snapshot, read only";
  const Connection& connection_;
  const std::stop_token stop_;
  const std::string quoted_;
  MysqlOptions options_;
  MysqlSnapshot snapshot_;
};

}  // namespace

Result<MysqlSnapshot> open_mysql_snapshot(const Connection& connection, const TableName& table, int readers,
                                          std::stop_token stop) {
  return Opening(connection, table, std::move(stop)).run(readers);
}

}  // namespace udon::data
