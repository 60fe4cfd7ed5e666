#pragma once
// What the scheduler hands to an executor, written as the try's request.json; what udon-task writes as
// result.json. One JSON form each, versioned, read by every part that meets a try.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/value.h"
#include "model/dag.h"
#include "model/report.h"
#include "model/run.h"

namespace udon {

enum class TryKind { process, probe };  // a process of its own, or pokes by the prober
std::string_view to_string(TryKind kind);
std::optional<TryKind> parse_try_kind(std::string_view text);

struct TryRequest {
  TryId try_id;
  TryKind kind = TryKind::process;
  TaskInstanceKey key;
  InstanceNumber instance = 0;
  RunNumber run = 0;
  int try_number = 1;
  int max_tries = 1;
  std::vector<std::string> retry_on, no_retry_on;  // of its RetryPolicy, so that its log can tell
  std::string operator_name;
  Value parameters = Value::map();  // templates not yet rendered
  // Airflow's template context as far as the scheduler knows it: ds, ts, logical_date,
  // data_interval_start/_end, run_id, params, dag, task, dag_run,
  // local.{ds,ts,data_interval_start,data_interval_end}, and the mapped names. See dagfile/templates for the
  // rest (var, conn, ti.xcom_pull come over the socket).
  Value context = Value::map();
  std::vector<std::string> connections;       // ids that this try may open
  std::vector<std::string> upstream;          // task ids, the default of xcom_pull
  std::optional<Duration> execution_timeout;  // of the try; of which so much has passed before this process:
  Duration spent_before{0};
  std::optional<Duration> timeout;  // probes: from first_poke_at
  Duration poke_interval = std::chrono::seconds(60);
  std::optional<TimePoint> first_poke_at;
  bool soft_fail = false;
  bool is_external_job = false;         // of probes: it is submitted once, and cancelled where it is killed
  bool has_asked = false;               // of probes: people have been asked; it waits for them, unlooked at
  std::optional<Value> deferred_state;  // it has been deferred: what its process left, for whoever looks or goes on
  std::optional<Value> event;           // of a process: what it was deferred for has come
  std::string queue = "default";
  std::string pool = "default_pool";
  // For everything that the try asks of us; known to the server's memory and to request.json (mode 0600)
  // only.
  std::string token;
  std::string log_file;     // relative to $UDON_HOME; made of ids only
  std::string dags_folder;  // absolute; relative paths in parameters start there
  bool operator==(const TryRequest&) const = default;
};

// Readers pass over keys that they don't know (a newer writer's) and name the key that is missing or wrong.
// Each form carries "version": 1, which is raised only when an older reader would misunderstand it; such a
// reader then refuses.
Value to_value(const TryRequest& request);
Result<TryRequest> parse_try_request(const Value& value);
Value to_value(const TaskInstanceKey& key);
Result<TaskInstanceKey> parse_task_instance_key(const Value& value);
Value to_value(const TryEnded& ended);
Result<TryEnded> parse_try_ended(const Value& value);
Value to_value(const Report& report);
Result<Report> parse_report(const Value& value);

// "logs/<run number>/<instance number>-<try number>.log"
std::string log_file_of(RunNumber run, InstanceNumber instance, int try_number);

}  // namespace udon
