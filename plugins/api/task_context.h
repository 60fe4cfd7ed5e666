#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/subprocess.h"
#include "base/value.h"
#include "connections/connection.h"
#include "connections/source_grant.h"

namespace udon {

// What a try can see and ask. Implemented by the runner (worker/task) and the prober; by a fake in tests. Thread-safe.
class TaskContext {
 public:
  virtual ~TaskContext() = default;

  // The operator's parameters: rendered, defaults filled in, types as its description says (a duration and bytes are
  // integers: microseconds, bytes).
  virtual const Value& parameters() const = 0;

  virtual std::string dag_id() const = 0;
  virtual std::string run_id() const = 0;
  virtual std::string task_id() const = 0;
  virtual int map_index() const = 0;       // -1: not mapped
  virtual int try_number() const = 0;      // from 1
  virtual std::string try_id() const = 0;  // unique over all tries ever
  virtual int64_t fence() const = 0;       // larger for each later try of the task instance

  // not_found names where it was looked for and how to add it; denied: the task's DAG file does not name it. Secrets of
  // what is opened are masked in the log from then on.
  virtual Result<Connection> connection(const std::string& id) = 0;
  virtual Result<std::string> variable(const std::string& key) = 0;

  // The value that a task of this run pushed; not_found if none. map_index -1 of a mapped task: a list over all.
  virtual Result<Value> xcom_pull(const std::string& task_id, const std::string& key, int map_index) = 0;
  // Kept until the try ends, sent with its result. Key "return_value" is the Outcome's.
  virtual void xcom_push(const std::string& key, Value value) = 0;

  // A line in the task's log; secrets are masked. Text may hold several lines.
  virtual void log(std::string_view text) = 0;
  // Where a child's output goes so that it ends in the task's log, masked: write to it as a file.
  virtual int log_descriptor() = 0;
  // What a child printed to its descriptor 1 or 2 (`stream`), cut anywhere: whole lines go to the task's log, masked.
  virtual void log_output(int stream, std::string_view bytes) {
    static_cast<void>(stream);
    log(bytes);
  }
  // The text with the secrets of what was opened masked: for what is kept or shown elsewhere than in the log.
  virtual std::string redact(std::string_view text) { return std::string(text); }

  // Starts a child of this try, to be waited for by the caller (pidfd, wait_child). Its environment is `request`'s and
  // what marks it as this try's; it ends with the try. unsupported in the prober, where nothing may outlive a poke.
  virtual Result<pid_t> start_process(SpawnRequest request) {
    static_cast<void>(request);
    return Error{ErrorKind::unsupported, "no process can be started here"};
  }

  // Asked to stop: killed by a person, timed out, or the machine goes down.
  virtual std::stop_token stop_token() const = 0;
  bool stop_requested() const { return stop_token().stop_requested(); }

  // $UDON_HOME/staging/<try id>/, made on the first call, removed at the end of the try or by reconcile.
  virtual Result<std::filesystem::path> staging() = 0;
  // Folder of the DAG file: relative paths in parameters start there.
  virtual std::filesystem::path dags_folder() const = 0;

  // Of a try that has been deferred (Outcome::defer): what it left; nothing else was. And in a process that goes on
  // after that: what the sensor has given it.
  virtual std::optional<Value> deferred_state() const { return std::nullopt; }
  virtual Value event() const { return {}; }

  virtual const Clock& clock() const = 0;

  // How much of the connection's server this try may read, in turn with all other tries: asked each second while it
  // reads. unavailable: nobody answers; what was given last goes on.
  virtual Result<SourceGrant> ask_source(const SourceAsk& ask) {
    SourceGrant all;
    all.readers = ask.readers_wanted;
    return all;
  }

  // Makes a run of another DAG. `wish`: {"dag_id", "run_id", "logical_date": RFC 3339 or null, "conf": map, "is_own":
  // the run id was made of this try's id, so that a run that has it is the one made before, "reset": one that has it is
  // cleared}. Gives {"run_id", "state"}. not_found: no such DAG; conflict: the run id or logical date is
  // taken; invalid: conf breaks the DAG's params.
  virtual Result<Value> trigger_dag_run(const Value& wish) {
    static_cast<void>(wish);
    return Error{ErrorKind::unsupported, "no DAG can be triggered from here"};
  }
  // What has become of a run of any DAG. `question`: {"dag_id", "run_id" or null, "logical_date": RFC 3339 or null,
  // "earlier_us": with neither of them, the run whose logical date is so much before this run's; "task_ids": list}.
  // Gives {"run_id" (null: there is no such run), "logical_date", "state", "is_paused": of the DAG, "tasks": {task_id:
  // [states of its task instances]}}. not_found: no such DAG, or its newest version has no such task.
  virtual Result<Value> look_at_dag_run(const Value& question) {
    static_cast<void>(question);
    return Error{ErrorKind::unsupported, "no run of a DAG can be seen from here"};
  }
};

}  // namespace udon
