#pragma once
// Who answers for people in `udon dags test`: the command line, or whoever sits at the terminal.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/output.h"
#include "model/control.h"
#include "model/question.h"
#include "store/reader.h"

namespace udon::cli {

class TestAnswers {
 public:
  // choices: "TASK=OPTION", once for each option; params: "TASK:NAME=VALUE", as JSON or text. TASK of one index of a
  // mapped task is "task[2]". can_ask: somebody sits at the terminal.
  static Result<TestAnswers> make(const std::vector<std::string>& choices, const std::vector<std::string>& params,
                                  bool can_ask);

  // Answers what the run asks and can be answered by now; never waits. Error: it asks what nobody will answer.
  Result<void> answer(StoreReader& reader, Control& control, const DagRun& run, Output& output);

 private:
  struct Given {
    std::vector<std::string> chosen;
    Value params = Value::map();
  };
  // What is asked at the terminal, part by part: the option first, then each param.
  struct Dialogue {
    TaskInstanceKey key;
    Question question;
    Given said;
    size_t params = 0;  // of the question, that have been said
  };

  explicit TestAnswers(bool can_ask) : can_ask_(can_ask) {}
  const Given* given_for(const TaskInstanceKey& key) const;
  static Result<void> submit(Control& control, const TaskInstanceKey& key, const Question& question, Given given);
  Result<void> give(Control& control, const DagRun& run, const QuestionRow& row, const Given& given, Output& output);
  void ask_next(Output& output) const;
  // A line that has been typed; nothing: not yet. Error: there will be none.
  Result<std::optional<std::string>> typed();
  Result<void> take(const std::string& line, Control& control, Output& output);

  bool can_ask_;
  std::map<std::string, Given> given_;                 // by "task" or "task[2]"
  std::set<std::pair<InstanceNumber, int>> given_to_;  // tries whose question has been answered
  std::optional<Dialogue> dialogue_;
  std::string typed_;
};

}  // namespace udon::cli
