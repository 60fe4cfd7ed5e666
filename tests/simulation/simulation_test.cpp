// The real loop, plan and reconcile for many simulated days. One seed replays an episode:
//   UDON_SIM_SEED=123 tests/simulation_test        one episode, by its seed
//   UDON_SIM_TURNS=1000000 tests/simulation_test   as many turns, over as many episodes as that takes
//   UDON_SIM_FIRST_SEED=1000                       where those episodes' seeds begin
// A million turns are for an optimized build: cmake --build --preset release --target simulation_test; then
//   UDON_SIM_TURNS=1000000 build/tests/simulation_test "whatever happens*"
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

struct Verdict {
  std::string said;   // of all episodes
  int64_t turns = 0;  // until the words came
};

// What the auditor said of episodes with that fault, until it said `words` or there have been enough.
Verdict judge(Planted planted, const std::string& words, int episodes) {
  Verdict verdict;
  for (int i = 0; i < episodes; ++i) {
    const Story story = play({.seed = 5000 + static_cast<uint64_t>(i), .turns = 400, .planted = planted});
    verdict.turns += story.turns;
    if (!story.problem) continue;
    verdict.said += *story.problem + "\n";
    if (story.problem->find(words) != std::string::npos) break;
  }
  return verdict;
}

}  // namespace

TEST_CASE("stories that broke an invariant once do so no more") {
  set_log_level(LogLevel::error);
  for (const uint64_t seed : {72'000'304, 84'000'008}) {
    const Story story = play({.seed = seed, .has_crowds = seed % 2 == 1});
    INFO("seed " << seed << ", " << story.problem.value_or(""));
    CHECK_FALSE(story.problem);
  }
}

TEST_CASE("whatever happens, no invariant of the scheduler breaks, and everything comes to its end") {
  set_log_level(LogLevel::error);
  Story sum;
  const int64_t one_seed = from_environment("UDON_SIM_SEED", 0);
  const int64_t turns = one_seed != 0 ? 1 : from_environment("UDON_SIM_TURNS", 120'000);
  uint64_t seed = one_seed != 0 ? static_cast<uint64_t>(one_seed)
                                : static_cast<uint64_t>(from_environment("UDON_SIM_FIRST_SEED", 1));
  for (; sum.turns < turns; ++seed) {
    const Story story = play({.seed = seed, .has_crowds = seed % 2 == 1});
    add(sum, story);
    INFO("seed " << seed << " (UDON_SIM_SEED=" << seed << " replays it), " << story.problem.value_or("") << "\n"
                 << (one_seed != 0 ? story.last_events : ""));
    REQUIRE_FALSE(story.problem);
  }
  std::cout << "simulation: " << sum.turns << " turns, " << sum.tries << " tries, " << sum.commands << " commands, "
            << sum.crashes << " crashes, " << sum.failed_commits << " turns with a failing store\n";
  for (const auto& [kind, count] : sum.reasons) std::cout << "  " << to_string(kind) << " " << count << "\n";
  // Long enough, it has been everywhere.
  if (turns < 100'000) return;
  for (const ReasonKind kind :
       {ReasonKind::finished, ReasonKind::running, ReasonKind::upstream, ReasonKind::dag_paused, ReasonKind::run_queued,
        ReasonKind::backfill_paused, ReasonKind::not_yet_due, ReasonKind::retry_delay, ReasonKind::max_active_tasks,
        ReasonKind::max_active_tis, ReasonKind::pool_full, ReasonKind::pool_unknown, ReasonKind::parallelism,
        ReasonKind::no_worker, ReasonKind::handed_out, ReasonKind::sensor, ReasonKind::answer,
        ReasonKind::ending_old_try}) {
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

// What the auditor is for, one by one: a fault of that kind is planted, and it says so.
struct Plant {
  Planted planted;
  const char* says;  // part of its complaint
  int episodes = 60;
};

TEST_CASE("the auditor finds what is planted, each fault by its own check") {
  set_log_level(LogLevel::error);
  const auto [planted, says, episodes] = GENERATE(
      // No run is lost.
      Plant{Planted::forgets_a_run_after_restart, "lost in memory"}, Plant{Planted::swallows_a_commit, "in memory"},
      // No two live tries of one task instance.
      Plant{Planted::lies_that_a_try_is_unknown, "of its tries live"},
      // No report is obeyed but the current try's.
      Plant{Planted::swaps_results, "runs, but the store has it as"},
      Plant{Planted::tells_old_ends_of_the_current_try, "runs, but the store has it as"},
      // No report of an adopted try is dropped.
      Plant{Planted::hides_ends_of_adopted_tries, "was told, and its task instance is still"},
      // No task before its upstream.
      Plant{Planted::forgets_an_edge, "before its upstream allows it"},
      // In a mapped group none before its upstream at the same index, and none waits for another index.
      Plant{Planted::forgets_edges_at_an_index, "has not ended at the same index"},
      Plant{Planted::waits_for_all_indices, "its upstream is done"},
      // Limits are never exceeded.
      Plant{Planted::wider_pools, "slots, "}, Plant{Planted::wider_max_active_runs, "more than max_active_runs"},
      Plant{Planted::wider_max_active_tasks, "more than max_active_tasks"},
      Plant{Planted::wider_limits_of_a_task, "more than max_active_tis"},
      Plant{Planted::wider_parallelism, "more processes than parallelism allows"},
      Plant{Planted::takes_more_than_it_has_room_for, "more than it has room for"},
      // Every try ends.
      Plant{Planted::never_ends_what_is_killed, "never ends"},
      // Nothing waits without a true reason.
      Plant{Planted::narrower_max_active_tasks, "its run has room"},
      // What was decided and returned is kept; what needs no try gets none.
      Plant{Planted::forgets_what_a_try_becomes, "was to be", 200}, Plant{Planted::drops_xcoms, "XCom"},
      Plant{Planted::tries_for_empty_tasks, "needs none"},
      // What was not chosen is skipped, also when it is cleared after a restart.
      Plant{Planted::chooses_nothing, "its choice is not in the store"},
      Plant{Planted::forgets_choices_after_restart, "has chosen to skip it", 200},
      // No state is written over without a look at what is there: memory and store agree.
      Plant{Planted::overwrites_a_running_state, "in memory and failed in the store"},
      // A try starts once, and not before its hand-out is committed.
      Plant{Planted::hands_a_try_to_two, "starts twice"},
      Plant{Planted::says_committed_before_it_is, "begins before its hand-out is in the store"},
      // A success stays one until somebody asks for something else.
      Plant{Planted::marks_in_secret, "was success for good and is"},
      // A run succeeds when all of its tasks have ended.
      Plant{Planted::forgets_a_task, "has not ended"},
      // Who waits is woken in time.
      Plant{Planted::sleeps_too_long, "the next turn is later than that"},
      // Once a day is once on every day of the zone's wall clock.
      Plant{Planted::forgets_daylight_saving, "is at another time there"},
      Plant{Planted::leaves_out_skipped_times, "leaves out one between it and the one before", 400},
      Plant{Planted::runs_twice_in_repeated_hours, "is the second of its day"},
      // Nothing runs on a day off.
      Plant{Planted::forgets_the_calendar, "is on a day off"},
      // What people have answered is kept, and so is what a try waits for.
      Plant{Planted::forgets_answers, "differs between memory and store"},
      Plant{Planted::forgets_deferrals, "differs between memory and store"},
      // A backfill survives restarts, and deals with each date once.
      Plant{Planted::forgets_backfills_after_restart, "is active in the store only", 200},
      Plant{Planted::takes_dates_of_backfills_twice, "differs between memory and store"},
      // What the calendar needs is never too old.
      Plant{Planted::hides_schedules_from_cleaning, "the last scheduled run of", 200},
      // Every end is told once.
      Plant{Planted::drops_notifications, "nobody is told of"},
      Plant{Planted::tells_twice, "tells what has not happened"},
      // Every event of an asset is heeded by each that waits for it.
      Plant{Planted::queues_no_asset_events, "is queued in memory, and not so in the store"},
      Plant{Planted::forgets_an_asset, "is lost"});
  const Verdict verdict = judge(planted, says, episodes);
  std::cout << "planted: \"" << says << "\" after " << verdict.turns << " turns\n";
  CHECK_THAT(verdict.said, Catch::Contains(says));
}
