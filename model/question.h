#pragma once
// What a task asks people before it goes on, and what they answer. A task that asks waits deferred: no process, no
// slot, and nobody looks at it again until somebody answers or its time is over.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/value.h"
#include "model/run.h"

namespace udon {

// Something that is to be filled in beside the choice.
struct QuestionParam {
  std::string name;
  Value schema = Value::map();  // JSON Schema, as of a DAG's params
  std::optional<Value> default_value;
  bool operator==(const QuestionParam&) const = default;
};

struct Question {
  std::string subject;
  std::string body;                   // Markdown
  std::vector<std::string> options;   // at least one
  std::vector<std::string> defaults;  // what is taken where nobody answers in time; empty: nothing
  bool multiple = false;              // more than one option may be chosen
  std::vector<QuestionParam> params;
  std::vector<std::string> assignees;  // users: only they may answer; empty: whoever may change runs
  // An approval: the option that says no. Tasks directly after it are skipped then, or all (`rejects_far`); or it
  // fails.
  std::string reject;
  bool rejects_far = false;
  bool fails_on_reject = false;
  bool operator==(const Question&) const = default;
};

struct Answer {
  TimePoint at{};
  std::string user;  // empty: nobody has answered in time, these are the defaults
  std::vector<std::string> chosen;
  Value params_input = Value::map();
  bool operator==(const Answer&) const = default;
};

// A question of one try, kept as long as its run is.
struct AskedQuestion {
  InstanceNumber instance = 0;
  int try_number = 0;
  TimePoint asked_at{};
  Question question;
  std::optional<Answer> answer;
  bool operator==(const AskedQuestion&) const = default;
};
using QuestionPtr = std::shared_ptr<const AskedQuestion>;

Value to_value(const Question& question);
// invalid: what is asked makes no sense, or is too long; the message says what.
Result<Question> parse_question(const Value& value);
Value to_value(const Answer& answer);
Result<Answer> parse_answer(const Value& value);

// What is wrong with a choice among the options, or nothing. What is filled in is another matter (dagfile/params.h).
std::optional<std::string> problem_of_choice(const Question& question, const std::vector<std::string>& chosen);
bool is_rejection(const Question& question, const Answer& answer);
// "ada: Approve", "nobody in time: Reject": for people.
std::string describe(const Answer& answer);
// The XCom `return_value` of the task: {"chosen_options", "params_input", "responded_at", "responded_by_user",
// "timedout"}; Airflow's names.
Value return_value_of(const Answer& answer);

}  // namespace udon
