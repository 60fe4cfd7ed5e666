#pragma once
// All that an operator's author reads, with task_context.h and plugin.h.
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/subprocess.h"
#include "base/value.h"
#include "plugins/api/task_context.h"

namespace udon {

// How a try ended well; failures are the Error of a Result.
struct Outcome {
  bool skipped = false;  // the task instance becomes skipped
  Value return_value;    // XCom "return_value"; at most limits::xcom_bytes_max as JSON
  std::string message;   // one line for people; may be empty
  // Of a command that the try stands for: if it is set and no success, the try has failed for that cause, and `message`
  // is added to what the runner says of it.
  std::optional<ExitStatus> exit;
};

// Work that a process of its own does. Made anew for each try; run is called once.
class Operator {
 public:
  virtual ~Operator() = default;
  // The Error's kind decides whether a retry can help (base/result.h). Return soon after context.stop_requested().
  virtual Result<Outcome> run(TaskContext& context) = 0;
};

// A condition that somebody waits for. Lives in the prober: poke must not take longer than a few seconds and must keep
// nothing between calls that it cannot do without.
class Sensor {
 public:
  virtual ~Sensor() = default;
  struct Poke {
    bool is_met = false;
    std::string message;  // what it saw: "replica 42 s behind"
    Value return_value;   // if met
  };
  // A transient Error is shown and poked again; any other fails the try.
  virtual Result<Poke> poke(TaskContext& context) = 0;
};

// Work that another system carries out. The handle is persisted before we wait, and finds the job again after a crash.
class ExternalJob {
 public:
  virtual ~ExternalJob() = default;
  struct Status {
    enum class Phase { running, succeeded, failed };
    Phase phase = Phase::running;
    std::string message;
    Value return_value;
  };
  // Idempotent by context.try_id(): submitting the same try twice must give the same job.
  virtual Result<Value> submit(TaskContext& context) = 0;
  virtual Result<Status> poll(TaskContext& context, const Value& handle) = 0;
  virtual Result<void> cancel(TaskContext& context, const Value& handle) = 0;
};

}  // namespace udon
