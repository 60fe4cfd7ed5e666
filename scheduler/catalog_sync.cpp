#include "scheduler/catalog_sync.h"

#include <algorithm>

namespace udon {

Moves CatalogSync::next(TimePoint now, const State& state, int dags_max) {
  Moves moves;
  if (is_done_) return moves;
  // Both lists are ordered by dag id: those of the catalog, and those that only the state knows.
  auto wanted = catalog_->dags.upper_bound(after_);
  auto known = state.dags().upper_bound(after_);
  int changed = 0;
  while (wanted != catalog_->dags.end() || known != state.dags().end()) {
    if (changed >= dags_max) return moves;
    const bool is_wanted =
        wanted != catalog_->dags.end() && (known == state.dags().end() || wanted->first <= known->first);
    Moves of_dag;
    if (is_wanted) {
      after_ = wanted->first;
      of_dag = take_in(now, state, wanted->second);
      if (known != state.dags().end() && known->first == wanted->first) ++known;
      ++wanted;
    } else {
      after_ = known->first;
      of_dag = take_out(known->second);
      ++known;
    }
    if (of_dag.empty()) continue;
    ++changed;
    std::ranges::move(of_dag, std::back_inserter(moves));
  }
  is_done_ = true;
  return moves;
}

Moves CatalogSync::take_in(TimePoint now, const State& state, const DagPtr& dag) {
  const DagState* known = state.find_dag(dag->dag_id);
  if (known != nullptr && known->shape && known->shape->dag->version == dag->version && !known->record.is_stale)
    return {};
  SetDag set;
  if (known != nullptr) set.row = known->record;
  const bool is_new = known == nullptr || known->record.version.empty();
  set.row.dag_id = dag->dag_id;
  set.row.file = dag->file;
  set.row.description = dag->description;
  set.row.schedule_text = dag->schedule_text;
  set.row.timezone = dag->schedule.timezone;
  set.row.tags = dag->tags;
  set.row.is_stale = false;
  if (is_new) set.row.is_paused = dag->is_paused_upon_creation.value_or(dags_are_paused_at_creation_);
  if (is_new || set.row.version != dag->version) set.row.last_parsed_at = now;
  set.row.version = dag->version;
  set.row.assets = dag->schedule.assets ? assets_of(*dag->schedule.assets) : std::vector<std::string>();
  DropAssetEvents dropped{.dag_id = dag->dag_id, .events = {}};
  for (const auto& [number, event] : known == nullptr ? decltype(known->events){} : known->events) {
    if (!std::ranges::binary_search(set.row.assets, event->asset)) dropped.events.push_back(number);
  }
  Moves moves;
  if (!dropped.events.empty()) moves.emplace_back(std::move(dropped));
  moves.emplace_back(LoadDag{.dag_id = dag->dag_id, .shape = shapes_.of(dag)});
  moves.emplace_back(std::move(set));
  return moves;
}

Moves CatalogSync::take_out(const DagState& dag) {
  if (!dag.shape && dag.record.is_stale) return {};
  SetDag set{.row = dag.record, .is_due_known = true};
  set.row.is_stale = true;
  set.row.next_run_after.reset();
  Moves moves;
  moves.emplace_back(LoadDag{.dag_id = dag.record.dag_id, .shape = {}});
  moves.emplace_back(std::move(set));
  return moves;
}

}  // namespace udon
