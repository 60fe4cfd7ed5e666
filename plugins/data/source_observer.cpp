#include "plugins/data/source_observer.h"

#include "plugins/db/lag/mysql_lag.h"
#include "plugins/db/lag/postgres_lag.h"
#include "plugins/db/mysql/session.h"
#include "plugins/db/postgres/session.h"

namespace udon::data {
namespace {

// A server that takes longer is asked again: the figures would be old.
constexpr std::chrono::seconds answer_timeout{5};
constexpr const char* program = "udon watch";

LagQuestion question_of(const SourceBounds& bounds, const Connection& connection) {
  return {.behind_at_most = *bounds.max_lag, .heartbeat_table = connection.option("heartbeat_table")};
}

bool is_over(const Lag& lag, const SourceBounds& bounds) { return !lag.behind || *lag.behind > *bounds.max_lag; }

// Asks in a session that stays, until an answer fails.
template <class Session>
class SessionObserver : public SourceObserver {
 public:
  Result<SourceLook> look(const SourceBounds& bounds, const std::stop_token& stop) final {
    if (!session_) {
      TRY_ASSIGN(session_, connect(stop));
    }
    auto seen = ask(bounds);
    if (!seen) session_.reset();
    return seen;
  }

 protected:
  explicit SessionObserver(Connection connection) : connection_(std::move(connection)) {}
  virtual Result<std::unique_ptr<Session>> connect(const std::stop_token& stop) = 0;
  virtual Result<SourceLook> ask(const SourceBounds& bounds) = 0;

  const Connection connection_;
  std::unique_ptr<Session> session_;
};

class MysqlObserver final : public SessionObserver<MysqlSession> {
 public:
  MysqlObserver(Connection connection, const Clock& clock) : SessionObserver(std::move(connection)), clock_(clock) {}

 private:
  Result<std::unique_ptr<MysqlSession>> connect(const std::stop_token& stop) override {
    const MysqlOptions options{.connect_timeout = answer_timeout, .answer_timeout = answer_timeout, .program = program};
    return MysqlSession::connect(connection_, options, stop);
  }

  Result<SourceLook> ask(const SourceBounds& bounds) override {
    SourceLook look;
    if (bounds.max_threads_running) {
      TRY_ASSIGN(const MysqlTable status, session_->query("show global status like 'Threads_running'"));
      const auto all = status.rows.empty() ? std::nullopt : number_in(status.rows[0][1]);
      if (!all) return Error{ErrorKind::unsupported, session_->address() + " does not tell Threads_running"};
      look.threads_running = *all - 1;
    }
    if (bounds.max_lag) {
      TRY_ASSIGN(look.lag, measure_mysql_lag(*session_, nullptr, question_of(bounds, connection_), last_heard_,
                                             clock_.monotonic()));
      if (is_over(*look.lag, bounds)) {
        // Without the PROCESS right only our own threads are seen, and none of these is among them.
        TRY_ASSIGN(const MysqlTable waits,
                   session_->query("select count(*) from information_schema.processlist where user = 'system user' "
                                   "and state like 'Waiting for table%lock'"));
        look.lag_waits_for_readers = number_in(waits.rows[0][0]).value_or(0) > 0;
      }
    }
    if (bounds.max_snapshot_age) {
      // InnoDB writes its times in the system's zone, whatever the session's is.
      const auto oldest = session_->query(
          "select max(timestampdiff(microsecond, trx_started, convert_tz(utc_timestamp(), '+00:00', 'SYSTEM'))) "
          "from information_schema.innodb_trx where trx_mysql_thread_id <> connection_id()");
      if (!oldest && oldest.error().kind == ErrorKind::denied)
        return Error{ErrorKind::denied,
                     "max_snapshot_age: the transactions of others may not be seen: GRANT PROCESS ON "
                     "*.* TO the user of connection " +
                         connection_.id + " (" + oldest.error().message + ")"};
      TRY(oldest);
      look.oldest_snapshot = Duration(std::max<int64_t>(number_in(oldest->rows[0][0]).value_or(0), 0));
    }
    return look;
  }

  const Clock& clock_;
  LastHeard last_heard_;
};

class PostgresObserver final : public SessionObserver<PostgresSession> {
 public:
  explicit PostgresObserver(Connection connection) : SessionObserver(std::move(connection)) {}

 private:
  Result<std::unique_ptr<PostgresSession>> connect(const std::stop_token& stop) override {
    const PostgresOptions options{
        .connect_timeout = answer_timeout, .statement_timeout = answer_timeout, .program = program};
    return PostgresSession::connect(connection_, options, stop);
  }

  Result<SourceLook> ask(const SourceBounds& bounds) override {
    SourceLook look;
    TRY(check_rights(bounds));
    if (bounds.max_threads_running) {
      TRY_ASSIGN(const PostgresTable active,
                 session_->query("select count(*) from pg_catalog.pg_stat_activity where state = 'active' and "
                                 "backend_type = 'client backend' and pid <> pg_catalog.pg_backend_pid()"));
      look.threads_running = number_in(active.rows[0][0]).value_or(0);
    }
    if (bounds.max_lag) {
      TRY_ASSIGN(look.lag, measure_postgres_lag(*session_, nullptr, question_of(bounds, connection_)));
      if (is_over(*look.lag, bounds)) {
        TRY_ASSIGN(const PostgresTable waits,
                   session_->query("select count(*) from pg_catalog.pg_stat_activity where backend_type = 'startup' "
                                   "and (wait_event like 'RecoveryConflict%' or wait_event_type = 'Lock')"));
        look.lag_waits_for_readers = number_in(waits.rows[0][0]).value_or(0) > 0;
      }
    }
    if (bounds.max_snapshot_age) {
      TRY_ASSIGN(const PostgresTable oldest,
                 session_->query("select (extract(epoch from max(pg_catalog.clock_timestamp() - xact_start)) * "
                                 "1e6)::pg_catalog.int8 from pg_catalog.pg_stat_activity where "
                                 "(backend_xmin is not null or backend_xid is not null) and "
                                 "pid <> pg_catalog.pg_backend_pid()"));
      look.oldest_snapshot = Duration(std::max<int64_t>(number_in(oldest.rows[0][0]).value_or(0), 0));
    }
    return look;
  }

  // Without it the sessions of others are there, but without what they do.
  Result<void> check_rights(const SourceBounds& bounds) {
    if (!bounds.max_threads_running && !bounds.max_snapshot_age) return {};
    TRY_ASSIGN(const PostgresTable may,
               session_->query("select pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), "
                               "pg_catalog.quote_ident(current_user)"));
    if (may.rows[0][0] == "t") return {};
    return Error{ErrorKind::denied,
                 std::string(bounds.max_threads_running ? "max_threads_running" : "max_snapshot_age") +
                     ": what the sessions of others do may not be seen: GRANT pg_read_all_stats TO " +
                     may.rows[0][1].value_or("the user")};
  }
};

}  // namespace

std::unique_ptr<SourceObserver> make_source_observer(const Connection& connection, const Clock& clock) {
  if (connection.type == "mysql") return std::make_unique<MysqlObserver>(connection, clock);
  if (connection.type == "postgresql") return std::make_unique<PostgresObserver>(connection);
  return nullptr;
}

}  // namespace udon::data
