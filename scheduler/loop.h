#pragma once
// The loop: the only writer of states. One thread runs it; everybody else hands it things and is woken or answered.
// A turn: drain what came in, decide (plan.h, pure), commit in one transaction, answer, hand out.
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "dagfile/catalog.h"
#include "executor/executor.h"
#include "model/control.h"
#include "store/reader.h"
#include "store/settings.h"
#include "store/writer.h"
#include "telemetry/metrics.h"

namespace udon {

class State;

struct LoopOptions {
  std::string installation;  // names this store's tries; from the store's settings
  std::string dags_folder;   // absolute; relative paths in operators' parameters start there
  // The same of a bundle's DAGs: the folder of the commit that is in use.
  std::function<std::string(const std::string& bundle)> folder_of_bundle = nullptr;
  int parallelism = 32;  // live tries of kind process over everything
  // So long a wait makes up for one step of priority; 0: none does. See docs/adr/0018-waiting-counts.md.
  Duration priority_ageing = std::chrono::minutes(5);
  bool dags_are_paused_at_creation = false;
  // Connections that come from elsewhere than the store, as UDON_CONN_<ID> names them: a task instance waits for the
  // connections of its DAG file. Nothing: they cannot be listed; then none waits, and the try finds out.
  std::optional<std::vector<std::string>> connections_of_environment = std::nullopt;
  // Why nothing should be started now, for a reason outside: a full disk. Empty: all is well. Asked in every turn.
  std::function<std::string()> obstacle = nullptr;
  // Called after a commit that has put something into the outbox, on the loop's thread; must not block.
  std::function<void()> on_notifications = nullptr;
  // Called after a commit that has deleted runs: their logs may go. Likewise.
  std::function<void(const std::vector<RunNumber>&)> on_runs_deleted = nullptr;
};

class Loop final : public Control {
 public:
  // All references outlive the loop. make_token: the secret that a try shows when it asks us for something.
  Loop(LoopOptions options, const Clock& clock, StoreReader& reader, StoreWriter& writer, StoreSettings& settings,
       std::vector<Executor*> executors, std::function<std::string(const TryId&)> make_token, Metrics& metrics);
  ~Loop() override;

  // Begins a term: epoch +1, loads what is active, asks the executors to adopt every live try. Before run or turn.
  Result<void> start();
  // Turns until asked to stop. Returns an error if it must not go on (another scheduler has taken over).
  Result<void> run(std::stop_token stop);
  // One turn; returns when the next is due at the latest (nothing: only when woken). What run and the simulation call.
  Result<std::optional<TimePoint>> turn();

  // From any thread.
  void offer(CatalogPtr catalog);                                // the newest wins
  void wake();                                                   // an executor has reports
  std::future<Result<CommandOutcome>> enqueue(Command command);  // submit without waiting for the answer
  Result<CommandOutcome> submit(Command command) override;
  Result<Reason> why(const TaskInstanceKey& key) override;
  bool is_ready() const override;
  std::string stopped() const override;

  // What is active; for the auditor of the simulation, on the loop's thread.
  const State& state() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon
