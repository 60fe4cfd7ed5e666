#include "model/forecast.h"

#include <algorithm>
#include <map>
#include <queue>
#include <set>
#include <utility>

#include "base/ensure.h"

namespace udon {

std::optional<TimePoint> deadline_of(const DagRun& run, const Deadline& deadline) {
  const auto reference = [&]() -> std::optional<TimePoint> {
    switch (deadline.of) {
      case Deadline::Of::queued_at: return run.queued_at;
      case Deadline::Of::logical_date: return run.logical_date;
      case Deadline::Of::run_after: return run.run_after;
      case Deadline::Of::start_date: return run.start_date;
    }
    ENSURE(false, "a reference outside its enum");
  }();
  return reference ? std::optional(*reference + deadline.after) : std::nullopt;
}

// ---- habits

void Habits::add(const std::string& task_id, const std::string& run_id, int map_index, std::optional<TimePoint> start,
                 std::optional<TimePoint> end) {
  Habit& habit = of_[task_id];
  if (start && end && *end >= *start) {
    const Duration took = *end - *start;
    habit.durations.insert(std::ranges::upper_bound(habit.durations, took), took);
  }
  if (habit.last_run.empty()) habit.last_run = run_id;
  if (habit.last_run == run_id && map_index >= 0) habit.mapped += 1;
}

std::optional<Duration> Habits::usual(const std::string& task_id) const { return usual_beyond(task_id, Duration(-1)); }

std::optional<Duration> Habits::usual_beyond(const std::string& task_id, Duration elapsed) const {
  const auto found = of_.find(task_id);
  if (found == of_.end()) return std::nullopt;
  const std::vector<Duration>& all = found->second.durations;
  const auto longer = std::ranges::upper_bound(all, elapsed);
  if (longer == all.end()) return std::nullopt;
  return *(longer + (all.end() - longer) / 2);
}

int64_t Habits::mapped(const std::string& task_id) const {
  const auto found = of_.find(task_id);
  return found == of_.end() ? 0 : found->second.mapped;
}

// ---- forecast

namespace {

struct Node {
  int task = 0;
  int map_index = -1;
  enum class Is { done, live, waiting } is = Is::waiting;
  TaskState state = TaskState::none;
  std::optional<TimePoint> not_before;
  TimePoint ready{}, start{}, end{};
  int cause = -1;  // the node that it waited for last
  bool is_released = false;
  bool has_ended = false;  // while it was played
  bool is_doomed = false;  // it will not run
};

// Plays the rest of the run: who is ready starts where there is room, and takes its usual time.
class Playing {
 public:
  Playing(const Dag& dag, const DagRun& run, const std::vector<TaskInstance>& instances, const Habits& habits,
          TimePoint now)
      : dag_(dag),
        habits_(habits),
        now_(now),
        begin_(run.start_date ? now : std::max(now, run.run_after)),
        priorities_(effective_priorities(dag)),
        tasks_(dag.tasks.size()),
        free_(dag.max_active_tasks) {
    make_nodes(instances);
    find_doomed();
  }

  Forecast play() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].is == Node::Is::live) begin_live(static_cast<int>(i));
    }
    for (size_t task = 0; task < tasks_.size(); ++task) {
      blame_past(static_cast<int>(task));
      release_all(static_cast<int>(task), begin_);
    }
    start_ready(begin_, -1);
    while (!ends_.empty()) {
      const auto [at, index] = ends_.top();
      ends_.pop();
      if (takes_room(nodes_[static_cast<size_t>(index)])) ++free_;
      end(index, at);
      start_ready(at, index);
    }
    return result();
  }

 private:
  struct TaskPlay {
    std::vector<int> nodes;
    std::map<int, int> at;   // of a mapped group's: node by map index
    int64_t open = 0;        // nodes that have not ended
    int last = -1;           // the node that ended last
    bool is_doomed = false;  // one of its nodes will not run, or has not gone well
  };

  void make_nodes(const std::vector<TaskInstance>& instances) {
    for (const TaskInstance& row : instances) {
      const int task = dag_.index_of(row.task_id);
      if (task < 0 || row.state == TaskState::removed) continue;
      Node node{.task = task, .map_index = row.map_index, .state = row.state, .not_before = row.next_try_at};
      if (is_finished(row.state)) {
        node.is = Node::Is::done;
        node.end = row.end_date.value_or(now_);
        node.start = row.start_date.value_or(node.end);
      } else if (is_live(row.state)) {
        node.is = Node::Is::live;
        node.start = row.start_date.value_or(now_);
      }
      add(std::move(node));
    }
    for (size_t i = 0; i < tasks_.size(); ++i) {
      if (!tasks_[i].nodes.empty()) continue;
      const Task& task = dag_.tasks[i];
      const auto known = task.expand ? known_length(*task.expand) : std::nullopt;
      const int64_t count = !task.expand ? 1 : std::max<int64_t>(1, known ? *known : habits_.mapped(task.task_id));
      for (int64_t k = 0; k < count; ++k)
        add({.task = static_cast<int>(i), .map_index = task.expand ? static_cast<int>(k) : -1});
    }
  }

  void add(Node node) {
    TaskPlay& task = tasks_[static_cast<size_t>(node.task)];
    const int index = static_cast<int>(nodes_.size());
    task.nodes.push_back(index);
    if (!task_of(node).mapped_group.empty()) task.at[node.map_index] = index;
    if (node.is != Node::Is::done) {
      ++task.open;
    } else if (task.last < 0 || nodes_[static_cast<size_t>(task.last)].end < node.end) {
      task.last = index;
    }
    nodes_.push_back(std::move(node));
  }

  // Inside of a mapped group each index goes its own way.
  bool is_inner(int before, int after) const {
    const std::string& group = dag_.tasks[static_cast<size_t>(before)].mapped_group;
    return !group.empty() && group == dag_.tasks[static_cast<size_t>(after)].mapped_group;
  }
  // The one of `before` that a node waits for; -1: it waits for all of them.
  int inner_before(int before, const Node& node) const {
    if (!is_inner(before, node.task)) return -1;
    const auto& at = tasks_[static_cast<size_t>(before)].at;
    const auto found = at.find(node.map_index);
    return found == at.end() ? -1 : found->second;
  }

  // What will not run, because what it needs has not gone well: it takes no time.
  void find_doomed() {
    const auto has_failed = [](const Node& node) {
      return node.is_doomed || (node.is == Node::Is::done && node.state != TaskState::success);
    };
    for (size_t i = 0; i < tasks_.size(); ++i) {
      for (const int index : tasks_[i].nodes) {
        Node& node = nodes_[static_cast<size_t>(index)];
        if (dag_.tasks[i].trigger_rule == TriggerRule::all_success) {
          node.is_doomed = std::ranges::any_of(dag_.tasks[i].upstream, [&](int before) {
            const int inner = inner_before(before, node);
            return inner < 0 ? tasks_[static_cast<size_t>(before)].is_doomed
                             : has_failed(nodes_[static_cast<size_t>(inner)]);
          });
        }
        if (has_failed(node)) tasks_[i].is_doomed = true;
      }
    }
  }

  const Task& task_of(const Node& node) const { return dag_.tasks[static_cast<size_t>(node.task)]; }
  bool takes_room(const Node& node) const {
    const Task& task = task_of(node);
    return task.kind == OperatorKind::process && !task.needs_no_try && !node.is_doomed;
  }

  Duration usual(const Node& node) {
    const Task& task = task_of(node);
    if (task.needs_no_try || node.is_doomed) return Duration(0);
    if (const auto known = habits_.usual(task.task_id)) return *known;
    unknown_.insert(node.task);
    return Duration(0);
  }

  void begin_live(int index) {
    Node& node = nodes_[static_cast<size_t>(index)];
    node.end = node.start + usual(node);
    if (node.end < now_) {
      // Longer than usual already: it is one of those that take longer, or like none before.
      const auto beyond = habits_.usual_beyond(task_of(node).task_id, now_ - node.start);
      node.end = beyond ? node.start + *beyond : now_;
    }
    if (takes_room(node)) --free_;
    ends_.emplace(node.end, index);
  }

  int last_upstream(const Node& of) const {
    int last = -1;
    for (const int before : task_of(of).upstream) {
      const int inner = inner_before(before, of);
      const int node = inner < 0 ? tasks_[static_cast<size_t>(before)].last : inner;
      if (node >= 0 && (last < 0 || nodes_[static_cast<size_t>(last)].end < nodes_[static_cast<size_t>(node)].end))
        last = node;
    }
    return last;
  }

  // What has started has waited for its upstream: for whom, nobody has written down.
  void blame_past(int task) {
    for (const int index : tasks_[static_cast<size_t>(task)].nodes) {
      Node& node = nodes_[static_cast<size_t>(index)];
      if (node.is != Node::Is::waiting) node.cause = last_upstream(node);
    }
  }

  bool has_all(const Node& of) const {
    return std::ranges::all_of(task_of(of).upstream, [&](int before) {
      const int inner = inner_before(before, of);
      if (inner < 0) return tasks_[static_cast<size_t>(before)].open == 0;
      const Node& node = nodes_[static_cast<size_t>(inner)];
      return node.is == Node::Is::done || node.has_ended;
    });
  }

  void release_all(int task, TimePoint at) {
    const TaskPlay& play = tasks_[static_cast<size_t>(task)];
    // Of those that are no part of a mapped group one speaks for all.
    const bool is_alike = dag_.tasks[static_cast<size_t>(task)].mapped_group.empty();
    if (is_alike && !play.nodes.empty() && !has_all(nodes_[static_cast<size_t>(play.nodes.front())])) return;
    for (const int index : play.nodes) release(index, at);
  }

  void release(int index, TimePoint at) {
    Node& node = nodes_[static_cast<size_t>(index)];
    if (node.is != Node::Is::waiting || node.is_released || !has_all(node)) return;
    node.is_released = true;
    node.ready = at;
    node.cause = last_upstream(node);
    if (takes_room(node)) {
      ready_.insert({-priorities_[static_cast<size_t>(node.task)], index});
    } else {
      roomless_.push_back(index);
    }
  }

  void start_ready(TimePoint at, int freed_by) {
    for (const int index : std::exchange(roomless_, {})) start(index, at);
    while (free_ > 0 && !ready_.empty()) {
      const int index = ready_.begin()->second;
      ready_.erase(ready_.begin());
      Node& node = nodes_[static_cast<size_t>(index)];
      if (freed_by >= 0 && node.ready < at) node.cause = freed_by;
      --free_;
      start(index, at);
    }
  }

  void start(int index, TimePoint at) {
    Node& node = nodes_[static_cast<size_t>(index)];
    node.start = std::max(at, node.not_before.value_or(at));
    node.end = node.start + usual(node);
    ends_.emplace(node.end, index);
  }

  void end(int index, TimePoint at) {
    Node& node = nodes_[static_cast<size_t>(index)];
    TaskPlay& play = tasks_[static_cast<size_t>(node.task)];
    if (play.last < 0 || nodes_[static_cast<size_t>(play.last)].end <= node.end) play.last = index;
    node.has_ended = true;
    --play.open;
    for (const int next : task_of(node).downstream) {
      if (is_inner(node.task, next)) {
        const auto& same = tasks_[static_cast<size_t>(next)].at;
        if (const auto found = same.find(node.map_index); found != same.end()) release(found->second, at);
      }
      if (play.open == 0) release_all(next, at);
    }
  }

  Forecast result() const {
    Forecast forecast;
    int last = -1;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (last < 0 || nodes_[static_cast<size_t>(last)].end <= nodes_[i].end) last = static_cast<int>(i);
    }
    forecast.end = last < 0 ? begin_ : nodes_[static_cast<size_t>(last)].end;
    for (int at = last; at >= 0 && forecast.path.size() < nodes_.size(); at = nodes_[static_cast<size_t>(at)].cause) {
      const Node& node = nodes_[static_cast<size_t>(at)];
      forecast.path.push_back({.task_id = task_of(node).task_id,
                               .map_index = node.map_index,
                               .is_done = node.is == Node::Is::done,
                               .start = node.start,
                               .end = node.end,
                               .usual = habits_.usual(task_of(node).task_id)});
    }
    std::ranges::reverse(forecast.path);
    for (const int task : unknown_) forecast.unknown.push_back(dag_.tasks[static_cast<size_t>(task)].task_id);
    return forecast;
  }

  const Dag& dag_;
  const Habits& habits_;
  TimePoint now_;
  TimePoint begin_;
  std::vector<int64_t> priorities_;
  std::vector<TaskPlay> tasks_;
  std::vector<Node> nodes_;
  int64_t free_;
  std::set<std::pair<int64_t, int>> ready_;  // (-priority, node)
  std::vector<int> roomless_;                // ready, and in nobody's way
  using End = std::pair<TimePoint, int>;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
  std::set<int> unknown_;
};

}  // namespace

Forecast forecast(const Dag& dag, const DagRun& run, const std::vector<TaskInstance>& instances, const Habits& habits,
                  TimePoint now) {
  Forecast made = Playing(dag, run, instances, habits, now).play();
  if (is_finished(run.state)) made.end = run.end_date.value_or(made.end);
  return made;
}

const ForecastStep* step_to_blame(const Forecast& forecast, TimePoint deadline, TimePoint now) {
  const Duration late = forecast.end - deadline;
  const ForecastStep* worst = nullptr;
  Duration worst_excess{0};
  const ForecastStep* longest = nullptr;
  Duration longest_left{-1};
  for (const ForecastStep& step : forecast.path) {
    const Duration excess = step.usual ? (step.end - step.start) - *step.usual : Duration(0);
    if (excess > worst_excess) {
      worst = &step;
      worst_excess = excess;
    }
    // Of a run that has ended, the whole time counts.
    const Duration left = step.end - (forecast.end > now ? std::max(step.start, now) : step.start);
    if (left > longest_left) {
      longest = &step;
      longest_left = left;
    }
  }
  return worst != nullptr && worst_excess >= late ? worst : longest;
}

}  // namespace udon
