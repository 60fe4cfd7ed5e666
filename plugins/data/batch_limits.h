#pragma once
// When a reader's batch is full: by the bytes that it holds, not by those that came over the wire, where a NULL takes a
// bit.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "plugins/data/reader.h"

namespace udon::data {

class BatchLimits {
 public:
  BatchLimits(const TableRequest& request, size_t columns)
      : bytes_max_(request.batch_bytes),
        row_bytes_(static_cast<int64_t>(columns) *
                   (value_bytes + (request.certify == CertifyLevel::rows ? 0 : hash_bytes))),
        rows_max_(std::clamp<int64_t>(bytes_max_ / std::max<int64_t>(row_bytes_, 1), 1, request.batch_rows)) {}

  // To be reserved; no batch has more.
  int64_t rows_max() const { return rows_max_; }
  void begin() { rows_ = bytes_ = 0; }
  // A row of values that are so long together.
  void add(int64_t bytes) {
    ++rows_;
    bytes_ += bytes + row_bytes_;
  }
  bool is_full() const { return rows_ >= rows_max_ || bytes_ >= bytes_max_; }
  // A row that makes a batch of its own: the one before it ends.
  bool is_large(int64_t bytes) const { return bytes > bytes_max_; }
  int64_t rows() const { return rows_; }

 private:
  static constexpr int64_t value_bytes = 8;  // or the offset of one that is longer
  static constexpr int64_t hash_bytes = 8;
  int64_t bytes_max_;
  int64_t row_bytes_;
  int64_t rows_max_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace udon::data
