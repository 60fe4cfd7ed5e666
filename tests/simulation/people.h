#pragma once
// Those who ask the scheduler for things: random commands, their answers, and what the answers promise.
#include <future>
#include <utility>
#include <vector>

#include "base/random.h"
#include "scheduler/loop.h"
#include "scheduler/state.h"
#include "store/memory_store.h"
#include "tests/simulation/auditor.h"

namespace udon::simulation {

class People {
 public:
  // `patience`: of those who ask for backfills; they have chances of their own. `asks_for_crowds`: for changes of
  // several runs at once, too.
  People(Random& random, MemoryStore& store, uint64_t patience, bool asks_for_crowds)
      : random_(random),
        crowds_(patience),
        asks_for_crowds_(asks_for_crowds),
        store_(store),
        chances_(patience),
        versions_(patience),
        asks_for_backfills_(chances_.one_in(2)) {}

  void ask(Loop& loop, TimePoint now, Auditor& auditor);
  void keep(std::future<Result<CommandOutcome>> answer, Command command) {
    open_.emplace_back(std::move(command), std::move(answer));
  }
  // Takes the answers that have come and tells the auditor what they allow and promise. How many there were.
  int hear_answers(const State& state, Auditor& auditor);
  // The scheduler died before it answered: nobody knows what it did.
  void lose_answers(Auditor& auditor);
  // When nothing else will happen: what a person would do about what waits for a person.
  void help(const State& state, Loop& loop, Auditor& auditor);

 private:
  Command random_command(TimePoint now);
  Command random_backfill(TimePoint now);
  Command random_clean(TimePoint now);
  Command random_change_of_runs();
  Command clear_run_of(const Backfill& backfill);
  Selection random_selection(Random& random);
  void answer_somebody(Loop& loop);
  void forget(const Command& command, Auditor& auditor);
  void none_has_changed(const ChangeRuns& several, Auditor& auditor);
  void promise(const State& state, const Command& command, const CommandOutcome& outcome, Auditor& auditor);

  Random& random_;
  Random answers_{1999};
  Random others_{2026};  // for what came later: the episodes of a seed stay what they were
  Random crowds_;
  const bool asks_for_crowds_;
  int crowd_ = 0;
  MemoryStore& store_;
  Random chances_, versions_;
  const bool asks_for_backfills_;
  std::vector<std::pair<Command, std::future<Result<CommandOutcome>>>> open_;
};

}  // namespace udon::simulation
