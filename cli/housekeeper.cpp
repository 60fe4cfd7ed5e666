#include "cli/housekeeper.h"

#include <charconv>

#include "base/kept_folders.h"
#include "base/log.h"
#include "scheduler/retention.h"
#include "store/leaving.h"

namespace udon::cli {
namespace {

constexpr const char* logs_folder = "logs";
// After a start: the DAGs are read first.
constexpr Duration first_pass_after = std::chrono::seconds(10);

std::optional<RunNumber> number_of(const std::string& name) {
  RunNumber number = 0;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
  return problem == std::errc{} && end == name.data() + name.size() ? std::optional(number) : std::nullopt;
}

}  // namespace

Result<void> remove_logs_of(const Path& home, RunNumber run) {
  return remove_tree(home / logs_folder / std::to_string(run));
}

void Housekeeper::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Housekeeper::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Housekeeper::take_logs_of(const std::vector<RunNumber>& runs) {
  {
    const std::lock_guard lock(mutex_);
    deleted_.insert(deleted_.end(), runs.begin(), runs.end());
  }
  wake_.notify_one();
}

void Housekeeper::run(const std::stop_token& stop) {
  remove_what_nobody_took_up();
  delete_rests(stop);
  sweep_logs(stop);
  Duration next_pass = clock_.monotonic() + std::min(first_pass_after, options_.every);
  while (!stop.stop_requested()) {
    remove_logs(stop);
    if (clock_.monotonic() >= next_pass) {
      remove_what_nobody_took_up();
      clean(stop);
      next_pass = clock_.monotonic() + options_.every;
    }
    wait(stop, std::max(Duration(0), next_pass - clock_.monotonic()));
  }
  remove_logs(stop);
}

// A run that was too large for one turn.
void Housekeeper::delete_rest_of(RunNumber number, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto run = reader_.run_by_number(number);
    if (!run || !*run || !is_rest(**run)) return;
    if (!control_.submit(step_for_rest(**run))) return;  // the store fails, and has said so, or the server ends
    pause(stop);
  }
}

// Whatever is left of them is swept up after the next start.
void Housekeeper::remove_logs(const std::stop_token& stop) {
  std::vector<RunNumber> runs;
  {
    const std::lock_guard lock(mutex_);
    runs.swap(deleted_);
  }
  for (const RunNumber run : runs) {
    delete_rest_of(run, stop);
    const auto left = reader_.run_by_number(run);
    if (!left || *left) continue;
    if (const auto removed = remove_logs_of(options_.home, run); !removed)
      log_error("housekeeper", removed.error().message);
  }
}

// The server before has died, or ended, between the parts of a run. Their logs go with those of all runs that are gone.
void Housekeeper::delete_rests(const std::stop_token& stop) {
  constexpr int rests_read = 100;
  RunNumber last = 0;
  for (bool is_last = false; !is_last && !stop.stop_requested();) {
    const auto rests = reader_.rests(last, rests_read);
    if (!rests) return log_warning("housekeeper", rests.error().message);
    for (const DagRun& rest : *rests) delete_rest_of(last = rest.number, stop);
    is_last = std::ssize(*rests) < rests_read;
  }
}

// Logs of runs that are gone: the server has died between the commit that deleted them and their files.
void Housekeeper::sweep_logs(const std::stop_token& stop) {
  std::error_code problem;
  for (auto entry = std::filesystem::directory_iterator(options_.home / logs_folder, problem);
       !problem && entry != std::filesystem::directory_iterator(); entry.increment(problem)) {
    if (stop.stop_requested()) return;
    const auto number = number_of(entry->path().filename().string());
    if (!number) continue;
    const auto run = reader_.run_by_number(*number);
    if (!run || *run) continue;
    if (const auto removed = remove_logs_of(options_.home, *number); !removed)
      log_error("housekeeper", removed.error().message);
  }
}

// Of task instances that have failed for good. Exports remove them too, where there are any.
void Housekeeper::remove_what_nobody_took_up() {
  const int removed = remove_untouched(options_.home / "staging" / resume_folder, clock_.now(), resume_kept_for);
  if (removed > 0)
    log_info("staging", "removed what " + std::to_string(removed) + " task instance" + (removed == 1 ? "" : "s") +
                            " had read of tables and no try has taken up for " +
                            std::to_string(resume_kept_for.count()) + " hours");
}

// Runs first: what only they refer to goes in the same pass.
void Housekeeper::clean(const std::stop_token& stop) {
  if (!options_.keep_runs) return;
  const TimePoint before = clock_.now() - *options_.keep_runs;
  if (!clean_runs(before, stop)) return;
  if (!options_.clean_rows) return;
  for (const RowTable table : all_row_tables())
    if (!clean_rows(table, before, stop)) return;
}

bool Housekeeper::clean_runs(TimePoint before, const std::stop_token& stop) {
  CleanStep step{.before = before, .user = "retention"};
  int64_t runs = 0;
  bool is_done = false;
  while (!is_done) {
    const auto outcome = control_.submit(step);
    if (!outcome || !outcome->cleaned) {
      // The store fails, and has said so, or the server ends. The next pass begins anew.
      if (!outcome && !stop.stop_requested()) log_warning("housekeeper", outcome.error().message);
      break;
    }
    runs += static_cast<int64_t>(outcome->cleaned->runs.size());
    step.after = outcome->cleaned->next;
    is_done = outcome->cleaned->is_done;
    remove_logs(stop);
    if (!is_done && !wait(stop, options_.pause)) break;
  }
  if (runs > 0)
    log_info("housekeeper", "deleted " + std::to_string(runs) + (runs == 1 ? " run that" : " runs that") +
                                " had ended before " + format_time(before));
  return is_done;
}

bool Housekeeper::clean_rows(RowTable table, TimePoint before, const std::stop_token& stop) {
  RowsStep step{.table = table, .before = before};
  int64_t rows = 0;
  bool is_done = false;
  while (!is_done) {
    const auto cleaned = options_.clean_rows(step);
    if (!cleaned) {
      if (!stop.stop_requested()) log_warning("housekeeper", cleaned.error().message);
      break;
    }
    rows += cleaned->rows;
    step.after = cleaned->next;
    is_done = cleaned->is_done;
    if (!is_done && !wait(stop, options_.pause)) break;
  }
  if (rows > 0)
    log_info("housekeeper", "deleted " + std::to_string(rows) + " of " + std::string(to_string(table)) + " of before " +
                                format_time(before) + " that nothing refers to");
  return is_done;
}

void Housekeeper::pause(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, options_.pause, [] { return false; });
}

bool Housekeeper::wait(const std::stop_token& stop, Duration at_most) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, at_most, [this] { return !deleted_.empty(); });
  return !stop.stop_requested();
}

}  // namespace udon::cli
