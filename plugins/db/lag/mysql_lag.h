#pragma once
// The lag of a MySQL or MariaDB replica.
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "plugins/db/lag/lag.h"
#include "plugins/db/mysql/session.h"

namespace udon {

// One source that a replica follows, out of SHOW REPLICA STATUS; a replica has several if it has several sources.
struct MysqlChannel {
  std::string name;
  std::string io_thread, sql_thread;  // "Yes" if it runs; "Connecting" does not
  std::string io_error, sql_error;
  std::optional<int64_t> seconds_behind;
  std::string source_server_id;
  std::string received_gtid;
  std::string received;  // changes with whatever arrives from the source, heartbeats too
};

// MariaDB's positions ("0-1-27,1-2-5"): has the first seen, in each domain, at least what the second has?
bool gtid_covers(std::string_view seen, std::string_view wanted);

// From the columns of MariaDB or MySQL, old names or new.
std::vector<MysqlChannel> mysql_channels(const MysqlTable& status);

// Why the lag through this channel is unknown: a thread that does not run, no Seconds_Behind; or nothing.
std::optional<std::string> problem_of(const MysqlChannel& channel);

// Bounds the time since a replica last heard from its source, from what changed between two looks: the servers keep
// only counters. Kept as long as the prober lives, over all pokes and tries, as each look at a replica serves them all;
// without memory the bound is the server's own timeout, after which it would have noticed a dead connection.
// Thread-safe.
class LastHeard {
 public:
  // `now`: monotonic, taken before the status was asked for.
  Duration bound(const std::string& replica, const MysqlChannel& channel, Duration now, Duration server_timeout);

 private:
  struct Seen {
    std::string received;
    Duration looked;       // when we looked last
    Duration heard_after;  // something arrived at this time or later
  };
  std::mutex mutex_;
  std::map<std::string, Seen> seen_;
};

// With a primary: positions are compared. Else a heartbeat table, if there is one. Else Seconds_Behind, and never less
// than the time since the replica last heard from its source. Aurora: its own measure.
// An Error: the servers cannot be asked at all. Missing rights are an unknown lag that names the GRANT.
Result<Lag> measure_mysql_lag(MysqlSession& replica, MysqlSession* primary, const LagQuestion& question,
                              LastHeard& last_heard, Duration now);

// From information_schema.replica_host_status, the row of this server: replica_lag_in_milliseconds, is_writer, age_us.
Lag judge_aurora(const MysqlTable& rows);

}  // namespace udon
