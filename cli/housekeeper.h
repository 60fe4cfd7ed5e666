#pragma once
// What a server does in the background, slowly: runs that ended longer ago than the setting `retention.runs` are
// deleted, step by step, and the logs of deleted runs go with them; so are rows as old that nothing refers to any more.
// What was read of tables for a later try, and none
// took up, goes too. A thread of its own beside the loop; Standalone owns it.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "model/control.h"
#include "store/clean_rows.h"
#include "store/reader.h"

namespace udon::cli {

struct HousekeeperOptions {
  Path home;
  std::optional<Duration> keep_runs;              // after their ends; nothing: for ever
  Duration every{std::chrono::hours(1)};          // between two passes
  Duration pause{std::chrono::milliseconds(20)};  // between two steps of one
  std::function<Result<RowsCleaned>(const RowsStep& step)> clean_rows = nullptr;
};

class Housekeeper {
 public:
  // All references outlive it.
  Housekeeper(HousekeeperOptions options, const Clock& clock, Control& control, StoreReader& reader)
      : options_(std::move(options)), clock_(clock), control_(control), reader_(reader) {}
  ~Housekeeper() { stop(); }

  void start();
  void stop();
  // Their rows are gone. From any thread; does not block.
  void take_logs_of(const std::vector<RunNumber>& runs);

 private:
  void run(const std::stop_token& stop);
  void remove_logs(const std::stop_token& stop);
  void delete_rest_of(RunNumber run, const std::stop_token& stop);
  void remove_what_nobody_took_up();
  void delete_rests(const std::stop_token& stop);
  void sweep_logs(const std::stop_token& stop);
  void clean(const std::stop_token& stop);
  bool clean_runs(TimePoint before, const std::stop_token& stop);  // false: not to the end
  bool clean_rows(RowTable table, TimePoint before, const std::stop_token& stop);
  void pause(const std::stop_token& stop);
  bool wait(const std::stop_token& stop, Duration at_most);  // false: it is to stop

  const HousekeeperOptions options_;
  const Clock& clock_;
  Control& control_;
  StoreReader& reader_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<RunNumber> deleted_;  // guarded by mutex_
  std::jthread thread_;
};

// The folder of a run's logs; it need not be there.
Result<void> remove_logs_of(const Path& home, RunNumber run);

}  // namespace udon::cli
