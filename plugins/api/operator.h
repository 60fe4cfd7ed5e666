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

// A try ends its process to wait for something outside: no process, no slot of its pool. The Sensor that the plugin
// gives beside the operator looks for it, with `state` as its deferred_state(); it ends the try, or has it go on: then
// run() is called in a new process, with the same state and what the sensor has seen as its event().
struct Defer {
  Value state;
  Duration poke_interval = std::chrono::seconds(10);
  std::optional<Duration> timeout;  // of this waiting; nothing: the task's execution_timeout
};

// How a try ended well; failures are the Error of a Result.
struct Outcome {
  bool skipped = false;  // the task instance becomes skipped
  Value return_value;    // XCom "return_value"; at most limits::xcom_bytes_max as JSON
  std::string message;   // one line for people; may be empty
  // Of a command that the try stands for: if it is set and no success, the try has failed for that cause, and `message`
  // is added to what the runner says of it.
  std::optional<ExitStatus> exit;
  // It has not ended: it waits. return_value is not kept, what was pushed is; `message` says for what it waits.
  std::optional<Defer> defer = {};
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
    // Of a deferred try, if met: it goes on in a new process, whose event() is return_value.
    bool resumes = false;
    // People are asked instead: it is not poked again, their answer ends it. {"subject", "body" (Markdown), "options",
    // "defaults": taken when the task's timeout has passed, "multiple", "params": [{"name", "schema", "default"}],
    // "assignees": users, "reject": the option that says no, "rejects_far", "fails_on_reject"}: model/question.h.
    std::optional<Value> asks = {};
  };
  // A transient Error is shown and poked again; any other fails the try.
  virtual Result<Poke> poke(TaskContext& context) = 0;
  // Of a deferred try that is killed or out of time: ends what it waited for, if that should end with it. A transient
  // Error is tried again, a few times.
  virtual Result<void> cancel(TaskContext& context) {
    static_cast<void>(context);
    return {};
  }
};

// Work that another system carries out. Lives in the prober. The handle is persisted before anything else is done, and
// finds the job again after a crash: it is submitted once a try, polled each poke_interval, and cancelled where the
// task instance is killed or its timeout has passed.
class ExternalJob {
 public:
  virtual ~ExternalJob() = default;
  struct Status {
    enum class Phase { running, succeeded, failed };
    Phase phase = Phase::running;
    std::string message;
    Value return_value;
  };
  // Whether submitting again with the same context.try_id() gives the same job. Where it does not, and a crash came
  // between a submission and its answer, the try fails and says so: it is never submitted twice.
  virtual bool is_idempotent(TaskContext& context) {
    static_cast<void>(context);
    return true;
  }
  // A handle with a text "id" is shown as that.
  virtual Result<Value> submit(TaskContext& context) = 0;
  virtual Result<Status> poll(TaskContext& context, const Value& handle) = 0;
  virtual Result<void> cancel(TaskContext& context, const Value& handle) = 0;
};

}  // namespace udon
