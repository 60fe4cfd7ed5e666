#pragma once
// The rows of a MySQL or MariaDB table as one reader gets them: range by range, in its own session.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/data/mysql_block.h"
#include "plugins/data/mysql_types.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/reader.h"
#include "plugins/data/split.h"
#include "plugins/data/wall_clock.h"
#include "plugins/db/mysql/row_stream.h"
#include "plugins/db/mysql/session.h"
#include "plugins/db/sql_text.h"

namespace udon::data {

// What all readers of a table share; it does not change while they read.
struct MysqlScan {
  TableRequest request;
  std::string table;  // for messages: "shop.orders"
  std::optional<WallClock> clock;
  std::vector<MysqlColumnPlan> plans;
  std::vector<size_t> marks;  // for each plan: the column with its true question marks, or 0
  std::vector<size_t> key;    // columns that name a row; empty: none may
  std::string select;         // up to and with the table
  std::string from;           // " from `shop`.`orders`": its end
  BoundSql where;
  std::shared_ptr<arrow::Schema> schema;
};

class MysqlRows final : public BatchSource {
 public:
  // `session` is in the export's snapshot. Scan and ranges outlive this.
  MysqlRows(std::unique_ptr<MysqlSession> session, const MysqlScan& scan, RangeQueue& ranges, AfterLast after_last);

  // The first range's statement; the others follow when their turn comes. To be called before next() if its errors are
  // to be known early.
  Result<void> open();
  Result<std::optional<SourceBatch>> next() override;
  std::vector<PolicyUse> policy_uses() const;
  // After the last row, in its transaction if that was to be kept.
  MysqlSession& session() { return *session_; }

 private:
  Result<bool> open_range();
  SourceBatch end_range();
  Result<void> end();
  std::string row_name() const;
  Error value_error() const;
  Error large_value(ValueProblem problem, const MysqlColumnPlan& plan) const;

  std::unique_ptr<MysqlSession> session_;
  std::unique_ptr<MysqlRowStream> stream_;  // after the session: it ends first; null between two ranges
  const MysqlScan& scan_;
  RangeQueue& ranges_;
  const AfterLast after_last_;
  MysqlBlocks blocks_;
  size_t range_ = 0;              // that is being read
  bool is_range_at_end_ = false;  // and nobody was told
  UsesByRange uses_;
  bool has_ended_ = false;
};

}  // namespace udon::data
