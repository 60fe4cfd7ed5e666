#include "plugins/io/pending_uploads.h"

#include <unistd.h>

#include <charconv>
#include <set>
#include <vector>

#include "base/net/digest.h"
#include "base/text.h"

namespace udon {
namespace {

constexpr std::string_view suffix = ".json";

// A key may be longer than a file's name.
std::string prefix_of(const std::string& uri) { return to_hex(sha256(uri)) + "."; }

}  // namespace

Path PendingUploads::file_of(const std::string& uri) const {
  return folder_ / (prefix_of(uri) + std::to_string(fence_) + std::string(suffix));
}

Result<void> PendingUploads::write(const std::string& uri, const Value& state) const {
  TRY(make_directories(folder_, 0700));
  return write_file_atomically(file_of(uri), to_json(state), Durability::survives_kill, 0600);
}

Result<std::unique_ptr<PendingUpload>> PendingUploads::upload(FileSystem& files, const Path& file,
                                                              const std::string& uri, const PutOptions& options,
                                                              int64_t part_bytes) const {
  Value intent = Value::map();
  intent.set("uri", uri);
  TRY(write(uri, intent));
  auto begun = files.upload(file, uri, options, part_bytes, [&](const Value& state) { return write(uri, state); });
  if (!begun && begun.error().kind == ErrorKind::conflict) forget(uri);  // a later try has aborted it
  TRY_ASSIGN(std::unique_ptr<PendingUpload> upload, std::move(begun));
  // Its first request was repeated, and may have begun one already of which we know nothing.
  if (upload->state().flag("may_have_begun_twice")) TRY(abort_unknown(files, uri));
  return upload;
}

Result<void> PendingUploads::abort_unknown(FileSystem& files, const std::string& uri) const {
  std::set<std::string> known;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
    if (!entry->path().filename().string().starts_with(prefix_of(uri))) continue;
    const auto text = read_file(entry->path());
    const auto state = text ? parse_json(*text) : Result<Value>(text.error());
    if (state) known.insert(state->text("upload_id"));
  }
  const auto aborted = files.abort_all(uri, known);
  // Who may not list uploads cannot look for them; the bucket's lifecycle rule has to.
  if (aborted || aborted.error().kind == ErrorKind::denied || aborted.error().kind == ErrorKind::unsupported) return {};
  return aborted.error().within("looking for uploads that were left over");
}

Result<void> PendingUploads::abort_left_over(FileSystem& files, const std::string& uri) const {
  const std::string prefix = prefix_of(uri);
  std::vector<Path> left_over;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    int64_t fence = 0;
    const char* last = name.data() + name.size() - suffix.size();
    const auto [stopped, failure] = std::from_chars(name.data() + prefix.size(), last, fence);
    if (failure == std::errc() && stopped == last && fence <= fence_) left_over.push_back(entry->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) return io_error("list", folder_, error.value());
  bool was_begun_unknown = false;
  for (const Path& path : left_over) {
    const auto text = read_file(path);
    if (!text && text.error().kind == ErrorKind::not_found) continue;  // whoever began it has just ended it
    if (!text) return text.error();
    // A try that was killed while it began one left a file without its id.
    const auto state = parse_json(*text);
    const bool has_id = state && !(state->text("upload_id").empty() && state->text("temporary").empty());
    was_begun_unknown = was_begun_unknown || !has_id || state->flag("may_have_begun_twice");
    if (has_id) {
      const auto aborted = files.abort(*state);
      if (!aborted && aborted.error().kind != ErrorKind::invalid && aborted.error().kind != ErrorKind::not_found) {
        return aborted.error().within("aborting an upload that was left over");
      }
    }
  }
  if (was_begun_unknown) TRY(abort_unknown(files, uri));
  for (const Path& path : left_over) ::unlink(path.c_str());
  return {};
}

void PendingUploads::forget(const std::string& uri) const { ::unlink(file_of(uri).c_str()); }

}  // namespace udon
