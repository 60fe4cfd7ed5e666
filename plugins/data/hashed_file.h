#pragma once
// A new file, written from its beginning to its end and hashed on the way: what is stated of it is what it was given,
// not what was read back.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/net/digest.h"
#include "base/result.h"

namespace udon::data {

struct FinishedFile {
  int64_t bytes = 0;
  std::string sha256;  // lower-case hex
};

// Used by one thread.
class HashedFile {
 public:
  // What was there before is gone. io: cannot be made.
  static Result<HashedFile> create(const Path& path);

  Result<void> write(std::string_view bytes);  // whole; io: names the file
  int64_t written() const { return written_; }
  // What was written so far is on its way to the disk while more is made: at the end nobody writes while fsync waits.
  void begin_sync();
  // fsync and close; once.
  Result<FinishedFile> finish();

 private:
  HashedFile(Path path, FileDescriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Path path_;
  FileDescriptor fd_;
  Sha256 digest_;
  int64_t written_ = 0;
};

}  // namespace udon::data
