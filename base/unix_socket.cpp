#include "base/unix_socket.h"

#include <fcntl.h>

#include <cstring>
#include <string>

namespace udon {

Result<UnixAddress> UnixAddress::of(const Path& socket) {
  UnixAddress made;
  TRY_ASSIGN(made.folder_, open_file(socket.parent_path(), O_PATH | O_DIRECTORY));
  const std::string name = "/proc/self/fd/" + std::to_string(made.folder_.get()) + "/" + socket.filename().string();
  if (name.size() >= sizeof made.address_.sun_path)
    return Error{ErrorKind::invalid, "the socket's name is too long: " + socket.string()};
  made.address_.sun_family = AF_UNIX;
  std::memcpy(made.address_.sun_path, name.c_str(), name.size() + 1);
  return made;
}

}  // namespace udon
