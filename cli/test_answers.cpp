#include "cli/test_answers.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"

namespace udon::cli {
namespace {

constexpr int questions_at_once = 1000;

std::string name_of(const TaskInstanceKey& key) {
  return key.map_index < 0 ? key.task_id : key.task_id + "[" + std::to_string(key.map_index) + "]";
}

TaskInstanceKey key_of(const DagRun& run, const QuestionRow& row) {
  return {run.dag_id, run.run_id, row.instance.instance.task_id, row.instance.instance.map_index};
}

Value json_or_text(const std::string& text) {
  const auto parsed = parse_json(text);
  return parsed ? *parsed : Value(text);
}

std::string options_of(const Question& question) {
  std::vector<std::string> quoted;
  for (const std::string& option : question.options) quoted.push_back("\"" + option + "\"");
  return join(quoted, ", ");
}

// What to write on the command line to answer it.
std::string option_for(const TaskInstanceKey& key, const Question& question) {
  std::string text = "--answer '" + name_of(key) + "=" + question.options.front() + "'";
  for (const QuestionParam& param : question.params)
    if (!param.default_value) text += " --answer-param '" + name_of(key) + ":" + param.name + "=…'";
  return text;
}

}  // namespace

Result<TestAnswers> TestAnswers::make(const std::vector<std::string>& choices, const std::vector<std::string>& params,
                                      bool can_ask) {
  TestAnswers answers(can_ask);
  for (const std::string& choice : choices) {
    const size_t equals = choice.find('=');
    if (equals == choice.npos || equals == 0 || equals + 1 == choice.size())
      return Error{ErrorKind::invalid, "--answer: expected TASK=OPTION, got " + choice};
    answers.given_[choice.substr(0, equals)].chosen.push_back(choice.substr(equals + 1));
  }
  for (const std::string& param : params) {
    const size_t colon = param.find(':');
    const size_t equals = colon == param.npos ? colon : param.find('=', colon);
    if (colon == 0 || equals == param.npos || equals == colon + 1)
      return Error{ErrorKind::invalid, "--answer-param: expected TASK:NAME=VALUE, got " + param};
    answers.given_[param.substr(0, colon)].params.set(param.substr(colon + 1, equals - colon - 1),
                                                      json_or_text(param.substr(equals + 1)));
  }
  return answers;
}

const TestAnswers::Given* TestAnswers::given_for(const TaskInstanceKey& key) const {
  auto found = given_.find(name_of(key));
  if (found == given_.end()) found = given_.find(key.task_id);
  return found == given_.end() ? nullptr : &found->second;
}

Result<void> TestAnswers::submit(Control& control, const TaskInstanceKey& key, const Question& question, Given given) {
  // A form is sent by the only option that there is.
  if (given.chosen.empty() && question.options.size() == 1) given.chosen = question.options;
  AnswerQuestion answer{.key = key, .chosen = std::move(given.chosen), .params_input = std::move(given.params)};
  answer.user = question.assignees.empty() ? "dags test" : question.assignees.front();
  auto taken = control.submit(std::move(answer));
  if (!taken) return taken.error().within("the answer for `" + name_of(key) + "`");
  return {};
}

Result<void> TestAnswers::answer(StoreReader& reader, Control& control, const DagRun& run, Output& output) {
  QuestionFilter open;
  open.dag_ids = {run.dag_id}, open.run_ids = {run.run_id};
  open.states = {TaskState::deferred};
  open.is_answered = false;
  TRY_ASSIGN(const Page<QuestionRow> asked, reader.questions(open, {.limit = questions_at_once, .offset = 0}));
  // Nothing that is on the command line waits for whoever sits at the terminal.
  const QuestionRow* unanswered = nullptr;
  for (const QuestionRow& row : asked.rows) {
    if (const Given* given = given_for(key_of(run, row)))
      TRY(give(control, run, row, *given, output));
    else if (unanswered == nullptr)
      unanswered = &row;
  }
  if (dialogue_) {
    TRY_ASSIGN(const std::optional<std::string> line, typed());
    return line ? take(*line, control, output) : Result<void>();
  }
  if (unanswered == nullptr) return {};
  const TaskInstanceKey key = key_of(run, *unanswered);
  const Question& question = unanswered->asked.question;
  if (!can_ask_)
    return Error{ErrorKind::invalid, "`" + name_of(key) + "` asks \"" + question.subject +
                                         "\", and nobody is there to answer: give " + option_for(key, question) +
                                         "; there are " + options_of(question)};
  dialogue_ = Dialogue{.key = key, .question = question, .said = {}, .params = 0};
  output.raw("\n" + name_of(key) + " asks: " + question.subject + "\n" +
             (question.body.empty() ? "" : question.body + "\n"));
  ask_next(output);
  return {};
}

// Once a try: that somebody else answered meanwhile, or its time was over, is no failure of the run.
Result<void> TestAnswers::give(Control& control, const DagRun& run, const QuestionRow& row, const Given& given,
                               Output& output) {
  if (!given_to_.emplace(row.asked.instance, row.asked.try_number).second) return {};
  const auto taken = submit(control, key_of(run, row), row.asked.question, given);
  if (taken || taken.error().kind != ErrorKind::conflict) return taken;
  output.note(taken.error().message);
  return {};
}

void TestAnswers::ask_next(Output& output) const {
  const Question& question = dialogue_->question;
  if (dialogue_->said.chosen.empty()) {
    for (size_t i = 0; i < question.options.size(); ++i)
      output.raw("  " + std::to_string(i + 1) + " " + question.options[i] + "\n");
    return output.raw(question.multiple ? "Numbers or texts, with commas between: " : "Number or text: ");
  }
  const QuestionParam& param = question.params[dialogue_->params];
  output.raw(param.name + (param.default_value ? " (" + to_json(*param.default_value) + ")" : "") + ": ");
}

Result<std::optional<std::string>> TestAnswers::typed() {
  for (size_t end = typed_.find('\n'); end == typed_.npos; end = typed_.find('\n')) {
    pollfd watched{STDIN_FILENO, POLLIN, 0};
    if (::poll(&watched, 1, 0) <= 0) return std::optional<std::string>();
    char buffer[4096];
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return std::optional<std::string>();
    if (got <= 0)
      return Error{ErrorKind::cancelled, "`" + name_of(dialogue_->key) + "` was not answered: give " +
                                             option_for(dialogue_->key, dialogue_->question)};
    typed_.append(buffer, static_cast<size_t>(got));
  }
  const size_t end = typed_.find('\n');
  std::string line(trim(typed_.substr(0, end)));
  typed_.erase(0, end + 1);
  return std::optional(std::move(line));
}

Result<void> TestAnswers::take(const std::string& line, Control& control, Output& output) {
  const Question& question = dialogue_->question;
  if (dialogue_->said.chosen.empty()) {
    for (const std::string& word : question.multiple ? split(line, ',') : std::vector{line}) {
      std::string option(trim(word));
      for (size_t i = 0; i < question.options.size(); ++i)
        if (option == std::to_string(i + 1)) option = question.options[i];
      dialogue_->said.chosen.push_back(std::move(option));
    }
    if (const auto problem = problem_of_choice(question, dialogue_->said.chosen)) {
      output.note(*problem);
      dialogue_->said.chosen.clear();
    }
  } else {
    const QuestionParam& param = question.params[dialogue_->params++];
    if (!line.empty() || !param.default_value) dialogue_->said.params.set(param.name, json_or_text(line));
  }
  const bool is_complete = !dialogue_->said.chosen.empty() && dialogue_->params == question.params.size();
  if (!is_complete) {
    ask_next(output);
    return {};
  }
  const auto taken = submit(control, dialogue_->key, question, dialogue_->said);
  const bool is_wrong = !taken && taken.error().kind == ErrorKind::invalid;
  if (!taken && !is_wrong && taken.error().kind != ErrorKind::conflict) return taken.error();
  // What was filled in does not fit, or its time is over: in the first case it is asked once more.
  if (!taken) output.note(taken.error().message);
  if (is_wrong) {
    dialogue_->said = {};
    dialogue_->params = 0;
    ask_next(output);
    return {};
  }
  dialogue_.reset();
  return {};
}

}  // namespace udon::cli
