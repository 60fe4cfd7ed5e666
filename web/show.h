#pragma once
// How the API shows what the store holds: Airflow 3's models, every key of them, since a missing one breaks its client.
#include <optional>
#include <string>

#include "base/value.h"
#include "model/run.h"
#include "store/types.h"
#include "web/dag_lookup.h"
#include "web/world.h"

namespace udon::web {

Value show_time(std::optional<TimePoint> time);                                  // null if there is none
Value show_seconds(std::optional<TimePoint> from, std::optional<TimePoint> to);  // between them; null without both
Value text_or_null(const std::string& text);                                     // "" is null
// ISO 8601, as pydantic prints a timedelta: "PT1H30M", "P1DT2S".
std::string iso_duration(Duration duration);

std::string name_of_server_user();

Result<Value> show_dag(World& world, const DagRecord& dag);
Result<Value> show_dag_details(World& world, const DagRecord& dag);
// What Airflow says of a version; and of one in the list of a store's.
Value show_dag_version(const std::string& dag_id, const DagInfo& info);
Value show_dag_version(const DagVersionRecord& version);
// The version that a run had at that time; nothing: the one that it has.
const std::string& version_at(const std::string& now, const std::vector<EarlierVersion>& earlier,
                              std::optional<TimePoint> time);
Value show_task(const Dag& dag, const Task& task);
Value show_run(World& world, const DagRun& run);

// Shows many task instances: remembers what they share.
class InstanceShower {
 public:
  explicit InstanceShower(World& world) : world_(world) {}
  Result<Value> show(const InstanceRow& row);
  // One of its tries; TaskInstanceHistoryResponse.
  Result<Value> show_try(const InstanceRow& row, const TryRecord& attempt);

 private:
  Value common(const InstanceRow& row, std::optional<TimePoint> at);
  World& world_;
  std::map<RunNumber, TimePoint> queued_at_;
};

// The task instances of a run that a command has touched.
Result<Value::List> show_instances(World& world, RunNumber run, const std::vector<TaskInstanceKey>& keys);

// {"<plural>": [...], "total_entries": N}
Value show_list(std::string_view plural, Value::List rows, int64_t total);
// The same with the cursors that lists of runs and task instances have; null: this server pages by offset.
Value show_list_with_cursors(std::string_view plural, Value::List rows, int64_t total);

}  // namespace udon::web
