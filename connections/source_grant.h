#pragma once
// What a try asks of the budget of a server, and what it is given; as JSON over the door of tries.
#include <limits>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/value.h"
#include "connections/source_bounds.h"

namespace udon {

struct SourceAsk {
  std::string connection;  // its id
  int readers_wanted = 1;  // 0: it reads no more, and gives back all
  // What it may be taking until it has the answer, so that a server which has just started knows.
  int readers_held = 0;
  double rows_per_second_held = 0;
  std::string waits;  // why it does not read just now: "waiting to read …"; empty: it reads
};

// Good until the next ask, at most a lease long (web/source_budgets.h) as far as others are concerned.
struct SourceGrant {
  SourceBounds bounds;  // of the server, the strictest of all connections to it
  int readers = std::numeric_limits<int>::max();
  std::optional<double> rows_per_second;  // nothing: as many as come
  int readers_elsewhere = 0;              // of other tries
  std::string reason;                     // why not as many readers as wanted; empty: they are
};

Value to_value(const SourceAsk& ask);
Result<SourceAsk> parse_source_ask(const Value& value);
Value to_value(const SourceGrant& grant);
Result<SourceGrant> parse_source_grant(const Value& value);

}  // namespace udon
