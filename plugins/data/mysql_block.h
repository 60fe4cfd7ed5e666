#pragma once
// Rows off the wire, some hundred at a time: first all are cut into cells, then each column is decoded and hashed by
// itself, so that the code of one column stays in the processor for many values.
#include <arrow/api.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "plugins/data/batch_limits.h"
#include "plugins/data/mysql_decode.h"
#include "plugins/data/mysql_hash.h"
#include "plugins/data/mysql_types.h"
#include "plugins/data/mysql_wire.h"
#include "plugins/data/reader.h"
#include "plugins/data/wall_clock.h"
#include "plugins/db/mysql/row_stream.h"

namespace udon::data {

class MysqlBlocks {
 public:
  // `plans` and `request` outlive this. `marks`: for each plan the column with its true question marks, or 0; empty:
  // none has one.
  MysqlBlocks(const std::vector<MysqlColumnPlan>& plans, std::vector<size_t> marks, const TableRequest& request,
              const std::optional<WallClock>& clock);

  void start_batch();
  // Of the stream that read() will be given from now on.
  void start_stream(const std::vector<MysqlColumn>& columns);

  enum class Step {
    rows,       // some were taken, or none as the batch is full
    end,        // of the stream; those before it were taken
    failed,     // the stream says why
    malformed,  // the last packet is no row of these columns
    refused,    // refusal() says which value
  };
  Step read(MysqlRowStream& stream);
  bool is_full() const { return limits_.is_full() || is_alone_ || (waiting_.data() != nullptr && rows() > 0); }
  int64_t rows() const { return limits_.rows(); }  // of the batch
  // The rows since start_batch, with their hashes if the level asks for them.
  arrow::Result<SourceBatch> finish_batch(const std::shared_ptr<arrow::Schema>& schema);
  std::vector<PolicyUse> policy_uses() const;

  // After `refused`.
  struct Refusal {
    ValueProblem problem = ValueProblem::none;
    size_t column = 0;
    uint64_t row = 0;   // of the stream, from 1
    int64_t bytes = 0;  // row_too_large: of all its values
  };
  const Refusal& refusal() const { return refusal_; }
  const MysqlCell& refused_cell(size_t column) const { return column_cells(column)[refused_at_]; }

 private:
  Step fill(MysqlRowStream& stream);
  bool decode();
  bool is_row_too_large();
  std::span<const MysqlCell> column_cells(size_t column) const { return {&cells_[column * stride_], filled_}; }
  std::span<const MysqlCell> marks_of(size_t column) const {
    return marks_.empty() || marks_[column] == 0 ? std::span<const MysqlCell>() : column_cells(marks_[column]);
  }

  const std::vector<MysqlColumnPlan>& plans_;
  const std::vector<size_t> marks_;
  const TableRequest& request_;
  MysqlHasher hasher_;
  std::vector<std::unique_ptr<MysqlColumnDecoder>> decoders_;
  std::vector<std::vector<uint64_t>> hashes_;  // of the batch
  std::optional<MysqlRowSplitter> splitter_;
  size_t block_rows_ = 0;
  size_t stride_ = 0;             // from a column's cells to the next one's
  std::vector<uint8_t> packets_;  // copies, to which the cells point
  std::vector<MysqlCell> cells_;  // [column * stride_ + row]
  size_t filled_ = 0;             // rows of the block
  uint64_t rows_before_ = 0;      // of the stream, before the block
  BatchLimits limits_;
  bool is_alone_ = false;             // a row that makes a batch of its own is in it
  std::span<const uint8_t> waiting_;  // one that will be in the next, which the stream still holds
  Refusal refusal_;
  size_t refused_at_ = 0;
};

}  // namespace udon::data
