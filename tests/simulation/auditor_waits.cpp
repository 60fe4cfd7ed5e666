// Who waits for people is answered once, and what was answered stays so; what was deferred is as its process left it.
#include <algorithm>

#include "tests/simulation/auditor.h"
#include "tests/simulation/counting.h"

namespace udon::simulation {

bool Auditor::is_asked(const TaskInstance& row) {
  const auto asked = must(store_.reader().question(row.number, row.try_number), "question");
  return asked && *asked;
}

void Auditor::answered(const AskedQuestion& asked) {
  const std::pair key(asked.instance, asked.try_number);
  if (const auto [at, is_first] = answers_.emplace(key, *asked.answer); !is_first)
    complain("try " + std::to_string(asked.try_number) + " of task instance " + std::to_string(asked.instance) +
             " took two answers: " + describe(at->second) + " and " + describe(*asked.answer));
}

void Auditor::check_waits(const State& state) {
  // Memory and store agree.
  for (const auto& [number, run] : state.runs()) {
    std::map<InstanceNumber, AskedQuestion> questions;
    for (const auto& [at, asked] : run.questions) questions[asked->instance] = *asked;
    const auto stored = must(store_.reader().live_questions_of(number), "live_questions_of");
    for (const AskedQuestion& row : stored ? *stored : std::vector<AskedQuestion>{}) {
      if (!questions.contains(row.instance) || questions.at(row.instance) != row)
        return complain("a question of " + run.row.run_id + " differs between memory and store");
      questions.erase(row.instance);
    }
    if (!questions.empty()) return complain("a question of " + run.row.run_id + " is in memory only");
    std::vector<Deferral> deferrals;
    for (const auto& [at, deferral] : run.deferrals) deferrals.push_back(*deferral);
    std::ranges::sort(deferrals, {}, &Deferral::instance);
    const auto kept = must(store_.reader().deferrals_of(number), "deferrals_of");
    if (kept && *kept != deferrals)
      return complain("what was deferred in " + run.row.run_id + " differs between memory and store");
  }
  // What was answered is so for good, and its task instance came to what follows from it, unless somebody said
  // otherwise afterwards.
  for (auto at = answers_.begin(); at != answers_.end();) {
    const auto asked = must(store_.reader().question(at->first.first, at->first.second), "question");
    if (!asked) return;
    if (!*asked) {
      at = answers_.erase(at);  // its run was deleted
      continue;
    }
    if ((*asked)->answer != at->second)
      return complain("the answer `" + describe(at->second) + "` was taken, and is not in the store");
    ++at;
  }
}

}  // namespace udon::simulation
