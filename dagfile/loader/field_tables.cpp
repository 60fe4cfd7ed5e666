// What can be said of a DAG and of a task. A word that is not here, nor among those that the loader reads by itself
// (dag, schedule, params, tasks, operator, after, expand, …), does not exist.
#include "dagfile/loader/fields.h"
#include "model/retry.h"

namespace udon {
namespace {

using Kind = FieldType::Kind;

FieldType text() { return {Kind::text, 0, 0, {}}; }
FieldType id() { return {Kind::id, 0, 0, {}}; }
FieldType flag() { return {Kind::flag, 0, 0, {}}; }
FieldType texts() { return {Kind::texts, 0, 0, {}}; }
FieldType integer(int64_t least, int64_t most) { return {Kind::integer, least, most, {}}; }
FieldType duration() { return {Kind::duration, 1, 0, {}}; }
FieldType duration_or_none() { return {Kind::duration, 0, 0, {}}; }
FieldType word(std::vector<std::string> words) { return {Kind::word, 0, 0, std::move(words)}; }

FieldType failures() { return {Kind::failures, 0, 0, failure_words()}; }

std::vector<std::string> trigger_rules() {
  std::vector<std::string> words;
  for (const TriggerRule rule : all_trigger_rules()) words.emplace_back(to_string(rule));
  return words;
}

std::vector<std::string> weight_rules() {
  std::vector<std::string> words;
  for (const WeightRule rule : {WeightRule::downstream, WeightRule::upstream, WeightRule::absolute})
    words.emplace_back(to_string(rule));
  return words;
}

}  // namespace

const std::vector<Field<Task>>& task_fields() {
  static const std::vector<Field<Task>> table{
      {"trigger_rule", word(trigger_rules()), "When it may start, given how its upstream tasks ended.",
       [](Task& task, FieldValue&& value) {
         task.trigger_rule = parse_trigger_rule(value.text).value_or(task.trigger_rule);
       }},
      {"retries", integer(0, 10'000), "Further tries after the first fails.",
       [](Task& task, FieldValue&& value) { task.retry.retries = static_cast<int>(value.integer); }},
      {"retry_delay", duration_or_none(), "Between a failed try and the next; 5m unless said otherwise.",
       [](Task& task, FieldValue&& value) { task.retry.delay = value.duration; }},
      {"retry_exponential_backoff", flag(), "Each delay is twice the one before.",
       [](Task& task, FieldValue&& value) { task.retry.exponential_backoff = value.flag; }},
      {"max_retry_delay", duration(), "No delay is longer; 24h unless said otherwise.",
       [](Task& task, FieldValue&& value) { task.retry.delay_max = value.duration; }},
      {"retry_jitter", duration(), "Up to so much is added to each delay, so that many do not come back at once.",
       [](Task& task, FieldValue&& value) { task.retry.jitter = value.duration; }},
      {"retry_on", failures(), "Only these kinds of failures and exit codes are tried again.",
       [](Task& task, FieldValue&& value) { task.retry.retry_on = std::move(value.texts); }},
      {"no_retry_on", failures(), "These kinds of failures and exit codes are not tried again.",
       [](Task& task, FieldValue&& value) { task.retry.no_retry_on = std::move(value.texts); }},
      {"execution_timeout", duration(), "A try that runs longer is ended and has failed.",
       [](Task& task, FieldValue&& value) { task.execution_timeout = value.duration; }},
      {"timeout", duration(), "Of a sensor: from its first poke until it gives up.",
       [](Task& task, FieldValue&& value) { task.timeout = value.duration; }},
      {"poke_interval", duration(), "Of a sensor or external job: between two looks; 1m unless said otherwise.",
       [](Task& task, FieldValue&& value) { task.poke_interval = value.duration; }},
      {"soft_fail", flag(), "A sensor that gives up is skipped, not failed.",
       [](Task& task, FieldValue&& value) { task.soft_fail = value.flag; }},
      {"pool", id(), "The pool whose slots it takes.",
       [](Task& task, FieldValue&& value) { task.pool = std::move(value.text); }},
      {"pool_slots", integer(1, 100'000), "How many of them.",
       [](Task& task, FieldValue&& value) { task.pool_slots = static_cast<int>(value.integer); }},
      {"priority_weight", integer(-1'000'000, 1'000'000),
       "Of tasks that wait for the same slots, the larger goes first.",
       [](Task& task, FieldValue&& value) { task.priority_weight = static_cast<int>(value.integer); }},
      {"weight_rule", word(weight_rules()),
       "Whose weights are added to its own: those that follow it, that precede it, nobody's.",
       [](Task& task, FieldValue&& value) {
         task.weight_rule = parse_weight_rule(value.text).value_or(task.weight_rule);
       }},
      {"queue", id(), "Which workers may run it; a server takes those of its setting core.queues.",
       [](Task& task, FieldValue&& value) { task.queue = std::move(value.text); }},
      {"depends_on_past", flag(), "It waits until its task instance in the run before has succeeded.",
       [](Task& task, FieldValue&& value) { task.depends_on_past = value.flag || task.wait_for_downstream; }},
      {"wait_for_downstream", flag(), "It waits for the tasks directly after it in the run before, too.",
       [](Task& task, FieldValue&& value) {
         task.wait_for_downstream = value.flag;
         task.depends_on_past = task.depends_on_past || value.flag;
       }},
      {"max_active_tis_per_dag", integer(1, 100'000), "Task instances of it that run at a time, over all runs.",
       [](Task& task, FieldValue&& value) { task.max_active_tis_per_dag = static_cast<int>(value.integer); }},
      {"max_active_tis_per_dagrun", integer(1, 100'000), "Task instances of it that run at a time, in one run.",
       [](Task& task, FieldValue&& value) { task.max_active_tis_per_dagrun = static_cast<int>(value.integer); }},
      {"group", text(), "Its task group, a dotted path: extract.mysql.",
       [](Task& task, FieldValue&& value) { task.group_id = std::move(value.text); }},
      {"setup", flag(), "It prepares what the tasks after it need.",
       [](Task& task, FieldValue&& value) { task.is_setup = value.flag; }},
      {"on_failure_fail_dagrun", flag(), "Of a teardown: if it fails, so does the run.",
       [](Task& task, FieldValue&& value) { task.on_failure_fail_dagrun = value.flag; }},
      {"connections", texts(),
       "Connections that its tries may open beside those that its parameters name: for templates that choose one by "
       "what "
       "only the try knows.",
       [](Task& task, FieldValue&& value) { task.connections = std::move(value.texts); }},
      {"inlets", texts(), "Assets that it reads.",
       [](Task& task, FieldValue&& value) { task.inlets = std::move(value.texts); }},
      {"outlets", texts(), "Assets that it makes.",
       [](Task& task, FieldValue&& value) { task.outlets = std::move(value.texts); }},
      {"doc", text(), "For people, in Markdown.",
       [](Task& task, FieldValue&& value) { task.doc = std::move(value.text); }},
  };
  return table;
}

const std::vector<Field<Dag>>& dag_fields() {
  static const std::vector<Field<Dag>> table{
      {"description", text(), "One line for lists.",
       [](Dag& dag, FieldValue&& value) { dag.description = std::move(value.text); }},
      {"catchup", flag(), "Runs of the past that were missed are made up for.",
       [](Dag& dag, FieldValue&& value) { dag.schedule.catchup = value.flag; }},
      {"max_active_runs", integer(1, 100'000), "Runs at a time; 16 unless said otherwise.",
       [](Dag& dag, FieldValue&& value) { dag.max_active_runs = static_cast<int>(value.integer); }},
      {"max_active_tasks", integer(1, 100'000), "Task instances of it that run at a time; 16 unless said otherwise.",
       [](Dag& dag, FieldValue&& value) { dag.max_active_tasks = static_cast<int>(value.integer); }},
      {"max_consecutive_failed_dag_runs", integer(1, 100'000), "After so many failed runs in a row the DAG is paused.",
       [](Dag& dag, FieldValue&& value) { dag.max_consecutive_failed_dag_runs = static_cast<int>(value.integer); }},
      {"dagrun_timeout", duration(), "A run that takes longer has failed.",
       [](Dag& dag, FieldValue&& value) { dag.dagrun_timeout = value.duration; }},
      {"is_paused_upon_creation", flag(), "Whether a DAG that is seen for the first time is paused.",
       [](Dag& dag, FieldValue&& value) { dag.is_paused_upon_creation = value.flag; }},
      {"tags", texts(), "For finding it in lists.",
       [](Dag& dag, FieldValue&& value) { dag.tags = std::move(value.texts); }},
      {"owners", texts(), "Who looks after it.",
       [](Dag& dag, FieldValue&& value) { dag.owners = std::move(value.texts); }},
      {"doc", text(), "For people, in Markdown.",
       [](Dag& dag, FieldValue&& value) { dag.doc = std::move(value.text); }},
  };
  return table;
}

}  // namespace udon
