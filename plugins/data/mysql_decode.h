#pragma once
// Cells of the wire into Arrow arrays. The hashes for certificates are made elsewhere (mysql_hash), by other code.
#include <arrow/api.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "plugins/data/mysql_types.h"
#include "plugins/data/mysql_wire.h"
#include "plugins/data/wall_clock.h"

namespace udon::data {

// Why a value cannot be taken.
enum class ValueProblem {
  none,
  malformed,      // the bytes are not what the protocol says
  zero_date,      // 0000-00-00, 2024-00-00, 2024-02-31
  ancient_date,   // before 1582-10-15
  skipped_time,   // a wall clock that its zone skipped
  repeated_time,  // … or had twice
  invalid_text,   // no valid UTF-8
  unmapped_text,  // the server could not convert a character and sent '?'
  too_large,
  row_too_large,  // the values of a row together; the column is that of the largest
  no_memory,
};

class MysqlColumnDecoder {
 public:
  virtual ~MysqlColumnDecoder() = default;
  virtual void reserve(int64_t rows) = 0;  // before that many values are appended
  // One value after the other; not none: what is wrong with cells[at]. `marks`: for each cell how many question marks
  // the stored text truly has (question_marks_of), if the plan asks for them; else empty.
  virtual ValueProblem append(std::span<const MysqlCell> cells, std::span<const MysqlCell> marks, size_t& at) = 0;
  virtual arrow::Result<std::shared_ptr<arrow::Array>> finish() = 0;
  // Values that a policy took care of so far.
  virtual std::vector<PolicyUse> policy_uses() const { return {}; }
};

std::unique_ptr<MysqlColumnDecoder> make_mysql_decoder(const MysqlColumnPlan& plan, const TableRequest& request,
                                                       const std::optional<WallClock>& clock);

// The cell as a person would read it, for messages.
std::string describe_mysql_cell(const MysqlColumnPlan& plan, const MysqlCell& cell);

// "-838:59:59.000000" of a TIME cell; false if malformed.
bool format_mysql_time(const MysqlCell& cell, std::string& text);

}  // namespace udon::data
