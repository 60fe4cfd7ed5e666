#pragma once
// The loop's hands: gives tries to executors after the commit that made them, ends those that are to be ended, asks
// after those that have fallen silent, and takes what executors report. The loop's thread only.
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "executor/executor.h"
#include "scheduler/history.h"
#include "scheduler/reports.h"
#include "scheduler/state.h"

namespace udon {

struct Received {
  int executor = -1;  // -1: made here
  Report report;
  ReportFate fate = ReportFate::obeyed;
};

class Dispatcher {
 public:
  // dags_folder: absolute; what relative paths in parameters start from.
  Dispatcher(std::string installation, std::string dags_folder,
             std::function<std::string(const std::string&)> folder_of_bundle, const Clock& clock,
             std::vector<Executor*> executors, std::function<std::string(const TryId&)> make_token, History& history);

  // Tells the state how many slots are free; and who takes the queues of what is ready.
  void describe(State& state) const;
  void describe_queues(State& state) const;
  std::vector<Received> poll();
  bool has_reports() const { return !own_.empty(); }  // of its own making, to be polled at once

  // After a start or a reload: tries that we have not handed out ourselves are asked after.
  void take_over(const State& state);
  // After a start: what is left of tries that have ended.
  void clear_up(const State& state);
  // After a commit: hands out the new tries, ends those that are to be ended.
  void hand_out(const State& state, const std::vector<Fence>& started);
  // After the commit that ends the try, or when it is not ours to obey.
  void acknowledge(const Received& received);
  // A try that is not the current one says that it lives.
  void end_stray(const Received& received);
  // The try has said that it runs: its time counts from now, and the executor that says so is the one that has it.
  void has_started(const State& state, const Received& received);
  // Tries whose time is up and whose runner should have ended them; tries that no executor lists any more.
  void look_after(const State& state);
  // When look_after is to be called next, in monotonic time.
  std::optional<Duration> next_look() const;

 private:
  struct Held {
    int executor = -1;
    std::vector<int> to_ask;  // after a restart: others that may know it
    bool is_told_to_end = false;
    std::optional<Duration> deadline;
  };
  std::vector<int> takers(TryKind kind, const std::string& queue) const;
  TryRequest request_for(const State& state, Fence fence);
  void start(const State& state, Fence fence, int executor);
  void start_waiting(const State& state, Fence fence);
  void adopt(const State& state, Fence fence);
  bool is_known_elsewhere(int executor, const TryId& id);
  void end_tries(const State& state);
  void find_lost(const State& state);
  void set_deadline(const State& state, Fence fence, Held& held);
  template <class What>
  void report(Fence fence, What what) {
    own_.push_back({.executor = -1, .report = {.try_id = id_of(fence), .what = std::move(what)}});
  }
  TryId id_of(Fence fence) const { return {installation_, fence}; }

  std::string installation_;
  std::string dags_folder_;
  std::function<std::string(const std::string&)> folder_of_bundle_;
  const Clock& clock_;
  std::vector<Executor*> executors_;
  std::function<std::string(const TryId&)> make_token_;
  History& history_;
  std::map<Fence, Held> held_;         // handed out or adopted, its end not yet committed
  std::map<Fence, TryRequest> asked_;  // of adopted ones that have not answered, to ask the next executor
  std::set<std::pair<Duration, Fence>> deadlines_;
  Duration looked_at_;
  std::vector<Received> own_;  // reports made here, taken with the next poll
};

}  // namespace udon
