#include "plugins/data/mysql_rows.h"

#include <arrow/api.h>

#include <algorithm>
#include <cstring>

#include "plugins/data/arrow_result.h"

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
    case ValueProblem::too_large: return {"is too large", "a larger `memory`, of which a value may take an eighth"};
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
      hasher_(scan.plans, scan.request, scan.clock) {
  for (const MysqlColumnPlan& plan : scan.plans)
    decoders_.push_back(make_mysql_decoder(plan, scan.request, scan.clock));
}

Result<void> MysqlRows::open() {
  TRY_ASSIGN(const bool is_open, open_range());
  if (!is_open) TRY(end());
  return {};
}

Result<bool> MysqlRows::open_range() {
  const std::optional<std::string> range = ranges_.take();
  if (!range) return false;
  std::string sql = scan_.select;
  // On a line of its own: the condition may end in a comment.
  if (!scan_.where.sql.empty()) sql += " where (" + scan_.where.sql + "\n)";
  if (!range->empty()) sql += (scan_.where.sql.empty() ? " where " : " and ") + *range;
  TRY_ASSIGN(stream_, MysqlRowStream::open(*session_, sql, scan_.where.values));
  TRY(check_mysql_result(scan_.plans, stream_->columns()));
  splitter_.emplace(stream_->columns());
  return true;
}

Result<void> MysqlRows::end() {
  has_ended_ = true;
  stream_.reset();
  if (after_last_ == AfterLast::keep_transaction) return {};
  return session_->execute("commit");
}

Result<std::optional<SourceBatch>> MysqlRows::next() {
  if (has_ended_) return std::optional<SourceBatch>();
  const bool is_hashed = scan_.request.certify != CertifyLevel::rows;
  for (auto& decoder : decoders_) decoder->reserve(scan_.request.batch_rows);
  SourceBatch batch;
  if (is_hashed) {
    batch.hashes.resize(scan_.plans.size());
    for (auto& column : batch.hashes) column.reserve(static_cast<size_t>(scan_.request.batch_rows));
  }
  int64_t rows = 0, bytes = 0;
  while (rows < scan_.request.batch_rows && bytes < scan_.request.batch_bytes) {
    if (!stream_) {
      const auto is_open = open_range();
      if (!is_open) return is_open.error().within("table " + scan_.table);
      if (!*is_open) {
        TRY(end());
        break;
      }
    }
    std::span<const uint8_t> packet;
    const MysqlRowStream::Step step = stream_->next(packet);
    if (step == MysqlRowStream::Step::failed) return stream_->error().within("table " + scan_.table);
    if (step == MysqlRowStream::Step::end) {
      stream_.reset();
      continue;
    }
    if (!splitter_->split(packet, cells_))
      return Error{ErrorKind::unavailable, session_->address() + ": table " + scan_.table + ", row " +
                                               std::to_string(stream_->rows()) + ": the server sent a malformed row"};
    for (size_t column = 0; column < decoders_.size(); ++column) {
      const std::optional<int64_t> marks = question_marks(column);
      const ValueProblem problem = decoders_[column]->append(cells_[column], marks);
      if (problem != ValueProblem::none) return value_error(problem, column);
      if (is_hashed) batch.hashes[column].push_back(hasher_.hash(column, cells_[column], marks));
    }
    ++rows;
    bytes += static_cast<int64_t>(packet.size());
  }
  if (rows == 0) return std::optional<SourceBatch>();
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (auto& decoder : decoders_) {
    TRY_ASSIGN(arrays.emplace_back(), from_arrow(decoder->finish(), "batch of " + scan_.table));
  }
  batch.rows = arrow::RecordBatch::Make(scan_.schema, rows, std::move(arrays));
  return std::optional<SourceBatch>(std::move(batch));
}

std::vector<PolicyUse> MysqlRows::policy_uses() const {
  std::vector<PolicyUse> uses;
  for (const auto& decoder : decoders_)
    for (PolicyUse& use : decoder->policy_uses()) uses.push_back(std::move(use));
  return uses;
}

std::optional<int64_t> MysqlRows::question_marks(size_t column) const {
  if (scan_.marks[column] == 0) return std::nullopt;
  const MysqlCell& cell = cells_[scan_.marks[column]];
  int64_t count = 0;
  std::memcpy(&count, cell.data, std::min<size_t>(cell.size, sizeof count));
  return cell.is_null() ? std::nullopt : std::optional(count);
}

std::string MysqlRows::row_name() const {
  std::string name;
  for (const size_t column : scan_.key)
    name += (name.empty() ? "" : ", ") + scan_.plans[column].info.request.source_name + " = " +
            describe_mysql_cell(scan_.plans[column], cells_[column]);
  if (name.empty()) name = "row " + std::to_string(stream_->rows()) + " of the answer";
  return name;
}

Error MysqlRows::value_error(ValueProblem problem, size_t column) const {
  const MysqlColumnPlan& plan = scan_.plans[column];
  const Advice advice = advice_for(problem);
  std::string message = "table " + scan_.table + ", column `" + plan.info.request.source_name + "` (" +
                        plan.info.source_type + "), " + row_name() + ": ";
  if (problem == ValueProblem::too_large)
    message += "the value is larger than " + std::to_string(scan_.request.value_bytes_max) + " bytes";
  else if (plan.info.request.mask.empty())
    message += describe_mysql_cell(plan, cells_[column]) + " " + advice.what;
  else
    message += std::string("the value ") + advice.what;  // never quoted: it is masked
  if (*advice.choices != '\0') message += std::string("; choose ") + advice.choices + ", or leave the column out";
  const ErrorKind kind = problem == ValueProblem::malformed   ? ErrorKind::unavailable
                         : problem == ValueProblem::no_memory ? ErrorKind::io
                                                              : ErrorKind::data;
  return Error{kind, message};
}

}  // namespace udon::data
