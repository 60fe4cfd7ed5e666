#include "scheduler/answers.h"

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "dagfile/params.h"

namespace udon {

namespace {

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }

Result<Value> filled_in(const Question& question, const Value& input) {
  if (!input.is_map()) return invalid("params_input must be an object, got " + std::string(input.type_name()));
  std::vector<std::string> names;
  Value filled = Value::map();
  for (const QuestionParam& param : question.params) {
    names.push_back(param.name);
    const Value* given = input.find(param.name);
    if (given == nullptr && param.default_value) given = &*param.default_value;
    if (given == nullptr) return invalid("param `" + param.name + "` is to be filled in: it has no default");
    TRY(check_param(*given, param.schema, "param `" + param.name + "`"));
    filled.set(param.name, *given);
  }
  for (const auto& [name, value] : input.as_map()) {
    if (std::ranges::find(names, name) == names.end())
      return invalid("nobody asks for a param `" + name + "`" + did_you_mean(name, names));
  }
  if (static_cast<int64_t>(to_json(filled).size()) > limits::xcom_bytes_max)
    return invalid("params_input has more than " + std::to_string(limits::xcom_bytes_max) + " bytes as JSON");
  return filled;
}

}  // namespace

Result<Answer> answer_of(const AskedQuestion& asked, const AnswerQuestion& command, TimePoint now) {
  const Question& question = asked.question;
  const auto& assignees = question.assignees;
  if (!assignees.empty() && std::ranges::find(assignees, command.user) == assignees.end()) {
    return Error{ErrorKind::denied, "`" + command.user + "` is not asked: " + join(assignees, ", ") +
                                        (assignees.size() == 1 ? " is" : " are")};
  }
  if (const auto problem = problem_of_choice(question, command.chosen)) return invalid(*problem);
  Answer answer{.at = now, .user = command.user, .chosen = command.chosen};
  TRY_ASSIGN(answer.params_input, filled_in(question, command.params_input));
  return answer;
}

}  // namespace udon
