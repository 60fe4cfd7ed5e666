#include "tests/simulation/planted_store.h"

#include "model/choice.h"

namespace udon::simulation {

namespace {

Error no_space() { return {ErrorKind::io, "commit: No space left on device"}; }
Error no_answer() { return {ErrorKind::unavailable, "the store does not answer"}; }

}  // namespace

struct PlantedStore::Impl final : StoreReader, StoreSettings, StoreWriter {
  Impl(PlantedStore& the_owner, Store& the_behind, Outside& the_outside)
      : owner(the_owner), behind(the_behind), outside(the_outside) {}

  PlantedStore& owner;
  Store& behind;
  Outside& outside;
  int commits = 0;
  std::optional<Batch> late;

  bool plants(Planted what) const { return outside.planted == what; }
  template <class F>
  auto read(F&& f) -> decltype(f()) {
    outside.step();
    if (owner.read_fault()) return no_answer();
    return f();
  }

  Result<Page<AssetRecord>> assets(const AssetFilter& filter, const PageRequest& page) override {
    return read([&] { return behind.reader().assets(filter, page); });
  }
  Result<std::optional<AssetRecord>> asset(int64_t number) override {
    return read([&] { return behind.reader().asset(number); });
  }
  Result<Page<AssetEvent>> asset_events(const AssetEventFilter& filter, const PageRequest& page) override {
    return read([&] { return behind.reader().asset_events(filter, page); });
  }
  Result<std::vector<QueuedAssetEvent>> queued_asset_events(const std::string& dag_id) override {
    return read([&] { return behind.reader().queued_asset_events(dag_id); });
  }
  Result<std::vector<AssetEvent>> asset_events_of_run(RunNumber run) override {
    return read([&] { return behind.reader().asset_events_of_run(run); });
  }
  Result<std::vector<RunNumber>> runs_of_asset_event(AssetEventNumber event) override {
    return read([&] { return behind.reader().runs_of_asset_event(event); });
  }
  Result<Page<QuestionRow>> questions(const QuestionFilter& filter, const PageRequest& page) override {
    return read([&] { return behind.reader().questions(filter, page); });
  }
  Result<std::optional<AskedQuestion>> question(InstanceNumber instance, int try_number) override {
    return read([&] { return behind.reader().question(instance, try_number); });
  }
  Result<std::vector<AskedQuestion>> live_questions_of(RunNumber run) override {
    return read([&] { return behind.reader().live_questions_of(run); });
  }
  Result<std::vector<Deferral>> deferrals_of(RunNumber run) override {
    return read([&] { return behind.reader().deferrals_of(run); });
  }
  Result<std::optional<DagRecord>> dag(const std::string& id) override {
    return read([&] { return behind.reader().dag(id); });
  }
  Result<Page<DagRecord>> dags(const DagFilter& filter, const PageRequest& page) override {
    return read([&] { return behind.reader().dags(filter, page); });
  }
  Result<std::optional<DagVersionRecord>> dag_version(const std::string& id, const std::string& version) override {
    return read([&] { return behind.reader().dag_version(id, version); });
  }
  Result<std::vector<DagVersionRecord>> dag_versions(const std::string& id) override {
    return read([&] { return behind.reader().dag_versions(id); });
  }
  Result<std::optional<DagRun>> run(const std::string& dag_id, const std::string& run_id) override {
    return read([&] { return behind.reader().run(dag_id, run_id); });
  }
  Result<std::optional<DagRun>> run_by_number(RunNumber number) override {
    return read([&] { return behind.reader().run_by_number(number); });
  }
  Result<Page<DagRun>> runs(const RunFilter& filter, const PageRequest& page) override {
    const bool is_for_cleaning = page.limit == 1 && filter.order_by == "-logical_date" && !filter.logical_date_lte;
    if (plants(Planted::hides_schedules_from_cleaning) && is_for_cleaning) return Page<DagRun>{};
    return read([&] { return behind.reader().runs(filter, page); });
  }
  Result<std::vector<DagRun>> active_runs() override {
    auto runs = read([&] { return behind.reader().active_runs(); });
    if (runs && !runs->empty() && plants(Planted::forgets_a_run_after_restart)) runs->pop_back();
    return runs;
  }
  Result<std::vector<OldRun>> old_runs(TimePoint before, const RunCursor& after, int limit) override {
    return read([&] { return behind.reader().old_runs(before, after, limit); });
  }
  Result<std::vector<DagRun>> rests(RunNumber after, int limit) override {
    return read([&] { return behind.reader().rests(after, limit); });
  }
  Result<int64_t> instances_in(const std::string& dag_id, const std::string& run_id) override {
    return read([&] { return behind.reader().instances_in(dag_id, run_id); });
  }
  Result<int64_t> events_about(RunNumber run, int64_t at_most) override {
    return read([&] { return behind.reader().events_about(run, at_most); });
  }
  Result<std::optional<Backfill>> backfill(BackfillNumber number) override {
    return read([&] { return behind.reader().backfill(number); });
  }
  Result<Page<Backfill>> backfills(const BackfillFilter& filter, const PageRequest& page) override {
    auto found = read([&] { return behind.reader().backfills(filter, page); });
    if (found && plants(Planted::forgets_backfills_after_restart)) found->rows.clear();
    return found;
  }
  Result<BackfillRuns> backfill_runs(BackfillNumber number) override {
    return read([&] { return behind.reader().backfill_runs(number); });
  }
  Result<std::vector<TaskInstance>> instances_of(RunNumber run) override {
    return read([&] { return behind.reader().instances_of(run); });
  }
  Result<std::optional<InstanceRow>> instance(const TaskInstanceKey& key) override {
    return read([&] { return behind.reader().instance(key); });
  }
  Result<std::optional<InstanceRow>> instance_of_fence(Fence fence) override {
    return read([&] { return behind.reader().instance_of_fence(fence); });
  }
  Result<std::optional<InstanceRow>> instance_by_number(InstanceNumber number) override {
    return read([&] { return behind.reader().instance_by_number(number); });
  }
  Result<Page<InstanceRow>> instances(const InstanceFilter& filter, const PageRequest& page) override {
    auto rows = read([&] { return behind.reader().instances(filter, page); });
    if (rows && plants(Planted::forgets_a_run_after_restart)) rows->rows.clear();
    return rows;
  }
  Result<std::vector<TryRecord>> tries_of(InstanceNumber instance) override {
    if (plants(Planted::forgets_what_a_try_becomes)) return std::vector<TryRecord>{};
    return read([&] { return behind.reader().tries_of(instance); });
  }
  Result<std::optional<XComRecord>> xcom(InstanceNumber instance, const std::string& key) override {
    return read([&] { return behind.reader().xcom(instance, key); });
  }
  Result<std::vector<XComRecord>> xcoms_of(InstanceNumber instance) override {
    return read([&] { return behind.reader().xcoms_of(instance); });
  }
  Result<std::vector<std::pair<int, Value>>> xcoms_of_task(RunNumber run, const std::string& task_id,
                                                           const std::string& key) override {
    if (plants(Planted::forgets_choices_after_restart) && key == choice_key)
      return std::vector<std::pair<int, Value>>{};
    return read([&] { return behind.reader().xcoms_of_task(run, task_id, key); });
  }
  Result<Page<EventRecord>> events(const std::string& dag_id, const std::string& run_id, const std::string& task_id,
                                   const PageRequest& page) override {
    return read([&] { return behind.reader().events(dag_id, run_id, task_id, page); });
  }
  Result<std::optional<EventRecord>> last_pause(const std::string& dag_id) override {
    return read([&] { return behind.reader().last_pause(dag_id); });
  }

  Result<std::optional<Connection>> connection(const std::string& id) override {
    return behind.settings().connection(id);
  }
  Result<Page<Connection>> connections(const PageRequest& page) override { return behind.settings().connections(page); }
  Result<std::vector<std::string>> connection_ids() override { return behind.settings().connection_ids(); }
  Result<void> put_connection(const Connection& connection, Existing existing) override {
    return behind.settings().put_connection(connection, existing);
  }
  Result<void> delete_connection(const std::string& id) override { return behind.settings().delete_connection(id); }
  Result<std::optional<VariableRecord>> variable(const std::string& key) override {
    return behind.settings().variable(key);
  }
  Result<Page<VariableRecord>> variables(const PageRequest& page) override { return behind.settings().variables(page); }
  Result<void> put_variable(const VariableRecord& variable, Existing existing) override {
    return behind.settings().put_variable(variable, existing);
  }
  Result<void> delete_variable(const std::string& key) override { return behind.settings().delete_variable(key); }
  Result<std::vector<Pool>> pools() override {
    auto pools = read([&] { return behind.settings().pools(); });
    if (pools && plants(Planted::wider_pools)) {
      for (Pool& pool : *pools) pool.slots += 3;
    }
    return pools;
  }
  Result<void> put_pool(const Pool& pool, Existing existing) override {
    return behind.settings().put_pool(pool, existing);
  }
  Result<void> delete_pool(const std::string& name) override { return behind.settings().delete_pool(name); }
  Result<std::optional<UserRecord>> user(const std::string& name) override { return behind.settings().user(name); }
  Result<std::vector<UserRecord>> users() override { return behind.settings().users(); }
  Result<void> put_user(const UserRecord& user, Existing existing) override {
    return behind.settings().put_user(user, existing);
  }
  Result<void> delete_user(const std::string& name) override { return behind.settings().delete_user(name); }
  Result<std::string> setting_or_set(const std::string& key, const std::string& value) override {
    return behind.settings().setting_or_set(key, value);
  }

  void overwrite_a_running_state(const Batch& batch) {
    const auto running = behind.reader().instances({.states = {TaskState::running}}, {.limit = 1});
    if (!running || running->rows.empty()) return;
    ChangeInstance change{.expected_state = TaskState::running, .row = running->rows.front().instance};
    change.expected_fence = change.row.fence;
    change.row.state = TaskState::failed;
    change.cause = MoveCause::report;
    const Batch blind{.epoch = batch.epoch, .at = batch.at, .changes = {change}};
    if (const auto done = behind.writer().commit(blind); !done) outside.complain("blind: " + done.error().message);
  }

  Result<Epoch> acquire_epoch(TimePoint at) override {
    late.reset();
    outside.step();
    return behind.writer().acquire_epoch(at);
  }
  Result<Counters> counters() override {
    return read([&] { return behind.writer().counters(); });
  }
  Result<void> commit(const Batch& batch) override {
    outside.step();
    ++commits;
    switch (owner.commit_fault()) {
      case CommitFault::before_effect: return no_space();
      case CommitFault::after_effect:
        if (auto done = behind.writer().commit(batch); !done) return done;
        return no_answer();
      case CommitFault::none: break;
    }
    if (plants(Planted::swallows_a_commit) && commits % 20 == 0) return {};
    Batch sent = batch;
    if (plants(Planted::drops_xcoms)) {
      std::erase_if(sent.changes, [](const Change& change) { return std::holds_alternative<PutXCom>(change); });
    }
    if (plants(Planted::forgets_answers)) {
      for (Change& change : sent.changes) {
        if (auto* put = std::get_if<PutQuestion>(&change)) put->row.answer.reset();
      }
    }
    if (plants(Planted::forgets_deferrals)) {
      std::erase_if(sent.changes, [](const Change& change) { return std::holds_alternative<PutDeferral>(change); });
    }
    if (plants(Planted::takes_dates_of_backfills_twice)) {
      for (Change& change : sent.changes) {
        if (auto* put = std::get_if<PutBackfill>(&change)) put->row.last_date.reset();
      }
    }
    if (plants(Planted::drops_notifications)) {
      std::erase_if(sent.changes,
                    [](const Change& change) { return std::holds_alternative<QueueNotification>(change); });
    }
    if (plants(Planted::queues_no_asset_events)) {
      for (Change& change : sent.changes) {
        if (auto* made = std::get_if<InsertAssetEvent>(&change)) made->consumers.clear();
      }
    }
    if (plants(Planted::tells_twice)) {
      for (size_t i = 0, n = sent.changes.size(); i < n; ++i) {
        const auto* queued = std::get_if<QueueNotification>(&sent.changes[i]);
        if (queued == nullptr) continue;
        QueueNotification again = *queued;
        again.row.key.try_number += 1;
        sent.changes.emplace_back(std::move(again));
      }
    }
    if (plants(Planted::says_committed_before_it_is)) {
      const auto before = std::exchange(late, std::move(sent));
      return before ? behind.writer().commit(*before) : Result<void>{};
    }
    const Result<void> done = behind.writer().commit(sent);
    if (done && plants(Planted::overwrites_a_running_state)) overwrite_a_running_state(batch);
    outside.step();
    return done;
  }
};

PlantedStore::PlantedStore(Store& behind, Outside& outside) : impl_(std::make_unique<Impl>(*this, behind, outside)) {}
PlantedStore::~PlantedStore() = default;
StoreReader& PlantedStore::reader() { return *impl_; }
StoreSettings& PlantedStore::settings() { return *impl_; }
StoreWriter& PlantedStore::writer() { return *impl_; }
StoreOutbox& PlantedStore::outbox() { return impl_->behind.outbox(); }

}  // namespace udon::simulation
