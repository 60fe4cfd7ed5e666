#pragma once
// The one door to files. Every write that somebody may read after a crash goes through write_file_atomically.
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace udon {

using Path = std::filesystem::path;

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// The error of errno, naming the file: "open /x/y: No space left on device". The kind tells a missing file
// and missing rights from trouble of the machine (io), which can pass.
Error io_error(std::string_view what, const Path& path, int error_number);

Result<FileDescriptor> open_file(const Path& path, int flags, int mode = 0644);  // O_CLOEXEC is added
// A longer file is an error (data): cutting it would look like its content.
Result<std::string> read_file(const Path& path, int64_t bytes_max = 1 << 30);
enum class Durability { survives_kill, survives_power_loss };  // the latter fsyncs file and folder
// Written beside, then renamed over: a reader sees the old content or the new. A kill in between leaves a
// ".udon-<hex>.tmp" in the folder.
Result<void> write_file_atomically(const Path& path, std::string_view content, Durability durability, int mode = 0644);
// In place, of a file that is there (else not_found): for readers who can tell half of it from the whole.
Result<void> overwrite_file(const Path& path, std::string_view content);
Result<void> write_all(int fd, std::string_view bytes, const Path& path_for_messages);
Result<void> make_directories(const Path& path, int mode = 0755);
Result<void> sync_directory(const Path& path);
Result<void> remove_tree(const Path& path);  // nothing there is success
// What is in a folder, not the folder. Links are removed, not followed; not_found if there is no folder of that name.
Result<void> empty_directory(const Path& path);

// An exclusive flock, held while this lives. In the file: its holder's pid, for the message. One that dies is awaited.
class FileLock {
 public:
  static Result<FileLock> acquire(const Path& path);  // conflict: "held by pid N"

 private:
  explicit FileLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

}  // namespace udon
