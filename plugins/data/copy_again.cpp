#include "plugins/data/copy_again.h"

namespace udon::data {
namespace {

// Is it the snapshot that was lost? A server that was not reached at all is for the task's own retries.
bool ends_a_snapshot(const Error& error, TableReader& reader) {
  return error.kind == ErrorKind::conflict || (error.kind == ErrorKind::unavailable && !reader.sources().empty());
}

}  // namespace

Result<CopyResult> copy_table_again(const MakeReader& make_reader, const CopyRequest& request,
                                    const std::stop_token& stop, const std::function<void(const Error&)>& on_again) {
  std::unique_ptr<TableReader> reader = make_reader();
  auto copied = copy_table(*reader, request, stop);
  if (copied || stop.stop_requested() || !ends_a_snapshot(copied.error(), *reader)) return copied;
  const Error first = copied.error();
  on_again(first);
  reader.reset();  // its sessions end before there are new ones
  reader = make_reader();
  copied = copy_table(*reader, request, stop);
  if (copied || copied.error().kind == ErrorKind::cancelled) return copied;
  Error error = copied.error();
  error.message += " (all was read from the beginning already, after: " + first.message + ")";
  if (error.kind == ErrorKind::conflict) error.message += "; export the table when nobody alters it";
  return error;
}

}  // namespace udon::data
