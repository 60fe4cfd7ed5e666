#include "plugins/io/object_sender.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "plugins/io/file_digest.h"
#include "plugins/io/file_state.h"
#include "plugins/io/s3_upload_in_parts.h"
#include "plugins/io/same_content.h"

namespace udon {
namespace {

// Read once, hashed and sent from memory; a larger file is read twice.
constexpr int64_t in_memory_bytes_max = 256 << 10;
// Others who write to the same object at the same time each cost one more look; so many of them are a mistake.
constexpr int rivals_max = 20;
constexpr std::string_view of_two_at_once =
    "give each an object of its own, or let them run one after the other: in a pool of one slot";

Result<std::string> read_all(const FileDescriptor& file, int64_t bytes, const Path& path) {
  std::string content(static_cast<size_t>(bytes), '\0');
  for (size_t done = 0; done < content.size();) {
    const ssize_t n = ::pread(file.get(), content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("read", path, errno);
    if (n == 0) return changed_while_read(path);
    done += static_cast<size_t>(n);
  }
  return content;
}

// An ARN ends in the key's id. An alias cannot be compared with it: then only the kind of encryption is.
bool is_same_key(const std::string& there, const std::string& asked) {
  return asked.empty() || there == asked || there.ends_with("/" + asked) || asked.find("alias/") != asked.npos;
}

std::string what_of(const std::string& uri, bool is_there, const std::string& by) {
  return uri +
         (is_there ? " was replaced" + (by.empty() ? std::string(" by somebody else") : " by try " + by)
                   : std::string(" was removed by somebody else")) +
         " right after it was written; " + std::string(of_two_at_once);
}

}  // namespace

struct ObjectSender::Source {
  const Path& path;
  const FileDescriptor& file;
  FileState state;
};

bool is_described_alike(const ObjectInfo& there, const PutOptions& asked) {
  const auto without_ours = [](std::vector<std::pair<std::string, std::string>> metadata) {
    std::erase_if(metadata, [](const auto& entry) { return entry.first.starts_with("udon-"); });
    std::ranges::sort(metadata);
    return metadata;
  };
  const std::string there_class = there.storage_class.empty() ? "STANDARD" : there.storage_class;
  return without_ours(there.metadata) == without_ours(asked.metadata) &&
         (asked.storage_class.empty() || asked.storage_class == there_class) &&
         (asked.encryption.empty() ||
          (asked.encryption == there.encryption && is_same_key(there.kms_key_id, asked.kms_key_id)));
}

Error overtaken_at(const std::string& uri, const std::string& by) {
  return {ErrorKind::conflict,
          uri + " was written by try " + by + ", which is later than this one; " + std::string(of_two_at_once)};
}

Result<ObjectInfo> ObjectSender::write(const Source& source, const std::string& uri, const PutOptions& put,
                                       int64_t part_bytes) {
  const int64_t bytes = source.state.bytes;
  if (bytes > part_bytes) {
    const auto turn = pending_.turn();
    auto begun = pending_.upload(store_, source.path, uri, put, part_bytes);
    if (!begun) return begun.error();
    // Its parts were read one after the other: of two contents, if it was changed meanwhile. Nobody has seen them yet.
    if (!source.state.is_still_at(source.path)) {
      static_cast<void>((*begun)->abort());
      return changed_while_read(source.path);
    }
    auto written = (*begun)->complete();
    if (!written && written.error().kind == ErrorKind::not_found) written.error().kind = ErrorKind::conflict;
    return written;
  }
  if (bytes <= in_memory_bytes_max) {
    TRY_ASSIGN(const std::string content, read_all(source.file, bytes, source.path));
    if (!source.state.is_still_at(source.path)) return changed_while_read(source.path);
    return store_.write(uri, content, put);
  }
  const FileRange all{source.file.get(), 0, bytes, source.path};
  TRY_ASSIGN(const Sha256Digest digest, sha256_of(all, stop_));
  if (!source.state.is_still_at(source.path)) return changed_while_read(source.path);
  return store_.write_range(all, digest, uri, put);
}

Result<SentObject> ObjectSender::send(const Path& path, const std::string& uri, const SendOptions& options,
                                      std::optional<ObjectInfo> there) {
  // A FIFO that has taken the file's place would otherwise be waited for.
  TRY_ASSIGN(const FileDescriptor file, open_file(path, O_RDONLY | O_NONBLOCK));
  TRY(size_of_file(file, path));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return io_error("stat", path, errno);
  const Source source{path, file, FileState::of(status)};
  const int64_t part_bytes = fitting_part_bytes(source.state.bytes, options.part_bytes);
  PutOptions put = options.put;
  put.metadata.emplace_back(written_by_key, order_.try_id());
  if (source.state.bytes > options.part_bytes) put.metadata.emplace_back(part_bytes_key, std::to_string(part_bytes));
  std::ranges::sort(put.metadata);

  bool is_conditional = true;
  for (int rivals = 0;;) {
    if (there && there->bytes == source.state.bytes && is_described_alike(*there, options.put)) {
      TRY_ASSIGN(const bool is_same, has_same_content(*there, path, stop_));
      if (!source.state.is_still_at(path)) return changed_while_read(path);
      if (is_same) return SentObject{.object = std::move(*there), .is_sent = false, .has_checksum = true};
    }
    if (there && order_.is_later(written_by(*there))) return overtaken_at(uri, written_by(*there));
    put.if_match = is_conditional && there ? there->etag : "";
    put.if_none_match = is_conditional && !there;
    auto written = write(source, uri, put, options.part_bytes);
    if (written) {
      const bool has_checksum = !written->sha256.empty();
      return SentObject{.object = std::move(*written), .is_sent = true, .has_checksum = has_checksum};
    }
    const Error& error = written.error();
    if (!source.state.is_still_at(path)) return changed_while_read(path);
    // Not every store can write on a condition: then without, as all stores could not long ago.
    if (error.kind == ErrorKind::unsupported && is_conditional) {
      is_conditional = false;
      continue;
    }
    if (error.kind != ErrorKind::conflict) return error;
    TRY_ASSIGN(auto now, store_.stat(uri));
    // Nobody has come between: what was ended is our upload.
    if ((now ? now->etag : "") == (there ? there->etag : "") || ++rivals > rivals_max) return error;
    there = std::move(now);
  }
}

Result<SentObject> ObjectSender::send_and_confirm(const Path& file, const std::string& uri,
                                                  const SendOptions& options) {
  TRY_ASSIGN(auto before, store_.stat(uri));
  for (int rivals = 0;; ++rivals) {
    TRY_ASSIGN(SentObject sent, send(file, uri, options, std::move(before)));
    if (!sent.is_sent) return sent;
    TRY_ASSIGN(auto there, store_.stat(uri));
    if (there && there->etag == sent.object.etag) {
      TRY(confirm(*there, sent, file));
      return sent;
    }
    const std::string by = there ? written_by(*there) : "";
    if (order_.is_later(by)) return overtaken_at(uri, by);
    if (!order_.is_earlier(by) || rivals >= rivals_max)
      return Error{ErrorKind::conflict, what_of(uri, there.has_value(), by)};
    before = std::move(there);
  }
}

// The file system compared the checksum of its answer. A store that gives none there may keep one all the same.
Result<void> ObjectSender::confirm(const ObjectInfo& there, SentObject& sent, const Path& file) const {
  ObjectInfo& written = sent.object;
  if (there.sha256.empty()) {
    if (there.bytes != written.bytes) {
      return Error{ErrorKind::data, written.uri + ": the store keeps " + std::to_string(there.bytes) + " bytes, sent " +
                                        std::to_string(written.bytes)};
    }
    return {};
  }
  bool is_same = there.sha256 == written.sha256;  // which was compared with what was sent
  if (written.sha256.empty()) {
    TRY_ASSIGN(is_same, has_same_content(there, file, stop_));
  }
  if (!is_same) {
    return Error{ErrorKind::data,
                 written.uri + ": the store's SHA-256 " + there.sha256 + " is not that of " + file.string()};
  }
  written.sha256 = there.sha256;
  written.storage_class = there.storage_class;
  sent.has_checksum = true;
  return {};
}

}  // namespace udon
