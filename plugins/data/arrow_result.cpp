#include "plugins/data/arrow_result.h"

#include <string>

namespace udon::data {

Error arrow_error(const arrow::Status& status, std::string_view what) {
  // IOError is what a full disk looks like: another try can find room.
  const ErrorKind kind = status.IsIOError()          ? ErrorKind::io
                         : status.IsOutOfMemory()    ? ErrorKind::unavailable
                         : status.IsCancelled()      ? ErrorKind::cancelled
                         : status.IsNotImplemented() ? ErrorKind::unsupported
                                                     : ErrorKind::data;
  // What the operating system said is in the detail only.
  const std::string detail = status.detail() ? " (" + status.detail()->ToString() + ")" : "";
  return Error{kind, std::string(what) + ": " + status.message() + detail};
}

}  // namespace udon::data
