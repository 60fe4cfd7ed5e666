#include "plugins/s3_upload/s3_upload.h"

#include <fcntl.h>

#include <algorithm>

#include "base/text.h"
#include "plugins/api/aws_default.h"
#include "plugins/io/file_digest.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"
#include "plugins/io/pending_uploads.h"
#include "plugins/io/s3_settings.h"
#include "plugins/io/s3_upload_in_parts.h"
#include "plugins/s3_upload/same_content.h"

namespace udon {
namespace {

// Of a source in S3: what is held in memory while it is fetched.
constexpr int64_t fetch_bytes = 8 << 20;

class S3Upload final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    TRY_ASSIGN(const std::string to, target_of(parameters.text("from"), parameters.text("to")));
    TRY_ASSIGN(const auto store, open(context, to, "to_connection"));
    TRY_ASSIGN(const Path staging, context.staging());
    PendingUploads pending(staging.parent_path().parent_path() / "uploads", context.fence());
    TRY(pending.abort_left_over(*store, to));
    TRY_ASSIGN(const Path file, local_copy(context, parameters.text("from")));
    TRY_ASSIGN(const int64_t bytes, bytes_of(file));

    const int64_t part_bytes = parameters.integer("part_size");
    PutOptions options{.storage_class = parameters.text("storage_class")};
    TRY_ASSIGN(options.metadata, metadata_of(parameters.get("metadata")));
    const bool is_in_parts = bytes > part_bytes;
    if (is_in_parts) {
      options.metadata.emplace_back(part_bytes_key, std::to_string(fitting_part_bytes(bytes, part_bytes)));
      std::ranges::sort(options.metadata);
    }

    TRY_ASSIGN(const auto there, store->stat(to));
    if (there && is_described_alike(*there, options)) {
      TRY_ASSIGN(const bool is_same, has_same_content(*there, file, context.stop_token()));
      if (is_same) {
        context.log(to + " is there already with the same content (SHA-256 " + there->sha256 + "): nothing was sent");
        return outcome(*there, "there already", false);
      }
    }
    Result<ObjectInfo> written = is_in_parts ? send_in_parts(*store, pending, file, to, options, part_bytes)
                                             : store->write_file(file, to, options);
    if (!written) return written.error();
    TRY(verify(*store, *written, file, context));
    return outcome(*written, "uploaded", true);
  }

 private:
  static Result<std::string> target_of(const std::string& from, const std::string& to) {
    auto target = parse_s3_uri(to);
    if (!target) return target.error().within("to");
    if (target->key.empty() || target->key.ends_with('/')) target->key += Path(from).filename().string();
    if (target->key.empty() || target->key.ends_with('/')) {
      return Error{ErrorKind::invalid,
                   "to: `" + to + "` names a folder, and `" + from + "` no file that could give it a name"};
    }
    return to_string(*target);
  }

  static Result<std::unique_ptr<FileSystem>> open(TaskContext& context, const std::string& uri, std::string_view key) {
    std::optional<Connection> connection;
    if (needs_connection(uri)) {
      TRY_ASSIGN(connection, aws_connection(context, key));
    }
    return make_file_system(uri, connection, io_context_of(context));
  }

  static Result<int64_t> bytes_of(const Path& path) {
    TRY_ASSIGN(const FileDescriptor file, open_file(path, O_RDONLY));
    return size_of_file(file, path);
  }

  // Texts, numbers and flags as they are written in the DAG file.
  static Result<std::vector<std::pair<std::string, std::string>>> metadata_of(const Value& map) {
    std::vector<std::pair<std::string, std::string>> metadata;
    if (!map.is_map()) return metadata;
    for (const auto& [key, value] : map.as_map()) {
      if (value.is_list() || value.is_map() || value.is_null()) {
        return Error{ErrorKind::invalid, "metadata: `" + key + "` is no text"};
      }
      if (key.starts_with("udon-")) return Error{ErrorKind::invalid, "metadata: `" + key + "`: udon- is ours"};
      metadata.emplace_back(key, value.is_string() ? value.as_string() : to_json(value));
    }
    std::ranges::sort(metadata);
    return metadata;
  }

  // The size of the parts may be another one: it says nothing about the content.
  static bool is_described_alike(const ObjectInfo& there, const PutOptions& options) {
    const auto without_ours = [](std::vector<std::pair<std::string, std::string>> metadata) {
      std::erase_if(metadata, [](const auto& entry) { return entry.first == part_bytes_key; });
      return metadata;
    };
    const std::string there_class = there.storage_class.empty() ? "STANDARD" : there.storage_class;
    return without_ours(there.metadata) == without_ours(options.metadata) &&
           (options.storage_class.empty() || options.storage_class == there_class);
  }

  // A file here is used where it is; an object is fetched to the staging folder.
  static Result<Path> local_copy(TaskContext& context, const std::string& from) {
    if (!needs_connection(from)) {
      if (from.starts_with("file://")) {
        const auto path = percent_decode(std::string_view(from).substr(7));
        if (!path || !path->starts_with('/')) {
          return Error{ErrorKind::invalid, "from: `" + from + "`: expected file:///path, percent-encoded"};
        }
        return Path(*path);
      }
      return from.starts_with('/') ? Path(from) : context.dags_folder() / from;
    }
    TRY_ASSIGN(const auto source, open(context, from, "from_connection"));
    TRY_ASSIGN(const auto info, source->stat(from));
    if (!info) return Error{ErrorKind::not_found, "from: there is no object " + from};
    TRY_ASSIGN(const Path staging, context.staging());
    const Path copy = staging / "source";
    TRY_ASSIGN(const FileDescriptor file, open_file(copy, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    for (int64_t offset = 0; offset < info->bytes; offset += fetch_bytes) {
      const int64_t wanted = std::min(fetch_bytes, info->bytes - offset);
      TRY_ASSIGN(const std::string chunk, source->read_range(from, offset, wanted));
      if (static_cast<int64_t>(chunk.size()) != wanted) return changed(from);
      TRY(write_all(file.get(), chunk, copy));
    }
    // Ranges of two versions would make a file that never was.
    TRY_ASSIGN(const auto after, source->stat(from));
    if (!after || after->etag != info->etag) return changed(from);
    context.log("fetched " + from + ": " + std::to_string(info->bytes) + " bytes");
    return copy;
  }
  static Error changed(const std::string& from) {
    return {ErrorKind::conflict, "from: " + from + " was written by somebody else while it was being read"};
  }

  static Result<ObjectInfo> send_in_parts(FileSystem& store, PendingUploads& pending, const Path& file,
                                          const std::string& to, const PutOptions& options, int64_t part_bytes) {
    TRY_ASSIGN(const auto upload, pending.upload(store, file, to, options, part_bytes));
    auto written = upload->complete();
    if (!written && written.error().kind == ErrorKind::not_found) written.error().kind = ErrorKind::conflict;
    return written;
  }

  // The file system compared the checksum of its answer. A store that gives none there may keep one all the same.
  static Result<void> verify(FileSystem& store, ObjectInfo& written, const Path& file, TaskContext& context) {
    TRY_ASSIGN(const auto there, store.stat(written.uri));
    if (!there || there->etag != written.etag) {
      return Error{ErrorKind::conflict,
                   written.uri + " was replaced or removed by somebody else right after it was written"};
    }
    if (there->sha256.empty()) {
      if (there->bytes != written.bytes) {
        return Error{ErrorKind::data, written.uri + ": the store keeps " + std::to_string(there->bytes) +
                                          " bytes, sent " + std::to_string(written.bytes)};
      }
      context.log("the store keeps no checksums: only the length was compared");
      return {};
    }
    bool is_same = there->sha256 == written.sha256;  // which was compared with what was sent
    if (written.sha256.empty()) {
      TRY_ASSIGN(is_same, has_same_content(*there, file, context.stop_token()));
    }
    if (!is_same) {
      return Error{ErrorKind::data,
                   written.uri + ": the store's SHA-256 " + there->sha256 + " is not that of " + file.string()};
    }
    written.sha256 = there->sha256;
    context.log("uploaded " + written.uri + ": " + std::to_string(written.bytes) + " bytes, SHA-256 " + written.sha256 +
                " confirmed by the store");
    return {};
  }

  static Outcome outcome(const ObjectInfo& info, const std::string& message, bool is_uploaded) {
    Value value = Value::map();
    value.set("uri", info.uri);
    value.set("bytes", info.bytes);
    value.set("etag", info.etag);
    value.set("checksum", info.sha256);
    value.set("uploaded", is_uploaded);
    return {.return_value = std::move(value), .message = info.uri + ": " + message};
  }
};

}  // namespace

std::unique_ptr<Operator> make_s3_upload() { return std::make_unique<S3Upload>(); }

}  // namespace udon
