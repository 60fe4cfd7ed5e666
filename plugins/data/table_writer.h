#pragma once
// What takes a table's batches and makes one file of them.
#include <arrow/api.h>

#include <cstdint>

#include "base/result.h"
#include "plugins/data/hashed_file.h"

namespace udon::data {

class TableWriter {
 public:
  virtual ~TableWriter() = default;
  virtual Result<void> write(const arrow::RecordBatch& batch) = 0;
  // Of the file if it ended now, about: what is not encoded yet is taken to shrink as what is.
  virtual int64_t expected_bytes() const = 0;
  // The file's end, and fsync. A file without rows has its columns all the same.
  virtual Result<FinishedFile> finish() = 0;
  // In memory until more has come: of the batches, before encoding.
  virtual int64_t buffered_bytes() const { return 0; }
  // From the next batch on it keeps no more than about this.
  virtual void limit_buffer(int64_t) {}
};

}  // namespace udon::data
