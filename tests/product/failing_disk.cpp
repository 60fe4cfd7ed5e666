// Loaded before libc: writing, cutting and syncing the database's files fails as a file says that a test writes,
// "<call> <errno>", for as long as that file is there. What has failed is noted by a byte in a second one.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

bool is_of_the_database(int fd) {
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = ::readlink(link, path, sizeof path - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return std::strstr(path, "/udon.db") != nullptr;
}

// Straight to the kernel: the usual calls are those that fail.
bool fails(const char* call, int fd) {
  const char* order = std::getenv("FAILING_DISK");
  if (order == nullptr) return false;
  const long file = ::syscall(SYS_openat, AT_FDCWD, order, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[64] = {};
  const long length = ::syscall(SYS_read, file, text, sizeof text - 1);
  ::syscall(SYS_close, file);
  char wanted[32] = {};
  int error = 0;
  if (length <= 0 || std::sscanf(text, "%31s %d", wanted, &error) != 2) return false;
  if (std::strcmp(wanted, call) != 0 || !is_of_the_database(fd)) return false;
  char noted[4096];
  std::snprintf(noted, sizeof noted, "%s.met", order);
  const long met = ::syscall(SYS_openat, AT_FDCWD, noted, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (met >= 0) {
    ::syscall(SYS_write, met, ".", 1);
    ::syscall(SYS_close, met);
  }
  errno = error;
  return true;
}

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  static auto* const real = next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return fails("write", fd) ? -1 : real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  static auto* const real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return fails("write", fd) ? -1 : real(fd, data, size, at);
}
ssize_t write(int fd, const void* data, size_t size) {
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  return fails("write", fd) ? -1 : real(fd, data, size);
}
int fsync(int fd) {
  static auto* const real = next<int(int)>("fsync");
  return fails("sync", fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
  static auto* const real = next<int(int)>("fdatasync");
  return fails("sync", fd) ? -1 : real(fd);
}

}  // extern "C"
