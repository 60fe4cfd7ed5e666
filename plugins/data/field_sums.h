#pragma once
// What was written to a file of text, or read back from it: an order-free sum over each column's fields, and one over
// whole rows, so that a field that slipped into its neighbour's row is seen too.
#include <arrow/api.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace udon::data {

class FieldSums {
 public:
  explicit FieldSums(size_t columns) : columns_(columns), row_(columns) {}
  void add_null(size_t c);
  void add(size_t c, std::string_view text);
  void end_row();
  // data: what is read back differs; says in what.
  Result<void> check(const FieldSums& read_back, const arrow::Schema& schema) const;

 private:
  std::string difference(const FieldSums& read_back, const arrow::Schema& schema) const;

  struct Column {
    uint64_t nulls = 0;
    uint64_t sum = 0;
  };
  std::vector<Column> columns_;
  std::vector<uint64_t> row_;
  uint64_t rows_ = 0;
  uint64_t row_sum_ = 0;
};

// The file is not what was written.
Error unlike_written(const std::string& difference);

}  // namespace udon::data
