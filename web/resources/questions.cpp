// What tasks ask people, in the words of Airflow's human-in-the-loop API.
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

Value list_of(const std::vector<std::string>& texts) {
  Value list = Value::list();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

Value show_user(const std::string& name) { return Value::Map{{"id", name}, {"name", name}}; }

Value show_params(const Question& question) {
  Value params = Value::map();
  for (const QuestionParam& param : question.params) {
    params.set(param.name, Value::Map{{"value", param.default_value.value_or(Value())},
                                      {"schema", param.schema},
                                      {"description", text_or_null(param.schema.text("description"))}});
  }
  return params;
}

Value show_question(const AskedQuestion& asked, Value instance) {
  const Question& question = asked.question;
  Value::List assigned;
  for (const std::string& user : question.assignees) assigned.push_back(show_user(user));
  Value shown = Value::Map{{"task_instance", std::move(instance)},
                           {"options", list_of(question.options)},
                           {"subject", question.subject},
                           {"body", text_or_null(question.body)},
                           {"defaults", question.defaults.empty() ? Value() : list_of(question.defaults)},
                           {"multiple", question.multiple},
                           {"params", show_params(question)},
                           {"assigned_users", std::move(assigned)},
                           {"created_at", format_time(asked.asked_at)},
                           {"responded_by_user", nullptr},
                           {"responded_at", nullptr},
                           {"chosen_options", nullptr},
                           {"params_input", Value::map()},
                           {"response_received", asked.answer.has_value()}};
  if (!asked.answer) return shown;
  const Answer& answer = *asked.answer;
  if (!answer.user.empty()) shown.set("responded_by_user", show_user(answer.user));
  shown.set("responded_at", format_time(answer.at));
  shown.set("chosen_options", list_of(answer.chosen));
  shown.set("params_input", answer.params_input);
  return shown;
}

Result<InstanceRow> named_instance(World& world, const Call& call, Problems& problems) {
  const auto map_index = path_integer(call, "map_index", problems);
  if (!map_index) return Error{ErrorKind::invalid, ""};
  return need_instance(world, call, *map_index < 0 ? std::nullopt : std::optional<int>(static_cast<int>(*map_index)));
}

Error no_question(const InstanceRow& row) {
  return {ErrorKind::not_found,
          "Human-in-the-loop detail does not exist for Task Instance with id " + std::to_string(row.instance.number)};
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  TRY(query.refuse({"dag_id_pattern", "task_id_pattern"}));
  QuestionFilter filter;
  if (call.part("dag_id") != "~") filter.dag_ids = {call.part("dag_id")};
  if (call.part("dag_run_id") != "~") filter.run_ids = {call.part("dag_run_id")};
  filter.task_ids = query.texts("task_id");
  if (const auto map_index = query.integer("map_index", -1)) filter.map_index = static_cast<int>(*map_index);
  for (const std::string& word : query.texts("state")) {
    if (const auto state = parse_task_state(word)) {
      filter.states.push_back(*state);
    } else {
      problems.add("enum", {"query", "state"}, "Input should be a state of a task instance", word);
    }
  }
  filter.is_answered = query.flag("response_received");
  filter.answered_by = query.texts("responded_by_user_id");
  for (std::string& name : query.texts("responded_by_user_name")) filter.answered_by.push_back(std::move(name));
  filter.subject_like = query.text("subject_search");
  filter.body_like = query.text("body_search");
  query.time_range("created_at", filter.asked_gte, filter.asked_lte);
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(
      filter.order_by,
      query.order_by("created_at", {{"created_at", "asked_at"}, {"responded_at", "answered_at"}, {"ti_id", "number"}}));
  TRY_ASSIGN(const Page<QuestionRow> found, world.reader.questions(filter, page));
  InstanceShower shower(world);
  Value::List rows;
  for (const QuestionRow& row : found.rows) {
    TRY_ASSIGN(Value instance, shower.show(row.instance));
    rows.push_back(show_question(row.asked, std::move(instance)));
  }
  return json_response(200, show_list("hitl_details", std::move(rows), found.total));
}

Result<Response> get(World& world, const Call& call) {
  Problems problems;
  const auto row = named_instance(world, call, problems);
  if (!problems.empty()) return problems.response();
  if (!row) return row.error();
  int try_number = row->instance.try_number;
  if (call.path.contains("try_number")) {
    const auto given = path_integer(call, "try_number", problems);
    if (!given) return problems.response();
    try_number = *given;
  }
  TRY_ASSIGN(const auto asked, world.reader.question(row->instance.number, try_number));
  if (!asked) return no_question(*row);
  InstanceShower shower(world);
  TRY_ASSIGN(Value instance, shower.show(*row));
  return json_response(200, show_question(*asked, std::move(instance)));
}

Result<Response> answer(World& world, const Call& call) {
  Problems problems;
  const auto row = named_instance(world, call, problems);
  if (!problems.empty()) return problems.response();
  if (!row) return row.error();
  BodyFields body(call.request, problems);
  const auto chosen = body.list("chosen_options", BodyFields::Need::required);
  std::vector<std::string> options;
  if (chosen) {
    for (const Value& option : chosen->as_list()) {
      if (option.is_string())
        options.push_back(option.as_string());
      else
        problems.add("string_type", {"body", "chosen_options"}, "Input should be a valid string", option);
    }
    if (chosen->size() == 0)
      problems.add("too_short", {"body", "chosen_options"}, "List should have at least 1 item after validation, not 0",
                   *chosen);
  }
  const Value input = body.map("params_input").value_or(Value::map());
  body.only({"chosen_options", "params_input"});
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(const auto asked, world.reader.question(row->instance.number, row->instance.try_number));
  if (!asked) return no_question(*row);
  AnswerQuestion command{.key = {row->dag_id, row->run_id, row->instance.task_id, row->instance.map_index},
                         .chosen = std::move(options),
                         .params_input = input,
                         .user = call.user.name};
  const auto outcome = world.control.submit(std::move(command));
  if (!outcome) {
    if (outcome.error().kind == ErrorKind::invalid) return error_response(422, outcome.error().message);
    return outcome.error();
  }
  if (!outcome->question || !outcome->question->answer)
    return Error{ErrorKind::unavailable, "the scheduler took no answer"};
  const Answer& taken = *outcome->question->answer;
  return json_response(200, Value::Map{{"responded_by", show_user(taken.user)},
                                       {"responded_at", format_time(taken.at)},
                                       {"chosen_options", list_of(taken.chosen)},
                                       {"params_input", taken.params_input}});
}

}  // namespace

void add_questions(Router& router, World& world) {
  const std::string run = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}";
  const std::string one = run + "/taskInstances/{task_id}/{map_index}/hitlDetails";
  router.add("GET", run + "/hitlDetails", at_least(Role::viewer),
             "What people are asked; ~ stands for all DAGs or runs",
             [&world](const Call& call) { return list(world, call); });
  router.add("GET", one, at_least(Role::viewer), "What a task instance asks, and the answer",
             [&world](const Call& call) { return get(world, call); });
  router.add("GET", one + "/tries/{try_number}", at_least(Role::viewer), "What a try has asked, and the answer",
             [&world](const Call& call) { return get(world, call); });
  router.add("PATCH", one, at_least(Role::user), "Answers a task instance that asks; the first answer counts",
             [&world](const Call& call) { return answer(world, call); });
}

}  // namespace udon::web
