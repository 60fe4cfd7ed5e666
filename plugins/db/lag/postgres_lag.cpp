#include "plugins/db/lag/postgres_lag.h"

#include <algorithm>

#include "plugins/db/sql_text.h"

namespace udon {
namespace {

Result<PostgresReplica> look_at(PostgresSession& session) {
  TRY_ASSIGN(
      const PostgresTable state,
      session.query("select pg_is_in_recovery() as recovering, "
                    "case when pg_is_in_recovery() then pg_is_wal_replay_paused() end as paused, "
                    "pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn() as all_replayed, "
                    "(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1e6)::bigint as age"));
  TRY_ASSIGN(
      const PostgresTable receiver,
      session.query("select status, (extract(epoch from clock_timestamp() - last_msg_receipt_time) * 1e6)::bigint as "
                    "age from pg_stat_wal_receiver"));
  PostgresReplica replica;
  replica.is_recovering = state.at(0, "recovering") == "t";
  replica.is_paused = state.at(0, "paused") == "t";
  replica.is_all_replayed = state.at(0, "all_replayed") == "t";
  replica.replay_age_us = number_in(state.at(0, "age"));
  replica.has_receiver = !receiver.rows.empty();
  if (replica.has_receiver) {
    replica.status = receiver.at(0, "status");
    replica.heard_age_us = number_in(receiver.at(0, "age"));
  }
  return replica;
}

Result<Lag> heartbeat_lag(PostgresSession& replica, const std::string& table_text, const std::string& user) {
  TRY_ASSIGN(const TableName table, parse_table_name(table_text, SqlDialect::postgresql));
  const std::string quoted =
      (table.schema.empty() ? "" : quote_identifier(table.schema, SqlDialect::postgresql) + ".") +
      quote_identifier(table.table, SqlDialect::postgresql);
  auto rows = replica.query(
      "select (extract(epoch from clock_timestamp() - max(ts)::timestamptz) * 1e6)::bigint from " + quoted);
  if (!rows) {
    if (rows.error().kind == ErrorKind::denied)
      return Lag::unknown("the heartbeat table may not be read: GRANT SELECT ON " + quoted + " TO " + user,
                          ErrorKind::denied);
    if (rows.error().kind == ErrorKind::not_found)
      return Lag::unknown("heartbeat table " + table_text + ": " + rows.error().message, ErrorKind::invalid);
    return Error(rows.error());
  }
  return lag_of_heartbeat(rows->rows.empty() ? std::nullopt : number_in(rows->rows[0][0]), table_text);
}

struct PrimaryAt {
  std::string position;
  std::string problem;  // why there is none
};

Result<PrimaryAt> ask_primary(PostgresSession& primary, PostgresSession& replica) {
  const std::string whose = "select system_identifier from pg_control_system()";
  TRY_ASSIGN(const PostgresTable at,
             primary.query("select case when not pg_is_in_recovery() then pg_current_wal_lsn() end as position, (" +
                           whose + ") as cluster"));
  TRY_ASSIGN(const PostgresTable ours, replica.query(whose));
  if (at.at(0, "cluster") != ours.rows[0][0])
    return PrimaryAt{
        "", "primary_connection (" + primary.address() + ") is another cluster's, not what the replica follows"};
  if (!at.at(0, "position")) return PrimaryAt{"", "primary_connection (" + primary.address() + ") is itself a replica"};
  return PrimaryAt{*at.at(0, "position"), ""};
}

// Waits on the server, in small steps, for the replica to get to the position.
Result<bool> reaches(PostgresSession& replica, const std::string& position, Duration wait) {
  constexpr Duration step = std::chrono::milliseconds(50);
  for (Duration waited{0};; waited += step) {
    TRY_ASSIGN(const PostgresTable there, replica.query("select pg_last_wal_replay_lsn() >= $1::pg_lsn", {position}));
    if (there.rows[0][0] == "t") return true;
    if (waited >= wait) return false;
    TRY(replica.execute("select pg_sleep(0.05)"));
  }
}

}  // namespace

Lag judge_postgres(const PostgresReplica& replica, const std::string& user) {
  if (!replica.is_recovering)
    return Lag::unknown("the server is no replica: it is not in recovery", ErrorKind::invalid);
  if (replica.is_paused) return Lag::unknown("replay is paused (pg_wal_replay_resume() resumes it)");
  if (!replica.has_receiver) return Lag::unknown("no WAL receiver runs: the replica is not connected to its primary");
  if (!replica.status)
    return Lag::unknown("the WAL receiver's state may not be read: GRANT pg_read_all_stats TO " + user,
                        ErrorKind::denied);
  if (*replica.status != "streaming")
    return Lag::unknown("the WAL receiver is not streaming (" + *replica.status + ")");
  if (!replica.heard_age_us) return Lag::unknown("the WAL receiver has not heard from the primary yet");
  const Duration heard(std::max<int64_t>(*replica.heard_age_us, 0));
  if (replica.is_all_replayed) return Lag::of(heard, "all received is replayed; age of the primary's last message");
  if (!replica.replay_age_us) return Lag::unknown("nothing was replayed since the replica started");
  const Duration replayed(std::max<int64_t>(*replica.replay_age_us, 0));
  return Lag::of(std::max(heard, replayed), "age of the last replay");
}

Result<Lag> measure_postgres_lag(PostgresSession& replica, PostgresSession* primary, const LagQuestion& question) {
  TRY(replica.execute("set timezone = 'UTC'"));
  TRY_ASSIGN(const PostgresTable who, replica.query("select quote_ident(current_user)"));
  const std::string user = who.rows[0][0].value_or("");
  TRY_ASSIGN(const PostgresReplica first, look_at(replica));
  // A server that is no replica, or whose replay somebody paused, has no lag to speak of, whatever else is known.
  if (!first.is_recovering || first.is_paused) return judge_postgres(first, user);
  if (primary == nullptr && question.heartbeat_table.empty()) return judge_postgres(first, user);
  if (primary == nullptr) return heartbeat_lag(replica, question.heartbeat_table, user);

  TRY_ASSIGN(const PrimaryAt at, ask_primary(*primary, replica));
  if (!at.problem.empty()) return Lag::unknown(at.problem, ErrorKind::invalid);
  const Duration wait = std::min<Duration>(question.behind_at_most, catch_up_wait);
  TRY_ASSIGN(const bool is_there, reaches(replica, at.position, wait));
  if (is_there) return Lag::of(Duration(0), "WAL position compared with the primary");
  if (!question.heartbeat_table.empty()) return heartbeat_lag(replica, question.heartbeat_table, user);
  TRY_ASSIGN(const PostgresTable received,
             replica.query("select pg_last_wal_receive_lsn() >= $1::pg_lsn", {at.position}));
  if (received.rows[0][0] != "t")
    return Lag::unknown("after " + format_duration(wait) + " the replica has not yet received what the primary had");
  TRY_ASSIGN(const PostgresReplica again, look_at(replica));
  Lag lag = judge_postgres(again, user);
  if (lag.behind) {
    lag.behind = std::max<Duration>(*lag.behind, wait + std::chrono::microseconds(1));
    lag.mechanism = "WAL position compared with the primary, then " + lag.mechanism;
  }
  return lag;
}

}  // namespace udon
