#include "plugins/io/local_file_system.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/id.h"
#include "base/text.h"
#include "plugins/io/file_digest.h"

namespace udon {
namespace {

// Between two looks at the stop token.
constexpr size_t copy_bytes = 8 << 20;

bool is_temporary(const Path& path) {
  const std::string name = path.filename().string();
  return name.starts_with(".udon-") && name.ends_with(".tmp");
}

Path temporary_beside(const Path& path) { return path.parent_path() / (".udon-" + make_secret(8) + ".tmp"); }

std::string etag_of(const struct stat& status) {
  return std::to_string(status.st_ino) + "-" + std::to_string(status.st_size) + "-" +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec);
}

ObjectInfo info_of(const Path& path, const struct stat& status) {
  return {.uri = path.string(), .bytes = static_cast<int64_t>(status.st_size), .etag = etag_of(status)};
}

// Nothing: no file there. A folder or a device is an error: no write may replace one.
Result<std::optional<ObjectInfo>> look_up(const Path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<ObjectInfo>();
    return io_error("stat", path, errno);
  }
  if (!S_ISREG(status.st_mode)) return Error{ErrorKind::invalid, path.string() + " is no regular file"};
  return std::optional(info_of(path, status));
}

Result<FileDescriptor> lock_folder(const Path& folder) {
  TRY_ASSIGN(FileDescriptor descriptor, open_file(folder, O_RDONLY | O_DIRECTORY));
  while (::flock(descriptor.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return io_error("lock", folder, errno);
  }
  return descriptor;
}

// Held only for a comparison and a rename, never while data is written.
Result<ObjectInfo> move_into_place(const Path& temporary, const Path& path, const PutOptions& options) {
  FileDescriptor lock;
  if (!options.if_match.empty() || options.if_none_match) {
    TRY_ASSIGN(lock, lock_folder(path.parent_path()));
  }
  TRY_ASSIGN(const auto there, look_up(path));
  if (options.if_none_match && there) return Error{ErrorKind::conflict, path.string() + " is there already"};
  if (!options.if_match.empty() && (!there || there->etag != options.if_match)) {
    return Error{ErrorKind::conflict,
                 path.string() + (there ? " was written by somebody else meanwhile" : " is not there any more")};
  }
  if (options.if_none_match) {
    // Holds against programs that do not lock, too.
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
      if (errno == EEXIST) return Error{ErrorKind::conflict, path.string() + " is there already"};
      // A file system without it: the lock and the look must do.
      if (errno != EINVAL && errno != ENOSYS) return io_error("rename to", path, errno);
      if (::rename(temporary.c_str(), path.c_str()) != 0) return io_error("rename to", path, errno);
    }
  } else if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return io_error("rename to", path, errno);
  }
  TRY(sync_directory(path.parent_path()));
  TRY_ASSIGN(const auto written, look_up(path));
  if (!written) return Error{ErrorKind::conflict, path.string() + " was removed by somebody else meanwhile"};
  return *written;
}

Result<void> sync_file(const FileDescriptor& file, const Path& path) {
  if (::fsync(file.get()) != 0) return io_error("fsync", path, errno);
  return {};
}

// Removes what was not renamed.
class Temporary {
 public:
  explicit Temporary(Path path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const Path& path() const { return path_; }
  void release() { path_.clear(); }

 private:
  Path path_;
};

Result<void> copy_content(const Path& from, const Path& to, const std::stop_token& stop) {
  TRY_ASSIGN(const FileDescriptor source, open_file(from, O_RDONLY));
  TRY(size_of_file(source, from));
  TRY_ASSIGN(const FileDescriptor target, open_file(to, O_WRONLY | O_CREAT | O_EXCL));
  std::string buffer;
  for (;;) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped while writing " + to.string()};
    // The kernel copies, or only notes that two files share their blocks.
    ssize_t n = ::copy_file_range(source.get(), nullptr, target.get(), nullptr, copy_bytes, 0);
    if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
      buffer.resize(copy_bytes / 8);
      n = ::read(source.get(), buffer.data(), buffer.size());
      if (n < 0 && errno != EINTR) return io_error("read", from, errno);
      if (n > 0) TRY(write_all(target.get(), std::string_view(buffer).substr(0, static_cast<size_t>(n)), to));
    }
    if (n < 0 && errno != EINTR) return io_error("write", to, errno);
    if (n == 0) break;
  }
  return sync_file(target, to);
}

class LocalPendingUpload final : public PendingUpload {
 public:
  LocalPendingUpload(Path temporary, Path path, PutOptions options)
      : temporary_(std::move(temporary)), path_(std::move(path)), options_(std::move(options)) {}

  const Path& temporary() const { return temporary_.path(); }
  Value state() const override {
    Value value = Value::map();
    value.set("uri", path_.string());
    value.set("temporary", temporary_.path().string());
    if (!options_.if_match.empty()) value.set("if_match", options_.if_match);
    if (options_.if_none_match) value.set("if_none_match", true);
    return value;
  }
  void only_if(const std::string& if_match, bool if_none_match) override {
    options_.if_match = if_match;
    options_.if_none_match = if_none_match;
  }
  Result<ObjectInfo> complete() override {
    TRY_ASSIGN(ObjectInfo info, move_into_place(temporary_.path(), path_, options_));
    temporary_.release();
    return info;
  }
  Result<void> abort() override {
    if (temporary_.path().empty()) return {};
    if (::unlink(temporary_.path().c_str()) != 0 && errno != ENOENT)
      return io_error("remove", temporary_.path(), errno);
    temporary_.release();
    return {};
  }

 private:
  Temporary temporary_;
  const Path path_;
  PutOptions options_;
};

struct LocalUploadState {
  Path path;
  Path temporary;
  PutOptions options;
};

// Only a hidden sibling of ours is ever renamed or removed, whatever the state says.
Result<LocalUploadState> parse_state(const Value& value) {
  LocalUploadState state;
  TRY_ASSIGN(state.path, parse_local_uri(value.text("uri")));
  state.temporary = value.text("temporary");
  if (!is_temporary(state.temporary) || state.temporary.parent_path() != state.path.parent_path()) {
    return Error{ErrorKind::invalid,
                 "the state of the upload to " + state.path.string() + " names no temporary file of it"};
  }
  state.options.if_match = value.text("if_match");
  state.options.if_none_match = value.flag("if_none_match");
  return state;
}

}  // namespace

Result<Path> parse_local_uri(const std::string& uri) {
  std::string text = uri;
  if (text.starts_with("file://")) {
    const auto decoded = percent_decode(std::string_view(text).substr(7));
    if (!decoded || !decoded->starts_with('/')) {
      return Error{ErrorKind::invalid, "`" + uri + "`: expected file:///path, percent-encoded"};
    }
    text = *decoded;
  }
  if (!text.starts_with('/')) return Error{ErrorKind::invalid, "`" + uri + "`: expected an absolute path"};
  if (text.find('\0') != text.npos) return Error{ErrorKind::invalid, "a path has a zero byte"};
  return Path(text);
}

Result<std::optional<ObjectInfo>> LocalFileSystem::stat(const std::string& uri) {
  TRY_ASSIGN(const Path path, parse_local_uri(uri));
  return look_up(path);
}

Result<std::string> LocalFileSystem::read(const std::string& uri, int64_t bytes_max) {
  TRY_ASSIGN(const Path path, parse_local_uri(uri));
  return read_file(path, bytes_max);
}

Result<std::string> LocalFileSystem::read_range(const std::string& uri, int64_t offset, int64_t length) {
  TRY_ASSIGN(const Path path, parse_local_uri(uri));
  if (offset < 0 || length < 0) return Error{ErrorKind::invalid, uri + ": a range has no negative ends"};
  TRY_ASSIGN(const FileDescriptor file, open_file(path, O_RDONLY));
  TRY_ASSIGN(const int64_t bytes, size_of_file(file, path));
  std::string content(static_cast<size_t>(std::clamp<int64_t>(bytes - offset, 0, length)), '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n =
        ::pread(file.get(), content.data() + done, content.size() - done, offset + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("read", path, errno);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  content.resize(done);
  return content;
}

Result<ObjectInfo> LocalFileSystem::write(const std::string& uri, std::string_view content, const PutOptions& options) {
  TRY_ASSIGN(const Path path, parse_local_uri(uri));
  TRY(make_directories(path.parent_path()));
  Temporary temporary(temporary_beside(path));
  {
    TRY_ASSIGN(const FileDescriptor file, open_file(temporary.path(), O_WRONLY | O_CREAT | O_EXCL));
    TRY(write_all(file.get(), content, temporary.path()));
    TRY(sync_file(file, temporary.path()));
  }
  TRY_ASSIGN(ObjectInfo info, move_into_place(temporary.path(), path, options));
  temporary.release();
  return info;
}

Result<ObjectInfo> LocalFileSystem::write_file(const Path& file, const std::string& uri, const PutOptions& options) {
  TRY_ASSIGN(const auto pending, upload(file, uri, options, 0, {}));
  return pending->complete();
}

Result<std::unique_ptr<PendingUpload>> LocalFileSystem::upload(
    const Path& file, const std::string& uri, const PutOptions& options, int64_t,
    const std::function<Result<void>(const Value& state)>& persist) {
  TRY_ASSIGN(const Path path, parse_local_uri(uri));
  TRY(make_directories(path.parent_path()));
  auto pending = std::make_unique<LocalPendingUpload>(temporary_beside(path), path, options);
  if (persist) TRY(persist(pending->state()));
  TRY(copy_content(file, pending->temporary(), stop_));
  if (persist) TRY(persist(pending->state()));
  return pending;
}

Result<ObjectInfo> LocalFileSystem::complete(const Value& state) {
  TRY_ASSIGN(const LocalUploadState upload, parse_state(state));
  return move_into_place(upload.temporary, upload.path, upload.options);
}

Result<void> LocalFileSystem::abort(const Value& state) {
  TRY_ASSIGN(const LocalUploadState upload, parse_state(state));
  if (::unlink(upload.temporary.c_str()) != 0 && errno != ENOENT) return io_error("remove", upload.temporary, errno);
  return {};
}

// A temporary file is known before it is made: whoever made it has written it down.
Result<std::vector<BegunUpload>> LocalFileSystem::begun_uploads(const std::string& uri) {
  TRY(parse_local_uri(uri));
  return std::vector<BegunUpload>();
}

Result<std::vector<ObjectInfo>> LocalFileSystem::list(const std::string& uri_prefix, size_t count_max) {
  TRY_ASSIGN(const Path path, parse_local_uri(uri_prefix));
  const std::string prefix = path.string();
  const Path folder = prefix.substr(0, prefix.rfind('/') + 1);
  std::vector<ObjectInfo> found;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(folder, error);
  for (; !error && found.size() < count_max && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().string();
    const bool is_inside = name.starts_with(prefix);
    // Below a folder that neither begins with the prefix nor is on its way there is nothing of it.
    if (!is_inside && !prefix.starts_with(name + "/")) {
      entry.disable_recursion_pending();
      continue;
    }
    if (!is_inside || is_temporary(entry->path())) continue;
    struct stat status {};
    if (::stat(name.c_str(), &status) != 0) continue;  // gone meanwhile, or a link to nowhere
    if (S_ISREG(status.st_mode)) found.push_back(info_of(entry->path(), status));
  }
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory) {
    return io_error("list", folder, error.value());
  }
  std::ranges::sort(found, {}, &ObjectInfo::uri);
  return found;
}

Result<void> LocalFileSystem::remove(const std::string& uri) {
  TRY_ASSIGN(const Path path, parse_local_uri(uri));
  TRY_ASSIGN(const auto there, look_up(path));
  if (!there) return {};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return io_error("remove", path, errno);
  return sync_directory(path.parent_path());
}

}  // namespace udon
