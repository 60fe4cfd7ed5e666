#include "scheduler/deadlines.h"

#include "base/ensure.h"
#include "base/text.h"
#include "scheduler/context.h"

namespace udon {

namespace {

// When it passes, if it has not been told of that time: a run that is queued anew has new ones.
std::optional<TimePoint> open_deadline(const ActiveRun& run, size_t index) {
  const auto at = deadline_of(run.row, run.dag().deadlines[index]);
  const auto told = run.told_deadlines.find(static_cast<int>(index));
  return at && told != run.told_deadlines.end() && told->second == *at ? std::nullopt : at;
}

std::vector<std::string> unfinished_tasks(const ActiveRun& run) {
  std::vector<std::string> names;
  for (size_t i = 0; i < run.slots.size(); ++i) {
    const TaskSlot& slot = run.slots[i];
    bool is_done = slot.missing() == 0;
    for (const TaskInstance& row : slot.instances) is_done = is_done && is_finished(row.state);
    if (!is_done) names.push_back(run.dag().tasks[i].task_id);
  }
  return names;
}

}  // namespace

std::optional<TimePoint> next_deadline(const ActiveRun& run) {
  std::optional<TimePoint> next;
  if (is_finished(run.row.state)) return next;
  for (size_t i = 0; i < run.dag().deadlines.size(); ++i) {
    const auto at = open_deadline(run, i);
    if (at && (!next || *at < *next)) next = at;
  }
  return next;
}

std::vector<int> missed_deadlines(const ActiveRun& run, TimePoint now) {
  std::vector<int> missed;
  if (is_finished(run.row.state)) return missed;
  for (size_t i = 0; i < run.dag().deadlines.size(); ++i) {
    const auto at = open_deadline(run, i);
    if (at && *at <= now) missed.push_back(static_cast<int>(i));
  }
  return missed;
}

std::vector<Notification> notifications_of_deadline(const ActiveRun& run, int deadline, TimePoint now) {
  constexpr size_t named_max = 5;
  const std::vector<Deadline>& all = run.dag().deadlines;
  const Deadline& missed = all[static_cast<size_t>(deadline)];
  const TimePoint at = deadline_of(run.row, missed).value();
  std::vector<std::string> left = unfinished_tasks(run);
  Value names = Value::list();
  for (const std::string& name : left) names.push_back(name);
  const size_t others = left.size() > named_max ? left.size() - named_max : 0;
  left.resize(left.size() - others);
  for (std::string& name : left) name = "`" + name + "`";
  std::string why = "it should have ended by " + format_time_offset(at) + ", " + format_duration(missed.after) +
                    " after its " + std::string(to_string(missed.of));
  if (!left.empty())
    why += "; not done: " + join(left, ", ") + (others > 0 ? " and " + std::to_string(others) + " more" : "");
  Notification model;
  model.key = {
      .run = run.row.number, .instance = 0, .try_number = 0, .event = NoticeEvent::deadline, .index = 0, .at = at};
  model.dag_id = run.row.dag_id;
  model.run_id = run.row.run_id;
  model.next_at = now;
  model.context = make_context(run);
  Value dag_run = model.context.get("dag_run");
  dag_run.set("state", to_string(run.row.state));
  model.context.set("dag_run", std::move(dag_run));
  model.context.set("event", to_string(NoticeEvent::deadline));
  model.context.set("state", to_string(run.row.state));
  model.context.set("reason", why);
  model.context.set("exception", nullptr);
  model.context.set("deadline", Value::Map{{"at", format_time_offset(at)},
                                           {"after", format_duration(missed.after)},
                                           {"of", to_string(missed.of)},
                                           {"unfinished", std::move(names)}});
  std::vector<Notification> made;
  // Notices of all deadlines are counted through: two of one moment have keys of their own.
  int index = 0;
  for (int before = 0; before < deadline; ++before)
    index += static_cast<int>(all[static_cast<size_t>(before)].notices.size());
  for (const Notice& notice : missed.notices) {
    made.push_back(model);
    made.back().key.index = index++;
    made.back().notice = notice;
  }
  return made;
}

}  // namespace udon
