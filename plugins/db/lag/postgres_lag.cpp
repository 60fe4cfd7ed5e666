#include "plugins/db/lag/postgres_lag.h"

#include <algorithm>
#include <charconv>

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

// Commits that do not wait for their records to be written (synchronous_commit) are seen on the primary before: the
// position is that of the records, not of what is written of them.
constexpr const char* position_sql =
    "select case when not pg_is_in_recovery() then pg_current_wal_insert_lsn() end as position, "
    "current_setting('wal_block_size') as page, (select setting from pg_settings where name = 'wal_segment_size') as "
    "segment, (select system_identifier from pg_control_system()) as cluster";

struct PrimaryAt {
  std::string position;  // in bytes
  std::string problem;   // why there is none
};

Result<PrimaryAt> ask_primary(PostgresSession& primary, PostgresSession& replica) {
  TRY_ASSIGN(const PostgresTable at, primary.query(position_sql));
  TRY_ASSIGN(const PostgresTable ours, replica.query("select system_identifier from pg_control_system()"));
  if (at.at(0, "cluster") != ours.rows[0][0])
    return PrimaryAt{
        "", "primary_connection (" + primary.address() + ") is another cluster's, not what the replica follows"};
  const std::optional<std::string>& next = at.at(0, "position");
  if (!next) return PrimaryAt{"", "primary_connection (" + primary.address() + ") is itself a replica"};
  const std::optional<uint64_t> end =
      end_of_records(*next, number_in(at.at(0, "page")).value_or(0), number_in(at.at(0, "segment")).value_or(0));
  if (!end) return PrimaryAt{"", "primary_connection (" + primary.address() + ") says no position: " + *next};
  return PrimaryAt{std::to_string(*end), ""};
}

// Waits on the server, in small steps, for the replica to get to the position.
Result<bool> reaches(PostgresSession& replica, const std::string& position, Duration wait) {
  constexpr Duration step = std::chrono::milliseconds(50);
  for (Duration waited{0};; waited += step) {
    TRY_ASSIGN(const PostgresTable there,
               replica.query("select pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') >= $1::numeric", {position}));
    if (there.rows[0][0] == "t") return true;
    if (waited >= wait) return false;
    TRY(replica.execute("select pg_sleep(0.05)"));
  }
}

}  // namespace

std::optional<uint64_t> end_of_records(const std::string& position, int64_t page_bytes, int64_t segment_bytes) {
  // SizeOfXLogLongPHD on the first page of a segment, SizeOfXLogShortPHD on others.
  constexpr uint64_t long_header_bytes = 40, header_bytes = 24;
  const size_t slash = position.find('/');
  if (slash == position.npos || page_bytes <= 0 || segment_bytes <= 0) return std::nullopt;
  const auto read = [](const char* begin, const char* end, uint64_t& number) {
    const auto [at, failure] = std::from_chars(begin, end, number, 16);
    return failure == std::errc() && at == end;
  };
  const char* const text = position.data();
  uint64_t high = 0, low = 0;
  if (!read(text, text + slash, high) || !read(text + slash + 1, text + position.size(), low)) return std::nullopt;
  const uint64_t at = high << 32 | low;
  const uint64_t in_page = at % static_cast<uint64_t>(page_bytes);
  const bool is_first = (at - in_page) % static_cast<uint64_t>(segment_bytes) == 0;
  return in_page == (is_first ? long_header_bytes : header_bytes) ? at - in_page : at;
}

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
             replica.query("select pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0') >= $1::numeric", {at.position}));
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
