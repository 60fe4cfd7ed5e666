#include "plugins/db/lag/mysql_lag.h"

#include <algorithm>
#include <initializer_list>

#include "base/text.h"
#include "plugins/db/sql_text.h"

namespace udon {
namespace {

// The first of these columns that there is.
std::optional<std::string> first_of(const MysqlTable& table, size_t row,
                                    std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    if (table.has_column(name)) return table.at(row, name);
  return std::nullopt;
}

// The names of statements and rights differ; each server knows its own.
struct Words {
  const char* status;
  const char* grant;
};
Words words_of(const MysqlSession& session) {
  if (session.is_mariadb()) return {"show all slaves status", "GRANT SLAVE MONITOR ON *.* TO"};
  return {"show replica status", "GRANT REPLICATION CLIENT ON *.* TO"};
}

std::string grant_text(const char* grant, MysqlSession& session) {
  auto user = session.query("select concat('''', replace(current_user(), '@', '''@'''), '''')");
  const std::string name = user && !user->rows.empty() ? user->rows[0][0].value_or("the user") : "the user";
  return std::string(grant) + " " + name;
}

// Denied is an answer; all else is an error of the caller's.
Result<std::optional<MysqlTable>> query_if_allowed(MysqlSession& session, const std::string& sql) {
  auto table = session.query(sql);
  if (table) return std::optional<MysqlTable>(std::move(*table));
  if (table.error().kind == ErrorKind::denied) return std::optional<MysqlTable>();
  return Error(table.error());
}

Result<std::optional<Lag>> aurora_lag(MysqlSession& replica) {
  TRY_ASSIGN(const MysqlTable version, replica.query("show variables like 'aurora_version'"));
  if (version.rows.empty()) return std::optional<Lag>();
  TRY_ASSIGN(const std::optional<MysqlTable> rows,
             query_if_allowed(replica,
                              "select replica_lag_in_milliseconds, session_id = 'MASTER_SESSION_ID' as is_writer, "
                              "timestampdiff(microsecond, last_update_timestamp, now(6)) as age_us "
                              "from information_schema.replica_host_status where server_id = @@aurora_server_id"));
  if (!rows)
    return std::optional(
        Lag::unknown("information_schema.replica_host_status may not be read by this user", ErrorKind::denied));
  return std::optional(judge_aurora(*rows));
}

Result<Lag> heartbeat_lag(MysqlSession& replica, const std::string& table_text) {
  TRY_ASSIGN(const TableName table, parse_table_name(table_text, SqlDialect::mysql));
  const std::string quoted = (table.schema.empty() ? "" : quote_identifier(table.schema, SqlDialect::mysql) + ".") +
                             quote_identifier(table.table, SqlDialect::mysql);
  // The text of pt-heartbeat has a 'T' between day and time. Read as UTC, as TIMESTAMP is in this session.
  auto rows = replica.query(
      "select timestampdiff(microsecond, replace(max(ts), 'T', ' '), utc_timestamp(6)) as age from " + quoted);
  if (!rows) {
    if (rows.error().kind == ErrorKind::denied)
      return Lag::unknown(
          grant_text(("the heartbeat table may not be read: GRANT SELECT ON " + quoted + " TO").c_str(), replica),
          ErrorKind::denied);
    if (rows.error().kind == ErrorKind::not_found)
      return Lag::unknown("heartbeat table " + table_text + ": " + rows.error().message, ErrorKind::invalid);
    return Error(rows.error());
  }
  return lag_of_heartbeat(rows->rows.empty() ? std::nullopt : number_in(rows->rows[0][0]), table_text);
}

Duration wait_for(const LagQuestion& question) { return std::min<Duration>(question.behind_at_most, catch_up_wait); }

// Waits for the replica to get where the primary was when it was asked.
Result<bool> reaches(MysqlSession& replica, const std::string& position, Duration wait) {
  const std::string seconds = std::to_string(std::chrono::duration<double>(wait).count());
  TRY_ASSIGN(
      const MysqlTable waited,
      replica.query("select " + std::string(replica.is_mariadb() ? "master_gtid_wait" : "wait_for_executed_gtid_set") +
                    "(" + replica.literal(position) + ", " + seconds + ")"));
  return waited.rows[0][0] == "0";
}

// Has the I/O thread fetched all that the primary had?
Result<bool> has_received(MysqlSession& replica, const std::string& position) {
  TRY_ASSIGN(const MysqlTable status, replica.query(words_of(replica).status));
  for (const MysqlChannel& channel : mysql_channels(status)) {
    if (replica.is_mariadb()) {
      if (gtid_covers(channel.received_gtid, position)) return true;
      continue;
    }
    TRY_ASSIGN(const MysqlTable subset,
               replica.query("select gtid_subset(" + replica.literal(position) + ", concat(" +
                             replica.literal(channel.received_gtid) + ", ',', @@global.gtid_executed))"));
    if (subset.rows[0][0] == "1") return true;
  }
  return false;
}

// Nothing if the servers keep no GTIDs.
Result<std::optional<Lag>> lag_by_position(MysqlSession& replica, MysqlSession& primary, const LagQuestion& question,
                                           const Lag& by_status) {
  static const std::string mechanism = "GTID position compared with the primary";
  if (primary.is_mariadb() != replica.is_mariadb()) return std::optional<Lag>();
  TRY_ASSIGN(const MysqlTable at,
             primary.query(replica.is_mariadb() ? "select @@global.gtid_binlog_pos" : "select @@global.gtid_executed"));
  const std::string position = at.rows[0][0].value_or("");
  if (position.empty()) return std::optional<Lag>();
  const Duration wait = wait_for(question);
  TRY_ASSIGN(const bool is_there, reaches(replica, position, wait));
  if (is_there) return std::optional(Lag::of(Duration(0), mechanism));
  // It takes longer. How much longer only time stamps tell: a heartbeat's, or those of events that have all arrived.
  if (!question.heartbeat_table.empty()) {
    TRY_ASSIGN(Lag lag, heartbeat_lag(replica, question.heartbeat_table));
    return std::optional(std::move(lag));
  }
  TRY_ASSIGN(const bool is_received, has_received(replica, position));
  if (!is_received)
    return std::optional(
        Lag::unknown("after " + format_duration(wait) + " the replica has not yet received what the primary had"));
  const Duration at_least = wait + std::chrono::microseconds(1);
  return std::optional(Lag::of(std::max(at_least, *by_status.behind), mechanism + ", then " + by_status.mechanism));
}

Result<std::string> wrong_primary(MysqlSession& primary, const std::vector<MysqlChannel>& channels) {
  TRY_ASSIGN(const MysqlTable id, primary.query("select @@server_id"));
  const std::string found = id.rows[0][0].value_or("");
  for (const MysqlChannel& channel : channels)
    if (channel.source_server_id == found) return std::string();
  return "primary_connection (" + primary.address() + ", server id " + found +
         ") is not what the replica follows (server id " + channels.front().source_server_id + ")";
}

// MariaDB tells heartbeats in the status, MySQL in the performance schema.
Result<std::string> heartbeats_elsewhere(MysqlSession& replica) {
  if (replica.is_mariadb()) return std::string();
  TRY_ASSIGN(const std::optional<MysqlTable> rows,
             query_if_allowed(replica,
                              "select group_concat(count_received_heartbeats order by channel_name) "
                              "from performance_schema.replication_connection_status"));
  return rows && !rows->rows.empty() ? rows->rows[0][0].value_or("") : std::string();
}

Result<Lag> lag_by_status(MysqlSession& replica, std::vector<MysqlChannel>& channels, LastHeard& last_heard,
                          Duration now) {
  TRY_ASSIGN(const MysqlTable timeout,
             replica.query(replica.is_mariadb() ? "select @@slave_net_timeout" : "select @@replica_net_timeout"));
  TRY_ASSIGN(const std::string heartbeats, heartbeats_elsewhere(replica));
  const Duration server_timeout = std::chrono::seconds(number_in(timeout.rows[0][0]).value_or(60));
  Lag lag = Lag::of(Duration(0), "Seconds_Behind_Master");
  for (MysqlChannel& channel : channels) {
    channel.received += " " + heartbeats;
    const Duration said = std::chrono::seconds(channel.seconds_behind.value_or(0));
    const Duration silent = last_heard.bound(replica.address(), channel, now, server_timeout);
    lag = worse(std::move(lag), said >= silent ? Lag::of(said, "Seconds_Behind_Master")
                                               : Lag::of(silent, "time since the replica last heard from its primary"));
  }
  return lag;
}

}  // namespace

std::vector<MysqlChannel> mysql_channels(const MysqlTable& status) {
  std::vector<MysqlChannel> channels;
  for (size_t row = 0; row < status.rows.size(); ++row) {
    auto text = [&](std::initializer_list<std::string_view> names) {
      return first_of(status, row, names).value_or("");
    };
    MysqlChannel channel;
    channel.name = text({"Connection_name", "Channel_Name"});
    channel.io_thread = text({"Slave_IO_Running", "Replica_IO_Running"});
    channel.sql_thread = text({"Slave_SQL_Running", "Replica_SQL_Running"});
    channel.io_error = text({"Last_IO_Error"});
    channel.sql_error = text({"Last_SQL_Error"});
    channel.seconds_behind = number_in(first_of(status, row, {"Seconds_Behind_Master", "Seconds_Behind_Source"}));
    channel.source_server_id = text({"Master_Server_Id", "Source_Server_Id"});
    channel.received_gtid = text({"Gtid_IO_Pos", "Retrieved_Gtid_Set"});
    channel.received = text({"Master_Log_File", "Source_Log_File"}) + " " +
                       text({"Read_Master_Log_Pos", "Read_Source_Log_Pos"}) + " " + channel.received_gtid + " " +
                       text({"Slave_received_heartbeats"});
    channels.push_back(std::move(channel));
  }
  return channels;
}

std::optional<std::string> problem_of(const MysqlChannel& channel) {
  const std::string of = channel.name.empty() ? "" : " of channel `" + channel.name + "`";
  auto stopped = [&](const char* thread, const std::string& state, const std::string& error) {
    return std::string("the ") + thread + " thread" + of + " is not running (" + state + ")" +
           (error.empty() ? "" : ": " + error.substr(0, 300));
  };
  if (channel.io_thread != "Yes") return stopped("I/O", channel.io_thread, channel.io_error);
  if (channel.sql_thread != "Yes") return stopped("SQL", channel.sql_thread, channel.sql_error);
  if (!channel.seconds_behind) return "the replica" + of + " does not say how far it is behind";
  return std::nullopt;
}

bool gtid_covers(std::string_view seen, std::string_view wanted) {
  // domain → sequence number; the server in the middle is whoever wrote last.
  auto parse = [](std::string_view text) {
    std::map<std::string, int64_t> positions;
    for (const std::string& gtid : split(text, ',')) {
      const std::vector<std::string> parts = split(trim(gtid), '-');
      if (parts.size() == 3) positions[parts[0]] = number_in(parts[2]).value_or(-1);
    }
    return positions;
  };
  const auto have = parse(seen);
  for (const auto& [domain, sequence] : parse(wanted)) {
    const auto found = have.find(domain);
    if (found == have.end() || found->second < sequence) return false;
  }
  return true;
}

Duration LastHeard::bound(const std::string& replica, const MysqlChannel& channel, Duration now,
                          Duration server_timeout) {
  constexpr Duration forgotten = std::chrono::hours(1);
  const std::lock_guard lock(mutex_);
  std::erase_if(seen_, [&](const auto& entry) { return now - entry.second.looked > forgotten; });
  auto [place, is_new] =
      seen_.try_emplace(replica + " " + channel.name, Seen{channel.received, now, now - server_timeout});
  Seen& seen = place->second;
  // Another poke of the same replica may have looked later and been quicker.
  if (now > seen.looked) {
    if (seen.received != channel.received) {
      seen.heard_after = seen.looked;
      seen.received = channel.received;
    }
    seen.looked = now;
  }
  return std::max(now - seen.heard_after, Duration(0));
}

Lag judge_aurora(const MysqlTable& rows) {
  if (rows.rows.empty()) return Lag::unknown("Aurora does not list this instance among its replicas");
  if (rows.at(0, "is_writer") == "1")
    return Lag::unknown("this is the cluster's writer, not a replica", ErrorKind::invalid);
  const std::optional<int64_t> milliseconds = number_in(rows.at(0, "replica_lag_in_milliseconds"));
  const std::optional<int64_t> age_us = number_in(rows.at(0, "age_us"));
  if (!milliseconds || !age_us) return Lag::unknown("Aurora does not say how far this instance is behind");
  const Duration said = std::chrono::milliseconds(*milliseconds);
  return Lag::of(std::max(said, Duration(*age_us)), "Aurora's replica_host_status");
}

Result<Lag> measure_mysql_lag(MysqlSession& replica, MysqlSession* primary, const LagQuestion& question,
                              LastHeard& last_heard, Duration now) {
  TRY(replica.execute("set session time_zone = '+00:00'"));
  TRY_ASSIGN(std::optional<Lag> aurora, aurora_lag(replica));
  if (aurora) return std::move(*aurora);

  const Words words = words_of(replica);
  TRY_ASSIGN(const std::optional<MysqlTable> status, query_if_allowed(replica, words.status));
  if (!status) {
    // The age of a heartbeat is the lag whatever the threads do.
    if (!question.heartbeat_table.empty()) return heartbeat_lag(replica, question.heartbeat_table);
    return Lag::unknown("the state of replication may not be read: " + grant_text(words.grant, replica),
                        ErrorKind::denied);
  }
  std::vector<MysqlChannel> channels = mysql_channels(*status);
  if (channels.empty())
    return Lag::unknown(replica.address() + " is no replica: it follows no primary", ErrorKind::invalid);
  for (const MysqlChannel& channel : channels)
    if (std::optional<std::string> problem = problem_of(channel)) return Lag::unknown(std::move(*problem));

  TRY_ASSIGN(Lag by_status, lag_by_status(replica, channels, last_heard, now));
  if (primary != nullptr) {
    TRY_ASSIGN(std::string wrong, wrong_primary(*primary, channels));
    if (!wrong.empty()) return Lag::unknown(std::move(wrong), ErrorKind::invalid);
    TRY_ASSIGN(std::optional<Lag> by_position, lag_by_position(replica, *primary, question, by_status));
    if (by_position) return std::move(*by_position);
  }
  if (!question.heartbeat_table.empty()) return heartbeat_lag(replica, question.heartbeat_table);
  return by_status;
}

}  // namespace udon
