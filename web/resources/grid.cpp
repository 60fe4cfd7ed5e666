// What Airflow's grid page asks: rows (tasks in their groups), columns (runs), and what fills a column.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/limits.h"
#include "model/forecast.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"
#include "web/task_tree.h"
#include "web/unmapped.h"

namespace udon::web {
namespace {

// As on Airflow's page: which of many states a square has.
constexpr auto states_by_urgency = std::to_array<TaskState>(
    {TaskState::failed, TaskState::upstream_failed, TaskState::up_for_retry, TaskState::up_for_reschedule,
     TaskState::running, TaskState::restarting, TaskState::deferred, TaskState::queued, TaskState::scheduled,
     TaskState::none, TaskState::success, TaskState::skipped, TaskState::removed});

Result<std::vector<DagRun>> asked_runs(World& world, const Call& call, Problems& problems) {
  QueryFields query(call.request, problems);
  RunFilter filter;
  const std::string& dag_id = call.part("dag_id");
  filter.dag_ids = {dag_id};
  for (const std::string& word : query.choices("state", {"queued", "running", "success", "failed"}))
    filter.states.push_back(*parse_run_state(word));
  for (const std::string& word : query.texts("run_type"))
    if (const auto type = parse_run_type(word)) filter.types.push_back(*type);
  const bool no_type_of_ours = !query.texts("run_type").empty() && filter.types.empty();
  query.time_range("run_after", filter.run_after_gte, filter.run_after_lte);
  const PageRequest page = query.page();
  if (!problems.empty()) return std::vector<DagRun>();
  TRY(query.refuse({"triggering_user", "triggering_user_prefix", "triggering_user_name_pattern",
                    "triggering_user_name_prefix_pattern", "root", "include_upstream", "include_downstream", "depth"}));
  TRY_ASSIGN(filter.order_by, query.order_by("run_after", {{"run_after", "run_after"},
                                                           {"logical_date", "logical_date"},
                                                           {"start_date", "start_date"},
                                                           {"end_date", "end_date"}}));
  TRY(need_dag(world, dag_id));
  if (no_type_of_ours) return std::vector<DagRun>();
  TRY_ASSIGN(Page<DagRun> found, world.reader.runs(filter, page));
  return std::move(found.rows);
}

Value::List show_rows(const Dag& dag, const std::vector<TreeNode>& nodes) {
  Value::List shown;
  for (const TreeNode& node : nodes) {
    Value one = Value::map();
    if (node.group != nullptr) {
      const TaskGroup& group = *node.group;
      const std::string_view parent = parent_group(group.group_id);
      one.set("id", group.group_id);
      one.set("label", group.display_name.empty() ? group.group_id.substr(parent.empty() ? 0 : parent.size() + 1)
                                                  : group.display_name);
      one.set("children", show_rows(dag, node.children));
      if (group.expand) one.set("is_mapped", true);
      if (!group.doc.empty()) one.set("doc_md", group.doc);
    } else {
      const Task& task = dag.tasks[static_cast<size_t>(node.task)];
      one.set("id", task.task_id);
      one.set("label", task.task_id);
      if (task.expand) one.set("is_mapped", true);
      if (task.is_setup) one.set("setup_teardown_type", "setup");
      if (task.is_teardown) one.set("setup_teardown_type", "teardown");
    }
    shown.push_back(std::move(one));
  }
  return shown;
}

// What only an earlier version has comes after what the newest has.
void add_missing(Value::List& rows, const Value::List& earlier) {
  for (const Value& node : earlier) {
    const auto known = std::ranges::find(rows, node.text("id"), [](const Value& row) { return row.text("id"); });
    if (known == rows.end()) {
      rows.push_back(node);
    } else if (known->get("children").is_list() && node.get("children").is_list()) {
      Value::List children = known->get("children").as_list();
      add_missing(children, node.get("children").as_list());
      known->set("children", std::move(children));
    }
  }
}

Result<Response> structure(World& world, const Call& call) {
  Problems problems;
  TRY_ASSIGN(const std::vector<DagRun> runs, asked_runs(world, call, problems));
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(const DagRecord record, need_dag(world, call.part("dag_id")));
  Value::List rows;
  std::set<std::string> versions;
  const auto add = [&](const std::string& version) {
    if (!versions.insert(version).second) return;
    if (const DagInfoPtr info = world.dags.find(record.dag_id, version))
      add_missing(rows, show_rows(*info->dag, task_tree(*info->dag, "")));
  };
  add(record.version);
  for (const DagRun& run : runs) {
    add(run.dag_version);
    for (const EarlierVersion& earlier : run.earlier_versions) add(earlier.version);
  }
  return json_response(200, std::move(rows));
}

bool has_missed_deadline(World& world, const DagRun& run) {
  const DagInfoPtr info = world.dags.find(run.dag_id, run.dag_version);
  if (!info) return false;
  return std::ranges::any_of(info->dag->deadlines, [&](const Deadline& deadline) {
    const auto at = deadline_of(run, deadline);
    return at && (run.end_date ? *run.end_date > *at : world.clock.now() >= *at);
  });
}

Result<Response> runs(World& world, const Call& call) {
  Problems problems;
  TRY_ASSIGN(const std::vector<DagRun> found, asked_runs(world, call, problems));
  if (!problems.empty()) return problems.response();
  Value::List rows;
  for (const DagRun& run : found) {
    const Value whole = show_run(world, run);
    Value row = Value::Map{{"dag_id", run.dag_id}, {"run_id", run.run_id}};
    for (const char* key : {"queued_at", "start_date", "end_date", "run_after", "state", "run_type", "dag_versions"})
      if (!whole.get(key).is_null()) row.set(key, whole.get(key));
    row.set("has_missed_deadline", has_missed_deadline(world, run));
    row.set("has_note", !run.note.empty());
    const Duration took = run.start_date ? run.end_date.value_or(world.clock.now()) - *run.start_date : Duration(0);
    row.set("duration", static_cast<double>(took.count()) / 1e6);
    rows.push_back(std::move(row));
  }
  return json_response(200, std::move(rows));
}

// What a square of the grid is about.
struct Summary {
  std::map<TaskState, int64_t> states;
  std::optional<TimePoint> first_start, last_end;
  bool has_note = false;

  void add(const TaskInstance& instance) {
    ++states[instance.state];
    note_times(instance.start_date, instance.end_date);
    has_note = has_note || !instance.note.empty();
  }
  void add(const Summary& other) {
    for (const auto& [state, count] : other.states) states[state] += count;
    note_times(other.first_start, other.last_end);
    has_note = has_note || other.has_note;
  }
  void note_times(std::optional<TimePoint> start, std::optional<TimePoint> end) {
    if (start && (!first_start || *start < *first_start)) first_start = start;
    if (end && (!last_end || *end > *last_end)) last_end = end;
  }
};

class Column {
 public:
  Column(const DagRun& run, const DagInfo& info) : run_(run), info_(info) {}

  void add(const TaskInstance& instance) { of_task_[instance.task_id].add(instance); }

  Value show() {
    show_nodes(task_tree(*info_.dag, ""));
    // Of earlier versions.
    for (const auto& [task_id, summary] : of_task_)
      if (info_.dag->index_of(task_id) < 0) show_square(task_id, summary, Counts::left_out);
    return Value::Map{{"run_id", run_.run_id}, {"dag_id", run_.dag_id}, {"task_instances", std::move(squares_)}};
  }

 private:
  enum class Counts { shown, left_out };

  // Groups after what lies in them.
  Summary show_nodes(const std::vector<TreeNode>& nodes) {
    Summary all;
    for (const TreeNode& node : nodes) {
      Summary one;
      if (node.group != nullptr) {
        one = show_nodes(node.children);
        show_square(node.group->group_id, one, Counts::shown);
      } else {
        const Task& task = info_.dag->tasks[static_cast<size_t>(node.task)];
        one = of_task_[task.task_id];
        const bool is_mapped = task.expand && task.mapped_group.empty();
        if (is_mapped && one.states.empty()) one.states[TaskState::none] = 1;
        show_square(task.task_id, one, is_mapped ? Counts::shown : Counts::left_out);
      }
      all.add(one);
    }
    return all;
  }

  void show_square(const std::string& id, const Summary& summary, Counts counts) {
    Value child_states;
    if (counts == Counts::shown) {
      child_states = Value::map();
      for (const auto& [state, count] : summary.states) child_states.set(std::string(to_string(state)), count);
    }
    const auto urgent =
        std::ranges::find_if(states_by_urgency, [&](TaskState state) { return summary.states.contains(state); });
    const bool has_state = urgent != states_by_urgency.end() && *urgent != TaskState::none;
    squares_.push_back(Value::Map{{"task_id", id},
                                  {"task_display_name", id},
                                  {"state", has_state ? Value(to_string(*urgent)) : Value()},
                                  {"child_states", std::move(child_states)},
                                  {"min_start_date", show_time(summary.first_start)},
                                  {"max_end_date", show_time(summary.last_end)},
                                  {"dag_version_number", summary.states.empty() ? Value() : Value(info_.number)},
                                  {"has_note", summary.has_note}});
  }

  const DagRun& run_;
  const DagInfo& info_;
  std::map<std::string, Summary> of_task_;
  Value::List squares_;
};

// A line of JSON for each run that there is.
Result<Response> summaries(World& world, const Call& call) {
  Problems problems;
  const std::vector<std::string> run_ids = QueryFields(call.request, problems).texts("run_ids");
  if (run_ids.size() > limits::page_rows_max)
    return Error{ErrorKind::invalid, "run_ids: more than " + std::to_string(limits::page_rows_max)};
  const std::string& dag_id = call.part("dag_id");
  TRY(need_dag(world, dag_id));
  Response response{.content_type = "application/x-ndjson", .body = {}, .headers = {}};
  for (const std::string& run_id : run_ids) {
    TRY_ASSIGN(const std::optional<DagRun> run, world.reader.run(dag_id, run_id));
    const DagInfoPtr info = run ? world.dags.find(dag_id, run->dag_version) : nullptr;
    if (!info) continue;
    Column column(*run, *info);
    TRY_ASSIGN(const std::vector<TaskInstance> instances, world.reader.instances_of(run->number));
    for (const TaskInstance& instance : instances) column.add(instance);
    TRY_ASSIGN(const std::vector<InstanceRow> unmapped, unmapped_of(world, *run));
    for (const InstanceRow& row : unmapped) column.add(row.instance);
    response.body += to_json(column.show()) + "\n";
  }
  return response;
}

}  // namespace

void add_grid(Router& router, World& world) {
  const Access viewer = at_least(Role::viewer);
  router.add("GET", "/ui/grid/structure/{dag_id}", viewer, "Tasks and task groups of a DAG and of its runs' versions",
             [&world](const Call& call) { return structure(world, call); });
  router.add("GET", "/ui/grid/runs/{dag_id}", viewer, "Runs of a DAG, in short",
             [&world](const Call& call) { return runs(world, call); });
  router.add("GET", "/ui/grid/ti_summaries/{dag_id}", viewer,
             "In which states the tasks and task groups of runs are, a line of JSON for each run",
             [&world](const Call& call) { return summaries(world, call); });
}

}  // namespace udon::web
