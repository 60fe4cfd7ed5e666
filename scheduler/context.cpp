#include "scheduler/context.h"

#include <algorithm>

#include "dagfile/connections.h"
#include "scheduler/asset_events.h"
#include "scheduler/params.h"

namespace udon {

namespace {

std::string without(std::string text, std::string_view characters) {
  std::erase_if(text, [&](char c) { return characters.find(c) != std::string_view::npos; });
  return text;
}

void add_logical_date(Value& context, Value& local, TimePoint at, const std::string& timezone) {
  const std::string ts = format_time_offset(at);
  const std::string ds = ts.substr(0, 10);
  context.set("logical_date", ts);
  context.set("ds", ds);
  context.set("ds_nodash", without(ds, "-"));
  context.set("ts", ts);
  context.set("ts_nodash", without(ts.substr(0, 19), "-:"));
  context.set("ts_nodash_with_tz", without(ts, "-:"));
  const std::string local_ts = format_local_time(at, timezone);
  local.set("logical_date", local_ts);
  local.set("ds", local_ts.substr(0, 10));
  local.set("ts", local_ts);
}

Value optional_time(const std::optional<TimePoint>& at) { return at ? Value(format_time_offset(*at)) : Value(nullptr); }

}  // namespace

Value make_context(const ActiveRun& run) {
  const DagRun& row = run.row;
  const std::string& timezone = run.dag().schedule.timezone;
  Value context = Value::map();
  Value local = Value::map();
  if (row.logical_date) add_logical_date(context, local, *row.logical_date, timezone);
  if (row.data_interval) {
    context.set("data_interval_start", format_time_offset(row.data_interval->begin));
    context.set("data_interval_end", format_time_offset(row.data_interval->end));
    local.set("data_interval_start", format_local_time(row.data_interval->begin, timezone));
    local.set("data_interval_end", format_local_time(row.data_interval->end, timezone));
  }
  context.set("local", std::move(local));
  context.set("run_id", row.run_id);
  context.set("params", merged_params(run.dag(), row.conf));
  context.set("triggering_asset_events", triggering_asset_events(run));

  Value dag_run = Value::map();
  dag_run.set("dag_id", row.dag_id);
  dag_run.set("run_id", row.run_id);
  dag_run.set("run_type", to_string(row.type));
  dag_run.set("logical_date", optional_time(row.logical_date));
  dag_run.set("data_interval_start", row.data_interval ? optional_time(row.data_interval->begin) : Value(nullptr));
  dag_run.set("data_interval_end", row.data_interval ? optional_time(row.data_interval->end) : Value(nullptr));
  dag_run.set("run_after", format_time_offset(row.run_after));
  dag_run.set("queued_at", format_time_offset(row.queued_at));
  dag_run.set("start_date", optional_time(row.start_date));
  dag_run.set("triggered_by", row.triggered_by);
  dag_run.set("conf", row.conf);
  context.set("dag_run", std::move(dag_run));

  Value dag = Value::map();
  dag.set("dag_id", row.dag_id);
  dag.set("timezone", timezone);
  context.set("dag", std::move(dag));
  return context;
}

Value make_context(const ActiveRun& run, InstanceRef at) {
  const DagRun& row = run.row;
  const TaskInstance& instance = run.instance(at);
  const Task& task = run.dag().tasks[static_cast<size_t>(at.task)];
  const TaskSlot& slot = run.slots[static_cast<size_t>(at.task)];
  Value context = make_context(run);
  Value task_facts = Value::map();
  task_facts.set("task_id", task.task_id);
  context.set("task", std::move(task_facts));
  Value ti = Value::map();
  ti.set("dag_id", row.dag_id);
  ti.set("run_id", row.run_id);
  ti.set("task_id", task.task_id);
  ti.set("map_index", instance.map_index);
  ti.set("try_number", instance.try_number);
  ti.set("max_tries", instance.max_tries);
  context.set("ti", std::move(ti));
  context.set("try_number", instance.try_number);
  context.set("map_index", instance.map_index);
  context.set("task_instance_key_str",
              row.dag_id + "__" + task.task_id + "__" +
                  (row.logical_date ? without(format_time_offset(*row.logical_date).substr(0, 10), "-") : row.run_id));
  // A try of a longer list, from before its upstream ran again, may be running yet.
  if (slot.bound && instance.map_index >= 0 && instance.map_index < slot.length) {
    const Value bound = bound_values(*slot.bound, instance.map_index);
    for (const auto& [name, value] : bound.as_map()) context.set(name, value);
  }
  return context;
}

std::optional<Duration> waiting_time_of(const Task& task, const DeferralPtr& deferral) {
  if (!deferral) return task.timeout;
  if (!task.execution_timeout) return deferral->what.timeout;
  // As Airflow has it, execution_timeout counts from the start of the try.
  const Duration left = std::max(*task.execution_timeout - (deferral->since - deferral->started_at), Duration(0));
  return deferral->what.timeout ? std::min(*deferral->what.timeout, left) : left;
}

Duration spent_before(const TaskInstance& row, const DeferralPtr& deferral) {
  if (!deferral || !row.queued_at) return Duration(0);
  return std::max(*row.queued_at - deferral->started_at, Duration(0));
}

TryRequest make_request(const State& state, Fence fence, const std::string& installation) {
  const LiveTry& live = state.tries().at(fence);
  const ActiveRun& run = state.runs().at(live.at.run);
  const TaskInstance& instance = run.instance(live.at);
  const Task& task = run.dag().tasks[static_cast<size_t>(live.at.task)];
  TryRequest request;
  request.try_id = {installation, fence};
  request.kind = live.kind;
  request.key = key_of(run, instance);
  request.instance = instance.number;
  request.run = run.row.number;
  request.try_number = instance.try_number;
  request.max_tries = instance.max_tries;
  request.retry_on = task.retry.retry_on;
  request.no_retry_on = task.retry.no_retry_on;
  request.operator_name = task.operator_name;
  request.parameters = task.parameters;
  request.context = make_context(run, live.at);
  request.connections = task.connections;
  for (std::string& id : connections_in_templates(task, request.context)) {
    if (std::ranges::find(request.connections, id) == request.connections.end()) {
      request.connections.push_back(std::move(id));
    }
  }
  for (const int index : task.upstream) {
    request.upstream.push_back(run.dag().tasks[static_cast<size_t>(index)].task_id);
  }
  request.execution_timeout = task.execution_timeout;
  request.timeout = task.timeout;
  request.poke_interval = task.poke_interval;
  if (live.kind == TryKind::probe) request.first_poke_at = instance.queued_at;
  request.soft_fail = task.soft_fail;
  request.is_external_job = task.kind == OperatorKind::external_job;
  request.has_asked = run.question_of(live.at) != nullptr;
  if (const DeferralPtr deferral = run.deferral_of(live.at)) {
    request.deferred_state = deferral->what.state;
    request.event = deferral->event;
    if (live.kind == TryKind::probe) {
      request.poke_interval = deferral->what.poke_interval;
      request.timeout = waiting_time_of(task, deferral);
      request.first_poke_at = deferral->since;
    } else {
      request.spent_before = spent_before(instance, deferral);
    }
  }
  request.queue = task.queue;
  request.pool = task.pool;
  request.log_file = log_file_of(run.row.number, instance.number, instance.try_number);
  return request;
}

}  // namespace udon
