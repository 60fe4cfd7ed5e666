#include "plugins/data/mysql_rows.h"

#include <arrow/api.h>

#include <algorithm>
#include <cstring>

#include "base/ensure.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/range_end.h"

namespace udon::data {
namespace {

// What went wrong with a value, and what to paste into the DAG file against it.
struct Advice {
  const char* what;
  const char* choices;
};
Advice advice_for(ValueProblem problem) {
  switch (problem) {
    case ValueProblem::zero_date:
      return {"is no day of the calendar", "`zero_dates: 'null'`, the column's `type: string`"};
    case ValueProblem::ancient_date:
      return {"is before 1582-10-15, which Spark refuses or shifts",
              "`ancient_dates: keep`, `ancient_dates: 'null'`, the column's `type: string`"};
    case ValueProblem::skipped_time:
      return {"never was on a clock of the declared `timezone`",
              "the column's `type: timestamp`: it stays without zone"};
    case ValueProblem::repeated_time:
      return {"was twice on a clock of the declared `timezone`",
              "the column's `type: timestamp`: it stays without zone"};
    case ValueProblem::invalid_text: return {"is no valid UTF-8", "`invalid_text: replace` or `invalid_text: 'null'`"};
    case ValueProblem::unmapped_text:
      return {"holds a character that the server cannot convert to Unicode",
              "`invalid_text: replace` or `invalid_text: 'null'`"};
    case ValueProblem::too_large:
    case ValueProblem::row_too_large: break;  // large_value()
    case ValueProblem::malformed: return {"is not what the protocol says", ""};
    case ValueProblem::no_memory: return {"finds no memory", ""};
    case ValueProblem::none: break;
  }
  return {"", ""};
}

}  // namespace

MysqlRows::MysqlRows(std::unique_ptr<MysqlSession> session, const MysqlScan& scan, RangeQueue& ranges,
                     AfterLast after_last)
    : session_(std::move(session)),
      scan_(scan),
      ranges_(ranges),
      after_last_(after_last),
      blocks_(scan.plans, scan.marks, scan.request, scan.clock) {}

Result<void> MysqlRows::open() {
  TRY_ASSIGN(const bool is_open, open_range());
  if (!is_open) TRY(end());
  return {};
}

Result<bool> MysqlRows::open_range() {
  const std::optional<size_t> taken = ranges_.take();
  if (!taken) return false;
  range_ = *taken;
  const std::string sql = scan_.select + where_clause(scan_.where.sql, ranges_.conditions()[range_]);
  TRY_ASSIGN(stream_, MysqlRowStream::open(*session_, sql, scan_.where.values));
  TRY(check_mysql_result(scan_.plans, stream_->columns()));
  blocks_.start_stream(stream_->columns());
  return true;
}

SourceBatch MysqlRows::end_range() {
  is_range_at_end_ = false;
  return end_of_range(scan_.schema, range_, uses_.since_last(policy_uses()));
}

Result<void> MysqlRows::end() {
  has_ended_ = true;
  stream_.reset();
  if (after_last_ == AfterLast::keep_transaction) return {};
  return session_->execute("commit");
}

Result<std::optional<SourceBatch>> MysqlRows::next() {
  if (is_range_at_end_) return std::optional(end_range());
  if (has_ended_) return std::optional<SourceBatch>();
  blocks_.start_batch();
  while (!blocks_.is_full() && !is_range_at_end_) {
    if (!stream_) {
      const auto is_open = open_range();
      if (!is_open) return is_open.error().within("table " + scan_.table);
      if (!*is_open) {
        TRY(end());
        break;
      }
    }
    switch (blocks_.read(*stream_)) {
      case MysqlBlocks::Step::rows: break;
      case MysqlBlocks::Step::end:
        stream_.reset();
        is_range_at_end_ = ranges_.is_cut();
        break;
      case MysqlBlocks::Step::failed: return stream_->error().within("table " + scan_.table);
      case MysqlBlocks::Step::malformed:
        return Error{ErrorKind::unavailable, session_->address() + ": table " + scan_.table + ", row " +
                                                 std::to_string(stream_->rows()) + ": the server sent a malformed row"};
      case MysqlBlocks::Step::refused: return value_error();
    }
  }
  if (blocks_.rows() == 0) {
    if (is_range_at_end_) return std::optional(end_range());
    ENSURE(has_ended_, "a batch without rows is the end");
    return std::optional<SourceBatch>();
  }
  TRY_ASSIGN(SourceBatch batch, from_arrow(blocks_.finish_batch(scan_.schema), "batch of " + scan_.table));
  return std::optional<SourceBatch>(std::move(batch));
}

std::vector<PolicyUse> MysqlRows::policy_uses() const { return blocks_.policy_uses(); }

std::string MysqlRows::row_name() const {
  std::string name;
  for (const size_t column : scan_.key)
    name += (name.empty() ? "" : ", ") + scan_.plans[column].info.request.source_name + " = " +
            describe_mysql_cell(scan_.plans[column], blocks_.refused_cell(column));
  if (name.empty()) name = "row " + std::to_string(blocks_.refusal().row) + " of the answer";
  return name;
}

// Of a value that is too large the server has sent only the beginning.
Error MysqlRows::large_value(ValueProblem problem, const MysqlColumnPlan& plan) const {
  const bool is_row = problem == ValueProblem::row_too_large;
  std::string message = "table " + scan_.table + ", ";
  if (!is_row) message += "column `" + plan.info.request.source_name + "` (" + plan.info.source_type + "), ";
  message +=
      row_name() + (is_row ? ": its values have " + std::to_string(blocks_.refusal().bytes) +
                                 " bytes together, the largest in column `" + plan.info.request.source_name + "`"
                           : ": the value is larger than " + std::to_string(scan_.request.value_bytes_max) + " bytes");
  message += ", more than a reader may take of the budget; " +
             memory_advice(scan_.request.memory, is_row ? blocks_.refusal().bytes : 0) + ", or leave " +
             (is_row ? "columns" : "the column") + " out";
  return Error{ErrorKind::data, message};
}

Error MysqlRows::value_error() const {
  const auto [problem, column, row, bytes] = blocks_.refusal();
  const MysqlColumnPlan& plan = scan_.plans[column];
  if (problem == ValueProblem::too_large || problem == ValueProblem::row_too_large) return large_value(problem, plan);
  const Advice advice = advice_for(problem);
  std::string message = "table " + scan_.table + ", column `" + plan.info.request.source_name + "` (" +
                        plan.info.source_type + "), " + row_name() + ": ";
  if (plan.info.request.mask.empty())
    message += describe_mysql_cell(plan, blocks_.refused_cell(column)) + " " + advice.what;
  else
    message += std::string("the value ") + advice.what;  // never quoted: it is masked
  if (*advice.choices != '\0') message += std::string("; choose ") + advice.choices + ", or leave the column out";
  const ErrorKind kind = problem == ValueProblem::malformed   ? ErrorKind::unavailable
                         : problem == ValueProblem::no_memory ? ErrorKind::io
                                                              : ErrorKind::data;
  return Error{kind, message};
}

}  // namespace udon::data
