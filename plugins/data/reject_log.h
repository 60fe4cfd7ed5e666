#pragma once
// Rows of a text file that do not fit, kept in a file of their own with their line and why: one JSON object a line,
// {"line", "reason", "text"}; a text that is no UTF-8 is {"base64"}.
#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "model/certificate.h"

namespace udon::data {

struct BadRow {
  int64_t line = 0;  // on which it begins, from 1
  std::string reason;
  std::string text;  // as it stands in the file
};

// Used by one thread.
class RejectLog {
 public:
  // `file` is made with the first row.
  RejectLog(Path file, int64_t rows_max) : file_(std::move(file)), rows_max_(rows_max) {}
  // In their order. data: one more than rows_max; `display`: the file's name in that message.
  Result<void> add(const std::vector<BadRow>& rows, const std::string& display);
  // After the last: fsync.
  Result<void> finish();
  void report(std::vector<PolicyUse>& uses) const;
  int64_t rows() const { return rows_; }
  const std::string& first() const { return first_; }  // "line 4: why"
  const Path& file() const { return file_; }

 private:
  Result<void> add(const BadRow& row);

  Path file_;
  int64_t rows_max_;
  int64_t rows_ = 0;
  std::string first_;
  FileDescriptor out_;
};

}  // namespace udon::data
