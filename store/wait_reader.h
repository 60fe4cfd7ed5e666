#pragma once
// Reading what task instances wait for that is not in the DAG: people who were asked, and what tries were deferred for.
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/deferral.h"
#include "model/question.h"
#include "store/types.h"

namespace udon {

// Questions of the last try of each task instance. As the other filters: what is absent or empty does not filter.
struct QuestionFilter {
  std::vector<std::string> dag_ids, run_ids, task_ids;
  std::optional<int> map_index;
  std::vector<TaskState> states;  // of the task instance
  std::optional<bool> is_answered;
  std::vector<std::string> answered_by;
  std::optional<std::string> subject_like, body_like;  // part of it; ASCII letters in any case
  std::optional<TimePoint> asked_gte, asked_lte;
  std::string order_by = "asked_at";  // asked_at, answered_at, number (of the task instance); '-' descends
};
struct QuestionRow {
  AskedQuestion asked;
  InstanceRow instance;
};

class WaitReader {
 public:
  virtual ~WaitReader() = default;

  virtual Result<Page<QuestionRow>> questions(const QuestionFilter& filter, const PageRequest& page) = 0;
  virtual Result<std::optional<AskedQuestion>> question(InstanceNumber instance, int try_number) = 0;
  // Of the tries that live or may go on in this run, by task instance.
  virtual Result<std::vector<AskedQuestion>> live_questions_of(RunNumber run) = 0;
  virtual Result<std::vector<Deferral>> deferrals_of(RunNumber run) = 0;
};

}  // namespace udon
