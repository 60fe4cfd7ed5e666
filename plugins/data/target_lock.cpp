#include "plugins/data/target_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/net/digest.h"
#include "base/text.h"

namespace udon::data {
namespace {

// Of tries that died one after the other before anybody could settle what they left: a few.
constexpr int64_t bytes_max = 1 << 20;

// False: it is held, and we were not to wait.
Result<bool> lock_file(const FileDescriptor& file, const Path& path, int operation) {
  while (::flock(file.get(), operation) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) return io_error("lock", path, errno);
  }
  return true;
}

}  // namespace

Result<std::optional<TargetLock>> TargetLock::acquire(const Path& folder, const std::string& target, int operation) {
  TRY(make_directories(folder, 0700));
  const Path path = folder / (to_hex(sha256(target)) + ".lock");
  for (;;) {
    TRY_ASSIGN(FileDescriptor file, open_file(path, O_RDWR | O_CREAT, 0600));
    TRY_ASSIGN(const bool is_locked, lock_file(file, path, operation));
    if (!is_locked) return std::optional<TargetLock>();
    TargetLock lock(path, std::move(file));
    // Otherwise its last holder has removed it while we waited.
    if (lock.is_named()) return std::optional(std::move(lock));
  }
}

Result<TargetLock> TargetLock::acquire(const Path& folder, const std::string& target, Use use) {
  TRY_ASSIGN(auto lock, acquire(folder, target, use == Use::alone ? LOCK_EX : LOCK_SH));
  return std::move(*lock);
}

Result<std::optional<TargetLock>> TargetLock::acquire_if_free(const Path& folder, const std::string& target, Use use) {
  return acquire(folder, target, (use == Use::alone ? LOCK_EX : LOCK_SH) | LOCK_NB);
}

TargetLock::~TargetLock() {
  if (!file_) return;
  // Who shares it removes it if nobody else has it any more. Should this fail, it is not ours any more either.
  const auto is_alone = lock_file(file_, path_, LOCK_EX | LOCK_NB);
  struct stat status {};
  if (is_alone && *is_alone && is_named() && ::fstat(file_.get(), &status) == 0 && status.st_size == 0)
    ::unlink(path_.c_str());
}

bool TargetLock::is_named() const {
  struct stat named {};
  struct stat held {};
  return ::stat(path_.c_str(), &named) == 0 && ::fstat(file_.get(), &held) == 0 && named.st_ino == held.st_ino &&
         named.st_dev == held.st_dev;
}

Result<std::vector<std::string>> TargetLock::unsettled() const {
  TRY_ASSIGN(const std::string text, read_file(path_, bytes_max));
  std::vector<std::string> tries;
  for (const std::string_view line : split(text, '\n'))
    if (!line.empty()) tries.emplace_back(line);
  return tries;
}

Result<void> TargetLock::begin(const std::string& try_id) const {
  if (::lseek(file_.get(), 0, SEEK_END) < 0) return io_error("seek in", path_, errno);
  TRY(write_all(file_.get(), try_id + "\n", path_));
  if (::fsync(file_.get()) != 0) return io_error("sync", path_, errno);
  return sync_directory(path_.parent_path());
}

Result<void> TargetLock::all_settled() const {
  if (::ftruncate(file_.get(), 0) != 0) return io_error("cut", path_, errno);
  return {};
}

}  // namespace udon::data
