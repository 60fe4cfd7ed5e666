#include "scheduler/notices.h"

#include "scheduler/context.h"

namespace udon {

namespace {

bool is_wanted(const std::vector<Notice>& notices, NoticeEvent event) {
  for (const Notice& notice : notices)
    if (notice.on == event) return true;
  return false;
}

Value optional_time(const std::optional<TimePoint>& at) { return at ? Value(format_time_offset(*at)) : Value(nullptr); }

Value seconds_between(const std::optional<TimePoint>& from, const std::optional<TimePoint>& to) {
  if (!from || !to) return nullptr;
  return std::chrono::duration<double>(*to - *from).count();
}

// Airflow's names for what has happened, beside those of every task.
void add_event(Value& context, NoticeEvent event, std::string_view state, const std::string& why) {
  context.set("event", to_string(event));
  context.set("state", state);
  context.set("reason", why);
  const bool is_error = event == NoticeEvent::failure || event == NoticeEvent::retry;
  context.set("exception", is_error ? Value(why) : Value(nullptr));
}

std::vector<Notification> copies(const std::vector<Notice>& notices, const Notification& model) {
  std::vector<Notification> made;
  for (size_t i = 0; i < notices.size(); ++i) {
    if (notices[i].on != model.key.event) continue;
    made.push_back(model);
    made.back().key.index = static_cast<int>(i);
    made.back().notice = notices[i];
  }
  return made;
}

}  // namespace

std::vector<Notification> notifications_of(const ActiveRun& run, InstanceRef at, const TaskInstance& row,
                                           TimePoint now) {
  const Task& task = run.dag().tasks[static_cast<size_t>(at.task)];
  const auto event = run.instance(at).state == row.state ? std::nullopt : event_of(row.state);
  if (!event || !is_wanted(task.notices, *event)) return {};
  Notification model;
  model.key = {.run = run.row.number,
               .instance = row.number,
               .try_number = row.try_number,
               .event = *event,
               .index = 0,
               .at = now};
  model.dag_id = run.row.dag_id;
  model.run_id = run.row.run_id;
  model.task_id = row.task_id;
  model.map_index = row.map_index;
  model.next_at = now;
  model.context = make_context(run, at);
  Value ti = model.context.get("ti");
  ti.set("state", to_string(row.state));
  ti.set("try_number", row.try_number);
  ti.set("max_tries", row.max_tries);
  ti.set("start_date", optional_time(row.start_date));
  ti.set("end_date", optional_time(row.end_date));
  ti.set("duration", seconds_between(row.start_date, row.end_date));
  model.context.set("ti", std::move(ti));
  model.context.set("try_number", row.try_number);
  add_event(model.context, *event, to_string(row.state), row.note);
  return copies(task.notices, model);
}

std::vector<Notification> notifications_of_question(const ActiveRun& run, InstanceRef at, const AskedQuestion& asked,
                                                    TimePoint now) {
  const Task& task = run.dag().tasks[static_cast<size_t>(at.task)];
  if (!is_wanted(task.notices, NoticeEvent::asked)) return {};
  const TaskInstance& row = run.instance(at);
  Notification model;
  model.key = {.run = run.row.number,
               .instance = row.number,
               .try_number = row.try_number,
               .event = NoticeEvent::asked,
               .index = 0,
               .at = now};
  model.dag_id = run.row.dag_id;
  model.run_id = run.row.run_id;
  model.task_id = row.task_id;
  model.map_index = row.map_index;
  model.next_at = now;
  model.context = make_context(run, at);
  model.context.set("question", to_value(asked.question));
  add_event(model.context, NoticeEvent::asked, to_string(row.state), asked.question.subject);
  return copies(task.notices, model);
}

namespace {

std::vector<Notification> of_run(const ActiveRun& run, const DagRun& row, NoticeEvent event, const std::string& text,
                                 TimePoint now) {
  if (!is_wanted(run.dag().notices, event)) return {};
  Notification model;
  model.key = {.run = row.number, .instance = 0, .try_number = 0, .event = event, .index = 0, .at = now};
  model.dag_id = row.dag_id;
  model.run_id = row.run_id;
  model.next_at = now;
  model.context = make_context(run);
  Value dag_run = model.context.get("dag_run");
  dag_run.set("state", to_string(row.state));
  dag_run.set("end_date", optional_time(row.end_date));
  dag_run.set("duration", seconds_between(row.start_date, row.end_date));
  model.context.set("dag_run", std::move(dag_run));
  add_event(model.context, event, to_string(row.state), text);
  return copies(run.dag().notices, model);
}

}  // namespace

std::vector<Notification> notifications_of(const ActiveRun& run, const DagRun& row, const std::string& text,
                                           TimePoint now) {
  const auto event = run.row.state == row.state ? std::nullopt : event_of(row.state);
  if (!event) return {};
  return of_run(run, row, *event, text, now);
}

std::vector<Notification> notifications_of_pause(const ActiveRun& run, const std::string& why, TimePoint now) {
  return of_run(run, run.row, NoticeEvent::paused, why, now);
}

}  // namespace udon
