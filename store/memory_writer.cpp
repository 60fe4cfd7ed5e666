#include <algorithm>
#include <functional>

#include "store/leaving.h"
#include "store/memory_state.h"
#include "store/rules.h"

namespace udon::memory {

namespace {

// One batch. Applies change after change and remembers how to take each back, because the fifth may be
// refused.
class Application {
 public:
  Application(State& state, const Batch& batch)
      : state_(state),
        batch_(batch),
        before_(state.counters),
        events_before_(state.events.size()),
        last_event_before_(state.last_event) {}

  Result<void> run() {
    for (size_t i = 0; i < batch_.changes.size(); ++i) {
      const Result<void> done = std::visit([this](const auto& change) { return apply(change); }, batch_.changes[i]);
      if (!done) {
        take_back();
        return in_batch(done.error(), i, batch_.changes.size());
      }
    }
    return {};
  }

 private:
  void take_back() {
    for (auto undo = undos_.rbegin(); undo != undos_.rend(); ++undo) (*undo)();
    state_.events.resize(events_before_);
    state_.last_event = last_event_before_;
    state_.counters = before_;
  }

  Result<void> apply(const InsertRun& change) {
    const DagRun& row = change.row;
    TRY(check_new(row));
    std::pair by_id(row.dag_id, row.run_id);
    if (state_.runs.contains(row.number) || state_.runs_by_id.contains(by_id)) return duplicate_run(row);
    if (row.logical_date && state_.runs_by_date.contains({row.dag_id, *row.logical_date})) return duplicate_run(row);
    add_run(RunEntry{.row = row, .instances = {}, .by_name = {}});
    undos_.emplace_back([this, number = row.number] { remove_run(number); });
    state_.counters.last_run = std::max(state_.counters.last_run, row.number);
    note(EventEntry{.run = row.number, .event = event_names::run, .to = to_string(row.state)}, change.user, {});
    return {};
  }

  Result<void> apply(const ChangeRun& change) {
    const auto found = state_.runs.find(change.row.number);
    if (found == state_.runs.end()) return missing_run(change.row.number);
    DagRun& stored = found->second.row;
    const bool is_same = change.row.dag_id == stored.dag_id && change.row.run_id == stored.run_id;
    if (!is_same || stored.state != change.expected_state) return mismatch(change, stored);
    TRY(check_change(change));
    const auto& date = change.row.logical_date;
    if (date && date != stored.logical_date && state_.runs_by_date.contains({stored.dag_id, *date})) {
      return duplicate_run(change.row);
    }
    undos_.emplace_back([this, old = stored] { replace_run(old); });
    replace_run(change.row);
    if (change.expected_state != change.row.state || !change.event_text.empty()) {
      note(EventEntry{.run = change.row.number,
                      .event = event_names::run,
                      .from = to_string(change.expected_state),
                      .to = to_string(change.row.state),
                      .cause = to_string(change.cause)},
           change.user, change.event_text);
    }
    return {};
  }

  Result<void> apply(const DeleteRunRows& change) {
    const auto found = state_.runs.find(change.run);
    if (found == state_.runs.end()) return missing_run(change.run);
    const DagRun row = found->second.row;
    if (!is_finished(row.state)) return unfinished_run(row);

    struct Removed {
      RunEntry run;
      std::vector<InstanceEntry> instances;
    };
    auto removed = std::make_shared<Removed>();
    std::vector<InstanceNumber> going = found->second.instances;
    RunEntry rest;
    const bool is_whole = static_cast<int64_t>(going.size()) <= deleted_instances_max &&
                          std::ranges::count(state_.events, change.run, &EventEntry::run) <= deleted_events_max;
    if (!is_whole) {
      rest = rest_of(found->second);
      going.clear();
      for (const auto& [name, number] : found->second.by_name) {
        if (static_cast<int64_t>(going.size()) == deleted_instances_max) break;
        going.push_back(number);
      }
    }
    for (const InstanceNumber number : going) {
      removed->instances.push_back(std::move(state_.instances.extract(number).mapped()));
      const TaskInstance& gone = removed->instances.back().row;
      if (is_live(gone.state)) state_.live.erase(gone.fence);
    }
    removed->run = std::move(found->second);
    removed->run.row = row;
    found->second.row = row;
    remove_run(change.run);

    // Events of this very batch go too; take_back cuts off at events_before_, so what was before it is kept
    // aside whole.
    auto events = std::make_shared<std::vector<EventEntry>>(
        state_.events.begin(), state_.events.begin() + static_cast<std::ptrdiff_t>(events_before_));
    const size_t events_before = events_before_;
    int64_t events_left = is_whole ? INT64_MAX : deleted_events_max;
    std::erase_if(state_.events, [&](const EventEntry& event) { return event.run == change.run && events_left-- > 0; });
    if (!is_whole) add_run(rest);
    events_before_ =
        static_cast<size_t>(std::ranges::lower_bound(state_.events, last_event_before_ + 1, {}, &EventEntry::number) -
                            state_.events.begin());
    undos_.emplace_back([this, removed, events, events_before, is_whole, rest_number = change.run] {
      if (!is_whole) remove_run(rest_number);
      for (InstanceEntry& entry : removed->instances) {
        const TaskInstance& back = entry.row;
        if (is_live(back.state)) state_.live[back.fence] = back.number;
        const InstanceNumber number = back.number;
        state_.instances.emplace(number, std::move(entry));
      }
      add_run(std::move(removed->run));
      state_.events = std::move(*events);
      events_before_ = events_before;
    });
    if (is_whole) {
      forget_notifications(change.run);
      forget_asset_events_of(state_, change.run, undos_);
    }
    if (is_rest(row)) return {};
    EventRecord record;
    record.event = event_names::run;
    record.dag_id = row.dag_id;
    record.run_id = row.run_id;
    record.from = to_string(row.state);
    record.to = event_names::deleted;
    record.cause = to_string(MoveCause::command);
    record.user = change.user;
    note(EventEntry{.full = std::make_shared<const EventRecord>(std::move(record))});
    return {};
  }

  Result<void> apply(const InsertInstances& change) {
    for (const TaskInstance& row : change.rows) {
      TRY(check_new(row));
      const auto run = state_.runs.find(row.run);
      if (run == state_.runs.end()) return missing_run(row.run);
      if (state_.instances.contains(row.number)) return duplicate_instance(row);
      const auto [name, is_new] = run->second.by_name.try_emplace({row.task_id, row.map_index}, row.number);
      if (!is_new) return duplicate_instance(row);
      run->second.instances.push_back(row.number);
      state_.instances[row.number].row = row;
      state_.counters.last_instance = std::max(state_.counters.last_instance, row.number);
      undos_.emplace_back([this, number = row.number] { remove_instance(number); });
    }
    return {};
  }

  Result<void> apply(const ChangeInstance& change) {
    const TaskInstance& row = change.row;
    const auto found = state_.instances.find(row.number);
    if (found == state_.instances.end()) return missing_instance(row.number);
    TaskInstance& stored = found->second.row;
    const bool is_same = row.run == stored.run && row.task_id == stored.task_id && row.map_index == stored.map_index;
    if (!is_same || stored.state != change.expected_state || stored.fence != change.expected_fence) {
      return mismatch(change, stored);
    }
    TRY(check_change(change, before_.last_fence));
    if (is_live(row.state)) {
      const auto holder = state_.live.find(row.fence);
      if (holder != state_.live.end() && holder->second != row.number) return duplicate_fence(row);
    }
    undos_.emplace_back([this, old = stored] { replace_instance(old); });
    replace_instance(row);
    state_.counters.last_fence = std::max(state_.counters.last_fence, row.fence);

    EventEntry event{.run = row.run,
                     .instance = row.number,
                     .try_number = row.try_number,
                     .event = event_names::task,
                     .cause = to_string(change.cause)};
    bool has_moved = false;
    each_step(change, [&](TaskState from, TaskState to) {
      event.from = to_string(from);
      event.to = to_string(to);
      note(event, change.user, change.event_text);
      has_moved = true;
    });
    if (!has_moved && !change.event_text.empty()) {
      event.from = event.to = to_string(row.state);
      note(event, change.user, change.event_text);
    }
    return {};
  }

  Result<void> apply(const PutTry& change) {
    return put(
        change.row.instance, [](InstanceEntry & entry) -> auto& { return entry.tries; }, change.row.try_number,
        change.row);
  }
  Result<void> apply(const PutXCom& change) {
    return put(
        change.row.instance, [](InstanceEntry & entry) -> auto& { return entry.xcoms; }, change.row.key, change.row);
  }

  Result<void> apply(const PutQuestion& change) {
    return put(
        change.row.instance, [](InstanceEntry & entry) -> auto& { return entry.questions; }, change.row.try_number,
        change.row);
  }
  Result<void> apply(const PutDeferral& change) { return set_deferral(change.row.instance, change.row); }
  Result<void> apply(const DropDeferral& change) {
    if (!state_.instances.contains(change.instance)) return {};
    return set_deferral(change.instance, std::nullopt);
  }
  Result<void> set_deferral(InstanceNumber instance, std::optional<Deferral> deferral) {
    const auto found = state_.instances.find(instance);
    if (found == state_.instances.end()) return missing_instance(instance);
    undos_.emplace_back(
        [this, instance, old = found->second.deferral] { state_.instances.at(instance).deferral = old; });
    found->second.deferral = std::move(deferral);
    return {};
  }

  Result<void> apply(const DeleteXComs& change) {
    const auto found = state_.instances.find(change.instance);
    if (found == state_.instances.end()) return missing_instance(change.instance);
    if (found->second.xcoms.empty()) return {};
    undos_.emplace_back([this, number = change.instance, old = std::move(found->second.xcoms)] {
      state_.instances.at(number).xcoms = old;
    });
    found->second.xcoms.clear();
    return {};
  }

  Result<void> apply(const PutDag& change) {
    const auto found = state_.dags.find(change.row.dag_id);
    if (found == state_.dags.end()) {
      undos_.emplace_back([this, id = change.row.dag_id] { state_.dags.erase(id); });
    } else {
      undos_.emplace_back([this, old = found->second] { state_.dags[old.dag_id] = old; });
    }
    state_.dags[change.row.dag_id] = change.row;
    return {};
  }

  Result<void> apply(const PutBackfill& change) {
    const BackfillNumber number = change.row.number;
    const auto found = state_.backfills.find(number);
    if (found == state_.backfills.end()) {
      undos_.emplace_back([this, number] { state_.backfills.erase(number); });
    } else {
      undos_.emplace_back([this, old = found->second] { state_.backfills[old.number] = old; });
    }
    state_.backfills[number] = change.row;
    state_.counters.last_backfill = std::max(state_.counters.last_backfill, number);
    return {};
  }

  Result<void> apply(const PutDagVersion& change) {
    auto& versions = state_.versions[change.row.dag_id];
    const auto is_it = [&](const auto& entry) { return entry.second.version == change.row.version; };
    if (std::ranges::any_of(versions, is_it)) return {};
    const int number = versions.empty() ? 1 : versions.rbegin()->first + 1;
    DagVersionRecord& row = versions[number] = change.row;
    row.number = number;
    undos_.emplace_back([this, id = row.dag_id, number] { state_.versions[id].erase(number); });
    return {};
  }

  Result<void> apply(const PutAssets& change) { return memory::apply(state_, change, batch_.at, undos_); }
  Result<void> apply(const InsertAssetEvent& change) { return memory::apply(state_, change, batch_.at, undos_); }
  Result<void> apply(const TakeAssetEvents& change) { return memory::apply(state_, change, undos_); }

  Result<void> apply(const AppendEvent& change) {
    EventEntry entry;
    if (const RunEntry* run = state_.find_run(change.row.dag_id, change.row.run_id)) entry.run = run->row.number;
    entry.full = std::make_shared<const EventRecord>(change.row);
    note(std::move(entry));
    return {};
  }

  Result<void> apply(const QueueNotification& change) {
    TRY(check_new(change.row));
    const int64_t number = state_.last_notification + 1;
    if (!state_.outbox_by_key.try_emplace(change.row.key, number).second) return {};
    state_.last_notification = number;
    Notification& row = state_.outbox[number] = change.row;
    row.number = number;
    undos_.emplace_back([this, key = row.key, number] {
      state_.outbox_by_key.erase(key);
      state_.outbox.erase(number);
      state_.last_notification = number - 1;
    });
    return {};
  }

  // With its run goes what has been told of it, not what is still to be told.
  void forget_notifications(RunNumber run) {
    auto& keys = state_.outbox_by_key;
    for (auto at = keys.lower_bound(NotificationKey{.run = run, .at = TimePoint::min()});
         at != keys.end() && at->first.run == run;) {
      const auto row = state_.outbox.find(at->second);
      if (!is_done(row->second.state)) {
        ++at;
        continue;
      }
      undos_.emplace_back([this, old = row->second] {
        state_.outbox_by_key[old.key] = old.number;
        state_.outbox[old.number] = old;
      });
      state_.outbox.erase(row);
      at = keys.erase(at);
    }
  }

  template <class Table, class Key, class Row>
  Result<void> put(InstanceNumber instance, Table table, const Key& key, const Row& row) {
    const auto found = state_.instances.find(instance);
    if (found == state_.instances.end()) return missing_instance(instance);
    auto& rows = table(found->second);
    const auto there = rows.find(key);
    if (there == rows.end()) {
      undos_.emplace_back([this, instance, table, key] { table(state_.instances.at(instance)).erase(key); });
    } else {
      undos_.emplace_back(
          [this, instance, table, key, old = there->second] { table(state_.instances.at(instance))[key] = old; });
    }
    rows[key] = row;
    return {};
  }

  void note(EventEntry event, const std::string& user, const std::string& text) {
    if (!user.empty() || !text.empty()) {
      EventRecord words;
      words.user = user;
      words.text = text;
      event.full = std::make_shared<const EventRecord>(std::move(words));
    }
    note(std::move(event));
  }
  void note(EventEntry event) {
    event.number = ++state_.last_event;
    event.at = batch_.at;
    state_.events.push_back(std::move(event));
  }

  // What is left of a run when its first task instances, by name, are gone.
  static RunEntry rest_of(const RunEntry& whole) {
    RunEntry rest{.row = whole.row, .instances = {}, .by_name = {}};
    rest.row.run_id = name_of_rest(whole.row.number);
    rest.row.logical_date.reset();
    rest.row.data_interval.reset();
    rest.row.backfill.reset();
    if (!rest.row.end_date) rest.row.end_date = rest.row.queued_at;
    const auto gone = std::min<int64_t>(deleted_instances_max, std::ssize(whole.by_name));
    rest.by_name.insert(std::next(whole.by_name.begin(), gone), whole.by_name.end());
    for (const auto& [name, number] : rest.by_name) rest.instances.push_back(number);
    return rest;
  }

  void add_run(RunEntry entry) {
    const DagRun& row = entry.row;
    state_.runs_by_id[{row.dag_id, row.run_id}] = row.number;
    if (row.logical_date) state_.runs_by_date[{row.dag_id, *row.logical_date}] = row.number;
    if (!is_finished(row.state)) state_.active.insert(row.number);
    const RunNumber number = row.number;
    state_.runs.emplace(number, std::move(entry));
  }
  void remove_run(RunNumber number) {
    const auto found = state_.runs.find(number);
    const DagRun& row = found->second.row;
    state_.runs_by_id.erase({row.dag_id, row.run_id});
    if (row.logical_date) state_.runs_by_date.erase({row.dag_id, *row.logical_date});
    state_.active.erase(number);
    state_.runs.erase(found);
  }
  void replace_run(const DagRun& row) {
    DagRun& stored = state_.runs.at(row.number).row;
    if (stored.logical_date != row.logical_date) {
      if (stored.logical_date) state_.runs_by_date.erase({stored.dag_id, *stored.logical_date});
      if (row.logical_date) state_.runs_by_date[{row.dag_id, *row.logical_date}] = row.number;
    }
    if (is_finished(row.state)) {
      state_.active.erase(row.number);
    } else {
      state_.active.insert(row.number);
    }
    stored = row;
  }

  void replace_instance(const TaskInstance& row) {
    TaskInstance& stored = state_.instances.at(row.number).row;
    if (is_live(stored.state)) state_.live.erase(stored.fence);
    if (is_live(row.state)) state_.live[row.fence] = row.number;
    stored = row;
  }
  void remove_instance(InstanceNumber number) {
    const auto found = state_.instances.find(number);
    const TaskInstance& row = found->second.row;
    RunEntry& run = state_.runs.at(row.run);
    run.by_name.erase({row.task_id, row.map_index});
    run.instances.pop_back();  // undone in reverse order: it is the last
    state_.instances.erase(found);
  }

  State& state_;
  const Batch& batch_;
  const Counters before_;
  size_t events_before_;
  const int64_t last_event_before_;
  Undos undos_;
};

class Writer final : public StoreWriter {
 public:
  explicit Writer(State& state) : state_(state) {}

  Result<Epoch> acquire_epoch(TimePoint at) override {
    const std::lock_guard lock(state_.mutex);
    EventRecord record;
    record.event = event_names::scheduler;
    record.text = text_of_term(++state_.epoch);
    EventEntry entry{.number = ++state_.last_event, .at = at};
    entry.full = std::make_shared<const EventRecord>(std::move(record));
    state_.events.push_back(std::move(entry));
    return state_.epoch;
  }

  Result<Counters> counters() override {
    const std::lock_guard lock(state_.mutex);
    return state_.counters;
  }

  Result<void> commit(const Batch& batch) override {
    const std::lock_guard lock(state_.mutex);
    if (batch.epoch != state_.epoch) return wrong_epoch(batch.epoch, state_.epoch);
    return Application(state_, batch).run();
  }

 private:
  State& state_;
};

}  // namespace

std::unique_ptr<StoreWriter> make_writer(State& state) { return std::make_unique<Writer>(state); }

}  // namespace udon::memory
