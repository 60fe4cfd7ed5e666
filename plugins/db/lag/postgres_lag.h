#pragma once
// The lag of a PostgreSQL streaming replica.
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "plugins/db/lag/lag.h"
#include "plugins/db/postgres/session.h"

namespace udon {

// What a replica tells of itself. Ages are by its own clock.
struct PostgresReplica {
  bool is_recovering = false;
  bool is_paused = false;                // replay was paused by somebody
  bool is_all_replayed = false;          // of what was received
  std::optional<int64_t> replay_age_us;  // since the commit that was replayed last
  bool has_receiver = false;
  std::optional<std::string> status;    // of the WAL receiver; nothing though there is one: rights are missing
  std::optional<int64_t> heard_age_us;  // since its last message
};

// By the replica's own word: streaming and all replayed, it is behind by no more than the age of the last message;
// else by the larger of that and the age of the last replay. `user` is for the GRANT in a message.
Lag judge_postgres(const PostgresReplica& replica, const std::string& user);

// Where the primary's records end, in bytes, from the place of its next one ("0/16B3748"): behind a page's header, if
// it begins a page, where no record ends. Nothing if the text is no position.
std::optional<uint64_t> end_of_records(const std::string& position, int64_t page_bytes, int64_t segment_bytes);

// With a primary: positions are compared. Else a heartbeat table, if there is one. Else the replica's own word.
// An Error: the servers cannot be asked at all.
Result<Lag> measure_postgres_lag(PostgresSession& replica, PostgresSession* primary, const LagQuestion& question);

}  // namespace udon
