// Which events of assets are queued for which DAGs.
#include <algorithm>
#include <iterator>

#include "base/ensure.h"
#include "scheduler/state.h"

namespace udon {

bool DagState::is_due_by_assets() const {
  if (!shape || events.empty() || !shape->dag->schedule.assets) return false;
  return holds(*shape->dag->schedule.assets, [this](const std::string& asset) { return events_of.contains(asset); });
}

void State::index_assets(const DagRecord& record, int sign) {
  if (record.is_stale) return;
  for (const std::string& asset : record.assets) {
    auto& waiting = consumers_[asset];
    if (sign > 0) {
      waiting.insert(record.dag_id);
    } else {
      waiting.erase(record.dag_id);
    }
    if (waiting.empty()) consumers_.erase(asset);
  }
}

std::vector<std::string> State::consumers_of(const std::string& asset) const {
  std::vector<std::string> ids;
  const auto waiting = consumers_.find(asset);
  if (waiting == consumers_.end()) return ids;
  std::ranges::copy_if(waiting->second, std::back_inserter(ids),
                       [&](const std::string& id) { return !dags_.find(id)->second.record.is_paused; });
  return ids;
}

void State::queue_event(DagState& dag, AssetEventPtr event) {
  dag.events_of[event->asset] += 1;
  dag.events[event->number] = std::move(event);
  update_dag_timer(dag);
}

AssetEventPtr State::take_event(DagState& dag, AssetEventNumber number) {
  const auto found = dag.events.find(number);
  ENSURE(found != dag.events.end(), "an asset event is taken that is not queued");
  AssetEventPtr event = found->second;
  dag.events.erase(found);
  if (--dag.events_of[event->asset] == 0) dag.events_of.erase(event->asset);
  return event;
}

void State::load_asset_event(const std::string& dag_id, AssetEventPtr event) {
  const auto dag = dags_.find(dag_id);
  ENSURE(dag != dags_.end(), "an asset event is queued for a DAG that is not there");
  queue_event(dag->second, std::move(event));
}

void State::apply_move(const AddAssetEvent& move) {
  ENSURE(move.row.number > counters_.last_asset_event, "an asset event's number is not new");
  counters_.last_asset_event = move.row.number;
  const auto event = std::make_shared<const AssetEvent>(move.row);
  for (const std::string& dag_id : consumers_of(move.row.asset)) queue_event(dags_.at(dag_id), event);
}

void State::apply_move(const DropAssetEvents& move) {
  DagState& dag = dags_.at(move.dag_id);
  for (const AssetEventNumber event : move.events) take_event(dag, event);
  update_dag_timer(dag);
}

}  // namespace udon
