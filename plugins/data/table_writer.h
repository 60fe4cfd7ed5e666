#pragma once
// What takes a table's batches and makes one file of them.
#include <arrow/api.h>

#include <cstdint>

#include "base/result.h"

namespace udon::data {

class TableWriter {
 public:
  virtual ~TableWriter() = default;
  virtual Result<void> write(const arrow::RecordBatch& batch) = 0;
  // Of the file if it ended now, about: what is not encoded yet is taken to shrink as what is.
  virtual int64_t expected_bytes() const = 0;
  // The file's end, and fsync. A file without rows has its columns all the same.
  virtual Result<int64_t> finish() = 0;  // bytes of the file
};

}  // namespace udon::data
