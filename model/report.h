#pragma once
// What comes from outside about a try: late, twice or never. Obeyed only if its fence is the current try's.
#include <optional>
#include <string>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "base/value.h"
#include "model/deferral.h"
#include "model/question.h"
#include "model/run.h"

namespace udon {

// Why a try ended, so that retry policies and people can tell the cases apart.
enum class EndCause {
  finished,       // it ran to its own end
  exit_code,      // a command's exit code was not 0
  signal,         // killed by a signal that we did not send
  out_of_memory,  // the kernel's OOM killer, or a memory limit
  timeout,        // execution_timeout or a sensor's timeout passed
  killed,         // on a person's wish, or cleared
  lost,           // its process is gone and left no result
  start_failed,   // it could not be started at all
  error,          // the operator returned an Error
};
std::string_view to_string(EndCause cause);
std::optional<EndCause> parse_end_cause(std::string_view text);

struct TryStarted {
  TimePoint at{};
  std::string hostname;
  int64_t pid = 0;
  bool operator==(const TryStarted&) const = default;
};

struct TryEnded {
  enum class Result {
    success,
    failed,
    skipped,
    deferred,  // its process has ended, the try has not: it waits as `deferring` says
    resumed,   // what such a one waited for has come: the try goes on in a new process, which is given `event`
  };
  Result result = Result::failed;
  EndCause cause = EndCause::finished;
  std::optional<ErrorKind> error_kind;  // for cause error; a kind that is not transient is not worth a retry
  std::optional<int> exit_code = {};    // for cause exit_code, of the command
  std::string message;                  // one paragraph for people; redacted
  std::optional<TimePoint> started_at;
  TimePoint at{};
  Value xcom = Value::map();                // key → value; "return_value" is the operator's
  std::optional<Deferring> deferring = {};  // result deferred
  Value event = {};                         // result resumed
  bool operator==(const TryEnded&) const = default;
};

// A deferred task instance was looked at and goes on waiting.
struct StillWaiting {
  TimePoint at{};
  std::string message;  // what it saw: "replica 42 s behind"
  bool operator==(const StillWaiting&) const = default;
};

// A deferred task instance asks people; it is not looked at again until they answer. Said once, or more often.
struct TryAsks {
  TimePoint at{};
  Question question;
  bool operator==(const TryAsks&) const = default;
};

// This executor is sure that it neither runs nor knows the try (asked after a restart).
struct TryUnknown {
  bool operator==(const TryUnknown&) const = default;
};

struct Report {
  TryId try_id;
  std::variant<TryStarted, TryEnded, StillWaiting, TryAsks, TryUnknown> what;
  bool operator==(const Report&) const = default;
};

}  // namespace udon
