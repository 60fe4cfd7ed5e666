#pragma once
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"

namespace udon {

// Where a unix socket is, for bind and connect, however long its path: an address holds 107 bytes only, so it goes
// through the descriptor of the socket's folder. Good while this lives, in this process.
class UnixAddress {
 public:
  static Result<UnixAddress> of(const Path& socket);  // not_found: there is no such folder
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  socklen_t size() const { return sizeof address_; }
  const char* path() const { return address_.sun_path; }

 private:
  FileDescriptor folder_;
  sockaddr_un address_{};
};

}  // namespace udon
