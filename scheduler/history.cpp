#include "scheduler/history.h"

#include <algorithm>

#include "dagfile/serialize.h"
#include "scheduler/map_inputs.h"
#include "scheduler/plan.h"
#include "store/leaving.h"

namespace udon {

namespace {

constexpr int page_rows = 1000;

// What is left of a DAG whose version cannot be read: its tasks by name, nothing between them.
ShapePtr stand_in(const DagRun& row, const std::vector<TaskInstance>& instances) {
  auto dag = std::make_shared<Dag>();
  dag->dag_id = row.dag_id;
  dag->version = row.dag_version;
  for (const TaskInstance& instance : instances) {
    if (dag->index_of(instance.task_id) >= 0) continue;
    Task task;
    task.task_id = instance.task_id;
    dag->tasks.push_back(std::move(task));
  }
  return make_shape(std::move(dag));
}

}  // namespace

ShapePtr Shapes::of(const DagPtr& dag) {
  auto& known = shapes_[{dag->dag_id, dag->version}];
  if (ShapePtr shape = known.lock()) return shape;
  ShapePtr shape = make_shape(dag);
  known = shape;
  return shape;
}

ShapePtr Shapes::find(const std::string& dag_id, const std::string& version) const {
  const auto found = shapes_.find({dag_id, version});
  return found == shapes_.end() ? nullptr : found->second.lock();
}

Result<ShapePtr> History::shape_of(const DagRun& row) {
  if (ShapePtr known = shapes_.find(row.dag_id, row.dag_version)) return known;
  TRY_ASSIGN(const auto version, reader_.dag_version(row.dag_id, row.dag_version));
  if (!version)
    return Error{ErrorKind::data, "version " + row.dag_version + " of DAG `" + row.dag_id + "` is not in the store"};
  auto dag = deserialize(version->serialized);
  if (!dag)
    return Error{ErrorKind::data, dag.error().message}.within("version " + row.dag_version + " of DAG `" + row.dag_id +
                                                              "`");
  dag->bundle = version->bundle;
  dag->bundle_version = version->bundle_version;
  return shapes_.of(std::make_shared<const Dag>(std::move(*dag)));
}

Result<void> History::load_outputs(ActiveRun& run, int task) {
  TaskSlot& slot = run.slots[static_cast<size_t>(task)];
  const std::string& id = run.dag().tasks[static_cast<size_t>(task)].task_id;
  TRY_ASSIGN(auto values, reader_.xcoms_of_task(run.row.number, id, "return_value"));
  for (auto& [map_index, value] : values) slot.outputs[map_index] = std::move(value);
  return {};
}

Result<void> History::load_choices(ActiveRun& run, int task) {
  TaskSlot& slot = run.slots[static_cast<size_t>(task)];
  const std::string& id = run.dag().tasks[static_cast<size_t>(task)].task_id;
  TRY_ASSIGN(const auto values, reader_.xcoms_of_task(run.row.number, id, std::string(choice_key)));
  for (const auto& [map_index, value] : values) slot.choices[map_index] = skipped_by(run.dag(), task, value);
  return {};
}

Result<void> History::load_try(const TaskInstance& row, LiveTry& live) {
  TRY_ASSIGN(const auto tries, reader_.tries_of(row.number));
  const auto record = std::ranges::find(tries, row.fence, &TryRecord::fence);
  if (record != tries.end()) {
    live.hostname = record->hostname;
    live.pid = record->pid;
    // Recorded as ended while it lives: it is being ended, and that is what it is to be.
    if (is_finished(record->state)) live.becomes = record->state;
    live.note = record->note;
  }
  if (row.state == TaskState::restarting && !live.becomes) live.becomes = TaskState::none;
  return {};
}

Result<void> History::load_waits(ActiveRun& run, std::map<Fence, LiveTry>& tries) {
  std::map<InstanceNumber, InstanceRef> waiting;
  for (size_t i = 0; i < run.slots.size(); ++i) {
    const auto& instances = run.slots[i].instances;
    for (size_t k = 0; k < instances.size(); ++k) {
      if (keeps_deferral(instances[k].state))
        waiting[instances[k].number] = {run.row.number, static_cast<int>(i), static_cast<int>(k)};
    }
  }
  if (waiting.empty()) return {};
  TRY_ASSIGN(auto questions, reader_.live_questions_of(run.row.number));
  for (AskedQuestion& asked : questions) {
    const InstanceRef at = waiting.at(asked.instance);
    run.questions[{at.task, at.position}] = std::make_shared<const AskedQuestion>(std::move(asked));
  }
  TRY_ASSIGN(auto deferrals, reader_.deferrals_of(run.row.number));
  for (Deferral& deferral : deferrals) {
    const auto at = waiting.find(deferral.instance);
    if (at == waiting.end()) continue;
    if (const auto live = tries.find(deferral.fence); live != tries.end()) live->second.kind = TryKind::probe;
    run.deferrals[{at->second.task, at->second.position}] = std::make_shared<const Deferral>(std::move(deferral));
  }
  return {};
}

Result<LoadedRun> History::load_run(const DagRun& row) {
  LoadedRun loaded;
  ActiveRun& run = loaded.run;
  run.row = row;
  TRY_ASSIGN(auto instances, reader_.instances_of(row.number));
  auto shape = shape_of(row);
  if (shape) {
    run.shape = *shape;
  } else {
    if (shape.error().kind != ErrorKind::data) return shape.error();
    run.shape = stand_in(row, instances);
    loaded.problem = shape.error().message;
  }
  if (row.type == RunType::asset_triggered) {
    TRY_ASSIGN(auto events, reader_.asset_events_of_run(row.number));
    for (AssetEvent& event : events) run.events.push_back(std::make_shared<const AssetEvent>(std::move(event)));
  }
  run.slots.resize(run.dag().tasks.size());
  std::map<std::string, int, std::less<>> index_by_id;
  for (size_t i = 0; i < run.slots.size(); ++i) index_by_id[run.dag().tasks[i].task_id] = static_cast<int>(i);
  std::ranges::stable_sort(instances, {}, &TaskInstance::map_index);
  for (TaskInstance& instance : instances) {
    const auto found = index_by_id.find(instance.task_id);
    const bool has_place =
        found != index_by_id.end() && fits_task(run.dag().tasks[static_cast<size_t>(found->second)], instance);
    if (!has_place && instance.state == TaskState::removed) {
      run.outside.push_back(std::move(instance));
      continue;
    }
    if (found == index_by_id.end()) {
      return Error{ErrorKind::data, "run " + row.run_id + " of DAG `" + row.dag_id + "` has a task instance `" +
                                        instance.task_id + "` that its version " + row.dag_version + " does not know"};
    }
    TaskSlot& slot = run.slots[static_cast<size_t>(found->second)];
    const InstanceRef at{row.number, found->second, static_cast<int>(slot.instances.size())};
    const Task& task = run.dag().tasks[static_cast<size_t>(at.task)];
    if (task.expand && instance.map_index < 0) slot.placeholder = at.position;
    if (is_live(instance.state)) {
      LiveTry& live = loaded.tries[instance.fence];
      live.at = at;
      live.kind = try_kind_of(task);
      TRY(load_try(instance, live));
    }
    slot.instances.push_back(std::move(instance));
  }
  TRY(load_waits(run, loaded.tries));
  std::ranges::sort(run.outside, {}, &TaskInstance::number);
  for (size_t i = 0; i < run.slots.size(); ++i) {
    set_known_length(run.slots[i], run.shape, static_cast<int>(i));
    if (run.shape->feeds_map[i]) TRY(load_outputs(run, static_cast<int>(i)));
    if (run.dag().tasks[i].choosing != Choosing::nothing) TRY(load_choices(run, static_cast<int>(i)));
  }
  for (size_t i = 0; i < run.slots.size(); ++i) {
    if (run.shape->maps_over_xcom[i]) restore_length(run, static_cast<int>(i));
  }
  return loaded;
}

Result<void> History::bring_into_memory(const std::string& dag_id, const std::string& run_id, State& state) {
  if (state.find_run(dag_id, run_id) != nullptr) return {};
  TRY_ASSIGN(const auto row, reader_.run(dag_id, run_id));
  if (!row || is_rest(*row) || state.is_dropped(row->number)) return {};
  TRY_ASSIGN(LoadedRun loaded, load_run(*row));
  if (!loaded.problem.empty()) return Error{ErrorKind::conflict, loaded.problem};
  TRY_ASSIGN(loaded.run.past, past_of(*row, *loaded.run.shape, state));
  state.load_run(std::move(loaded.run), loaded.tries);
  return {};
}

Result<int64_t> History::instances_to_read(const std::string& dag_id, const std::string& run_id, const State& state) {
  if (state.find_run(dag_id, run_id) != nullptr) return 0;
  return reader_.instances_in(dag_id, run_id);
}

Result<State> History::load(int parallelism, const Counters& counters, StoreSettings& settings,
                            std::vector<std::pair<RunNumber, std::string>>& problems) {
  State state(parallelism);
  state.set_counters(counters);
  TRY_ASSIGN(const auto pools, settings.pools());
  state.set_pools(pools);
  DagFilter all_dags;
  all_dags.include_stale = true;
  for (PageRequest page{.limit = page_rows, .offset = 0};; page.offset += page_rows) {
    TRY_ASSIGN(auto dags, reader_.dags(all_dags, page));
    const bool is_last = static_cast<int>(dags.rows.size()) < page_rows;
    for (DagRecord& dag : dags.rows) state.load_dag(std::move(dag));
    if (is_last) break;
  }
  TRY_ASSIGN(const auto queued, reader_.queued_asset_events(""));
  for (const QueuedAssetEvent& row : queued)
    state.load_asset_event(row.dag_id, std::make_shared<const AssetEvent>(row.event));
  BackfillFilter active;
  active.only_active = true;
  for (PageRequest page{.limit = page_rows, .offset = 0};; page.offset += page_rows) {
    TRY_ASSIGN(auto backfills, reader_.backfills(active, page));
    const bool is_last = static_cast<int>(backfills.rows.size()) < page_rows;
    for (Backfill& backfill : backfills.rows) state.load_backfill(std::move(backfill));
    if (is_last) break;
  }
  TRY_ASSIGN(auto rows, reader_.active_runs());
  std::map<RunNumber, DagRun> runs;
  for (DagRun& row : rows) runs.emplace(row.number, std::move(row));
  // A run that was marked finished may have tries that are still being ended.
  InstanceFilter live;
  live.states = {TaskState::queued, TaskState::running, TaskState::deferred, TaskState::restarting};
  for (PageRequest page{.limit = page_rows, .offset = 0};; page.offset += page_rows) {
    TRY_ASSIGN(const auto instances, reader_.instances(live, page));
    for (const InstanceRow& row : instances.rows) {
      if (runs.contains(row.instance.run)) continue;
      TRY_ASSIGN(const auto run, reader_.run_by_number(row.instance.run));
      if (run) runs.emplace(run->number, *run);
    }
    if (static_cast<int>(instances.rows.size()) < page_rows) break;
  }
  for (const auto& [number, row] : runs) {
    TRY_ASSIGN(LoadedRun loaded, load_run(row));
    TRY_ASSIGN(loaded.run.past, past_of(row, *loaded.run.shape, state));
    if (!loaded.problem.empty()) problems.emplace_back(number, loaded.problem);
    state.load_run(std::move(loaded.run), loaded.tries);
  }
  return state;
}

Result<std::optional<Taken>> History::taken_by_another(const DagRun& row, const State& state) {
  const std::string dag = "DAG `" + row.dag_id + "`";
  const Taken by_id{Taken::Name::run_id, dag + " has a run " + row.run_id + " already"};
  const auto by_date = [&](const DagRun& other) {
    return std::optional(
        Taken{Taken::Name::logical_date,
              dag + " has a run of logical date " + format_time(*row.logical_date) + " already: " + other.run_id});
  };
  // Under its name and its date: the date counts.
  const auto by_name = [&](const DagRun& other) {
    return row.logical_date && other.logical_date == row.logical_date ? by_date(other) : std::optional(by_id);
  };
  if (const ActiveRun* same = state.find_run(row.dag_id, row.run_id)) return by_name(same->row);
  if (row.logical_date) {
    const DagState* known = state.find_dag(row.dag_id);
    for (const RunNumber number : known == nullptr ? std::set<RunNumber>{} : known->runs) {
      const DagRun& other = state.runs().at(number).row;
      if (other.logical_date == row.logical_date) return by_date(other);
    }
  }
  TRY_ASSIGN(const auto same, reader_.run(row.dag_id, row.run_id));
  if (same && !state.is_dropped(same->number)) return by_name(*same);
  if (!row.logical_date) return std::optional<Taken>();
  RunFilter filter;
  filter.dag_ids = {row.dag_id};
  filter.logical_date_gte = filter.logical_date_lte = row.logical_date;
  TRY_ASSIGN(const auto of_date, reader_.runs(filter, {.limit = 1, .offset = 0}));
  const bool is_free = of_date.rows.empty() || state.is_dropped(of_date.rows[0].number);
  return is_free ? std::optional<Taken>() : by_date(of_date.rows[0]);
}

Result<std::optional<PastRun>> History::past_of(const DagRun& row, const DagShape& shape, const State& state,
                                                std::optional<RunNumber> without) {
  std::optional<PastRun> none;
  if (!shape.looks_back || !row.logical_date) return none;
  RunFilter filter;
  filter.dag_ids = {row.dag_id};
  if (shape.dag->schedule.catchup) filter.types = {RunType::scheduled, RunType::backfill, RunType::asset_triggered};
  filter.logical_date_lte = *row.logical_date - Duration(1);
  filter.order_by = "-logical_date";
  std::optional<DagRun> nearest;
  for (PageRequest page{.limit = 1, .offset = 0}; !nearest;
       page = {.limit = page_rows, .offset = page.offset + page.limit}) {
    TRY_ASSIGN(const auto before, reader_.runs(filter, page));
    const auto is_there = [&](const DagRun& run) { return run.number != without && !state.is_dropped(run.number); };
    const auto found = std::ranges::find_if(before.rows, is_there);
    if (found != before.rows.end()) nearest = *found;
    if (static_cast<int>(before.rows.size()) < page.limit) break;
  }
  // Runs made in this very turn are not in the store yet.
  if (const DagState* dag = state.find_dag(row.dag_id)) {
    for (const RunNumber number : dag->runs) {
      const DagRun& other = state.runs().at(number).row;
      if (number == without || !may_look_back(shape, row, other)) continue;
      if (!nearest || *nearest->logical_date < *other.logical_date) nearest = other;
    }
  }
  if (!nearest) return none;
  PastRun past{
      .number = nearest->number, .run_id = nearest->run_id, .logical_date = *nearest->logical_date, .states = {}};
  if (state.find_run(nearest->number) == nullptr) {
    TRY_ASSIGN(const auto instances, reader_.instances_of(nearest->number));
    for (const TaskInstance& instance : instances) past.states[instance.task_id].push_back(instance.state);
  }
  return std::optional(std::move(past));
}

bool is_of_store(const Error& error) {
  return error.kind == ErrorKind::io || error.kind == ErrorKind::unavailable || error.kind == ErrorKind::timeout;
}

Result<void> History::find_pasts_without(DropRun& drop, const State& state) {
  for (const RunNumber number : state.successors_of(drop.run)) {
    const ActiveRun& later = state.runs().at(number);
    TRY_ASSIGN(drop.pasts[number], past_of(later.row, *later.shape, state, drop.run));
  }
  return {};
}

Result<std::vector<DagRun>> last_runs_of(StoreReader& reader, const std::string& dag_id, int count) {
  const auto place = [](const DagRun& run) { return std::pair(run.logical_date.value_or(run.run_after), run.number); };
  RunFilter filter;
  filter.dag_ids = {dag_id};
  filter.order_by = "-logical_date";
  filter.logical_date_lte = TimePoint::max();  // those that have one
  TRY_ASSIGN(Page<DagRun> dated, reader.runs(filter, {.limit = count, .offset = 0}));
  std::vector<DagRun> last = std::move(dated.rows);
  filter.logical_date_lte.reset();
  filter.order_by = "-run_after";
  // Earlier than the last of these, one without a date is none of the last.
  if (std::ssize(last) == count) filter.run_after_gte = last.back().logical_date;
  int undated = 0;
  for (PageRequest request{.limit = count, .offset = 0}; undated < count; request.offset += count) {
    TRY_ASSIGN(Page<DagRun> page, reader.runs(filter, request));
    for (DagRun& run : page.rows) {
      if (run.logical_date || is_rest(run) || undated == count) continue;
      ++undated;
      last.push_back(std::move(run));
    }
    if (std::ssize(page.rows) < count) break;
  }
  std::ranges::sort(last, std::ranges::greater(), place);
  if (std::ssize(last) > count) last.resize(static_cast<size_t>(count));
  return last;
}

Result<bool> History::has_failed_in_a_row(const std::string& dag_id, int count, const State& state) {
  const DagState* dag = state.find_dag(dag_id);
  const int active = dag == nullptr ? 0 : static_cast<int>(dag->runs.size());
  TRY_ASSIGN(auto last, last_runs_of(reader_, dag_id, count + active));
  int failed = 0;
  for (DagRun& row : last) {
    if (const ActiveRun* active_run = state.find_run(row.number)) row = active_run->row;
    if (!is_finished(row.state)) continue;
    if (row.state != RunState::failed) return false;
    if (++failed >= count) return true;
  }
  return false;
}

Result<std::optional<TimePoint>> History::first_poke_at(const TaskInstance& instance, int retries) {
  const int first_try = std::max(1, instance.max_tries - retries);
  if (instance.try_number <= first_try) return instance.queued_at;
  TRY_ASSIGN(const auto tries, reader_.tries_of(instance.number));
  const auto first = std::ranges::find(tries, first_try, &TryRecord::try_number);
  return first != tries.end() && first->queued_at ? first->queued_at : instance.queued_at;
}

}  // namespace udon
