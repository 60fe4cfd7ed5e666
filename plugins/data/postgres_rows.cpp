#include "plugins/data/postgres_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/ensure.h"
#include "base/text.h"
#include "plugins/data/batch_limits.h"
#include "plugins/data/canonical.h"
#include "plugins/data/memory_shares.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/range_end.h"

namespace udon::data {
namespace {

std::optional<std::string> key_text(const PostgresField& field, const PostgresValuePlan& plan) {
  if (field.is_null()) return std::nullopt;
  switch (plan.kind) {
    case PostgresKind::text: return "'" + std::string(field.text().substr(0, 100)) + "'";
    case PostgresKind::int16:
    case PostgresKind::int32:
    case PostgresKind::int64:
    case PostgresKind::oid: {
      uint64_t value = plan.kind != PostgresKind::oid && (field.data[0] & 0x80) != 0 ? ~uint64_t{0} : 0;
      for (int i = 0; i < field.size; ++i) value = value << 8 | field.data[i];
      return std::to_string(static_cast<int64_t>(value));
    }
    default: return std::nullopt;
  }
}

}  // namespace

PostgresRows::PostgresRows(std::unique_ptr<PostgresSession> session, const PostgresScan& scan, RangeQueue& ranges,
                           AfterLast after_last, JoinSnapshot join)
    : session_(std::move(session)),
      scan_(scan),
      ranges_(ranges),
      after_last_(after_last),
      join_(std::move(join)),
      hasher_(scan.plans, scan.request.policies, scan.zone) {
  make_columns();
}

void PostgresRows::make_columns() {
  columns_.clear();
  for (const PostgresColumnPlan& plan : scan_.plans)
    columns_.push_back(make_postgres_column(plan.value, plan.element.get(), scan_.request.policies, scan_.zone));
}

Result<void> PostgresRows::open() {
  TRY_ASSIGN(const bool is_open, open_range());
  if (!is_open) end();
  return {};
}

Result<bool> PostgresRows::open_range() {
  const std::optional<size_t> taken = ranges_.take();
  if (!taken) return false;
  range_ = *taken;
  const std::string sql = scan_.select + where_clause(scan_.where, ranges_.queue().conditions()[range_]) + scan_.close;
  TRY_ASSIGN(stream_, PostgresCopyStream::open(*session_, sql, columns_.size() + (scan_.has_guard ? 1 : 0)));
  return true;
}

SourceBatch PostgresRows::end_range() {
  is_range_at_end_ = false;
  return end_of_range(scan_.schema, range_, uses_.since_last(policy_uses()));
}

// What the columns hold of a batch that was not finished goes with them.
Result<void> PostgresRows::rejoin(const std::vector<size_t>& kept) {
  if (!join_) return BatchSource::rejoin(kept);
  waiting_ = {};
  stream_.reset();
  session_.reset();
  make_columns();
  uses_.forget();
  is_range_at_end_ = has_ended_ = false;
  ranges_.put_back_but(kept);
  TRY_ASSIGN(session_, join_());
  return {};
}

void PostgresRows::end() {
  has_ended_ = true;
  if (after_last_ == AfterLast::keep_transaction) return;
  static_cast<void>(session_->execute("rollback"));  // nothing was changed; the session ends with us anyway
}

Result<std::optional<SourceBatch>> PostgresRows::next() {
  if (is_range_at_end_) return std::optional(end_range());
  if (has_ended_) return std::optional<SourceBatch>();
  const bool hashed = scan_.request.certify != CertifyLevel::rows;
  SourceBatch batch;
  if (hashed) batch.hashes.resize(columns_.size());
  BatchLimits limits(scan_.request, columns_.size());
  for (const auto& column : columns_) TRY(column->reserve(limits.rows_max()));
  bool is_alone = false;
  while (!limits.is_full() && !is_alone) {
    if (!stream_) {
      const auto is_open = open_range();
      if (!is_open) return is_open.error().within("table " + scan_.request.table);
      if (!*is_open) {
        end();
        break;
      }
    }
    std::span<const PostgresField> row = std::exchange(waiting_, {});
    const auto step = !row.empty() ? PostgresCopyStream::Step::row : stream_->next(row);
    if (step == PostgresCopyStream::Step::failed) return stream_->error().within("table " + scan_.request.table);
    if (step == PostgresCopyStream::Step::end) {
      stream_.reset();
      if (!ranges_.queue().is_cut()) continue;
      is_range_at_end_ = true;
      break;
    }
    if (scan_.has_guard && !row.back().is_null()) return refused_by_guard(row);
    int64_t bytes = 0;
    for (const PostgresField& field : row) bytes += std::max(field.size, 0);
    is_alone = limits.is_large(bytes);
    if (is_alone && limits.rows() > 0) {
      waiting_ = row;
      is_alone = false;
      break;
    }
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (!take(row, c)) return *std::exchange(failure_, {});
      if (hashed) batch.hashes[c].push_back(row[c].is_null() ? null_hash : hasher_.hash(c, row[c]));
    }
    limits.add(bytes);
  }
  if (is_alone && stream_) stream_->release();
  if (limits.rows() == 0) {
    if (is_range_at_end_) return std::optional(end_range());
    ENSURE(has_ended_, "a batch without rows is the end");
    return std::optional<SourceBatch>();
  }
  arrow::ArrayVector arrays;
  for (const auto& column : columns_) {
    TRY_ASSIGN(auto array, column->finish());
    arrays.push_back(std::move(array));
  }
  batch.rows = arrow::RecordBatch::Make(scan_.schema, limits.rows(), std::move(arrays));
  return std::optional<SourceBatch>(std::move(batch));
}

std::vector<PolicyUse> PostgresRows::policy_uses() const {
  std::vector<PolicyUse> uses;
  for (size_t c = 0; c < columns_.size(); ++c) columns_[c]->report_policies(scan_.plans[c].info.request.name, uses);
  return uses;
}

bool PostgresRows::take(std::span<const PostgresField> row, size_t c) {
  const PostgresField& field = row[c];
  PostgresColumn& column = *columns_[c];
  if (field.is_null()) {
    column.append_null();
    return true;
  }
  if (field.size > scan_.request.value_bytes_max) {
    failure_ = large_value(row, c, field.size);
    return false;
  }
  switch (column.append(field)) {
    case PostgresColumn::Taken::value:
    case PostgresColumn::Taken::null: return true;
    case PostgresColumn::Taken::refused:
      failure_ = Error{ErrorKind::data, fmt::format("table {}, column `{}` ({}), {}: {}", scan_.request.table,
                                                    scan_.plans[c].info.request.source_name,
                                                    scan_.plans[c].info.source_type, key_of(row), column.refusal())};
  }
  return false;
}

Error PostgresRows::large_value(std::span<const PostgresField> row, size_t c, int64_t bytes) const {
  return Error{ErrorKind::data,
               fmt::format("table {}, column `{}`, {}: a value of {} bytes, more than a reader may take of the budget "
                           "({}); {}, or leave the column out",
                           scan_.request.table, scan_.plans[c].info.request.source_name, key_of(row), bytes,
                           scan_.request.value_bytes_max, memory_advice(scan_.request.memory, bytes))};
}

Error PostgresRows::refused_by_guard(std::span<const PostgresField> row) const {
  const std::string text(row.back().text());
  const size_t colon = text.find(':');
  if (colon == text.npos) return {ErrorKind::unavailable, "the server sent a guard that is none"};
  const auto column = static_cast<size_t>(std::strtoull(text.c_str(), nullptr, 10));
  const int64_t bytes = std::strtoll(text.c_str() + colon + 1, nullptr, 10);
  if (column < columns_.size()) return large_value(row, column, bytes);
  return Error{ErrorKind::data,
               fmt::format("table {}, {}: the row's large values have {} bytes together, more than a "
                           "reader may take of the budget; {}, or leave columns out",
                           scan_.request.table, key_of(row), bytes, memory_advice(scan_.request.memory, bytes))};
}

// Which row: by its primary key where that is among the columns and not masked, else by its number.
std::string PostgresRows::key_of(std::span<const PostgresField> row) const {
  std::vector<std::string> parts;
  for (const std::string& name : scan_.key) {
    for (size_t c = 0; c < scan_.plans.size(); ++c) {
      if (scan_.plans[c].info.request.source_name != name || !scan_.plans[c].info.request.mask.empty()) continue;
      if (const auto text = key_text(row[c], scan_.plans[c].value)) parts.push_back(name + "=" + *text);
    }
  }
  if (!scan_.key.empty() && parts.size() == scan_.key.size()) return "key " + join(parts, ", ");
  return fmt::format("row {} of the export", stream_->rows());
}

}  // namespace udon::data
