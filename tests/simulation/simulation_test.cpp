// The real loop, plan and reconcile for many simulated days. One seed replays an episode:
//   UDON_SIM_SEED=123 tests/simulation_test        one episode, by its seed
//   UDON_SIM_TURNS=1000000 tests/simulation_test   as many turns, over as many episodes as that takes
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>

#include "base/log.h"
#include "tests/simulation/world.h"

using namespace udon;
using namespace udon::simulation;

namespace {

int64_t from_environment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

void add(Story& sum, const Story& story) {
  sum.turns += story.turns;
  sum.crashes += story.crashes;
  sum.failed_commits += story.failed_commits;
  sum.commands += story.commands;
  sum.tries += story.tries;
  for (const auto& [kind, count] : story.reasons) sum.reasons[kind] += count;
}

// Episodes until one of them is found out, or there have been enough.
std::optional<std::string> first_problem(Planted planted, int episodes) {
  for (int i = 0; i < episodes; ++i) {
    const Story story = play({.seed = 5000 + static_cast<uint64_t>(i), .turns = 400, .planted = planted});
    if (story.problem) return story.problem;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("whatever happens, no invariant of the scheduler breaks, and everything comes to its end") {
  set_log_level(LogLevel::error);
  Story sum;
  const int64_t one_seed = from_environment("UDON_SIM_SEED", 0);
  const int64_t turns = one_seed != 0 ? 1 : from_environment("UDON_SIM_TURNS", 120'000);
  uint64_t seed = one_seed != 0 ? static_cast<uint64_t>(one_seed)
                                : static_cast<uint64_t>(from_environment("UDON_SIM_FIRST_SEED", 1));
  for (; sum.turns < turns; ++seed) {
    const Story story = play({.seed = seed});
    add(sum, story);
    INFO("seed " << seed << " (UDON_SIM_SEED=" << seed << " replays it), " << story.problem.value_or(""));
    REQUIRE_FALSE(story.problem);
  }
  std::cout << "simulation: " << sum.turns << " turns, " << sum.tries << " tries, " << sum.commands << " commands, "
            << sum.crashes << " crashes, " << sum.failed_commits << " turns with a failing store\n";
  for (const auto& [kind, count] : sum.reasons) std::cout << "  " << to_string(kind) << " " << count << "\n";
  if (one_seed != 0) return;
  // It has been everywhere.
  for (const ReasonKind kind :
       {ReasonKind::finished, ReasonKind::running, ReasonKind::upstream, ReasonKind::dag_paused, ReasonKind::run_queued,
        ReasonKind::not_yet_due, ReasonKind::retry_delay, ReasonKind::max_active_tasks, ReasonKind::max_active_tis,
        ReasonKind::pool_full, ReasonKind::pool_unknown, ReasonKind::parallelism, ReasonKind::no_worker,
        ReasonKind::handed_out, ReasonKind::sensor, ReasonKind::ending_old_try}) {
    INFO(to_string(kind));
    CHECK(sum.reasons[kind] > 0);
  }
  CHECK(sum.crashes > 0);
  CHECK(sum.failed_commits > 0);
}

TEST_CASE("the same seed tells the same story") {
  const Story once = play({.seed = 77, .turns = 300});
  const Story again = play({.seed = 77, .turns = 300});
  CHECK(once.turns == again.turns);
  CHECK(once.tries == again.tries);
  CHECK(once.reasons == again.reasons);
}

TEST_CASE("an executor that denies a living try is found out") {
  CHECK(first_problem(Planted::lies_that_a_try_is_unknown, 60));
}
TEST_CASE("an executor that tells one try's end as another's is found out") {
  CHECK(first_problem(Planted::swaps_results, 60));
}
TEST_CASE("an executor that does not end what it is told to end is found out") {
  CHECK(first_problem(Planted::never_ends_what_is_killed, 60));
}
TEST_CASE("a store that swallows a commit is found out") { CHECK(first_problem(Planted::swallows_a_commit, 60)); }
TEST_CASE("a store that forgets a run over a restart is found out") {
  CHECK(first_problem(Planted::forgets_a_run_after_restart, 60));
}
TEST_CASE("a store that loses XComs is found out") { CHECK(first_problem(Planted::drops_xcoms, 60)); }
TEST_CASE("a store that forgets what a try that is being ended becomes is found out") {
  CHECK(first_problem(Planted::forgets_what_a_try_becomes, 200));
}
TEST_CASE("pools that are handed out wider than they are set are found out") {
  CHECK(first_problem(Planted::wider_pools, 60));
}
