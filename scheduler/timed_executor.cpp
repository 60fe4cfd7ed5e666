#include "scheduler/timed_executor.h"

#include <algorithm>

namespace udon {
namespace {

bool is_template(const std::string& text) { return text.find("{{") != text.npos || text.find("{%") != text.npos; }

bool triggers(const TryRequest& request) { return request.operator_name == "trigger_dag_run"; }
Triggering triggering_of(const TryRequest& request) {
  const Value& parameters = request.parameters;
  Triggering asked{.of = request.key.dag_id + "." + request.key.task_id,
                   .dag_id = parameters.text("trigger_dag_id"),
                   .run_id = parameters.text("trigger_run_id")};
  if (asked.run_id.empty() || is_template(asked.run_id))
    asked.run_id = "triggered__by_" + request.key.run_id + "_" + std::to_string(request.instance);
  if (const Value& conf = parameters.get("conf"); conf.is_map() && !is_template(to_json(conf))) asked.conf = conf;
  return asked;
}

Value all_after(const Dag& dag, const Task& task) {
  Value ids = Value::list();
  for (const int next : task.downstream) ids.push_back(dag.tasks[static_cast<size_t>(next)].task_id);
  return ids;
}

}  // namespace

bool Triggering::is_dag_told_by_template() const { return is_template(dag_id); }

TimedExecutor::TimedExecutor(const Rehearsal& rehearsal, const Clock& clock) : rehearsal_(rehearsal), clock_(clock) {
  for (const DagPtr& dag : rehearsal.dags) {
    note_values(*dag);
    dags_[dag->dag_id] = dag.get();
  }
}

Result<void> TimedExecutor::start(const TryRequest& request) {
  const TimePoint now = clock_.now();
  reports_.push_back({request.try_id, TryStarted{.at = now, .hostname = {}, .pid = 0}});
  running_.insert(request.try_id);
  if (request.kind == TryKind::probe && waits(request)) return {};
  TryEnded end = success(request.key, now + rehearsal_.duration(request.key.dag_id, request.key.task_id));
  end.started_at = now;
  if (triggers(request)) {
    triggerings_.push_back(triggering_of(request));
    const bool waits_for_it = request.parameters.get("wait_for_completion") == Value(true);
    if (waits_for_it && dags_.contains(triggerings_.back().dag_id)) {
      end.at = now;
      end.result = TryEnded::Result::deferred;
      end.deferring = Deferring{};
    }
  }
  end_later(request.try_id, std::move(end));
  return {};
}

std::vector<Report> TimedExecutor::poll() {
  while (!ends_.empty() && ends_.top().at <= clock_.now()) {
    if (running_.erase(ends_.top().report.try_id) > 0) reports_.push_back(ends_.top().report);
    ends_.pop();
  }
  return std::exchange(reports_, {});
}

void TimedExecutor::kill(const TryId& id, EndCause why, const std::string& message) {
  if (running_.erase(id) == 0) return reports_.push_back({id, TryUnknown{}});
  TryEnded end{.cause = why, .message = message};
  end.at = clock_.now();
  reports_.push_back({id, std::move(end)});
}

std::optional<TimePoint> TimedExecutor::next_report() const {
  if (!reports_.empty()) return clock_.now();
  return ends_.empty() ? std::nullopt : std::optional(ends_.top().at);
}

void TimedExecutor::end_later(const TryId& id, TryEnded end) {
  const TimePoint at = end.at;
  ends_.push({at, ++started_, {id, std::move(end)}});
}

bool TimedExecutor::waits(const TryRequest& request) {
  if (triggers(request)) {
    waiting_.push_back({request.try_id, request.key, triggering_of(request), ""});
    return true;
  }
  if (request.operator_name == "wait_until") return waits_until(request);
  if (request.operator_name == "wait_for_task") return waits_for_task(request);
  return false;
}

bool TimedExecutor::waits_until(const TryRequest& request) {
  const auto moment = awaited_moment_of(request);
  if (!moment) return is_hopeless(request, moment.error());
  end_later(request.try_id, success(request.key, std::max(*moment, clock_.now())));
  give_up_in_time(request);
  return true;
}

bool TimedExecutor::waits_for_task(const TryRequest& request) {
  auto awaited = awaited_run_of(request);
  if (!awaited) return is_hopeless(request, awaited.error());
  const auto dag = dags_.find(awaited->dag_id);
  if (dag == dags_.end())
    return is_hopeless(request, {ErrorKind::unavailable, "DAG `" + awaited->dag_id + "` is not played; name it, too"});
  if (const auto problem = problem_of(*awaited, *dag->second))
    return is_hopeless(request, {ErrorKind::not_found, *problem});
  waiting_.push_back({request.try_id, request.key, std::move(*awaited), ""});
  give_up_in_time(request);
  return true;
}

bool TimedExecutor::is_hopeless(const TryRequest& request, const Error& error) {
  if (error.kind == ErrorKind::unavailable) {
    usual_[request.key.dag_id + "." + request.key.task_id] = error.message;
    return false;
  }
  end_later(request.try_id, failure(clock_.now(), EndCause::error, error.message));
  return true;
}

void TimedExecutor::give_up_in_time(const TryRequest& request) {
  if (!request.timeout) return;
  const TimePoint at = std::max(clock_.now(), request.first_poke_at.value_or(clock_.now()) + *request.timeout);
  end_later(request.try_id,
            failure(at, EndCause::timeout, "its timeout of " + format_duration(*request.timeout) + " has passed"));
}

TryEnded TimedExecutor::failure(TimePoint at, EndCause cause, std::string message) {
  TryEnded end{.cause = cause, .message = std::move(message)};
  if (cause == EndCause::error) end.error_kind = ErrorKind::invalid;
  end.at = at;
  return end;
}

TryEnded TimedExecutor::success(const TaskInstanceKey& key, TimePoint at) const {
  TryEnded end{.result = TryEnded::Result::success, .message = {}};
  end.at = at;
  if (const auto found = values_.find({key.dag_id, key.task_id}); found != values_.end())
    end.xcom.set("return_value", found->second);
  return end;
}

void TimedExecutor::note_values(const Dag& dag) {
  for (const Task& task : dag.tasks) {
    if (task.expand) {
      int64_t length = rehearsal_.mapped_length(dag.dag_id, task.task_id);
      const bool is_product = task.expand->combine == MapSpec::Combine::product;
      if (is_product)
        for (const MapInput& input : task.expand->inputs)
          if (const auto* list = std::get_if<Value::List>(&input.source); list != nullptr && !list->empty())
            length = std::max<int64_t>(1, length / static_cast<int64_t>(list->size()));
      for (const MapInput& input : task.expand->inputs)
        if (const auto* source = std::get_if<std::string>(&input.source)) {
          values_[{dag.dag_id, *source}] = Value::List(static_cast<size_t>(length));
          if (is_product) length = 1;
        }
    }
  }
  for (const Task& task : dag.tasks) {
    switch (task.choosing) {
      case Choosing::nothing: break;
      case Choosing::branch: values_[{dag.dag_id, task.task_id}] = all_after(dag, task); break;
      case Choosing::short_circuit: values_[{dag.dag_id, task.task_id}] = true; break;
    }
  }
}

}  // namespace udon
