#include "model/state.h"

#include <catch2/catch.hpp>
#include <set>

using namespace udon;

namespace {

constexpr MoveCause all_causes[] = {MoveCause::plan, MoveCause::report, MoveCause::command, MoveCause::reconcile};

std::set<TaskState> reachable_from(TaskState start) {
  std::set<TaskState> seen{start};
  for (bool grew = true; grew;) {
    grew = false;
    for (const TaskMoveRule& move : task_moves()) grew |= seen.contains(move.from) && seen.insert(move.to).second;
  }
  return seen;
}

std::string describe(const TaskMoveRule& move) {
  return std::string(to_string(move.from)) + " -> " + std::string(to_string(move.to));
}

}  // namespace

TEST_CASE("each state is spelled one way, and read back from it") {
  CHECK(all_task_states().size() == 13);
  std::set<std::string_view> words;
  for (const TaskState state : all_task_states()) {
    words.insert(to_string(state));
    CHECK(parse_task_state(to_string(state)) == state);
  }
  CHECK(words.size() == 13);
  CHECK(to_string(TaskState::up_for_retry) == "up_for_retry");
  CHECK(parse_task_state("") == std::nullopt);
  CHECK(parse_task_state("SUCCESS") == std::nullopt);
  CHECK(parse_task_state("shutdown") == std::nullopt);
  for (const RunState state : {RunState::queued, RunState::running, RunState::success, RunState::failed}) {
    CHECK(parse_run_state(to_string(state)) == state);
  }
  CHECK(parse_run_state("none") == std::nullopt);
}

TEST_CASE("the move table has each pair once, never a state to itself, never a move without a cause") {
  std::set<std::pair<TaskState, TaskState>> pairs;
  for (const TaskMoveRule& move : task_moves()) {
    INFO(describe(move));
    CHECK(pairs.emplace(move.from, move.to).second);
    CHECK(move.from != move.to);
    CHECK(move.causes != 0);
    CHECK(move.causes < 16);
  }
  std::set<std::pair<RunState, RunState>> run_pairs;
  for (const RunMoveRule& move : run_moves()) {
    CHECK(run_pairs.emplace(move.from, move.to).second);
    CHECK(move.from != move.to);
    CHECK(move.causes != 0);
  }
}

TEST_CASE("every state can be reached from none, and every state can come to success, failed and none again") {
  CHECK(reachable_from(TaskState::none).size() == all_task_states().size());
  for (const TaskState state : all_task_states()) {
    INFO(to_string(state));
    const auto reached = reachable_from(state);
    CHECK(reached.contains(TaskState::none));
    CHECK(reached.contains(TaskState::success));
    CHECK(reached.contains(TaskState::failed));
  }
}

TEST_CASE(
    "a finished task instance is left by a command only, but for a removed one that its expansion takes "
    "back") {
  for (const TaskMoveRule& move : task_moves()) {
    if (!is_finished(move.from)) continue;
    INFO(describe(move));
    for (const MoveCause cause : {MoveCause::plan, MoveCause::report, MoveCause::reconcile}) {
      const bool is_taken_back =
          move.from == TaskState::removed && move.to == TaskState::none && cause == MoveCause::plan;
      CHECK(is_allowed(move.from, move.to, cause) == is_taken_back);
    }
  }
}

TEST_CASE("reports and reconciliation move live task instances only: there is no other try they could speak of") {
  for (const TaskMoveRule& move : task_moves()) {
    INFO(describe(move));
    for (const MoveCause cause : {MoveCause::report, MoveCause::reconcile}) {
      if (is_allowed(move.from, move.to, cause)) CHECK(is_live(move.from));
    }
  }
}

TEST_CASE("a try is created in one place: from scheduled to queued, by the plan") {
  for (const TaskMoveRule& move : task_moves()) {
    if (move.to != TaskState::queued) continue;
    INFO(describe(move));
    CHECK(move.from == TaskState::scheduled);
    CHECK(is_allowed(move.from, move.to, MoveCause::plan));
    CHECK_FALSE(is_allowed(move.from, move.to, MoveCause::command));
  }
  // Nothing else gets at a live state but from another live one.
  for (const TaskMoveRule& move : task_moves()) {
    if (!is_live(move.to) || move.to == TaskState::queued) continue;
    INFO(describe(move));
    CHECK(is_live(move.from));
  }
}

TEST_CASE("only a report of a try makes a success, unless a person marks it or there was nothing to run") {
  for (const TaskMoveRule& move : task_moves()) {
    if (move.to != TaskState::success) continue;
    INFO(describe(move));
    CHECK(is_allowed(move.from, move.to, MoveCause::plan) == (move.from == TaskState::scheduled));
  }
}

TEST_CASE("a person may mark whatever is there, and clear whatever has begun") {
  for (const TaskState from : all_task_states()) {
    INFO(to_string(from));
    for (const TaskState to : {TaskState::success, TaskState::failed, TaskState::skipped}) {
      if (from == to || from == TaskState::removed) continue;
      CHECK(is_allowed(from, to, MoveCause::command));
    }
    if (from == TaskState::none || from == TaskState::restarting) continue;
    // A live try has to be ended first; until then it is restarting.
    CHECK(is_allowed(from, TaskState::restarting, MoveCause::command) == is_live(from));
    CHECK(is_allowed(from, TaskState::none, MoveCause::command) == !is_live(from));
  }
  // And nothing else makes a task instance restart.
  for (const TaskMoveRule& move : task_moves()) {
    if (move.to == TaskState::restarting) CHECK(move.causes == 1U << static_cast<unsigned>(MoveCause::command));
  }
}

TEST_CASE("a person can neither start a try nor end the wait for a retry out of turn") {
  for (const TaskState from : all_task_states()) {
    for (const TaskState to : {TaskState::scheduled, TaskState::queued, TaskState::running, TaskState::deferred,
                               TaskState::up_for_retry, TaskState::upstream_failed}) {
      CHECK_FALSE(is_allowed(from, to, MoveCause::command));
    }
  }
}

TEST_CASE("a run that goes on with a version without a task removes its instances, but never one that lives") {
  for (const TaskState from : all_task_states()) {
    INFO(to_string(from));
    const bool is_there = from != TaskState::removed && from != TaskState::restarting;
    CHECK(is_allowed(from, TaskState::removed, MoveCause::command) == (is_there && !is_live(from)));
  }
}

TEST_CASE("the way of an ordinary task, a retried one, a sensor and a cleared one is in the table, step by step") {
  struct Step {
    TaskState from, to;
    MoveCause cause;
  };
  using S = TaskState;
  using C = MoveCause;
  const auto check = [](std::initializer_list<Step> steps) {
    for (const Step& step : steps) {
      INFO(to_string(step.from) << " -> " << to_string(step.to));
      CHECK(is_allowed(step.from, step.to, step.cause));
    }
  };
  check({{S::none, S::scheduled, C::plan},
         {S::scheduled, S::queued, C::plan},
         {S::queued, S::running, C::report},
         {S::running, S::success, C::report}});
  check({{S::running, S::up_for_retry, C::report}, {S::up_for_retry, S::scheduled, C::plan}});
  check({{S::queued, S::deferred, C::plan}, {S::deferred, S::success, C::report}});
  check({{S::deferred, S::skipped, C::report}, {S::deferred, S::failed, C::report}});
  check({{S::running, S::restarting, C::command}, {S::restarting, S::none, C::report}});
  // After a restart: found running, found lost, never started.
  check({{S::queued, S::running, C::reconcile},
         {S::running, S::up_for_retry, C::reconcile},
         {S::running, S::failed, C::reconcile},
         {S::queued, S::scheduled, C::reconcile}});
  // A process that could not be started.
  check({{S::queued, S::up_for_retry, C::report}, {S::queued, S::failed, C::report}});
}

TEST_CASE("what is not in the table is not allowed, whoever asks") {
  for (const TaskState from : all_task_states()) {
    for (const MoveCause cause : all_causes) CHECK_FALSE(is_allowed(from, from, cause));
  }
  for (const MoveCause cause : all_causes) {
    CHECK_FALSE(is_allowed(TaskState::none, TaskState::queued, cause));
    CHECK_FALSE(is_allowed(TaskState::none, TaskState::running, cause));
    CHECK_FALSE(is_allowed(TaskState::scheduled, TaskState::running, cause));
    CHECK_FALSE(is_allowed(TaskState::success, TaskState::running, cause));
    CHECK_FALSE(is_allowed(TaskState::running, TaskState::none, cause));
    CHECK_FALSE(is_allowed(TaskState::running, TaskState::removed, cause));
  }
  // Late reports.
  CHECK_FALSE(is_allowed(TaskState::failed, TaskState::success, MoveCause::report));
  CHECK_FALSE(is_allowed(TaskState::restarting, TaskState::success, MoveCause::report));
}

TEST_CASE("a run starts and ends by the plan, is marked and begun anew by commands, and no report moves it") {
  CHECK(is_allowed(RunState::queued, RunState::running, MoveCause::plan));
  CHECK(is_allowed(RunState::running, RunState::success, MoveCause::plan));
  CHECK(is_allowed(RunState::running, RunState::failed, MoveCause::plan));
  CHECK_FALSE(is_allowed(RunState::queued, RunState::running, MoveCause::command));
  CHECK_FALSE(is_allowed(RunState::queued, RunState::success, MoveCause::plan));
  for (const RunMoveRule& move : run_moves()) {
    CHECK_FALSE(is_allowed(move.from, move.to, MoveCause::report));
    if (is_finished(move.from)) {
      CHECK(move.causes == 1U << static_cast<unsigned>(MoveCause::command));
      CHECK(move.to != RunState::running);
    }
  }
  for (const RunState finished : {RunState::success, RunState::failed}) {
    CHECK(is_allowed(finished, RunState::queued, MoveCause::command));
  }
}
