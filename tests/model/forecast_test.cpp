#include "model/forecast.h"

#include <catch2/catch.hpp>

using namespace udon;
using namespace std::chrono_literals;

namespace {

const TimePoint t0 = *parse_time("2026-01-31T05:00:00Z");

// Tasks "a", "b", …, each after those that are named behind it: {"a", "b<a", "c<a,b"}.
Dag make_dag(std::initializer_list<std::string> lines) {
  Dag dag;
  dag.dag_id = "orders";
  for (const std::string& line : lines) {
    Task task;
    task.task_id = line.substr(0, 1);
    for (size_t i = 2; i < line.size(); i += 2) {
      const int before = dag.index_of(line.substr(i, 1));
      task.upstream.push_back(before);
      dag.tasks[static_cast<size_t>(before)].downstream.push_back(static_cast<int>(dag.tasks.size()));
    }
    dag.tasks.push_back(std::move(task));
  }
  return dag;
}

DagRun running() {
  DagRun run;
  run.number = 1;
  run.state = RunState::running;
  run.run_after = run.queued_at = t0;
  run.start_date = t0;
  return run;
}

TaskInstance instance(const std::string& task_id, TaskState state, std::optional<Duration> start,
                      std::optional<Duration> end, int map_index = -1) {
  TaskInstance row;
  row.task_id = task_id;
  row.map_index = map_index;
  row.state = state;
  if (start) row.start_date = t0 + *start;
  if (end) row.end_date = t0 + *end;
  return row;
}

Habits usually(std::initializer_list<std::pair<std::string, Duration>> times) {
  Habits habits;
  for (const auto& [task, time] : times) habits.add(task, "r", -1, t0, t0 + time);
  return habits;
}

std::string path_of(const Forecast& forecast) {
  std::string path;
  for (const ForecastStep& step : forecast.path)
    path += (path.empty() ? "" : " ") + step.task_id +
            (step.map_index < 0 ? "" : "[" + std::to_string(step.map_index) + "]");
  return path;
}

}  // namespace

TEST_CASE("the usual time of a task is the middle of its times, so that one bad night does not move it") {
  Habits habits;
  for (const Duration took : {10min, 11min, 300min, 12min, 9min}) habits.add("a", "r", -1, t0, t0 + took);
  CHECK(habits.usual("a") == 11min);
  CHECK(habits.usual_beyond("a", 11min) == 300min);
  CHECK(habits.usual_beyond("a", 300min) == std::nullopt);
  CHECK(habits.usual("b") == std::nullopt);
  habits.add("m", "new", 0, t0, t0 + 1min);
  habits.add("m", "new", 1, t0, t0 + 1min);
  habits.add("m", "old", 0, t0, t0 + 1min);
  CHECK(habits.mapped("m") == 2);
}

TEST_CASE("a run ends when the longest way through it has been gone") {
  const Dag dag = make_dag({"a", "b<a", "c<a", "d<b,c"});
  const Habits habits = usually({{"a", 10min}, {"b", 5min}, {"c", 30min}, {"d", 1min}});
  const Forecast made = forecast(dag, running(), {}, habits, t0);
  CHECK(made.end == t0 + 41min);
  CHECK(path_of(made) == "a c d");
  CHECK(made.unknown.empty());
}

TEST_CASE("what has ended counts as it was, and what runs as it will be") {
  const Dag dag = make_dag({"a", "b<a", "c<b"});
  const Habits habits = usually({{"a", 10min}, {"b", 30min}, {"c", 5min}});
  const std::vector<TaskInstance> rows{instance("a", TaskState::success, 0min, 50min),
                                       instance("b", TaskState::running, 51min, {}),
                                       instance("c", TaskState::none, {}, {})};
  const Forecast made = forecast(dag, running(), rows, habits, t0 + 60min);
  CHECK(made.end == t0 + 51min + 30min + 5min);
  CHECK(path_of(made) == "a b c");
  // `a` took 40 minutes longer than usual: without that it would be in time.
  const ForecastStep* blamed = step_to_blame(made, t0 + 70min, t0 + 60min);
  REQUIRE(blamed != nullptr);
  CHECK(blamed->task_id == "a");
  // That is not enough to explain more: then it is what is still to be waited for longest.
  CHECK(step_to_blame(made, t0 + 20min, t0 + 60min)->task_id == "b");
}

TEST_CASE("what takes longer than usual is one of those that take longer") {
  const Dag dag = make_dag({"a"});
  Habits habits;
  for (const Duration took : {10min, 10min, 10min, 40min}) habits.add("a", "r", -1, t0, t0 + took);
  const std::vector<TaskInstance> rows{instance("a", TaskState::running, 0min, {})};
  CHECK(forecast(dag, running(), rows, habits, t0 + 5min).end == t0 + 10min);
  CHECK(forecast(dag, running(), rows, habits, t0 + 20min).end == t0 + 40min);
  CHECK(forecast(dag, running(), rows, habits, t0 + 90min).end == t0 + 90min);
}

TEST_CASE("mapped instances take turns where max_active_tasks lets them") {
  Dag dag = make_dag({"m", "z<m"});
  dag.max_active_tasks = 2;
  dag.tasks[0].expand = MapSpec{.inputs = {{.name = "item", .source = Value::List{1, 2, 3, 4, 5}}}};
  const Habits habits = usually({{"m", 10min}, {"z", 1min}});
  const Forecast made = forecast(dag, running(), {}, habits, t0);
  CHECK(made.end == t0 + 31min);
  CHECK(made.path.size() == 4);
  CHECK(made.path.back().task_id == "z");
  CHECK(made.path[2].map_index == 4);
}

TEST_CASE("a mapped group goes index by index") {
  Dag dag = make_dag({"a", "b<a", "c<b", "d<c"});
  for (const int i : {1, 2}) {
    dag.tasks[static_cast<size_t>(i)].mapped_group = "g";
    dag.tasks[static_cast<size_t>(i)].expand = MapSpec{};
  }
  dag.max_active_tasks = 2;
  Habits habits = usually({{"a", 1min}, {"b", 10min}, {"c", 10min}, {"d", 1min}});
  habits.add("b", "old", 0, t0, t0 + 10min);
  habits.add("b", "old", 1, t0, t0 + 60min);
  std::vector<TaskInstance> rows{instance("a", TaskState::success, -60min, -50min)};
  rows.push_back(instance("b", TaskState::running, -40min, {}, 0));
  for (const int i : {1, 2}) rows.push_back(instance("b", TaskState::success, 1min, 4min, i));
  for (const int i : {0, 1, 2}) rows.push_back(instance("c", TaskState::none, {}, {}, i));
  // One index is slow, until 20; the others are through by then.
  const Forecast slow = forecast(dag, running(), rows, habits, t0 + 5min);
  CHECK(slow.end == t0 + 31min);
  CHECK(path_of(slow) == "a b[0] c[0] d");
  // One that has failed dooms what follows it at its index, not the others.
  rows[1] = instance("b", TaskState::failed, 1min, 2min, 0);
  const Forecast failed = forecast(dag, running(), rows, habits, t0 + 5min);
  CHECK(failed.end == t0 + 15min);
  CHECK(path_of(failed) == "a b[2] c[2] d");
}

TEST_CASE("what waits outside takes no place, and what follows a failure no time") {
  Dag dag = make_dag({"s", "a", "b<a"});
  dag.max_active_tasks = 1;
  dag.tasks[0].kind = OperatorKind::sensor;
  const Habits habits = usually({{"s", 20min}, {"a", 10min}, {"b", 30min}});
  CHECK(forecast(dag, running(), {}, habits, t0).end == t0 + 40min);
  const std::vector<TaskInstance> rows{instance("s", TaskState::deferred, 0min, {}),
                                       instance("a", TaskState::failed, 0min, 3min),
                                       instance("b", TaskState::none, {}, {})};
  CHECK(forecast(dag, running(), rows, habits, t0 + 4min).end == t0 + 20min);
}

TEST_CASE("a retry counts from when it is due, a run that is not due yet from then on") {
  const Dag dag = make_dag({"a"});
  const Habits habits = usually({{"a", 10min}});
  TaskInstance row = instance("a", TaskState::up_for_retry, 0min, 1min);
  row.next_try_at = t0 + 7min;
  CHECK(forecast(dag, running(), {row}, habits, t0 + 2min).end == t0 + 17min);
  DagRun later = running();
  later.state = RunState::queued;
  later.start_date.reset();
  later.run_after = t0 + 60min;
  CHECK(forecast(dag, later, {}, habits, t0).end == t0 + 70min);
}

TEST_CASE("a task without history is named") {
  const Dag dag = make_dag({"a", "b<a"});
  const Forecast made = forecast(dag, running(), {}, usually({{"a", 10min}}), t0);
  CHECK(made.end == t0 + 10min);
  CHECK(made.unknown == std::vector<std::string>{"b"});
  CHECK(forecast(make_dag({}), running(), {}, {}, t0).end == t0);
  CHECK(step_to_blame(forecast(make_dag({}), running(), {}, {}, t0), t0, t0) == nullptr);
}

TEST_CASE("a hundred thousand instances are played in no time worth telling") {
  Dag dag = make_dag({"m", "z<m"});
  Value::List items;
  for (int i = 0; i < 100'000; ++i) items.emplace_back(i);
  dag.tasks[0].expand = MapSpec{.inputs = {{.name = "item", .source = std::move(items)}}};
  CHECK(forecast(dag, running(), {}, usually({{"m", 16s}, {"z", 1s}}), t0).end == t0 + 100'000s + 1s);
}
