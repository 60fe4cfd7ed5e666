#include <algorithm>

#include "base/text.h"
#include "store/memory_state.h"
#include "store/rules.h"

namespace udon::memory {

namespace {

template <class T>
bool is_among(const std::vector<T>& wanted, const T& value) {
  return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
}

bool holds(const std::string& text, const std::optional<std::string>& part) {
  return !part || lower_ascii(text).find(lower_ascii(*part)) != std::string::npos;
}

bool fits(const QuestionRow& row, const QuestionFilter& filter) {
  const AskedQuestion& asked = row.asked;
  const TaskInstance& instance = row.instance.instance;
  if (filter.is_answered && *filter.is_answered != asked.answer.has_value()) return false;
  if (!filter.answered_by.empty() && (!asked.answer || !is_among(filter.answered_by, asked.answer->user))) return false;
  if (filter.map_index && *filter.map_index != instance.map_index) return false;
  if (filter.asked_gte && asked.asked_at < *filter.asked_gte) return false;
  if (filter.asked_lte && asked.asked_at > *filter.asked_lte) return false;
  return is_among(filter.dag_ids, row.instance.dag_id) && is_among(filter.run_ids, row.instance.run_id) &&
         is_among(filter.task_ids, instance.task_id) && is_among(filter.states, instance.state) &&
         holds(asked.question.subject, filter.subject_like) && holds(asked.question.body, filter.body_like);
}

}  // namespace

Result<Page<QuestionRow>> questions(const State& state, const QuestionFilter& filter, const PageRequest& page) {
  TRY(check_page(page));
  TRY_ASSIGN(const Order order, parse_order(filter.order_by, question_orders));
  std::vector<QuestionRow> rows;
  for (const auto& [number, entry] : state.instances) {
    const auto found = entry.questions.find(entry.row.try_number);
    if (found == entry.questions.end()) continue;
    const DagRun& run = state.runs.at(entry.row.run).row;
    QuestionRow row{.asked = found->second,
                    .instance = {.instance = entry.row,
                                 .dag_id = run.dag_id,
                                 .run_id = run.run_id,
                                 .logical_date = run.logical_date,
                                 .run_after = run.run_after,
                                 .dag_version = run.dag_version,
                                 .earlier_versions = run.earlier_versions}};
    if (fits(row, filter)) rows.push_back(std::move(row));
  }
  const auto key = [&](const QuestionRow& row) {
    TimePoint at = TimePoint::min();
    if (order.column == "asked_at") at = row.asked.asked_at;
    if (order.column == "answered_at" && row.asked.answer) at = row.asked.answer->at;
    return std::pair(at, row.asked.instance);
  };
  if (order.descending)
    std::ranges::sort(rows, std::ranges::greater(), key);
  else
    std::ranges::sort(rows, {}, key);
  return cut_page(std::move(rows), page);
}

std::vector<AskedQuestion> live_questions_of(const State& state, RunNumber run) {
  std::vector<AskedQuestion> rows;
  const RunEntry* entry = state.find_run(run);
  if (entry == nullptr) return rows;
  for (const InstanceNumber number : entry->instances) {
    const InstanceEntry& instance = state.instances.at(number);
    if (instance.row.state != TaskState::deferred && instance.row.state != TaskState::restarting) continue;
    const auto found = instance.questions.find(instance.row.try_number);
    if (found != instance.questions.end()) rows.push_back(found->second);
  }
  std::ranges::sort(rows, {}, &AskedQuestion::instance);
  return rows;
}

std::vector<Deferral> deferrals_of(const State& state, RunNumber run) {
  std::vector<Deferral> rows;
  const RunEntry* entry = state.find_run(run);
  if (entry == nullptr) return rows;
  for (const InstanceNumber number : entry->instances) {
    const InstanceEntry& instance = state.instances.at(number);
    if (instance.deferral) rows.push_back(*instance.deferral);
  }
  std::ranges::sort(rows, {}, &Deferral::instance);
  return rows;
}

}  // namespace udon::memory
