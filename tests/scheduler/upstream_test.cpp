// What a mapped group costs: an end in it is looked at where it matters, and nowhere else.
#include "scheduler/upstream.h"

#include <catch2/catch.hpp>

#include "scheduler/plan.h"

using namespace udon;

namespace {

constexpr int length = 5000;

Task make_task(const char* id, const Mapping& expand, std::vector<int> upstream, std::vector<int> downstream) {
  Task task;
  task.task_id = id;
  task.operator_name = "bash";
  task.expand = expand;
  if (expand) task.group_id = task.mapped_group = "each";
  task.upstream = std::move(upstream);
  task.downstream = std::move(downstream);
  return task;
}

// prepare → each(load → check) → tell; prepare is before check, too.
DagPtr make_dag() {
  Value::List items;
  for (int i = 0; i < length; ++i) items.emplace_back(i);
  const Mapping over = MapSpec{.inputs = {{.name = "item", .source = std::move(items)}}};
  auto dag = std::make_shared<Dag>();
  dag->dag_id = "shop";
  dag->version = "v1";
  dag->groups = {{.group_id = "each", .expand = over}};
  dag->tasks = {make_task("prepare", {}, {}, {1, 2}), make_task("load", over, {0}, {2}),
                make_task("check", over, {0, 1}, {3}), make_task("tell", {}, {2}, {})};
  return dag;
}

struct House {
  House() {
    AddRun add{.row = {.number = 1, .dag_id = "shop", .run_id = "r1", .state = RunState::running, .dag_version = "v1"},
               .shape = make_shape(make_dag()),
               .past = {},
               .user = {}};
    state.apply(Move(std::move(add)));
    settle();
  }
  void settle() {
    for (;;) {
      const Plan step = plan({}, state);
      for (const TaskRef& task : step.settled) state.settle(task);
      if (step.moves.empty()) return;
      for (const Move& move : step.moves) state.apply(move);
    }
  }
  const TaskSlot& slot(int task) const { return state.slot({1, task}); }
  void step(InstanceRef at, TaskState to, MoveCause cause) {
    MoveInstance move{.at = at, .row = state.instance(at), .cause = cause};
    if (to == TaskState::queued) move.row.fence = ++fence;
    move.row.state = to;
    state.apply(Move(std::move(move)));
  }
  void end(int task, int position, TaskState as) {
    const InstanceRef at{1, task, position};
    step(at, TaskState::queued, MoveCause::plan);
    step(at, TaskState::running, MoveCause::report);
    step(at, as, MoveCause::report);
  }
  State state{1};
  Fence fence = 0;
};

}  // namespace

TEST_CASE("an end at one index of a mapped group is looked at there alone, however many indices there are") {
  House house;
  REQUIRE(house.slot(1).undecided.size() == length);
  house.end(0, 0, TaskState::success);
  CHECK(house.state.dirty().contains({1, 1}));
  CHECK(house.state.dirty().contains({1, 2}));
  house.settle();
  CHECK(house.slot(1).ready.size() == length);
  CHECK(house.slot(2).ready.empty());
  CHECK(house.state.dirty().empty());
  CHECK(house.state.dirty_indices().empty());

  house.end(1, 3000, TaskState::success);
  CHECK(house.state.dirty().empty());
  REQUIRE(house.state.dirty_indices().size() == 1);
  CHECK(house.state.dirty_indices().begin()->first == TaskRef{1, 2});
  CHECK(house.state.dirty_indices().begin()->second == std::set<int>{3000});
  // One plan decides it, and takes up nobody else.
  const Plan step = plan({}, house.state);
  CHECK(step.moves.size() == 1);
  house.settle();
  CHECK(house.slot(2).ready == std::set<int>{3000});

  house.end(1, 7, TaskState::failed);
  house.settle();
  CHECK(house.slot(2).instances[7].state == TaskState::upstream_failed);
  CHECK(house.slot(2).undecided.size() == length - 2);
  CHECK(house.slot(3).upstream.upstream_failed == 1);
  CHECK(house.state.rebuilt().first_difference(house.state) == std::nullopt);
}

TEST_CASE("what a mapped task outside says to a mapped group is looked at only when it says something new") {
  UpstreamCounts counts;
  for (int i = 0; i < 100; ++i) counts.add(TaskState::none, false, 1);
  const unsigned nothing = meaning_of(counts);
  const auto ends = [&](TaskState as) {
    counts.add(TaskState::none, false, -1);
    counts.add(as, false, 1);
  };
  ends(TaskState::success);
  const unsigned one = meaning_of(counts);
  CHECK(one != nothing);
  for (int i = 0; i < 98; ++i) ends(TaskState::success);
  CHECK(meaning_of(counts) == one);
  ends(TaskState::failed);
  CHECK(meaning_of(counts) != one);
}

TEST_CASE("counts that mean the same are the same to every trigger rule, whatever is added to them") {
  // All counts of up to three upstream task instances, and all that an index may add.
  const TaskState states[] = {TaskState::none,    TaskState::success,         TaskState::failed,
                              TaskState::skipped, TaskState::upstream_failed, TaskState::removed};
  std::vector<UpstreamCounts> all{{}};
  for (size_t from = 0, round = 0; round < 3; ++round) {
    const size_t to = all.size();
    for (; from < to; ++from) {
      for (const TaskState state : states) {
        for (const bool is_setup : {false, true}) {
          UpstreamCounts more = all[from];
          more.add(state, is_setup, 1);
          all.push_back(more);
        }
      }
    }
  }
  std::map<unsigned, UpstreamCounts> first;
  int pairs = 0;
  for (const UpstreamCounts& counts : all) {
    const auto [same, is_new] = first.emplace(meaning_of(counts), counts);
    if (is_new) continue;
    ++pairs;
    for (const TriggerRule rule : all_trigger_rules()) {
      for (const TaskState state : states) {
        for (const bool is_setup : {false, true}) {
          UpstreamCounts one = counts, other = same->second;
          one.add(state, is_setup, 1), other.add(state, is_setup, 1);
          if (evaluate(rule, one) != evaluate(rule, other)) {
            FAIL(to_string(rule) << " tells " << to_string(state) << " apart");
          }
        }
      }
      if (evaluate(rule, counts) != evaluate(rule, same->second)) FAIL(to_string(rule) << " tells counts apart");
    }
  }
  CHECK(pairs > 1000);
}
