#pragma once
// What a store's refusal means and what to do about it, in words.
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/net/http_client.h"
#include "base/result.h"

namespace udon {

// A final answer that is no success.
struct S3Problem {
  int status = 0;
  std::string code;  // of the body; made from the status where there is none: "404"
  Error error;       // for the caller to hand on
};

struct S3RequestFacts {
  std::string action;      // "write", "read": what we were doing
  std::string permission;  // "s3:PutObject": the IAM actions that it takes
  std::string object;      // "s3://bucket/key"
  std::string bucket;
  std::string host;         // where we asked
  std::string region;       // that we signed for
  std::string credentials;  // "connection `lake`": never the keys
  TimePoint now;
  int attempts = 1;
};
S3Problem explain_s3(const S3RequestFacts& facts, const HttpResponse& response);

// "Sat, 31 Jan 2026 12:17:30 GMT"
std::optional<TimePoint> parse_http_date(std::string_view text);

// The store is overloaded or ill: the same request may succeed later.
bool is_worth_repeating(int status, std::string_view code);
// The keys are of a session that ended: new ones may be had.
bool is_expired_session(std::string_view code);

}  // namespace udon
