#pragma once
// How much of a server may be taken, by the options of the connections to it. A source is a server: connections that
// name the same type, host and port share its bounds, whatever their ids, users and databases.
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/value.h"
#include "connections/connection.h"

namespace udon {

// Nothing: no bound.
struct SourceBounds {
  std::optional<int64_t> max_readers;          // sessions that read tables at once
  std::optional<int64_t> max_rows_per_second;  // of all readers together
  std::optional<Duration> max_lag;             // of a replica
  std::optional<int64_t> max_threads_running;  // beside our readers
  std::optional<Duration> max_snapshot_age;    // of the oldest snapshot: others' before, our own while we read
  bool operator==(const SourceBounds&) const = default;
  bool any() const { return *this != SourceBounds(); }
};

// "mysql://db.example:3306", with the type's port if none is said; a Unix socket's path.
std::string source_of(const Connection& connection);

// Of mysql and postgresql; connections of other types have none. invalid: an option that begins with max_ and is none,
// with the nearest name; a value that is no whole number from 1, or no duration.
Result<SourceBounds> parse_source_bounds(const Connection& connection);

// Each bound the smaller of both.
SourceBounds strictest(const SourceBounds& one, const SourceBounds& other);

Value to_value(const SourceBounds& bounds);
SourceBounds source_bounds_of(const Value& value);  // what to_value wrote; what is unknown is passed over

}  // namespace udon
