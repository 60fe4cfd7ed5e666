#include "plugins/io/file_digest.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace udon {

Result<int64_t> size_of_file(const FileDescriptor& file, const Path& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return io_error("stat", path, errno);
  if (!S_ISREG(status.st_mode)) return Error{ErrorKind::invalid, path.string() + " is no regular file"};
  return static_cast<int64_t>(status.st_size);
}

Result<Sha256Digest> sha256_of(const FileRange& range, const std::stop_token& stop) {
  std::vector<char> buffer(static_cast<size_t>(std::min<int64_t>(range.length, 256 << 10)));
  Sha256 digest;
  for (int64_t done = 0; done < range.length;) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped while reading " + range.path.string()};
    const auto wanted =
        static_cast<size_t>(std::min<int64_t>(range.length - done, static_cast<int64_t>(buffer.size())));
    const ssize_t n = ::pread(range.fd, buffer.data(), wanted, range.offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("read", range.path, errno);
    if (n == 0) return Error{ErrorKind::data, range.path.string() + " became shorter while it was being read"};
    digest.update({buffer.data(), static_cast<size_t>(n)});
    done += n;
  }
  return digest.finish();
}

}  // namespace udon
