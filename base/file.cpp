#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/id.h"
#include "base/pause.h"
#include "base/text.h"

namespace udon {
namespace {

ErrorKind kind_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case ESRCH: return ErrorKind::not_found;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorKind::denied;
    case EEXIST:
    case ENOTEMPTY: return ErrorKind::conflict;
    case E2BIG:
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOEXEC: return ErrorKind::invalid;
    default: return ErrorKind::io;
  }
}

Result<void> sync(int fd, const Path& path) {
  if (fsync(fd) != 0) return io_error("sync", path, errno);
  return {};
}

Result<void> write_and_close(FileDescriptor file, std::string_view content, Durability durability, const Path& path) {
  TRY(write_all(file.get(), content, path));
  if (durability == Durability::survives_power_loss) TRY(sync(file.get(), path));
  return {};
}

Path folder_of(const Path& path) { return path.has_parent_path() ? path.parent_path() : Path("."); }

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void FileDescriptor::reset() {
  // EINTR included, the descriptor is gone after close on Linux; a second close could hit another thread's
  // file.
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

Error io_error(std::string_view what, const Path& path, int error_number) {
  const char* description = strerrordesc_np(error_number);
  return {kind_of(error_number), std::string(what) + " " + path.string() + ": " +
                                     (description ? description : "error " + std::to_string(error_number))};
}

Result<FileDescriptor> open_file(const Path& path, int flags, int mode) {
  int fd = -1;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return io_error("open", path, errno);
  return FileDescriptor(fd);
}

Result<std::string> read_file(const Path& path, int64_t bytes_max) {
  TRY_ASSIGN(FileDescriptor file, open_file(path, O_RDONLY));
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return io_error("stat", path, errno);
  std::string content;
  // The size is a hint only: files in /proc say 0, and a file may grow while we read.
  size_t chunk = status.st_size > 0 && status.st_size <= bytes_max ? static_cast<size_t>(status.st_size) + 1 : 4 << 10;
  while (true) {
    const size_t have = content.size();
    content.resize(have + chunk);
    const ssize_t got = read(file.get(), content.data() + have, chunk);
    const int error_number = errno;
    content.resize(have + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got < 0 && error_number == EINTR) continue;
    if (got < 0) return io_error("read", path, error_number);
    if (got == 0) return content;
    if (static_cast<int64_t>(content.size()) > bytes_max) {
      return Error{ErrorKind::data,
                   "read " + path.string() + ": it is longer than " + std::to_string(bytes_max) + " bytes"};
    }
    chunk = std::clamp<size_t>(content.size(), 4 << 10, 1 << 20);
  }
}

Result<void> write_all(int fd, std::string_view bytes, const Path& path_for_messages) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error("write", path_for_messages, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Result<void> write_file_atomically(const Path& path, std::string_view content, Durability durability, int mode) {
  // Random, so that neither threads, processes nor machines on a shared disk meet; and without the file's own
  // name, which may already have the longest length that a name can have. O_EXCL keeps the promise in any
  // case.
  const Path temporary = folder_of(path) / (".udon-" + make_secret(8) + ".tmp");
  TRY_ASSIGN(FileDescriptor file, open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
  Result<void> done = write_and_close(std::move(file), content, durability, temporary);
  if (done && rename(temporary.c_str(), path.c_str()) != 0) done = io_error("rename to", path, errno);
  if (!done) {
    unlink(temporary.c_str());
    return done;
  }
  // After the rename: without it a power loss could bring the old name back.
  if (durability == Durability::survives_power_loss) TRY(sync_directory(folder_of(path)));
  return {};
}

Result<void> overwrite_file(const Path& path, std::string_view content) {
  TRY_ASSIGN(const FileDescriptor file, open_file(path, O_WRONLY | O_NOFOLLOW));
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return io_error("stat", path, errno);
  TRY(write_all(file.get(), content, path));
  // Never cut to nothing: ext4 would write the file out when it is closed, in case it stood for a rename.
  const auto size = static_cast<off_t>(content.size());
  if (status.st_size > size && ftruncate(file.get(), size) != 0) return io_error("cut", path, errno);
  return {};
}

Result<void> make_directories(const Path& path, int mode) {
  if (mkdir(path.c_str(), static_cast<mode_t>(mode)) == 0) return {};
  int error_number = errno;
  if (error_number == ENOENT && path.has_parent_path() && path.parent_path() != path) {
    TRY(make_directories(path.parent_path(), mode));
    if (mkdir(path.c_str(), static_cast<mode_t>(mode)) == 0) return {};
    error_number = errno;
  }
  // Somebody else made it, before or meanwhile: as good, unless it is a file.
  struct stat status {};
  if (error_number == EEXIST && stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
  return io_error("make folder", path, error_number);
}

Result<void> sync_directory(const Path& path) {
  TRY_ASSIGN(FileDescriptor folder, open_file(path, O_RDONLY | O_DIRECTORY));
  return sync(folder.get(), path);
}

Result<void> remove_tree(const Path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error && error != std::errc::no_such_file_or_directory) return io_error("remove", path, error.value());
  return {};
}

Result<void> empty_directory(const Path& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return io_error("empty", path, errno);
  if (!S_ISDIR(status.st_mode)) return io_error("empty", path, ENOTDIR);
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error)) {
    TRY(remove_tree(entry->path()));
  }
  if (error) return io_error("empty", path, error.value());
  return {};
}

namespace {

// As the holder wrote it.
std::string holder_in(const FileDescriptor& file) {
  char content[32];
  const ssize_t length = pread(file.get(), content, sizeof content, 0);
  return std::string(trim({content, length > 0 ? static_cast<size_t>(length) : 0}));
}

// Gone, or on its way: the kernel closes the files of a killed process after it has given back its memory.
bool is_ending(const std::string& pid) {
  if (pid.empty() || pid.find_first_not_of("0123456789") != pid.npos) return false;
  const auto status = read_file("/proc/" + pid + "/stat", 4096);
  if (!status) return status.error().kind == ErrorKind::not_found;
  const size_t name_end = status->rfind(')');
  if (name_end == status->npos) return true;  // it went while it was read
  const std::vector<std::string> fields = split(std::string_view(*status).substr(name_end + 1), ' ');
  constexpr size_t state = 1, flags = 7;
  constexpr unsigned long is_exiting = 0x4;  // PF_EXITING
  if (fields.size() <= flags) return true;
  return fields[state] == "Z" || fields[state] == "X" ||
         (std::strtoul(fields[flags].c_str(), nullptr, 10) & is_exiting) != 0;
}

}  // namespace

Result<FileLock> FileLock::acquire(const Path& path) {
  TRY_ASSIGN(FileDescriptor file, open_file(path, O_RDWR | O_CREAT));
  constexpr auto look_again = std::chrono::milliseconds(20);
  constexpr int looks_max = 150;  // 3 s
  for (int looks = 1; flock(file.get(), LOCK_EX | LOCK_NB) != 0; ++looks) {
    if (errno != EWOULDBLOCK) return io_error("lock", path, errno);
    const std::string holder = holder_in(file);
    if (looks < looks_max && is_ending(holder)) {
      pause_unless_stopped(look_again, {});
      continue;
    }
    // Empty for the moment between the holder's lock and its writing.
    return Error{ErrorKind::conflict,
                 "lock " + path.string() + ": held by " + (holder.empty() ? "another process" : "pid " + holder)};
  }
  // A full disk must not keep us from starting: the pid is for the message only, the lock is held without it.
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(file.get(), 0) == 0) static_cast<void>(write_all(file.get(), pid, path));
  return FileLock(std::move(file));
}

}  // namespace udon
