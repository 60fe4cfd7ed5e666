#pragma once
// What tasks say of those after them: a branch which of them are followed, a short circuit whether any is. Kept with
// the success of the task as an XCom, so that what it skips is skipped again when it is cleared alone.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "model/dag.h"

namespace udon {

// Airflow's key of it: {"followed": [task ids]} of a branch, {"skipped": [task ids]} of a short circuit.
inline constexpr std::string_view choice_key = "skipmixin_key";
// A short circuit pushes it as false where the trigger rules of tasks further down are to be heard.
inline constexpr std::string_view ignores_rules_key = "ignore_downstream_trigger_rules";

// What is to be kept under choice_key after dag.tasks[task] has succeeded with these XComs (an object). A branch
// returns the id of a task or task group directly after it, a list of such ids, or nothing: then none is followed.
// Those on a way that begins at a chosen one are followed, too: Airflow's skip_all_except. invalid: what it names is
// not directly after it; the message says what may be chosen.
Result<Value> make_choice(const Dag& dag, int task, const Value& xcoms);

// The tasks (indices, ascending) that such a value skips. What it does not understand skips none.
std::vector<int> skipped_by(const Dag& dag, int task, const Value& choice);

// What a branch may name: the tasks directly after it, and their groups as far as it is not in them itself.
std::vector<std::string> choosable(const Dag& dag, int task);

}  // namespace udon
