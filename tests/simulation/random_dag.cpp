#include "tests/simulation/random_dag.h"

#include <algorithm>
#include <functional>

#include "base/timezone.h"

namespace udon::simulation {

using namespace std::chrono_literals;

namespace {

MapInput literal_input(Random& random, const std::string& name) {
  Value::List items;
  for (uint64_t i = random.below(5); i > 0; --i) items.emplace_back(static_cast<int64_t>(i));
  return {.name = name, .source = std::move(items)};
}

void make_mapped(Random& random, Task& task, const Dag& dag) {
  MapSpec spec;
  if (!task.upstream.empty() && random.one_in(2)) {
    const auto from = static_cast<size_t>(task.upstream[random.below(task.upstream.size())]);
    spec.inputs.push_back({.name = "item", .source = dag.tasks[from].task_id});
    if (random.one_in(4)) spec.inputs.push_back(literal_input(random, "other"));
  } else {
    spec.inputs.push_back(literal_input(random, "item"));
  }
  task.expand = std::move(spec);
}

Task random_task(Random& random, const Dag& dag, int index) {
  Task task;
  task.task_id = "t" + std::to_string(index);
  task.operator_name = "bash";
  for (int before = 0; before < index; ++before) {
    if (random.one_in(3)) task.upstream.push_back(before);
  }
  if (random.one_in(3)) task.trigger_rule = all_trigger_rules()[random.below(all_trigger_rules().size())];
  task.retry.retries = static_cast<int>(random.below(3));
  task.retry.delay = Duration(random.below(300'000'000));
  task.retry.exponential_backoff = random.one_in(4);
  if (random.one_in(3)) task.retry.jitter = Duration(random.below(60'000'000));
  const char* const kinds[] = {"exit_code", "signal", "3", "timeout", "invalid", "unavailable", "data", "lost"};
  if (random.one_in(6)) task.retry.retry_on.emplace_back(kinds[random.below(8)]);
  if (random.one_in(6)) task.retry.no_retry_on.emplace_back(kinds[random.below(8)]);
  task.priority_weight = 1 + static_cast<int>(random.below(3));
  if (random.one_in(5)) task.kind = OperatorKind::sensor;
  task.needs_no_try = task.kind == OperatorKind::process && random.one_in(6);
  if (task.kind == OperatorKind::sensor) {
    if (random.one_in(2)) task.timeout = Duration(60'000'000 + random.below(600'000'000));
    task.poke_interval = Duration(5'000'000 + random.below(60'000'000));
    task.soft_fail = random.one_in(3);
  } else if (random.one_in(4)) {
    task.execution_timeout = Duration(1'000'000 + random.below(90'000'000));
  }
  if (task.kind == OperatorKind::process && !task.needs_no_try && random.one_in(4)) {
    task.choosing = random.one_in(2) ? Choosing::branch : Choosing::short_circuit;
    task.operator_name = to_string(task.choosing);
  }
  if (random.one_in(4)) task.pool = "narrow";
  if (random.one_in(40)) task.pool = "gone";
  if (random.one_in(6)) task.pool_slots = 2;
  if (random.one_in(12)) task.queue = "far";
  if (random.one_in(8)) task.max_active_tis_per_dag = 1 + static_cast<int>(random.below(2));
  if (random.one_in(8)) task.max_active_tis_per_dagrun = 1;
  task.depends_on_past = random.one_in(12);
  task.wait_for_downstream = random.one_in(20);
  if (task.wait_for_downstream) task.depends_on_past = true;
  task.is_setup = random.one_in(15);
  task.is_teardown = !task.is_setup && random.one_in(15);
  if (task.is_teardown && !random.one_in(3)) task.trigger_rule = TriggerRule::all_done_setup_success;
  task.on_failure_fail_dagrun = task.is_teardown && random.one_in(3);
  if (random.one_in(4)) make_mapped(random, task, dag);
  return task;
}

// Some of its tasks become a mapped group, as the loader has them: what the group is mapped over comes before those of
// its tasks that nothing in it comes before.
void make_mapped_group(Dag& dag, int generation) {
  Random random(static_cast<uint64_t>(generation) * 15'485'863 + static_cast<uint64_t>(dag.dag_id.front()));
  if (dag.tasks.size() < 2 || !random.one_in(2)) return;
  TaskGroup group{.group_id = "each"};
  const auto first = static_cast<int>(random.below(dag.tasks.size() - 1));
  MapSpec spec;
  if (first > 0 && !random.one_in(3)) {
    const auto source = static_cast<size_t>(random.below(static_cast<uint64_t>(first)));
    spec.inputs.push_back({.name = "item", .source = dag.tasks[source].task_id});
  }
  if (spec.inputs.empty() || random.one_in(4)) spec.inputs.push_back(literal_input(random, "other"));
  group.expand = std::move(spec);
  for (int i = first; i < static_cast<int>(dag.tasks.size()); ++i) {
    Task& task = dag.tasks[static_cast<size_t>(i)];
    if (i > first && random.one_in(4)) continue;
    task.group_id = random.one_in(3) ? "each.inner" : "each";
    task.mapped_group = "each";
    task.expand = group.expand;
    if (i > first && random.one_in(2)) task.upstream.push_back(first);
    std::ranges::sort(task.upstream);
    task.upstream.erase(std::unique(task.upstream.begin(), task.upstream.end()), task.upstream.end());
    const bool is_first = std::ranges::none_of(
        task.upstream, [&](int before) { return dag.tasks[static_cast<size_t>(before)].mapped_group == "each"; });
    for (const MapInput& input : group.expand->inputs) {
      const auto* source = std::get_if<std::string>(&input.source);
      const int index = source == nullptr ? -1 : dag.index_of(*source);
      if (!is_first || index < 0 || std::ranges::binary_search(task.upstream, index)) continue;
      task.upstream.insert(std::ranges::lower_bound(task.upstream, index), index);
    }
  }
  dag.groups.push_back(std::move(group));
  dag.groups.push_back({.group_id = "each.inner"});
}

// Once a day, at a time that the clock skips or repeats when summer time begins or ends.
Schedule random_night(Random& random, TimePoint now) {
  struct Night {
    const char *zone, *cron;
  };
  std::vector<Night> nights = {{"Europe/Berlin", "30 2 * * *"},    {"Europe/Berlin", "0 2 * * *"},
                               {"America/New_York", "30 1 * * *"}, {"America/New_York", "15 2 * * *"},
                               {"Asia/Seoul", "30 2 * * *"},       {"Australia/Lord_Howe", "45 1 * * *"}};
  const auto changes = [&](const Night& night) {
    const auto zone = TimeZone::find(night.zone).value();
    const auto day = std::chrono::floor<std::chrono::seconds>(now);
    return zone->at(day - 72h).offset != zone->at(day + 72h).offset;
  };
  if (std::ranges::any_of(nights, changes) && !random.one_in(4)) std::erase_if(nights, std::not_fn(changes));
  const Night& night = nights[random.below(nights.size())];
  Schedule schedule;
  CronSchedule cron{.crons = {parse_cron(night.cron).value()}};
  if (random.one_in(4)) cron.dst.skipped = DstPolicy::Skipped::skip;
  if (random.one_in(3)) cron.dst.repeated = random.one_in(2) ? DstPolicy::Repeated::last : DstPolicy::Repeated::both;
  schedule.kind = std::move(cron);
  schedule.timezone = night.zone;
  schedule.start_date = now - 72h;
  schedule.catchup = !random.one_in(4);
  return schedule;
}

std::vector<Notice> random_notices(Random& random, const std::vector<NoticeEvent>& events) {
  std::vector<Notice> notices;
  for (uint64_t i = 1 + random.below(3); i > 0; --i) {
    Notice notice;
    notice.on = events[random.below(events.size())];
    notice.connection = "slack";
    notice.settings.set("text", "{{ ti.task_id }}");
    notice.retries = static_cast<int>(random.below(3));
    notice.resends_unknown = random.one_in(4);
    notices.push_back(std::move(notice));
  }
  return notices;
}

// Days off around now: of nights that may be moved, those whose skipped times are made up for.
std::optional<Calendar> random_calendar(Random& random, const Schedule& schedule, TimePoint now) {
  const auto* cron = std::get_if<CronSchedule>(&schedule.kind);
  if (cron == nullptr || !random.one_in(2)) return std::nullopt;
  Calendar calendar;
  const CivilDay today(std::chrono::floor<std::chrono::days>(now).time_since_epoch());
  if (random.one_in(2)) calendar.weekdays = random.one_in(2) ? 0x3e : static_cast<uint8_t>(1 + random.below(127));
  for (int day = -4; day < 8; ++day)
    if (random.one_in(4)) calendar.except.push_back({today + std::chrono::days(day), "추석"});
  if (cron->dst.skipped == DstPolicy::Skipped::run_after && random.one_in(2))
    calendar.day_off = random.one_in(2) ? Calendar::DayOff::next : Calendar::DayOff::previous;
  return calendar;
}

// Each makes its own and waits for those of DAGs before it, by name, or for what comes from outside: no circle, so that
// everything comes to its end.
void make_assets(Dag& dag, int generation) {
  Random random(static_cast<uint64_t>(generation) * 104'729 + static_cast<uint64_t>(dag.dag_id.front()));
  for (Task& task : dag.tasks) {
    if (random.one_in(3)) task.outlets.push_back("made by " + dag.dag_id);
    if (random.one_in(8)) task.outlets.push_back("also made by " + dag.dag_id);
  }
  std::vector<std::string> known = {"outside"};
  for (const char* const id : {"alpha", "beta"}) {
    if (id >= dag.dag_id) continue;
    known.push_back("made by " + std::string(id));
    known.push_back("also made by " + std::string(id));
  }
  if (!random.one_in(2)) return;
  AssetCondition condition{.is = random.one_in(2) ? AssetCondition::Is::any : AssetCondition::Is::all};
  for (uint64_t i = 1 + random.below(3); i > 0; --i)
    condition.parts.push_back({.asset = known[random.below(known.size())]});
  dag.schedule.assets = std::move(condition);
}

}  // namespace

DagPtr random_dag(Random& random, const std::string& dag_id, int generation, TimePoint now) {
  auto dag = std::make_shared<Dag>();
  dag->dag_id = dag_id;
  dag->file = dag_id + ".yaml";
  dag->version = dag_id + "-" + std::to_string(generation);
  dag->max_active_runs = 1 + static_cast<int>(random.below(3));
  dag->max_active_tasks = 1 + static_cast<int>(random.below(4));
  if (random.one_in(6)) dag->dagrun_timeout = Duration(60'000'000 + random.below(1'200'000'000));
  if (random.one_in(10)) dag->max_consecutive_failed_dag_runs = 2;
  if (random.one_in(2)) {
    dag->schedule.kind =
        EverySchedule{.every = Duration(120'000'000 + random.below(900'000'000)), .has_interval = random.one_in(2)};
    dag->schedule.start_date = std::chrono::floor<std::chrono::hours>(now);
    dag->schedule.catchup = random.one_in(2);
  } else if (random.one_in(2)) {
    dag->schedule = random_night(random, now);
  }
  if (random.one_in(3)) {
    Param param;
    param.name = "size";
    param.schema.set("type", "integer");
    param.schema.set("minimum", 1);
    param.default_value = Value(3);
    dag->params.push_back(std::move(param));
  }
  const int count = 1 + static_cast<int>(random.below(8));
  for (int i = 0; i < count; ++i) dag->tasks.push_back(random_task(random, *dag, i));
  make_mapped_group(*dag, generation);
  // With chances of their own: the episodes of a seed stay what they were.
  Random others(static_cast<uint64_t>(generation) * 7919 + static_cast<uint64_t>(dag_id.back()));
  if (others.one_in(2)) dag->notices = random_notices(others, {NoticeEvent::success, NoticeEvent::failure});
  for (uint64_t i = others.one_in(2) ? 1 + others.below(2) : 0; i > 0; --i) {
    dag->deadlines.push_back({.of = all_deadline_references()[others.below(4)],
                              .after = Duration(1'000'000 + others.below(1'200'000'000)),
                              .notices = random_notices(others, {NoticeEvent::deadline})});
  }
  make_assets(*dag, generation);
  Random calendars(static_cast<uint64_t>(generation) * 65'537 + static_cast<uint64_t>(dag_id.back()));
  dag->schedule.calendar = random_calendar(calendars, dag->schedule, now);
  Random waits(static_cast<uint64_t>(generation) * 15'485'863 + static_cast<uint64_t>(dag_id.back()));
  for (Task& task : dag->tasks) {
    if (task.kind == OperatorKind::sensor && waits.one_in(3)) {
      task.parameters.set("asks", true);
      if (waits.one_in(2)) task.notices.push_back({.on = NoticeEvent::asked, .connection = "slack"});
    }
    if (task.kind == OperatorKind::process && !task.needs_no_try && waits.one_in(4))
      task.parameters.set("defers", true);
  }
  for (Task& task : dag->tasks)
    if (others.one_in(2)) {
      const std::vector<Notice> of_states = random_notices(
          others, {NoticeEvent::success, NoticeEvent::failure, NoticeEvent::retry, NoticeEvent::skipped});
      task.notices.insert(task.notices.begin(), of_states.begin(), of_states.end());
    }
  for (int i = 0; i < count; ++i) {
    for (const int before : dag->tasks[static_cast<size_t>(i)].upstream) {
      dag->tasks[static_cast<size_t>(before)].downstream.push_back(i);
    }
  }
  // What they choose from, for whoever carries their tries out.
  for (Task& task : dag->tasks) {
    if (task.choosing != Choosing::branch) continue;
    Value ids = Value::list();
    for (const int next : task.downstream) ids.push_back(dag->tasks[static_cast<size_t>(next)].task_id);
    task.parameters.set("choose", std::move(ids));
  }
  return dag;
}

DagPtr doctored(const DagPtr& dag, Planted planted) {
  auto copy = std::make_shared<Dag>(*dag);
  switch (planted) {
    case Planted::forgets_an_edge:
      for (size_t i = 0; i < copy->tasks.size(); ++i) {
        std::vector<int>& upstream = copy->tasks[i].upstream;
        if (upstream.empty()) continue;
        std::erase(copy->tasks[static_cast<size_t>(upstream.back())].downstream, static_cast<int>(i));
        upstream.pop_back();
      }
      break;
    case Planted::forgets_edges_at_an_index:
      for (size_t i = 0; i < copy->tasks.size(); ++i) {
        Task& task = copy->tasks[i];
        std::erase_if(task.upstream, [&](int before) {
          Task& other = copy->tasks[static_cast<size_t>(before)];
          const bool is_inner = !task.mapped_group.empty() && other.mapped_group == task.mapped_group;
          if (is_inner) std::erase(other.downstream, static_cast<int>(i));
          return is_inner;
        });
      }
      break;
    case Planted::waits_for_all_indices:
      for (Task& task : copy->tasks) task.mapped_group.clear();
      break;
    case Planted::wider_max_active_runs: copy->max_active_runs += 3; break;
    case Planted::wider_max_active_tasks: copy->max_active_tasks += 4; break;
    case Planted::narrower_max_active_tasks: copy->max_active_tasks = 1; break;
    case Planted::wider_limits_of_a_task:
      for (Task& task : copy->tasks) task.max_active_tis_per_dag = task.max_active_tis_per_dagrun = std::nullopt;
      break;
    case Planted::tries_for_empty_tasks:
      for (Task& task : copy->tasks) task.needs_no_try = false;
      break;
    case Planted::forgets_a_task: {
      if (copy->tasks.size() < 2) break;
      const auto last = static_cast<int>(copy->tasks.size()) - 1;
      for (const int before : copy->tasks.back().upstream) {
        std::erase(copy->tasks[static_cast<size_t>(before)].downstream, last);
      }
      copy->tasks.pop_back();
      break;
    }
    case Planted::forgets_daylight_saving:
      if (copy->schedule.timezone == "Europe/Berlin") copy->schedule.timezone = "Etc/GMT-1";
      if (copy->schedule.timezone == "America/New_York") copy->schedule.timezone = "Etc/GMT+5";
      break;
    case Planted::leaves_out_skipped_times:
    case Planted::runs_twice_in_repeated_hours:
      if (auto* cron = std::get_if<CronSchedule>(&copy->schedule.kind)) {
        if (planted == Planted::leaves_out_skipped_times)
          cron->dst.skipped = DstPolicy::Skipped::skip;
        else
          cron->dst.repeated = DstPolicy::Repeated::both;
      }
      break;
    case Planted::forgets_the_calendar: copy->schedule.calendar.reset(); break;
    case Planted::forgets_an_asset:
      if (copy->schedule.assets && copy->schedule.assets->parts.size() > 1) copy->schedule.assets->parts.pop_back();
      break;
    case Planted::chooses_nothing:
      for (Task& task : copy->tasks) task.choosing = Choosing::nothing;
      break;
    case Planted::nothing:
    case Planted::forgets_choices_after_restart:
    case Planted::forgets_backfills_after_restart:
    case Planted::hides_schedules_from_cleaning:
    case Planted::forgets_answers:
    case Planted::forgets_deferrals:
    case Planted::takes_dates_of_backfills_twice:
    case Planted::lies_that_a_try_is_unknown:
    case Planted::swaps_results:
    case Planted::never_ends_what_is_killed:
    case Planted::swallows_a_commit:
    case Planted::forgets_a_run_after_restart:
    case Planted::drops_xcoms:
    case Planted::forgets_what_a_try_becomes:
    case Planted::wider_pools:
    case Planted::wider_parallelism:
    case Planted::hides_ends_of_adopted_tries:
    case Planted::tells_old_ends_of_the_current_try:
    case Planted::takes_more_than_it_has_room_for:
    case Planted::hands_a_try_to_two:
    case Planted::overwrites_a_running_state:
    case Planted::says_committed_before_it_is:
    case Planted::sleeps_too_long:
    case Planted::marks_in_secret:
    case Planted::drops_notifications:
    case Planted::tells_twice:
    case Planted::queues_no_asset_events: return dag;
  }
  return copy;
}

DagPtr without_calendar(const Dag& dag) {
  auto copy = std::make_shared<Dag>(dag);
  copy->schedule.kind = NoSchedule{};
  copy->version += "-quiet";
  return copy;
}

}  // namespace udon::simulation
