#pragma once
// A file written from its beginning to its end, packed if asked to.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "plugins/data/byte_source.h"
#include "plugins/data/hashed_file.h"

namespace arrow::util {
class Compressor;
}

namespace udon::data {

// Used by one thread.
class ByteSink {
 public:
  static Result<std::unique_ptr<ByteSink>> create(const Path& file, Compression compression);
  ~ByteSink();

  Result<void> write(std::string_view bytes);
  int64_t written() const { return out_.written(); }  // to the file so far
  // The file's end, and fsync.
  Result<FinishedFile> finish();

 private:
  ByteSink(HashedFile out, std::shared_ptr<arrow::util::Compressor> compressor);

  HashedFile out_;
  std::shared_ptr<arrow::util::Compressor> compressor_;  // none: as they are
  std::string packed_;
};

}  // namespace udon::data
