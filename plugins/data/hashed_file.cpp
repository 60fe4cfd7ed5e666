#include "plugins/data/hashed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <system_error>

#include "base/text.h"

namespace udon::data {
namespace {

constexpr size_t parallel_bytes_min = 256 << 10;

}  // namespace

Result<HashedFile> HashedFile::create(const Path& path) {
  auto fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd) return HashedFile(path, std::move(*fd));
  // Of a file that is made, "not found" would be taken for the table's.
  fd.error().kind = ErrorKind::io;
  return fd.error();
}

Result<void> HashedFile::write(std::string_view bytes) {
  // As long as a thread is worth it, both at once: who writes is the one that everybody waits for.
  std::future<void> hashed;
  if (bytes.size() >= parallel_bytes_min) {
    try {
      hashed = std::async(std::launch::async, [this, bytes] { digest_.update(bytes); });
    } catch (const std::system_error&) {  // there is no thread to be had: one after the other
    }
  }
  const Result<void> written = write_all(fd_.get(), bytes, path_);
  if (hashed.valid())
    hashed.get();
  else
    digest_.update(bytes);
  TRY(written);
  written_ += static_cast<int64_t>(bytes.size());
  return {};
}

void HashedFile::begin_sync() { ::sync_file_range(fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE); }

Result<FinishedFile> HashedFile::finish() {
  if (::fsync(fd_.get()) != 0) return io_error("fsync", path_, errno);
  fd_ = FileDescriptor();
  const Sha256Digest digest = digest_.finish();
  return FinishedFile{.bytes = written_, .sha256 = to_hex(digest)};
}

}  // namespace udon::data
