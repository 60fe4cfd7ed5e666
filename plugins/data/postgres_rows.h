#pragma once
// The rows of a PostgreSQL table as one reader gets them: range by range, in its own session, by COPY (…) TO STDOUT
// (FORMAT binary).
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/timezone.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/postgres_columns.h"
#include "plugins/data/postgres_hash.h"
#include "plugins/data/postgres_types.h"
#include "plugins/data/reader.h"
#include "plugins/data/split.h"
#include "plugins/db/postgres/copy_stream.h"
#include "plugins/db/postgres/session.h"

namespace udon::data {

// What all readers of a table share; it does not change while they read.
struct PostgresScan {
  TableRequest request;
  std::shared_ptr<const TimeZone> zone;
  std::vector<PostgresColumnPlan> plans;
  std::vector<std::string> key;  // columns of the primary key
  std::string select;            // up to and with the table
  std::string close;             // what follows its condition
  bool has_guard = false;        // the last field names a value that is too large: "column number:bytes"
  std::string from;              // the table
  std::string where;             // with its values as literals; may be empty
  std::shared_ptr<arrow::Schema> schema;
};

// Another session in the same snapshot, as long as somebody holds that.
using JoinSnapshot = std::function<Result<std::unique_ptr<PostgresSession>>()>;

class PostgresRows final : public BatchSource {
 public:
  // `session` is in the export's snapshot. Scan and ranges outlive this. `join`: empty where nobody else holds it.
  PostgresRows(std::unique_ptr<PostgresSession> session, const PostgresScan& scan, RangeQueue& ranges,
               AfterLast after_last, JoinSnapshot join);

  // The first range's COPY; the others follow when their turn comes. To be called before next() if its errors are to be
  // known early.
  Result<void> open();
  Result<std::optional<SourceBatch>> next() override;
  Result<void> rejoin(const std::vector<size_t>& kept) override;
  std::vector<PolicyUse> policy_uses() const;
  // After the last row, in its transaction if that was to be kept.
  PostgresSession& session() { return *session_; }

 private:
  void make_columns();
  Result<bool> open_range();
  SourceBatch end_range();
  void end();
  // False: failure_ says why.
  bool take(std::span<const PostgresField> row, size_t c);
  Error large_value(std::span<const PostgresField> row, size_t c, int64_t bytes) const;
  Error refused_by_guard(std::span<const PostgresField> row) const;
  std::string key_of(std::span<const PostgresField> row) const;

  std::unique_ptr<PostgresSession> session_;
  std::unique_ptr<PostgresCopyStream> stream_;  // after the session that it reads from; null between two ranges
  const PostgresScan& scan_;
  TakenRanges ranges_;
  const AfterLast after_last_;
  const JoinSnapshot join_;
  std::vector<std::unique_ptr<PostgresColumn>> columns_;
  PostgresHasher hasher_;
  std::span<const PostgresField> waiting_;  // a row for a batch of its own, which the stream still holds
  size_t range_ = 0;                        // that is being read
  bool is_range_at_end_ = false;            // and nobody was told
  UsesByRange uses_;
  std::optional<Error> failure_;
  bool has_ended_ = false;
};

}  // namespace udon::data
