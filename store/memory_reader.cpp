#include <algorithm>

#include "base/text.h"
#include "store/leaving.h"
#include "store/memory_state.h"
#include "store/rules.h"

namespace udon::memory {

namespace {

template <class T>
bool is_among(const std::vector<T>& wanted, const T& value) {
  return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
}

// An absent time is in no range.
bool is_within(const std::optional<TimePoint>& time, const std::optional<TimePoint>& gte,
               const std::optional<TimePoint>& lte) {
  if (gte && (!time || *time < *gte)) return false;
  return !lte || (time && *time <= *lte);
}

bool fits(const DagRun& row, const RunFilter& filter) {
  return is_among(filter.dag_ids, row.dag_id) && (!filter.run_id || *filter.run_id == row.run_id) &&
         is_among(filter.states, row.state) && is_among(filter.types, row.type) &&
         is_within(row.logical_date, filter.logical_date_gte, filter.logical_date_lte) &&
         is_within(row.run_after, filter.run_after_gte, filter.run_after_lte) &&
         is_within(row.start_date, filter.start_date_gte, filter.start_date_lte) &&
         is_within(row.end_date, filter.end_date_gte, filter.end_date_lte);
}

bool fits(const DagRecord& row, const DagFilter& filter) {
  if (row.is_stale && !filter.include_stale) return false;
  if (filter.is_paused && *filter.is_paused != row.is_paused) return false;
  if (filter.dag_id_like && lower_ascii(row.dag_id).find(lower_ascii(*filter.dag_id_like)) == std::string::npos) {
    return false;
  }
  const auto is_wanted = [&](const std::string& tag) { return is_among(filter.tags, tag); };
  return filter.tags.empty() || std::ranges::any_of(row.tags, is_wanted);
}

// Sorts by key, then by tie, both in the order's direction.
template <class Row, class Key, class Tie>
void sort_by(std::vector<Row>& rows, const Order& order, Key key, Tie tie) {
  std::ranges::sort(rows, [&](const Row& left, const Row& right) {
    const Row& a = order.descending ? right : left;
    const Row& b = order.descending ? left : right;
    const auto ka = key(a);
    const auto kb = key(b);
    if (ka != kb) return ka < kb;
    return tie(a) < tie(b);
  });
}

void sort_rows(std::vector<DagRun>& rows, const Order& order) {
  const auto by = [&](auto key) { sort_by(rows, order, key, [](const DagRun& row) { return row.number; }); };
  if (order.column == "logical_date") return by([](const DagRun& row) { return row.logical_date; });
  if (order.column == "run_after") return by([](const DagRun& row) { return row.run_after; });
  if (order.column == "start_date") return by([](const DagRun& row) { return row.start_date; });
  if (order.column == "end_date") return by([](const DagRun& row) { return row.end_date; });
  if (order.column == "state") return by([](const DagRun& row) { return to_string(row.state); });
  by([](const DagRun&) { return 0; });
}

void sort_rows(std::vector<const TaskInstance*>& rows, const Order& order) {
  using Row = const TaskInstance*;
  const auto by = [&](auto key) { sort_by(rows, order, key, [](Row row) { return row->number; }); };
  if (order.column == "task_id") return by([](Row row) { return std::string_view(row->task_id); });
  if (order.column == "map_index") return by([](Row row) { return row->map_index; });
  if (order.column == "start_date") return by([](Row row) { return row->start_date; });
  if (order.column == "end_date") return by([](Row row) { return row->end_date; });
  if (order.column == "state") return by([](Row row) { return to_string(row->state); });
  by([](Row) { return 0; });
}

void sort_rows(std::vector<DagRecord>& rows, const Order& order) {
  const auto by = [&](auto key) { sort_by(rows, order, key, [](const DagRecord& row) { return row.dag_id; }); };
  if (order.column == "next_run_after") return by([](const DagRecord& row) { return row.next_run_after; });
  if (order.column == "last_parsed_at") return by([](const DagRecord& row) { return row.last_parsed_at; });
  by([](const DagRecord&) { return 0; });
}

class Reader final : public StoreReader {
 public:
  explicit Reader(const State& state) : state_(state) {}

  Result<std::optional<DagRecord>> dag(const std::string& dag_id) override {
    const std::lock_guard lock(state_.mutex);
    const auto found = state_.dags.find(dag_id);
    if (found == state_.dags.end()) return std::optional<DagRecord>();
    return std::optional(found->second);
  }

  Result<Page<DagRecord>> dags(const DagFilter& filter, const PageRequest& page) override {
    TRY(check_page(page));
    TRY_ASSIGN(const Order order, parse_order(filter.order_by, dag_orders));
    const std::lock_guard lock(state_.mutex);
    std::vector<DagRecord> rows;
    for (const auto& [id, row] : state_.dags) {
      if (fits(row, filter)) rows.push_back(row);
    }
    sort_rows(rows, order);
    return cut_page(std::move(rows), page);
  }

  Result<std::optional<DagVersionRecord>> dag_version(const std::string& dag_id, const std::string& version) override {
    const std::lock_guard lock(state_.mutex);
    const auto found = state_.versions.find(dag_id);
    if (found == state_.versions.end()) return std::optional<DagVersionRecord>();
    for (const auto& [number, row] : found->second) {
      if (row.version == version) return std::optional(row);
    }
    return std::optional<DagVersionRecord>();
  }

  Result<std::vector<DagVersionRecord>> dag_versions(const std::string& dag_id) override {
    const std::lock_guard lock(state_.mutex);
    std::vector<DagVersionRecord> rows;
    const auto found = state_.versions.find(dag_id);
    if (found == state_.versions.end()) return rows;
    for (const auto& [number, row] : found->second) {
      rows.push_back({.dag_id = row.dag_id,
                      .version = row.version,
                      .number = row.number,
                      .created_at = row.created_at,
                      .bundle = row.bundle,
                      .bundle_version = row.bundle_version,
                      .serialized = {},
                      .source = {}});
    }
    return rows;
  }

  Result<std::optional<DagRun>> run(const std::string& dag_id, const std::string& run_id) override {
    const std::lock_guard lock(state_.mutex);
    return row_of(state_.find_run(dag_id, run_id));
  }

  Result<std::optional<DagRun>> run_by_number(RunNumber number) override {
    const std::lock_guard lock(state_.mutex);
    return row_of(state_.find_run(number));
  }

  Result<Page<DagRun>> runs(const RunFilter& filter, const PageRequest& page) override {
    TRY(check_page(page));
    TRY_ASSIGN(const Order order, parse_order(filter.order_by, run_orders));
    const std::lock_guard lock(state_.mutex);
    std::vector<DagRun> rows;
    for (const auto& [number, entry] : state_.runs) {
      if (fits(entry.row, filter)) rows.push_back(entry.row);
    }
    sort_rows(rows, order);
    return cut_page(std::move(rows), page);
  }

  Result<std::vector<DagRun>> active_runs() override {
    const std::lock_guard lock(state_.mutex);
    std::vector<DagRun> rows;
    for (const RunNumber number : state_.active) rows.push_back(state_.runs.at(number).row);
    return rows;
  }

  Result<std::vector<OldRun>> old_runs(TimePoint before, const RunCursor& after, int limit) override {
    const std::lock_guard lock(state_.mutex);
    const auto key = [](const OldRun& run) { return std::pair(*run.row.end_date, run.row.number); };
    std::vector<OldRun> rows;
    for (const auto& [number, run] : state_.runs) {
      if (!is_finished(run.row.state) || !run.row.end_date || *run.row.end_date >= before) continue;
      OldRun old{.row = run.row, .instances = static_cast<int64_t>(run.instances.size())};
      if (key(old) > std::pair(after.end_date, after.number)) rows.push_back(std::move(old));
    }
    std::ranges::sort(rows, {}, key);
    if (static_cast<int>(rows.size()) > limit) rows.resize(static_cast<size_t>(limit));
    return rows;
  }

  Result<std::vector<DagRun>> rests(RunNumber after, int limit) override {
    const std::lock_guard lock(state_.mutex);
    std::vector<DagRun> rows;
    for (auto run = state_.runs.upper_bound(after); run != state_.runs.end() && std::ssize(rows) < limit; ++run) {
      if (is_rest(run->second.row)) rows.push_back(run->second.row);
    }
    return rows;
  }

  Result<int64_t> instances_in(const std::string& dag_id, const std::string& run_id) override {
    const std::lock_guard lock(state_.mutex);
    const RunEntry* run = state_.find_run(dag_id, run_id);
    return run == nullptr ? 0 : static_cast<int64_t>(run->instances.size());
  }

  Result<int64_t> events_about(RunNumber run, int64_t at_most) override {
    const std::lock_guard lock(state_.mutex);
    return std::min(at_most, static_cast<int64_t>(std::ranges::count(state_.events, run, &EventEntry::run)));
  }

  Result<Page<QuestionRow>> questions(const QuestionFilter& filter, const PageRequest& page) override {
    const std::lock_guard lock(state_.mutex);
    return memory::questions(state_, filter, page);
  }
  Result<std::optional<AskedQuestion>> question(InstanceNumber instance, int try_number) override {
    const std::lock_guard lock(state_.mutex);
    const InstanceEntry* entry = state_.find_instance(instance);
    if (entry == nullptr || !entry->questions.contains(try_number)) return std::optional<AskedQuestion>();
    return std::optional(entry->questions.at(try_number));
  }
  Result<std::vector<AskedQuestion>> live_questions_of(RunNumber run) override {
    const std::lock_guard lock(state_.mutex);
    return memory::live_questions_of(state_, run);
  }
  Result<std::vector<Deferral>> deferrals_of(RunNumber run) override {
    const std::lock_guard lock(state_.mutex);
    return memory::deferrals_of(state_, run);
  }

  Result<std::optional<Backfill>> backfill(BackfillNumber number) override {
    const std::lock_guard lock(state_.mutex);
    const auto found = state_.backfills.find(number);
    return found == state_.backfills.end() ? std::optional<Backfill>() : std::optional(found->second);
  }

  Result<Page<Backfill>> backfills(const BackfillFilter& filter, const PageRequest& page) override {
    TRY(check_page(page));
    TRY_ASSIGN(const Order order, parse_order(filter.order_by, backfill_orders));
    const std::lock_guard lock(state_.mutex);
    std::vector<Backfill> rows;
    for (const auto& [number, row] : state_.backfills) {
      if (!filter.dag_id.empty() && row.dag_id != filter.dag_id) continue;
      if (!filter.only_active || !row.completed_at) rows.push_back(row);
    }
    const bool by_time = order.column == "created_at";
    sort_by(
        rows, order, [&](const Backfill& row) { return by_time ? row.created_at : TimePoint(); },
        [](const Backfill& row) { return row.number; });
    return cut_page(std::move(rows), page);
  }

  Result<BackfillRuns> backfill_runs(BackfillNumber number) override {
    const std::lock_guard lock(state_.mutex);
    BackfillRuns counts;
    for (const auto& [run, entry] : state_.runs) {
      if (entry.row.backfill != number) continue;
      switch (entry.row.state) {
        case RunState::queued: ++counts.queued; break;
        case RunState::running: ++counts.running; break;
        case RunState::success: ++counts.success; break;
        case RunState::failed: ++counts.failed; break;
      }
    }
    return counts;
  }

  Result<std::vector<TaskInstance>> instances_of(RunNumber run) override {
    const std::lock_guard lock(state_.mutex);
    std::vector<TaskInstance> rows;
    const RunEntry* entry = state_.find_run(run);
    if (entry == nullptr) return rows;
    rows.reserve(entry->instances.size());
    for (const InstanceNumber number : entry->instances) rows.push_back(state_.instances.at(number).row);
    if (!std::ranges::is_sorted(rows, {}, &TaskInstance::number)) std::ranges::sort(rows, {}, &TaskInstance::number);
    return rows;
  }

  Result<std::optional<InstanceRow>> instance(const TaskInstanceKey& key) override {
    const std::lock_guard lock(state_.mutex);
    const RunEntry* run = state_.find_run(key.dag_id, key.run_id);
    if (run == nullptr) return std::optional<InstanceRow>();
    const auto found = run->by_name.find(std::pair(key.task_id, key.map_index));
    return named(found == run->by_name.end() ? 0 : found->second);
  }

  Result<std::optional<InstanceRow>> instance_by_number(InstanceNumber number) override {
    const std::lock_guard lock(state_.mutex);
    return named(number);
  }

  Result<std::optional<InstanceRow>> instance_of_fence(Fence fence) override {
    const std::lock_guard lock(state_.mutex);
    const auto found = state_.live.find(fence);
    return named(found == state_.live.end() ? 0 : found->second);
  }

  Result<Page<InstanceRow>> instances(const InstanceFilter& filter, const PageRequest& request) override {
    TRY(check_page(request));
    TRY_ASSIGN(const Order order, parse_order(filter.order_by, instance_orders));
    const std::lock_guard lock(state_.mutex);
    std::vector<const TaskInstance*> rows;
    for (const auto& [number, run] : state_.runs) {
      if (!is_among(filter.dag_ids, run.row.dag_id) || !is_among(filter.run_ids, run.row.run_id)) continue;
      for (const InstanceNumber instance : run.instances) {
        const TaskInstance& row = state_.instances.at(instance).row;
        if (is_among(filter.task_ids, row.task_id) && is_among(filter.states, row.state) &&
            (!filter.map_index || *filter.map_index == row.map_index)) {
          rows.push_back(&row);
        }
      }
    }
    sort_rows(rows, order);
    Page<const TaskInstance*> cut = cut_page(std::move(rows), request);
    Page<InstanceRow> page;
    page.total = cut.total;
    for (const TaskInstance* row : cut.rows) page.rows.push_back(*named(row->number));
    return page;
  }

  Result<std::vector<TryRecord>> tries_of(InstanceNumber instance) override {
    const std::lock_guard lock(state_.mutex);
    std::vector<TryRecord> rows;
    if (const InstanceEntry* entry = state_.find_instance(instance)) {
      for (const auto& [number, row] : entry->tries) rows.push_back(row);
    }
    return rows;
  }

  Result<std::optional<XComRecord>> xcom(InstanceNumber instance, const std::string& key) override {
    const std::lock_guard lock(state_.mutex);
    return xcom_of(state_.find_instance(instance), key);
  }

  Result<std::vector<XComRecord>> xcoms_of(InstanceNumber instance) override {
    const std::lock_guard lock(state_.mutex);
    std::vector<XComRecord> rows;
    if (const InstanceEntry* entry = state_.find_instance(instance)) {
      for (const auto& [key, row] : entry->xcoms) rows.push_back(row);
    }
    return rows;
  }

  Result<std::vector<std::pair<int, Value>>> xcoms_of_task(RunNumber run, const std::string& task_id,
                                                           const std::string& key) override {
    const std::lock_guard lock(state_.mutex);
    std::vector<std::pair<int, Value>> values;
    const RunEntry* entry = state_.find_run(run);
    if (entry == nullptr) return values;
    auto at = entry->by_name.lower_bound(std::pair(task_id, -1));
    for (; at != entry->by_name.end() && at->first.first == task_id; ++at) {
      if (auto found = xcom_of(state_.find_instance(at->second), key)) {
        values.emplace_back(at->first.second, std::move(found->value));
      }
    }
    return values;
  }

  Result<Page<EventRecord>> events(const std::string& dag_id, const std::string& run_id, const std::string& task_id,
                                   const PageRequest& request) override {
    TRY(check_page(request));
    const std::lock_guard lock(state_.mutex);
    Page<EventRecord> page;
    for (auto entry = state_.events.rbegin(); entry != state_.events.rend(); ++entry) {
      EventRecord record = full_record(*entry);
      if (!dag_id.empty() && record.dag_id != dag_id) continue;
      if (!run_id.empty() && record.run_id != run_id) continue;
      if (!task_id.empty() && record.task_id != task_id) continue;
      const int64_t index = page.total++;
      if (index >= request.offset && index - request.offset < request.limit) page.rows.push_back(std::move(record));
    }
    return page;
  }

  Result<std::optional<EventRecord>> last_pause(const std::string& dag_id) override {
    const std::lock_guard lock(state_.mutex);
    for (auto entry = state_.events.rbegin(); entry != state_.events.rend(); ++entry) {
      EventRecord record = full_record(*entry);
      const bool is_of_dag = record.dag_id == dag_id && record.run_id.empty();
      if (is_of_dag && (record.text.starts_with("paused") || record.text.starts_with("unpaused")))
        return std::optional(std::move(record));
    }
    return std::optional<EventRecord>();
  }

  Result<Page<AssetRecord>> assets(const AssetFilter& filter, const PageRequest& request) override {
    const std::lock_guard lock(state_.mutex);
    return memory::assets(state_, filter, request);
  }

  Result<std::optional<AssetRecord>> asset(int64_t number) override {
    const std::lock_guard lock(state_.mutex);
    for (const auto& [name, row] : state_.assets.rows) {
      if (row.number == number) return std::optional(row);
    }
    return std::optional<AssetRecord>();
  }

  Result<Page<AssetEvent>> asset_events(const AssetEventFilter& filter, const PageRequest& request) override {
    const std::lock_guard lock(state_.mutex);
    return memory::asset_events(state_, filter, request);
  }

  Result<std::vector<QueuedAssetEvent>> queued_asset_events(const std::string& dag_id) override {
    const std::lock_guard lock(state_.mutex);
    std::vector<QueuedAssetEvent> rows;
    for (const auto& [for_dag, event] : state_.assets.queued) {
      if (dag_id.empty() || for_dag == dag_id) rows.push_back({for_dag, state_.assets.events.at(event)});
    }
    return rows;
  }

  Result<std::vector<AssetEvent>> asset_events_of_run(RunNumber run) override {
    const std::lock_guard lock(state_.mutex);
    std::vector<AssetEvent> rows;
    const auto& all = state_.assets.of_runs;
    for (auto at = all.lower_bound({run, 0}); at != all.end() && at->first == run; ++at) {
      rows.push_back(state_.assets.events.at(at->second));
    }
    return rows;
  }

  Result<std::vector<RunNumber>> runs_of_asset_event(AssetEventNumber event) override {
    const std::lock_guard lock(state_.mutex);
    std::vector<RunNumber> runs;
    for (const auto& [run, of_run] : state_.assets.of_runs) {
      if (of_run == event) runs.push_back(run);
    }
    return runs;
  }

 private:
  static std::optional<DagRun> row_of(const RunEntry* entry) {
    if (entry == nullptr) return std::nullopt;
    return entry->row;
  }

  static std::optional<XComRecord> xcom_of(const InstanceEntry* entry, const std::string& key) {
    if (entry == nullptr) return std::nullopt;
    const auto found = entry->xcoms.find(key);
    if (found == entry->xcoms.end()) return std::nullopt;
    return found->second;
  }

  std::optional<InstanceRow> named(InstanceNumber number) const {
    const InstanceEntry* entry = state_.find_instance(number);
    if (entry == nullptr) return std::nullopt;
    const DagRun& run = state_.runs.at(entry->row.run).row;
    return InstanceRow{.instance = entry->row,
                       .dag_id = run.dag_id,
                       .run_id = run.run_id,
                       .logical_date = run.logical_date,
                       .run_after = run.run_after,
                       .dag_version = run.dag_version,
                       .earlier_versions = run.earlier_versions};
  }

  EventRecord full_record(const EventEntry& entry) const {
    EventRecord record;
    if (entry.full) record = *entry.full;
    record.number = entry.number;
    record.at = entry.at;
    if (entry.event.empty()) return record;  // it carries its own words
    record.event = entry.event;
    record.from = entry.from;
    record.to = entry.to;
    record.cause = entry.cause;
    record.try_number = entry.try_number;
    const DagRun& run = state_.runs.at(entry.run).row;
    record.dag_id = run.dag_id;
    record.run_id = run.run_id;
    if (const InstanceEntry* instance = state_.find_instance(entry.instance)) {
      record.task_id = instance->row.task_id;
      record.map_index = instance->row.map_index;
    }
    return record;
  }

  const State& state_;
};

}  // namespace

std::unique_ptr<StoreReader> make_reader(const State& state) { return std::make_unique<Reader>(state); }

}  // namespace udon::memory
