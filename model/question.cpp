#include "model/question.h"

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "model/fields.h"

namespace udon {

namespace {

// A form that a person fills in.
constexpr size_t options_max = 100;
constexpr size_t params_max = 100;
constexpr size_t subject_bytes_max = 4 << 10;
constexpr size_t body_bytes_max = 256 << 10;

Value list_of(const std::vector<std::string>& texts) {
  Value list = Value::list();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

Error invalid(std::string what) { return {ErrorKind::invalid, std::move(what)}; }

Result<void> check(const Question& question) {
  if (question.subject.empty()) return invalid("a question needs a `subject`");
  if (question.subject.size() > subject_bytes_max) return invalid("`subject` has more than 4 KiB");
  if (question.body.size() > body_bytes_max) return invalid("`body` has more than 256 KiB");
  if (question.options.empty()) return invalid("`options`: at least one is needed");
  if (question.options.size() > options_max) return invalid("`options`: more than 100");
  if (question.params.size() > params_max) return invalid("`params`: more than 100");
  for (size_t i = 0; i < question.options.size(); ++i) {
    if (question.options[i].empty()) return invalid("`options`: an empty one");
    if (std::count(question.options.begin(), question.options.end(), question.options[i]) > 1)
      return invalid("`options`: `" + question.options[i] + "` stands twice");
  }
  if (question.defaults.empty()) return {};
  if (const auto problem = problem_of_choice(question, question.defaults)) return invalid("`defaults`: " + *problem);
  return {};
}

}  // namespace

Value to_value(const Question& question) {
  Value::List params;
  for (const QuestionParam& param : question.params) {
    Value shown = Value::Map{{"name", param.name}, {"schema", param.schema}};
    if (param.default_value) shown.set("default", *param.default_value);
    params.push_back(std::move(shown));
  }
  return Value::Map{{"subject", question.subject},
                    {"body", question.body},
                    {"options", list_of(question.options)},
                    {"defaults", list_of(question.defaults)},
                    {"multiple", question.multiple},
                    {"params", std::move(params)},
                    {"assignees", list_of(question.assignees)},
                    {"reject", question.reject},
                    {"rejects_far", question.rejects_far},
                    {"fails_on_reject", question.fails_on_reject}};
}

Result<Question> parse_question(const Value& value) {
  FieldReader fields(value, "question");
  Question question;
  question.subject = fields.text("subject");
  question.body = fields.optional_text("body").value_or("");
  question.options = fields.texts("options");
  if (fields.has("defaults")) question.defaults = fields.texts("defaults");
  question.multiple = fields.optional_flag("multiple").value_or(false);
  if (fields.has("assignees")) question.assignees = fields.texts("assignees");
  question.reject = fields.optional_text("reject").value_or("");
  question.rejects_far = fields.optional_flag("rejects_far").value_or(false);
  question.fails_on_reject = fields.optional_flag("fails_on_reject").value_or(false);
  const Value::List none;
  const Value::List& params = fields.has("params") ? fields.list("params") : none;
  TRY(fields.status());
  for (const Value& item : params) {
    FieldReader of(item, "param of a question");
    QuestionParam param;
    param.name = of.text("name");
    param.schema = of.map("schema");
    TRY(of.status());
    if (const Value* given = item.find("default")) param.default_value = *given;
    question.params.push_back(std::move(param));
  }
  TRY(check(question));
  return question;
}

Value to_value(const Answer& answer) {
  return Value::Map{{"at", format_time(answer.at)},
                    {"user", answer.user},
                    {"chosen", list_of(answer.chosen)},
                    {"params_input", answer.params_input}};
}

Result<Answer> parse_answer(const Value& value) {
  FieldReader fields(value, "answer");
  Answer answer;
  answer.at = fields.time("at");
  answer.user = fields.text("user");
  answer.chosen = fields.texts("chosen");
  answer.params_input = fields.map("params_input");
  TRY(fields.status());
  return answer;
}

std::optional<std::string> problem_of_choice(const Question& question, const std::vector<std::string>& chosen) {
  if (chosen.empty()) return "an option must be chosen: " + join(question.options, ", ");
  for (const std::string& option : chosen) {
    if (std::ranges::find(question.options, option) == question.options.end())
      return "`" + option + "` is no option" + did_you_mean(option, question.options) + "; there are " +
             join(question.options, ", ");
    if (std::ranges::count(chosen, option) > 1) return "`" + option + "` is chosen twice";
  }
  if (chosen.size() > 1 && !question.multiple) return "only one option may be chosen";
  return std::nullopt;
}

bool is_rejection(const Question& question, const Answer& answer) {
  return !question.reject.empty() && std::ranges::find(answer.chosen, question.reject) != answer.chosen.end();
}

std::string describe(const Answer& answer) {
  return (answer.user.empty() ? "nobody in time" : answer.user) + ": " + join(answer.chosen, ", ");
}

Value return_value_of(const Answer& answer) {
  const bool is_of_nobody = answer.user.empty();
  return Value::Map{
      {"chosen_options", list_of(answer.chosen)},
      {"params_input", answer.params_input},
      {"responded_at", format_time(answer.at)},
      {"responded_by_user", is_of_nobody ? Value() : Value(Value::Map{{"id", answer.user}, {"name", answer.user}})},
      {"timedout", is_of_nobody}};
}

}  // namespace udon
