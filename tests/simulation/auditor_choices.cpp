// What branches and short circuits have chosen holds: counted anew from what their tries returned and from the XComs in
// the store, never from what the scheduler keeps in memory.
#include <algorithm>
#include <set>

#include "model/choice.h"
#include "tests/simulation/auditor.h"
#include "tests/simulation/counting.h"

namespace udon::simulation {

namespace {

bool holds(const Value& ids, const std::string& id) {
  return ids.is_list() && std::ranges::find(ids.as_list(), Value(id)) != ids.as_list().end();
}

bool is_upstream(const Dag& dag, size_t task, int before) {
  const std::vector<int>& direct = dag.tasks[task].upstream;
  return std::ranges::find(direct, before) != direct.end();
}

bool comes_before(const Dag& dag, int before, int task) {
  const std::vector<int>& direct = dag.tasks[static_cast<size_t>(task)].upstream;
  return std::ranges::any_of(direct, [&](int at) { return at == before || comes_before(dag, before, at); });
}

}  // namespace

std::optional<std::string> Auditor::not_chosen(const ActiveRun& run, size_t task, int map_index) {
  const Dag& dag = truth(run);
  const std::string& id = dag.tasks[task].task_id;
  for (size_t i = 0; i < task; ++i) {
    if (dag.tasks[i].choosing == Choosing::nothing) continue;
    const auto before = static_cast<int>(i);
    const bool is_same_index = share_indices(dag, before, static_cast<int>(task));
    int64_t against = 0;
    int64_t open = is_same_index ? 0 : run.slots[i].missing();
    for (const TaskInstance& row : run.slots[i].instances) {
      if (is_same_index && row.map_index != map_index) continue;
      if (!is_finished(row.state)) ++open;
      const auto choice = must(store_.reader().xcom(row.number, std::string(choice_key)), "xcom");
      if (!choice) return std::nullopt;
      if (!*choice) {
        // Marked success: it has not chosen, so nothing is skipped.
        if (row.state == TaskState::success) ++open;
        continue;
      }
      const Value& value = (*choice)->value;
      // In a version that the run has gone on with it may not come after it any more.
      const bool is_against =
          value.find("followed") != nullptr
              ? is_upstream(dag, task, before) && !holds(value.get("followed"), id)
              : comes_before(dag, before, static_cast<int>(task)) && holds(value.get("skipped"), id);
      is_against ? ++against : ++open;
    }
    if (against > 0 && open == 0) return dag.tasks[i].task_id;
  }
  return std::nullopt;
}

std::optional<std::string> Auditor::lacks_setup(const ActiveRun& run, size_t task, int map_index) const {
  const Dag& dag = truth(run);
  if (dag.tasks[task].is_teardown) return std::nullopt;
  for (size_t i = 0; i < task; ++i) {
    const Task& setup = dag.tasks[i];
    const auto before = static_cast<int>(i);
    const auto here = static_cast<int>(task);
    if (!setup.is_setup || is_upstream(dag, task, before) || !comes_before(dag, before, here)) continue;
    bool has_teardown = false;
    bool is_ahead = false;
    for (const int next : setup.downstream) {
      if (!dag.tasks[static_cast<size_t>(next)].is_teardown) continue;
      has_teardown = true;
      is_ahead = is_ahead || comes_before(dag, here, next);
    }
    if (has_teardown && !is_ahead) continue;
    if (share_indices(dag, before, here)) {
      const auto there = state_at_index(run.slots[i], map_index).value_or(TaskState::removed);
      if (there != TaskState::success && there != TaskState::removed) return setup.task_id;
      continue;
    }
    bool has_succeeded = run.slots[i].missing() == 0;
    for (const TaskInstance& row : run.slots[i].instances) {
      if (row.state != TaskState::success && row.state != TaskState::removed) has_succeeded = false;
    }
    if (!has_succeeded) return setup.task_id;
  }
  return std::nullopt;
}

// Whom somebody has chosen to skip is not left undecided.
void Auditor::check_choices(const State& state) {
  for (const auto& [number, run] : state.runs()) {
    if (run.row.state != RunState::running) continue;
    for (size_t i = 0; i < run.slots.size(); ++i) {
      const TaskSlot& slot = run.slots[i];
      if (slot.undecided.empty() && slot.ready.empty()) continue;
      for (const auto* positions : {&slot.undecided, &slot.ready}) {
        for (const int position : *positions) {
          const TaskInstance& row = slot.instances[static_cast<size_t>(position)];
          // What is mapped anew, and what it is mapped over is not there yet, is decided with it.
          const bool is_unmapped = !run.dag().tasks[i].mapped_group.empty() && (!slot.length || row.map_index < 0);
          if (is_unmapped) continue;
          if (const auto chooser = not_chosen(run, i, row.map_index)) {
            return complain(name(run, row) + " waits, and `" + *chooser + "` has chosen to skip it");
          }
          if (run.dag().tasks[i].mapped_group.empty()) break;  // it is the same to all of them
        }
      }
    }
  }
}

// What is kept says what the try has returned.
void Auditor::check_choice(const TryId& id, const Process& process, const std::string& what) {
  const std::string& by = process.request.operator_name;
  if (by != "branch" && by != "short_circuit") return;
  const auto row = must(store_.reader().instance_by_number(process.request.instance), "instance_by_number");
  if (!row || !*row || !has_succeeded_by((*row)->instance, id.fence)) return;
  const auto run = must(store_.reader().run(process.request.key.dag_id, process.request.key.run_id), "run");
  if (!run || !*run || !dags_.contains((*run)->dag_version)) return;
  const Dag& dag = *dags_.at((*run)->dag_version);
  const int chooser = dag.index_of(process.request.key.task_id);
  // The run has gone over to another version meanwhile, where this task chooses nothing, or chooses otherwise: what its
  // try ended with counts for the task as it is there.
  if (chooser < 0 || to_string(dag.tasks[static_cast<size_t>(chooser)].choosing) != by) return;
  const auto stored = must(store_.reader().xcom(process.request.instance, std::string(choice_key)), "xcom");
  if (!stored) return;
  if (!*stored) return complain(what + " has chosen, and its choice is not in the store");
  const Value& returned = process.end.xcom.get("return_value");
  const Value& choice = (*stored)->value;
  if (by == "short_circuit") {
    const bool is_wrong = returned.as_bool() && choice.get("skipped").size() > 0;
    if (is_wrong) complain(what + " let go on, and skips " + to_json(choice));
    return;
  }
  for (const int next : dag.tasks[static_cast<size_t>(chooser)].downstream) {
    const std::string& next_id = dag.tasks[static_cast<size_t>(next)].task_id;
    bool is_wanted = holds(returned, next_id);
    for (const Value& chosen : returned.is_list() ? returned.as_list() : Value::List{}) {
      const int from = dag.index_of(chosen.as_string());
      is_wanted = is_wanted || (from >= 0 && comes_before(dag, from, next));
    }
    if (is_wanted != holds(choice.get("followed"), next_id)) {
      return complain(what + " chose " + to_json(returned) + ", kept as " + to_json(choice));
    }
  }
}

}  // namespace udon::simulation
