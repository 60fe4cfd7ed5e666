// Every event of an asset comes from a success, is queued for each DAG that waits for it, and is heeded there once.
#include <algorithm>
#include <tuple>

#include "tests/simulation/auditor.h"
#include "tests/simulation/counting.h"

namespace udon::simulation {

namespace {

std::string name(const std::string& dag_id, const AssetEvent& event) {
  return "asset event " + std::to_string(event.number) + " of " + event.asset + " for " + dag_id;
}

bool wants(const Dag& dag, const std::string& asset) {
  return dag.schedule.assets && std::ranges::binary_search(assets_of(*dag.schedule.assets), asset);
}

}  // namespace

void Auditor::check_assets(const State& state) {
  const auto queued = must(store_.reader().queued_asset_events(""), "queued_asset_events");
  if (!queued) return;
  std::map<std::pair<std::string, AssetEventNumber>, AssetEvent> queue;
  for (const QueuedAssetEvent& row : *queued) queue[{row.dag_id, row.event.number}] = row.event;
  size_t in_memory = 0;
  for (const auto& [id, dag] : state.dags()) {
    for (const auto& [number, event] : dag.events) {
      ++in_memory;
      const auto there = queue.find({id, number});
      if (there == queue.end() || there->second != *event)
        return complain(name(id, *event) + " is queued in memory, and not so in the store");
    }
  }
  if (in_memory != queue.size()) return complain("asset events are queued in the store only");
  for (const auto& [number, run] : state.runs()) {
    const auto events = must(store_.reader().asset_events_of_run(number), "asset_events_of_run");
    const bool is_same = events && std::ranges::equal(*events, run.events, {}, {}, [](const auto& e) { return *e; });
    if (!is_same) return complain("the events of run " + run.row.run_id + " differ between memory and store");
  }
  see_runs_of_assets(state);
  see_new_asset_events(state, queue);
  std::erase_if(waiting_events_, [&](const auto& one) {
    const auto& [key, asset] = one;
    if (queue.contains(key)) return false;
    const DagState* dag = state.find_dag(key.first);
    const bool is_dropped = std::ranges::find(dag->record.assets, asset) == dag->record.assets.end();
    if (!taken_events_.contains(key) && !is_dropped && !was_restarted_)
      complain("asset event " + std::to_string(key.second) + " has left the queue of " + key.first + " for no run");
    return true;
  });
  dags_before_.clear();
  for (const auto& [id, dag] : state.dags()) dags_before_[id] = dag.record;
  was_restarted_ = false;
}

void Auditor::see_runs_of_assets(const State& state) {
  for (; last_run_of_assets_ < state.counters().last_run; ++last_run_of_assets_) {
    const RunNumber number = last_run_of_assets_ + 1;
    const auto run = must(store_.reader().run_by_number(number), "run_by_number");
    const auto events = must(store_.reader().asset_events_of_run(number), "asset_events_of_run");
    if (!run || !*run || !events) continue;  // it is gone already
    std::set<std::string> assets;
    for (const AssetEvent& event : *events) {
      assets.insert(event.asset);
      if (!taken_events_.insert({(*run)->dag_id, event.number}).second)
        complain(name((*run)->dag_id, event) + " is heeded twice");
    }
    if (((*run)->type == RunType::asset_triggered) != !events->empty())
      complain("run " + (*run)->run_id + " is made due by " + std::to_string(events->size()) + " events");
    const auto dag = dags_.find(first_version(**run));
    if (events->empty() || dag == dags_.end()) continue;
    const auto& condition = dag->second->schedule.assets;
    if (!condition || !holds(*condition, [&](const std::string& asset) { return assets.contains(asset); }))
      complain("run " + (*run)->run_id + " is made due by events that are not enough");
  }
}

void Auditor::see_new_asset_events(const State& state,
                                   const std::map<std::pair<std::string, AssetEventNumber>, AssetEvent>& queue) {
  if (last_asset_event_ == state.counters().last_asset_event) return;
  const auto page = must(
      store_.reader().asset_events({.order_by = "number"}, {.limit = 100'000, .offset = last_asset_event_}), "events");
  if (!page) return;
  for (const AssetEvent& event : page->rows) {
    if (event.number != ++last_asset_event_) return complain("the numbers of asset events have a gap");
    for (const auto& [id, dag] : state.dags()) {
      const std::pair key(id, event.number);
      if (queue.contains(key)) waiting_events_[key] = event.asset;
      const auto before = dags_before_.find(id);
      const auto truth = dags_.find(dag.record.version);
      // Who was paused or changed in this very turn may have been so before or after the event.
      if (before == dags_before_.end() || before->second.is_paused != dag.record.is_paused ||
          before->second.version != dag.record.version || before->second.is_stale || dag.record.is_stale ||
          truth == dags_.end())
        continue;
      const bool is_meant = !dag.record.is_paused && wants(*truth->second, event.asset);
      const bool has_come = queue.contains(key) || taken_events_.contains(key);
      if (is_meant && !has_come) complain(name(id, event) + " is lost");
      if (!is_meant && has_come) complain(name(id, event) + " is queued, and nobody waits for it");
    }
  }
}

// When all has come to rest: what the history says of successes against what was made.
void Auditor::check_asset_sources() {
  const auto events = must(store_.reader().events("", "", "", {.limit = 10'000'000, .offset = 0}), "events");
  const auto runs = must(store_.reader().runs({}, {.limit = 100'000, .offset = 0}), "runs");
  const auto made = must(store_.reader().asset_events({}, {.limit = 10'000'000, .offset = 0}), "asset_events");
  if (!events || !runs || !made) return;
  std::map<std::pair<std::string, std::string>, const DagRun*> by_id;
  for (const DagRun& run : runs->rows) by_id[{run.dag_id, run.run_id}] = &run;
  using Key = std::tuple<std::string, std::string, std::string, int, TimePoint, std::string>;
  std::map<Key, int> wanted, there;
  std::set<std::pair<std::string, std::string>> deleted;
  const VersionHistory versions(events->rows);
  for (const EventRecord& event : events->rows) {
    if (event.event != "task" || event.to != "success" || event.from == "success") continue;
    // What a person has marked makes nothing; what a person was asked does.
    const bool is_answered = event.text.starts_with("answered by ");
    if (event.cause == to_string(MoveCause::command) && !is_answered) continue;
    const auto run = by_id.find({event.dag_id, event.run_id});
    const auto dag = run == by_id.end() ? dags_.end() : dags_.find(versions.at(*run->second, event));
    if (dag == dags_.end()) continue;
    const int task = dag->second->index_of(event.task_id);
    if (task < 0) continue;
    for (const std::string& asset : dag->second->tasks[static_cast<size_t>(task)].outlets)
      wanted[{event.dag_id, event.run_id, event.task_id, event.map_index, event.at, asset}] += 1;
  }
  for (const EventRecord& event : events->rows) {
    if (event.event == "run" && event.to == "deleted") deleted.insert({event.dag_id, event.run_id});
  }
  for (const AssetEvent& event : made->rows)
    there[{event.source_dag_id, event.source_run_id, event.source_task_id, event.source_map_index, event.at,
           event.asset}] += 1;
  for (const auto& [key, count] : wanted) {
    if (there[key] != count)
      complain("a success of " + std::get<0>(key) + "/" + std::get<1>(key) + "/" + std::get<2>(key) + " has made " +
               std::to_string(there[key]) + " events of " + std::get<5>(key) + " instead of " + std::to_string(count));
  }
  for (const auto& [key, count] : there) {
    // Of runs that are there and have never been deleted under that name.
    const auto run = by_id.find({std::get<0>(key), std::get<1>(key)});
    if (run == by_id.end() || wanted.contains(key) || !dags_.contains(run->second->dag_version)) continue;
    if (!deleted.contains(run->first))
      complain("an event of " + std::get<5>(key) + " comes from no success of " + std::get<0>(key) + "/" +
               std::get<1>(key) + "/" + std::get<2>(key));
  }
}

}  // namespace udon::simulation
