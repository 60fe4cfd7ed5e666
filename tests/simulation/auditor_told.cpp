// Every move that a DAG wants told is told of once, and nothing else is.
#include <algorithm>

#include "tests/simulation/auditor.h"
#include "tests/simulation/counting.h"

namespace udon::simulation {

namespace {

// A deadline of a run that was never queued anew, and that ended by itself after it, was missed. Of others it may have
// been; each has one time for each time that the run was queued, and only the last of those is known.
void want_deadlines(const DagRun& run, const Dag& dag, const std::vector<EventRecord>& events,
                    std::set<NotificationKey>& wanted, std::set<NotificationKey>& possible) {
  if (dag.deadlines.empty()) return;
  std::vector<TimePoint> queued_at, started_at;
  std::optional<TimePoint> ended_by_itself;
  for (const EventRecord& event : events) {
    if (event.event != "run" || event.dag_id != run.dag_id || event.run_id != run.run_id) continue;
    if (event.to == "queued") queued_at.push_back(event.at);
    if (event.to == "running") started_at.push_back(event.at);
    const bool is_end = event.to == "success" || event.to == "failed";
    if (is_end && event.cause == to_string(MoveCause::plan) && event.text.find("cannot go on") == event.text.npos)
      ended_by_itself = event.at;
  }
  int index = 0;
  for (const Deadline& deadline : dag.deadlines) {
    std::vector<TimePoint> references;
    switch (deadline.of) {
      case Deadline::Of::queued_at: references = queued_at; break;
      case Deadline::Of::start_date: references = started_at; break;
      case Deadline::Of::run_after: references = {run.run_after}; break;
      case Deadline::Of::logical_date:
        if (run.logical_date) references = {*run.logical_date};
        break;
    }
    for (size_t i = 0; i < deadline.notices.size(); ++i, ++index) {
      for (const TimePoint reference : references) {
        const TimePoint at = reference + deadline.after;
        const NotificationKey key{.run = run.number, .event = NoticeEvent::deadline, .index = index, .at = at};
        possible.insert(key);
        const bool is_plain = queued_at.size() == 1 && started_at.size() <= 1;
        if (is_plain && ended_by_itself && *ended_by_itself >= at) wanted.insert(key);
      }
    }
  }
}

}  // namespace

void Auditor::delivered(const Notification& row) {
  const bool is_first = delivered_.insert(row.key).second;
  if (!is_first && !row.notice.resends_unknown) {
    complain("notification " + to_string(row.key) + " was delivered twice");
  }
}

// From the history, which has a row for each move, and the DAGs as they are meant; runs that were deleted have none.
void Auditor::check_told() {
  constexpr int all = 10'000'000;
  const auto runs = must(store_.reader().runs({}, {.limit = all, .offset = 0}), "runs");
  const auto events = must(store_.reader().events("", "", "", {.limit = all, .offset = 0}), "events");
  const auto rows = must(store_.outbox().notifications({}, {.limit = all, .offset = 0}), "notifications");
  if (!runs || !events || !rows) return;
  std::map<std::pair<std::string, std::string>, const DagRun*> by_id;
  std::map<RunNumber, std::map<std::pair<std::string, int>, InstanceNumber>> instances;
  for (const DagRun& run : runs->rows) {
    by_id[{run.dag_id, run.run_id}] = &run;
    const auto there = must(store_.reader().instances_of(run.number), "instances_of");
    for (const TaskInstance& row : there ? *there : std::vector<TaskInstance>{})
      instances[run.number][{row.task_id, row.map_index}] = row.number;
  }
  std::set<NotificationKey> wanted, possible;
  const auto want = [&](const std::vector<Notice>& notices, NotificationKey key) {
    for (size_t i = 0; i < notices.size(); ++i) {
      if (notices[i].on != key.event) continue;
      key.index = static_cast<int>(i);
      wanted.insert(key);
    }
  };
  std::vector<std::set<NotificationKey>> pauses;  // of each: who may be told of it
  const VersionHistory versions(events->rows);
  for (const EventRecord& event : events->rows) {
    const auto run = by_id.find({event.dag_id, event.run_id});
    const auto dag = run == by_id.end() ? dags_.end() : dags_.find(versions.at(*run->second, event));
    if (dag == dags_.end() || event.from == event.to) continue;
    if (event.event == "run") {
      const auto state = parse_run_state(event.to);
      const auto what = state ? event_of(*state) : std::nullopt;
      if (what) want(dag->second->notices, {.run = run->second->number, .event = *what, .at = event.at});
    } else if (event.event == "task") {
      const auto state = parse_task_state(event.to);
      const auto what = state ? event_of(*state) : std::nullopt;
      const int task = dag->second->index_of(event.task_id);
      if (!what || task < 0) continue;
      want(dag->second->tasks[static_cast<size_t>(task)].notices,
           {.run = run->second->number,
            .instance = instances[run->second->number][{event.task_id, event.map_index}],
            .try_number = event.try_number,
            .event = *what,
            .at = event.at});
    }
  }
  // A DAG was paused by a failure of that moment; of which run, where several failed then, is not in the history.
  for (const EventRecord& pause : events->rows) {
    if (pause.event != "scheduler" || !pause.text.starts_with("paused: ")) continue;
    std::set<NotificationKey> before = std::move(wanted);
    wanted.clear();
    for (const EventRecord& event : events->rows) {
      const bool is_failure = event.event == "run" && event.dag_id == pause.dag_id && event.at == pause.at &&
                              event.to == to_string(RunState::failed) && event.from != event.to;
      const auto run = is_failure ? by_id.find({event.dag_id, event.run_id}) : by_id.end();
      const auto dag = run == by_id.end() ? dags_.end() : dags_.find(versions.at(*run->second, event));
      if (dag == dags_.end()) continue;
      want(dag->second->notices, {.run = run->second->number, .event = NoticeEvent::paused, .at = pause.at});
    }
    possible.insert(wanted.begin(), wanted.end());
    pauses.push_back(std::move(wanted));
    wanted = std::move(before);
  }
  const auto questions = must(store_.reader().questions({}, {.limit = all, .offset = 0}), "questions");
  for (const QuestionRow& row : questions ? questions->rows : std::vector<QuestionRow>{}) {
    // Which version it was when it asked is not written down.
    if (!row.instance.earlier_versions.empty()) continue;
    const auto dag = dags_.find(row.instance.dag_version);
    const int task = dag == dags_.end() ? -1 : dag->second->index_of(row.instance.instance.task_id);
    if (task < 0) continue;
    want(dag->second->tasks[static_cast<size_t>(task)].notices, {.run = row.instance.instance.run,
                                                                 .instance = row.asked.instance,
                                                                 .try_number = row.asked.try_number,
                                                                 .event = NoticeEvent::asked,
                                                                 .at = row.asked.asked_at});
  }
  for (const DagRun& run : runs->rows) {
    const auto dag = dags_.find(run.dag_version);
    if (dag == dags_.end()) continue;
    if (run.earlier_versions.empty()) {
      want_deadlines(run, *dag->second, events->rows, wanted, possible);
      continue;
    }
    // Of whichever version it was at that time.
    std::set<NotificationKey> of_some;
    want_deadlines(run, *dag->second, events->rows, of_some, possible);
    for (const EarlierVersion& earlier : run.earlier_versions) {
      const auto before = dags_.find(earlier.version);
      if (before != dags_.end()) want_deadlines(run, *before->second, events->rows, of_some, possible);
    }
  }
  std::set<NotificationKey> told;
  for (const Notification& row : rows->rows) {
    if (!told.insert(row.key).second) return complain("notification " + to_string(row.key) + " is there twice");
    const bool is_deleted =
        !by_id.contains({row.dag_id, row.run_id}) || by_id.at({row.dag_id, row.run_id})->number != row.key.run;
    // Questions of earlier tries are not listed.
    const bool is_earlier = row.key.event == NoticeEvent::asked;
    if (!is_deleted && !is_earlier && !wanted.contains(row.key) && !possible.contains(row.key)) {
      return complain("notification " + to_string(row.key) + " of " + row.dag_id + "/" + row.run_id + "/" +
                      row.task_id + " tells what has not happened");
    }
    if (row.state == NotificationState::sent && !delivered_.contains(row.key)) {
      return complain("notification " + to_string(row.key) + " is sent and nobody got it");
    }
  }
  for (const std::set<NotificationKey>& of_pause : pauses) {
    const bool is_told = std::ranges::any_of(of_pause, [&](const NotificationKey& key) { return told.contains(key); });
    std::set<RunNumber> of_runs;
    for (const NotificationKey& key : of_pause) of_runs.insert(key.run);
    if (of_runs.size() == 1 && !is_told) return complain("nobody is told why a DAG is paused");
  }
  for (const NotificationKey& key : wanted) {
    if (!told.contains(key)) return complain("nobody is told of " + to_string(key));
  }
}

}  // namespace udon::simulation
