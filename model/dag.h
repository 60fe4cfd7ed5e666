#pragma once
// What a DAG file says, as a value. Immutable once loaded: published as shared_ptr<const Dag>; each dag run
// keeps the one it started with. Can express what Airflow's serialized DAG (format 3) says, so that other
// loaders can make it.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/value.h"
#include "model/notice.h"
#include "model/schedule.h"
#include "model/trigger_rule.h"

namespace udon {

// How a task's work is carried out; said by its operator's description.
enum class OperatorKind { process, sensor, external_job };
std::string_view to_string(OperatorKind kind);
std::optional<OperatorKind> parse_operator_kind(std::string_view text);

// Whether the end of a task decides which of those after it are skipped (model/choice.h); said by its operator's
// description.
enum class Choosing { nothing, branch, short_circuit };
std::string_view to_string(Choosing choosing);
std::optional<Choosing> parse_choosing(std::string_view text);

struct RetryPolicy {
  int retries = 0;  // tries after the first
  Duration delay = std::chrono::minutes(5);
  bool exponential_backoff = false;
  std::optional<Duration> delay_max;
  Duration jitter{0};  // up to so much is added to each delay
  // Kinds of failures (model/retry.h): only these are tried again, if any is listed; and these never.
  std::vector<std::string> retry_on;
  std::vector<std::string> no_retry_on;
  bool operator==(const RetryPolicy&) const = default;
};
// Before try `next_try` (2 for the first retry). Exponential doubles per try, capped by delay_max (default 24
// h).
Duration retry_delay(const RetryPolicy& policy, int next_try);

// One mapped input: a list known when the file is loaded, or the XCom of an upstream task.
struct MapInput {
  std::string name;                               // bound in templates as {{ name }}
  std::variant<Value::List, std::string> source;  // the list, or the task_id whose return value it is
  bool operator==(const MapInput&) const = default;
};
struct MapSpec {
  enum class Combine { product, zip };
  Combine combine = Combine::product;
  std::vector<MapInput> inputs;
  bool operator==(const MapSpec&) const = default;
};
// How many instances, if all inputs are known; nothing if one is an XCom.
std::optional<int64_t> known_length(const MapSpec& spec);
// The values bound for one map index, e.g. {"item": {...}}; all inputs known. Product: the last input varies
// fastest.
Value bound_values(const MapSpec& spec, int64_t map_index);

// A MapSpec that the tasks of a mapped group share, since its lists may be long; compares and copies as a value.
class Mapping {
 public:
  Mapping() = default;
  Mapping(MapSpec spec) : spec_(std::make_shared<const MapSpec>(std::move(spec))) {}
  Mapping(std::optional<MapSpec> spec) {
    if (spec) *this = Mapping(std::move(*spec));
  }
  bool has_value() const { return spec_ != nullptr; }
  explicit operator bool() const { return has_value(); }
  const MapSpec& operator*() const { return *spec_; }
  const MapSpec* operator->() const { return spec_.get(); }
  bool operator==(const Mapping& other) const {
    return spec_ == other.spec_ || (spec_ && other.spec_ && *spec_ == *other.spec_);
  }

 private:
  std::shared_ptr<const MapSpec> spec_;
};

enum class WeightRule { downstream, upstream, absolute };
std::string_view to_string(WeightRule rule);
std::optional<WeightRule> parse_weight_rule(std::string_view text);

struct Task {
  std::string task_id;
  std::string operator_name;
  OperatorKind kind = OperatorKind::process;
  bool needs_no_try = false;  // its operator does nothing: once it may start, it has succeeded
  Choosing choosing = Choosing::nothing;
  Value parameters = Value::map();  // the operator's, templates not yet rendered
  std::vector<int> upstream;        // indices into Dag::tasks, ascending
  std::vector<int> downstream;
  TriggerRule trigger_rule = TriggerRule::all_success;
  RetryPolicy retry;
  std::optional<Duration> execution_timeout;  // of one try, what it waits without a process included
  std::optional<Duration> timeout;            // a sensor's: from its first poke to giving up, over all its pokes
  Duration poke_interval = std::chrono::seconds(60);
  bool soft_fail = false;  // a sensor that times out is skipped, not failed
  std::string pool = "default_pool";
  int pool_slots = 1;
  int priority_weight = 1;
  WeightRule weight_rule = WeightRule::downstream;
  std::string queue = "default";
  bool depends_on_past = false;
  bool wait_for_downstream = false;
  std::optional<int> max_active_tis_per_dag;
  std::optional<int> max_active_tis_per_dagrun;
  Mapping expand;        // its own, or that of the mapped group that it lies in
  std::string group_id;  // dotted path of its task group, empty at the top
  // The mapped group that it lies in, at whatever depth: an edge between two tasks of one mapped group holds for each
  // index by itself.
  std::string mapped_group;
  bool is_setup = false;
  bool is_teardown = false;
  bool on_failure_fail_dagrun = false;  // a teardown whose failure is the run's, too
  std::vector<std::string> inlets;
  std::vector<std::string> outlets;
  std::vector<std::string> connections;  // ids that the file names for it, defaults included: what its tries may open
  // Those of `connections` that only the operator's defaults name: not having them is a matter for the try (an S3
  // export may find its credentials elsewhere, a local one needs none), not a mistake in the file.
  std::vector<std::string> default_connections;
  // Templates that choose a connection, for each try anew: rendered, the text is its id (`connection: "{{ item.db
  // }}"`); or the text asks conn[…] for a computed id. dagfile/connections.h says which ids these are.
  std::vector<std::string> connection_templates;
  std::vector<std::string> asking_templates;
  std::vector<Notice> notices;
  std::string doc;
  int line = 0;  // in the DAG file
  bool operator==(const Task&) const = default;
};

// Tasks that belong together: for people, for what they have in common, and, if it is mapped, to be done once for each
// index as a whole.
struct TaskGroup {
  std::string group_id;      // dotted path: "extract.mysql" lies in "extract"
  std::string display_name;  // empty: the last part of its id
  std::string tooltip;
  std::string doc;
  Mapping expand;
  // What was said of it as a whole, for who draws it. What runs before what is in Task::upstream alone.
  std::vector<std::string> upstream;          // tasks and groups that it comes after
  std::vector<std::string> downstream_tasks;  // that come after it; groups that do say so themselves
  bool operator==(const TaskGroup&) const = default;
};
// Of "extract.mysql": "extract"; empty: it lies in none.
std::string_view parent_group(std::string_view group_id);
// Whether what lies in group `of` lies in `group`, too.
bool is_in_group(std::string_view group, std::string_view of);

struct Param {
  std::string name;
  Value schema = Value::map();  // JSON Schema: type, enum, minimum, …, description, title
  std::optional<Value> default_value;
  bool operator==(const Param&) const = default;
};

struct Dag {
  std::string dag_id;
  std::string description;
  std::string file;     // relative to the DAGs folder
  std::string version;  // hash of the file's and its included files' content, hex
  // Where the file comes from: empty, the DAGs folder; else a source by name, and the commit with which this content
  // came. Not part of what is serialized: the store keeps them beside it.
  std::string bundle;
  std::string bundle_version;
  Schedule schedule;
  std::string schedule_text;  // as written, for people ("0 0 * * *")
  int max_active_runs = 16;
  int max_active_tasks = 16;
  std::optional<int> max_consecutive_failed_dag_runs;
  std::optional<Duration> dagrun_timeout;
  std::optional<bool> is_paused_upon_creation;
  std::vector<std::string> tags;
  std::vector<std::string> owners;
  std::vector<Param> params;
  std::vector<Notice> notices;  // of its runs
  std::vector<Deadline> deadlines;
  std::string doc;
  std::vector<Task> tasks;        // in an order in which upstream comes before downstream
  std::vector<TaskGroup> groups;  // each after the one that it lies in; all that tasks name
  std::string source;             // the file's text, for the UI and for the version

  int index_of(std::string_view task_id) const;  // -1 if there is none
  const TaskGroup* find_group(std::string_view group_id) const;
  std::vector<int> tasks_in(std::string_view group_id) const;  // at whatever depth, ascending
  bool operator==(const Dag&) const = default;
};
using DagPtr = std::shared_ptr<const Dag>;

// The priority with which a task competes: its weight and, by its weight_rule, those of all that follow or
// precede.
std::vector<int64_t> effective_priorities(const Dag& dag);

}  // namespace udon
