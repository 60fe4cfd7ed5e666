// Assets and their events in a MemoryStore.
#include <algorithm>

#include "base/text.h"
#include "store/memory_state.h"
#include "store/rules.h"

namespace udon::memory {

namespace {

AssetRecord& row_of(State& state, const std::string& name, TimePoint at, Undos& undos) {
  Assets& assets = state.assets;
  const auto [found, is_new] = assets.rows.try_emplace(name);
  if (!is_new) return found->second;
  found->second = {
      .number = ++assets.last, .name = name, .created_at = at, .updated_at = at, .last_event = {}, .last_event_at = {}};
  undos.emplace_back([&assets, name] {
    assets.rows.erase(name);
    --assets.last;
  });
  return found->second;
}

bool fits(const AssetEvent& row, const AssetEventFilter& filter) {
  const auto is = [](const std::optional<std::string>& wanted, const std::string& text) {
    return !wanted || *wanted == text;
  };
  return is(filter.asset, row.asset) && is(filter.source_dag_id, row.source_dag_id) &&
         is(filter.source_task_id, row.source_task_id) && is(filter.source_run_id, row.source_run_id) &&
         (!filter.source_map_index || *filter.source_map_index == row.source_map_index) &&
         (!filter.at_gte || row.at >= *filter.at_gte) && (!filter.at_lte || row.at <= *filter.at_lte);
}

}  // namespace

Result<void> apply(State& state, const PutAssets& change, TimePoint at, Undos& undos) {
  for (const std::string& name : change.names) {
    if (const auto problem = problem_of_asset(name)) return Error{ErrorKind::invalid, *problem};
    row_of(state, name, at, undos);
  }
  return {};
}

Result<void> apply(State& state, const InsertAssetEvent& change, TimePoint at, Undos& undos) {
  const AssetEvent& event = change.row;
  TRY(check_new(event, state.counters.last_asset_event));
  AssetRecord& row = row_of(state, event.asset, at, undos);
  undos.emplace_back([&state, old = row] { state.assets.rows[old.name] = old; });
  row.last_event = event.number;
  row.last_event_at = event.at;
  state.counters.last_asset_event = event.number;
  Assets& assets = state.assets;
  assets.events[event.number] = event;
  for (const std::string& dag_id : change.consumers) assets.queued.insert({dag_id, event.number});
  undos.emplace_back([&assets, number = event.number, consumers = change.consumers] {
    for (const std::string& dag_id : consumers) assets.queued.erase({dag_id, number});
    assets.events.erase(number);
  });
  return {};
}

Result<void> apply(State& state, const TakeAssetEvents& change, Undos& undos) {
  if (change.run != 0 && state.find_run(change.run) == nullptr) return missing_run(change.run);
  Assets& assets = state.assets;
  for (const AssetEventNumber event : change.events) {
    if (assets.queued.erase({change.dag_id, event}) == 0) return not_queued(change.dag_id, event);
    if (change.run != 0) assets.of_runs.insert({change.run, event});
    undos.emplace_back([&assets, dag_id = change.dag_id, run = change.run, event] {
      assets.queued.insert({dag_id, event});
      assets.of_runs.erase({run, event});
    });
  }
  return {};
}

void forget_asset_events_of(State& state, RunNumber run, Undos& undos) {
  auto& all = state.assets.of_runs;
  const auto begin = all.lower_bound({run, 0}), end = all.lower_bound({run + 1, 0});
  if (begin == end) return;
  undos.emplace_back([&all, old = std::vector(begin, end)] { all.insert(old.begin(), old.end()); });
  all.erase(begin, end);
}

Result<Page<AssetRecord>> assets(const State& state, const AssetFilter& filter, const PageRequest& page) {
  TRY(check_page(page));
  TRY_ASSIGN(const Order order, parse_order(filter.order_by, asset_orders));
  std::vector<AssetRecord> rows;
  for (const auto& [name, row] : state.assets.rows) {
    if (!filter.names.empty() && std::ranges::find(filter.names, name) == filter.names.end()) continue;
    if (filter.name_like && lower_ascii(name).find(lower_ascii(*filter.name_like)) == std::string::npos) continue;
    rows.push_back(row);
  }
  if (order.column == "number") std::ranges::sort(rows, {}, &AssetRecord::number);
  if (order.descending) std::ranges::reverse(rows);
  return cut_page(std::move(rows), page);
}

Result<Page<AssetEvent>> asset_events(const State& state, const AssetEventFilter& filter, const PageRequest& page) {
  TRY(check_page(page));
  TRY_ASSIGN(const Order order, parse_order(filter.order_by, asset_event_orders));
  std::vector<AssetEvent> rows;
  for (const auto& [number, row] : state.assets.events) {
    if (fits(row, filter)) rows.push_back(row);
  }
  if (order.column == "at") std::ranges::stable_sort(rows, {}, &AssetEvent::at);
  if (order.descending) std::ranges::reverse(rows);
  return cut_page(std::move(rows), page);
}

}  // namespace udon::memory
