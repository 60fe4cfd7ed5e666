#pragma once
// What MemoryStore keeps, shared by its reader, settings and writer; for their files only. Everything here is
// touched under `mutex`, which is never held over anything but memory.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store/outbox.h"
#include "store/reader.h"
#include "store/settings.h"
#include "store/writer.h"

namespace udon::memory {

struct RunEntry {
  DagRun row;
  std::vector<InstanceNumber> instances;  // in order of insertion
  std::map<std::pair<std::string, int>, InstanceNumber, std::less<>> by_name;
};

struct InstanceEntry {
  TaskInstance row;
  std::map<int, TryRecord> tries;
  std::map<std::string, XComRecord> xcoms;
  std::map<int, AskedQuestion> questions;  // by try number
  std::optional<Deferral> deferral;
};

// A row of the history. Moves are most of them: their words are those of to_string, which live for ever, and
// names are looked up when somebody reads, so that a long simulation's history stays small.
struct EventEntry {
  int64_t number = 0;
  TimePoint at{};
  RunNumber run = 0;  // 0: names are in `full`
  InstanceNumber instance = 0;
  int try_number = 0;
  std::string_view event, from, to, cause;
  std::shared_ptr<const EventRecord> full;  // of AppendEvent, and of moves that carry a user or a text
};

struct Assets {
  std::map<std::string, AssetRecord> rows;
  int64_t last = 0;
  std::map<AssetEventNumber, AssetEvent> events;
  std::set<std::pair<std::string, AssetEventNumber>> queued;  // (dag id, event)
  std::set<std::pair<RunNumber, AssetEventNumber>> of_runs;
};
using Undos = std::vector<std::function<void()>>;

struct State {
  mutable std::mutex mutex;

  Epoch epoch = 0;
  Counters counters;
  int64_t last_event = 0;

  std::map<RunNumber, RunEntry> runs;
  std::set<RunNumber> active;
  std::map<std::pair<std::string, std::string>, RunNumber> runs_by_id;  // (dag id, run id)
  std::map<std::pair<std::string, TimePoint>, RunNumber> runs_by_date;  // (dag id, logical date)
  std::unordered_map<InstanceNumber, InstanceEntry> instances;
  std::map<Fence, InstanceNumber> live;  // current tries that may still act
  std::map<std::string, DagRecord> dags;
  std::map<std::string, std::map<int, DagVersionRecord>> versions;
  std::map<BackfillNumber, Backfill> backfills;
  std::vector<EventEntry> events;  // by number

  std::map<int64_t, Notification> outbox;  // by number
  std::map<NotificationKey, int64_t> outbox_by_key;
  int64_t last_notification = 0;

  Assets assets;

  std::map<std::string, Connection> connections;
  std::map<std::string, VariableRecord> variables;
  std::map<std::string, Pool> pools = {{default_pool, Pool{.name = default_pool}}};
  std::map<std::string, UserRecord> users;
  std::map<std::string, std::string> values;

  const RunEntry* find_run(RunNumber number) const {
    const auto found = runs.find(number);
    return found == runs.end() ? nullptr : &found->second;
  }
  const RunEntry* find_run(const std::string& dag_id, const std::string& run_id) const {
    const auto found = runs_by_id.find({dag_id, run_id});
    return found == runs_by_id.end() ? nullptr : find_run(found->second);
  }
  const InstanceEntry* find_instance(InstanceNumber number) const {
    const auto found = instances.find(number);
    return found == instances.end() ? nullptr : &found->second;
  }
};

// memory_assets.cpp. Each pushes what takes it back.
Result<void> apply(State& state, const PutAssets& change, TimePoint at, Undos& undos);
Result<void> apply(State& state, const InsertAssetEvent& change, TimePoint at, Undos& undos);
Result<void> apply(State& state, const TakeAssetEvents& change, Undos& undos);
void forget_asset_events_of(State& state, RunNumber run, Undos& undos);
Result<Page<AssetRecord>> assets(const State& state, const AssetFilter& filter, const PageRequest& page);
Result<Page<AssetEvent>> asset_events(const State& state, const AssetEventFilter& filter, const PageRequest& page);

// memory_waits.cpp.
Result<Page<QuestionRow>> questions(const State& state, const QuestionFilter& filter, const PageRequest& page);
std::vector<AskedQuestion> live_questions_of(const State& state, RunNumber run);
std::vector<Deferral> deferrals_of(const State& state, RunNumber run);

std::unique_ptr<StoreReader> make_reader(const State& state);
std::unique_ptr<StoreSettings> make_settings(State& state);
std::unique_ptr<StoreWriter> make_writer(State& state);
std::unique_ptr<StoreOutbox> make_outbox(State& state);

// The rows of a page out of all that fit.
template <class T>
Page<T> cut_page(std::vector<T> rows, const PageRequest& request) {
  Page<T> page;
  page.total = static_cast<int64_t>(rows.size());
  const int64_t begin = std::min(request.offset, page.total);
  const int64_t end = begin + std::min<int64_t>(request.limit, page.total - begin);
  page.rows.assign(std::make_move_iterator(rows.begin() + begin), std::make_move_iterator(rows.begin() + end));
  return page;
}

}  // namespace udon::memory
