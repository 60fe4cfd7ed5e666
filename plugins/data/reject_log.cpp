#include "plugins/data/reject_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "base/value.h"

namespace udon::data {

Result<void> RejectLog::add(int64_t line, std::string_view reason, std::string_view text) {
  if (rows_ == rows_max_)
    return Error{ErrorKind::data, fmt::format("more than {} rows do not fit (`rejects_max`); the one on line {}: {}",
                                              rows_max_, line, reason)};
  if (!out_) {
    TRY_ASSIGN(out_, open_file(file_, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  }
  Value entry = Value::map();
  entry.set("line", line);
  entry.set("reason", reason);
  if (is_valid_utf8(text))
    entry.set("text", text);
  else
    entry.set("base64", to_base64({reinterpret_cast<const unsigned char*>(text.data()), text.size()}));
  TRY(write_all(out_.get(), to_json(entry) + "\n", file_));
  ++rows_;
  return {};
}

Result<void> RejectLog::finish() {
  if (!out_) return {};
  if (::fsync(out_.get()) != 0) return io_error("fsync", file_, errno);
  out_ = FileDescriptor();
  return {};
}

}  // namespace udon::data
