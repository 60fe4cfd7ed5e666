#include "store/faulty_store.h"

#include <mutex>

namespace udon {

namespace {

// Decides for each call whether it fails. Calls come from several threads.
class Gate {
 public:
  using When = FaultyStore::When;

  void fail_commit(int64_t nth, When when, Error error) {
    const std::lock_guard lock(mutex_);
    commit_ = Plan{commits_ + nth, when, std::move(error)};
    has_failed_ = false;
  }
  void fail_all(Error error) {
    const std::lock_guard lock(mutex_);
    always_ = std::move(error);
    has_failed_ = false;
  }
  void fail_call(int64_t nth, Error error) {
    const std::lock_guard lock(mutex_);
    call_ = Plan{calls_ + nth, When::before_effect, std::move(error)};
    has_failed_ = false;
  }
  void heal() {
    const std::lock_guard lock(mutex_);
    commit_.reset(), call_.reset(), always_.reset();
    has_failed_ = false;
  }

  Result<void> pass() {
    const std::lock_guard lock(mutex_);
    ++calls_;
    if (call_ && call_->at == calls_) return fail(call_->error);
    return {};
  }

  template <class T, class F>
  Result<T> commit(F effect) {
    TRY(pass());
    std::optional<Plan> plan;
    {
      const std::lock_guard lock(mutex_);
      ++commits_;
      if (always_) return fail(*always_);
      if (commit_ && commit_->at == commits_) plan = commit_;
      if (plan && plan->when == When::before_effect) return fail(plan->error);
    }
    Result<T> done = effect();
    if (!plan || !done) return done;
    const std::lock_guard lock(mutex_);
    return fail(plan->error);
  }

  int64_t commits() const {
    const std::lock_guard lock(mutex_);
    return commits_;
  }
  int64_t calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  bool has_failed() const {
    const std::lock_guard lock(mutex_);
    return has_failed_;
  }

 private:
  struct Plan {
    int64_t at = 0;
    When when = When::before_effect;
    Error error;
  };

  Error fail(const Error& error) {
    has_failed_ = true;
    return error;
  }

  mutable std::mutex mutex_;
  std::optional<Plan> commit_, call_;
  std::optional<Error> always_;
  int64_t commits_ = 0;
  int64_t calls_ = 0;
  bool has_failed_ = false;
};

class FaultyReader final : public StoreReader {
 public:
  FaultyReader(StoreReader& behind, Gate& gate) : behind_(behind), gate_(gate) {}

  Result<Page<AssetRecord>> assets(const AssetFilter& filter, const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.assets(filter, page);
  }
  Result<std::optional<AssetRecord>> asset(int64_t number) override {
    TRY(gate_.pass());
    return behind_.asset(number);
  }
  Result<Page<AssetEvent>> asset_events(const AssetEventFilter& filter, const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.asset_events(filter, page);
  }
  Result<std::vector<QueuedAssetEvent>> queued_asset_events(const std::string& dag_id) override {
    TRY(gate_.pass());
    return behind_.queued_asset_events(dag_id);
  }
  Result<std::vector<AssetEvent>> asset_events_of_run(RunNumber run) override {
    TRY(gate_.pass());
    return behind_.asset_events_of_run(run);
  }
  Result<std::vector<RunNumber>> runs_of_asset_event(AssetEventNumber event) override {
    TRY(gate_.pass());
    return behind_.runs_of_asset_event(event);
  }
  Result<Page<QuestionRow>> questions(const QuestionFilter& filter, const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.questions(filter, page);
  }
  Result<std::optional<AskedQuestion>> question(InstanceNumber instance, int try_number) override {
    TRY(gate_.pass());
    return behind_.question(instance, try_number);
  }
  Result<std::vector<AskedQuestion>> live_questions_of(RunNumber run) override {
    TRY(gate_.pass());
    return behind_.live_questions_of(run);
  }
  Result<std::vector<Deferral>> deferrals_of(RunNumber run) override {
    TRY(gate_.pass());
    return behind_.deferrals_of(run);
  }
  Result<std::optional<DagRecord>> dag(const std::string& dag_id) override {
    TRY(gate_.pass());
    return behind_.dag(dag_id);
  }
  Result<Page<DagRecord>> dags(const DagFilter& filter, const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.dags(filter, page);
  }
  Result<std::optional<DagVersionRecord>> dag_version(const std::string& dag_id, const std::string& version) override {
    TRY(gate_.pass());
    return behind_.dag_version(dag_id, version);
  }
  Result<std::vector<DagVersionRecord>> dag_versions(const std::string& dag_id) override {
    TRY(gate_.pass());
    return behind_.dag_versions(dag_id);
  }
  Result<std::optional<DagRun>> run(const std::string& dag_id, const std::string& run_id) override {
    TRY(gate_.pass());
    return behind_.run(dag_id, run_id);
  }
  Result<std::optional<DagRun>> run_by_number(RunNumber number) override {
    TRY(gate_.pass());
    return behind_.run_by_number(number);
  }
  Result<Page<DagRun>> runs(const RunFilter& filter, const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.runs(filter, page);
  }
  Result<std::vector<DagRun>> active_runs() override {
    TRY(gate_.pass());
    return behind_.active_runs();
  }
  Result<std::vector<OldRun>> old_runs(TimePoint before, const RunCursor& after, int limit) override {
    TRY(gate_.pass());
    return behind_.old_runs(before, after, limit);
  }
  Result<std::vector<DagRun>> rests(RunNumber after, int limit) override {
    TRY(gate_.pass());
    return behind_.rests(after, limit);
  }
  Result<int64_t> instances_in(const std::string& dag_id, const std::string& run_id) override {
    TRY(gate_.pass());
    return behind_.instances_in(dag_id, run_id);
  }
  Result<int64_t> events_about(RunNumber run, int64_t at_most) override {
    TRY(gate_.pass());
    return behind_.events_about(run, at_most);
  }
  Result<std::optional<Backfill>> backfill(BackfillNumber number) override {
    TRY(gate_.pass());
    return behind_.backfill(number);
  }
  Result<Page<Backfill>> backfills(const BackfillFilter& filter, const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.backfills(filter, page);
  }
  Result<BackfillRuns> backfill_runs(BackfillNumber number) override {
    TRY(gate_.pass());
    return behind_.backfill_runs(number);
  }
  Result<std::vector<TaskInstance>> instances_of(RunNumber run) override {
    TRY(gate_.pass());
    return behind_.instances_of(run);
  }
  Result<std::optional<InstanceRow>> instance(const TaskInstanceKey& key) override {
    TRY(gate_.pass());
    return behind_.instance(key);
  }
  Result<std::optional<InstanceRow>> instance_by_number(InstanceNumber number) override {
    TRY(gate_.pass());
    return behind_.instance_by_number(number);
  }
  Result<std::optional<InstanceRow>> instance_of_fence(Fence fence) override {
    TRY(gate_.pass());
    return behind_.instance_of_fence(fence);
  }
  Result<Page<InstanceRow>> instances(const InstanceFilter& filter, const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.instances(filter, page);
  }
  Result<std::vector<TryRecord>> tries_of(InstanceNumber instance) override {
    TRY(gate_.pass());
    return behind_.tries_of(instance);
  }
  Result<std::optional<XComRecord>> xcom(InstanceNumber instance, const std::string& key) override {
    TRY(gate_.pass());
    return behind_.xcom(instance, key);
  }
  Result<std::vector<XComRecord>> xcoms_of(InstanceNumber instance) override {
    TRY(gate_.pass());
    return behind_.xcoms_of(instance);
  }
  Result<std::vector<std::pair<int, Value>>> xcoms_of_task(RunNumber run, const std::string& task_id,
                                                           const std::string& key) override {
    TRY(gate_.pass());
    return behind_.xcoms_of_task(run, task_id, key);
  }
  Result<Page<EventRecord>> events(const std::string& dag_id, const std::string& run_id, const std::string& task_id,
                                   const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.events(dag_id, run_id, task_id, page);
  }
  Result<std::optional<EventRecord>> last_pause(const std::string& dag_id) override {
    TRY(gate_.pass());
    return behind_.last_pause(dag_id);
  }

 private:
  StoreReader& behind_;
  Gate& gate_;
};

class FaultySettings final : public StoreSettings {
 public:
  FaultySettings(StoreSettings& behind, Gate& gate) : behind_(behind), gate_(gate) {}

  Result<std::optional<Connection>> connection(const std::string& id) override {
    TRY(gate_.pass());
    return behind_.connection(id);
  }
  Result<Page<Connection>> connections(const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.connections(page);
  }
  Result<std::vector<std::string>> connection_ids() override {
    TRY(gate_.pass());
    return behind_.connection_ids();
  }
  Result<void> put_connection(const Connection& connection, Existing existing) override {
    TRY(gate_.pass());
    return behind_.put_connection(connection, existing);
  }
  Result<void> delete_connection(const std::string& id) override {
    TRY(gate_.pass());
    return behind_.delete_connection(id);
  }
  Result<std::optional<VariableRecord>> variable(const std::string& key) override {
    TRY(gate_.pass());
    return behind_.variable(key);
  }
  Result<Page<VariableRecord>> variables(const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.variables(page);
  }
  Result<void> put_variable(const VariableRecord& variable, Existing existing) override {
    TRY(gate_.pass());
    return behind_.put_variable(variable, existing);
  }
  Result<void> delete_variable(const std::string& key) override {
    TRY(gate_.pass());
    return behind_.delete_variable(key);
  }
  Result<std::vector<Pool>> pools() override {
    TRY(gate_.pass());
    return behind_.pools();
  }
  Result<void> put_pool(const Pool& pool, Existing existing) override {
    TRY(gate_.pass());
    return behind_.put_pool(pool, existing);
  }
  Result<void> delete_pool(const std::string& name) override {
    TRY(gate_.pass());
    return behind_.delete_pool(name);
  }
  Result<std::optional<UserRecord>> user(const std::string& name) override {
    TRY(gate_.pass());
    return behind_.user(name);
  }
  Result<std::vector<UserRecord>> users() override {
    TRY(gate_.pass());
    return behind_.users();
  }
  Result<void> put_user(const UserRecord& user, Existing existing) override {
    TRY(gate_.pass());
    return behind_.put_user(user, existing);
  }
  Result<void> delete_user(const std::string& name) override {
    TRY(gate_.pass());
    return behind_.delete_user(name);
  }
  Result<std::string> setting_or_set(const std::string& key, const std::string& value) override {
    TRY(gate_.pass());
    return behind_.setting_or_set(key, value);
  }

 private:
  StoreSettings& behind_;
  Gate& gate_;
};

class FaultyWriter final : public StoreWriter {
 public:
  FaultyWriter(StoreWriter& behind, Gate& gate) : behind_(behind), gate_(gate) {}

  Result<Epoch> acquire_epoch(TimePoint at) override {
    return gate_.commit<Epoch>([&] { return behind_.acquire_epoch(at); });
  }
  Result<Counters> counters() override {
    TRY(gate_.pass());
    return behind_.counters();
  }
  Result<void> commit(const Batch& batch) override {
    return gate_.commit<void>([&] { return behind_.commit(batch); });
  }

 private:
  StoreWriter& behind_;
  Gate& gate_;
};

class FaultyOutbox final : public StoreOutbox {
 public:
  FaultyOutbox(StoreOutbox& behind, Gate& gate) : behind_(behind), gate_(gate) {}

  Result<std::optional<Notification>> claim(TimePoint now) override {
    TRY(gate_.pass());
    return behind_.claim(now);
  }
  Result<std::optional<TimePoint>> next_due() override {
    TRY(gate_.pass());
    return behind_.next_due();
  }
  Result<void> finish(int64_t number, int sends, NotificationState state, std::optional<TimePoint> next_at,
                      TimePoint at, const std::string& note) override {
    TRY(gate_.pass());
    return behind_.finish(number, sends, state, next_at, at, note);
  }
  Result<int64_t> recover(TimePoint now, const std::string& note) override {
    TRY(gate_.pass());
    return behind_.recover(now, note);
  }
  Result<Notification> resend(int64_t number, TimePoint now) override {
    TRY(gate_.pass());
    return behind_.resend(number, now);
  }
  Result<std::optional<Notification>> notification(int64_t number) override {
    TRY(gate_.pass());
    return behind_.notification(number);
  }
  Result<Page<Notification>> notifications(const NotificationFilter& filter, const PageRequest& page) override {
    TRY(gate_.pass());
    return behind_.notifications(filter, page);
  }

 private:
  StoreOutbox& behind_;
  Gate& gate_;
};

}  // namespace

struct FaultyStore::Impl {
  explicit Impl(Store& behind)
      : reader(behind.reader(), gate),
        settings(behind.settings(), gate),
        writer(behind.writer(), gate),
        outbox(behind.outbox(), gate) {}

  Gate gate;
  FaultyReader reader;
  FaultySettings settings;
  FaultyWriter writer;
  FaultyOutbox outbox;
};

FaultyStore::FaultyStore(Store& behind) : impl_(std::make_unique<Impl>(behind)) {}
FaultyStore::~FaultyStore() = default;

void FaultyStore::fail_commit(int64_t nth, When when, Error error) {
  impl_->gate.fail_commit(nth, when, std::move(error));
}
void FaultyStore::fail_all_commits(Error error) { impl_->gate.fail_all(std::move(error)); }
void FaultyStore::fail_call(int64_t nth, Error error) { impl_->gate.fail_call(nth, std::move(error)); }
void FaultyStore::heal() { impl_->gate.heal(); }
int64_t FaultyStore::commits() const { return impl_->gate.commits(); }
int64_t FaultyStore::calls() const { return impl_->gate.calls(); }
bool FaultyStore::has_failed() const { return impl_->gate.has_failed(); }

StoreReader& FaultyStore::reader() { return impl_->reader; }
StoreSettings& FaultyStore::settings() { return impl_->settings; }
StoreWriter& FaultyStore::writer() { return impl_->writer; }
StoreOutbox& FaultyStore::outbox() { return impl_->outbox; }

}  // namespace udon
