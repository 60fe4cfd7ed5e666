#include "plugins/io/file_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/text.h"

namespace udon {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// Bytes that are no UTF-8 cannot stand in a message.
std::string readable(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= ' ' && byte < 0x7F)
      text += c;
    else
      text += "\\x" + to_hex({&byte, 1});
  }
  return text;
}

std::string kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

class Walk {
 public:
  Walk(const Path& top, const NameFilter& filter, Symlinks symlinks, size_t files_max, const std::stop_token& stop)
      : top_(top), filter_(filter), symlinks_(symlinks), files_max_(files_max), stop_(stop) {}

  Result<std::vector<TreeFile>> run() {
    TRY(enter(AT_FDCWD, top_.string(), ""));
    std::ranges::sort(files_, {}, &TreeFile::name);
    return std::move(files_);
  }

 private:
  using Identity = std::pair<dev_t, ino_t>;

  Path path_of(const std::string& name) const { return name.empty() ? top_ : top_ / name; }

  Result<void> enter(int parent, const std::string& name_in_parent, const std::string& name) {
    const int fd = ::openat(parent, name_in_parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
      if (errno == ENOTDIR) return Error{ErrorKind::invalid, path_of(name).string() + " is no folder"};
      return io_error("open", path_of(name), errno);
    }
    const std::unique_ptr<DIR, CloseFolder> folder(::fdopendir(fd));
    struct stat status {};
    if (!folder || ::fstat(fd, &status) != 0) return io_error("open", path_of(name), errno);
    const Identity identity{status.st_dev, status.st_ino};
    if (std::ranges::find(above_, identity) != above_.end())
      return Error{ErrorKind::invalid, path_of(name).string() + " links to a folder that it is in; exclude it"};
    above_.push_back(identity);
    for (;;) {
      if (stop_.stop_requested()) return Error{ErrorKind::cancelled, "stopped while listing " + path_of(name).string()};
      errno = 0;
      const dirent* entry = ::readdir(folder.get());
      if (entry == nullptr && errno != 0) return io_error("list", path_of(name), errno);
      if (entry == nullptr) break;
      const std::string own = entry->d_name;
      if (own != "." && own != "..") TRY(add(fd, own, name.empty() ? own : name + "/" + own));
    }
    above_.pop_back();
    return {};
  }

  Result<void> add(int folder, const std::string& own, const std::string& name) {
    struct stat status {};
    if (::fstatat(folder, own.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};  // removed since it was listed
      return io_error("stat", path_of(name), errno);
    }
    const bool is_taken = filter_.takes(name);
    if (S_ISLNK(status.st_mode)) {
      if (symlinks_ == Symlinks::skip) return {};
      const bool is_dangling = ::fstatat(folder, own.c_str(), &status, 0) != 0;
      if (!is_taken && (is_dangling || !S_ISDIR(status.st_mode))) return {};
      if (symlinks_ == Symlinks::refuse && is_taken)
        return Error{ErrorKind::invalid, path_of(name).string() +
                                             " is a symbolic link; exclude it, or say `symlinks: "
                                             "follow` or `symlinks: skip`"};
      if (symlinks_ == Symlinks::refuse) return {};
      if (is_dangling) {
        return Error{ErrorKind::invalid,
                     path_of(name).string() + " is a symbolic link that leads nowhere; remove or exclude it"};
      }
    }
    if (S_ISDIR(status.st_mode)) return enter(folder, own, name);
    if (!is_taken) return {};
    if (!is_valid_utf8(name)) {
      return Error{ErrorKind::data, (top_ / readable(name)).string() +
                                        ": its name is no UTF-8, as every key in S3 is; rename or exclude it"};
    }
    if (!S_ISREG(status.st_mode)) {
      return Error{ErrorKind::invalid,
                   path_of(name).string() + " is " + kind_of(status.st_mode) + ", not a file; exclude it"};
    }
    if (files_.size() >= files_max_) {
      return Error{ErrorKind::invalid, top_.string() + " holds more than " + std::to_string(files_max_) +
                                           " files; divide it among several tasks with `include`"};
    }
    files_.push_back({name, static_cast<int64_t>(status.st_size)});
    return {};
  }

  const Path top_;
  const NameFilter& filter_;
  const Symlinks symlinks_;
  const size_t files_max_;
  const std::stop_token stop_;
  std::vector<Identity> above_;  // the folders from the top to the one that is being read
  std::vector<TreeFile> files_;
};

}  // namespace

Result<std::vector<TreeFile>> list_tree(const Path& folder, const NameFilter& filter, Symlinks symlinks,
                                        size_t files_max, const std::stop_token& stop) {
  return Walk(folder, filter, symlinks, files_max, stop).run();
}

}  // namespace udon
