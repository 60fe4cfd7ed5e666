#include "plugins/data/reject_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "base/value.h"

namespace udon::data {

Result<void> RejectLog::add(const std::vector<BadRow>& rows, const std::string& display) {
  for (const BadRow& row : rows)
    if (const auto added = add(row); !added) return added.error().within(display);
  return {};
}

Result<void> RejectLog::add(const BadRow& row) {
  if (rows_ == rows_max_)
    return Error{ErrorKind::data, fmt::format("more than {} rows do not fit (`rejects_max`); the one on line {}: {}",
                                              rows_max_, row.line, row.reason)};
  if (!out_) {
    TRY_ASSIGN(out_, open_file(file_, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  }
  Value entry = Value::map();
  entry.set("line", row.line);
  entry.set("reason", row.reason);
  if (is_valid_utf8(row.text))
    entry.set("text", row.text);
  else
    entry.set("base64", to_base64({reinterpret_cast<const unsigned char*>(row.text.data()), row.text.size()}));
  TRY(write_all(out_.get(), to_json(entry) + "\n", file_));
  if (rows_ == 0) first_ = fmt::format("line {}: {}", row.line, row.reason);
  ++rows_;
  return {};
}

void RejectLog::report(std::vector<PolicyUse>& uses) const {
  if (rows_ > 0) uses.push_back({"", "on_bad_row=reject", static_cast<uint64_t>(rows_)});
}

Result<void> RejectLog::finish() {
  if (!out_) return {};
  if (::fsync(out_.get()) != 0) return io_error("fsync", file_, errno);
  out_ = FileDescriptor();
  return {};
}

}  // namespace udon::data
