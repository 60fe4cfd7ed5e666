#pragma once
// Rows of a text file that do not fit, kept in a file of their own with their line and why: one JSON object a line,
// {"line", "reason", "text"}; a text that is no UTF-8 is {"base64"}.
#include <cstdint>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace udon::data {

// Used by one thread.
class RejectLog {
 public:
  // `file` is made with the first row.
  RejectLog(Path file, int64_t rows_max) : file_(std::move(file)), rows_max_(rows_max) {}
  // data: one more than rows_max.
  Result<void> add(int64_t line, std::string_view reason, std::string_view text);
  // After the last: fsync.
  Result<void> finish();
  int64_t rows() const { return rows_; }
  const Path& file() const { return file_; }

 private:
  Path file_;
  int64_t rows_max_;
  int64_t rows_ = 0;
  FileDescriptor out_;
};

}  // namespace udon::data
