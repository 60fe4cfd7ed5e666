#include "plugins/s3_upload/s3_upload.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "plugins/api/aws_default.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"
#include "plugins/io/object_sender.h"
#include "plugins/io/s3_parameters.h"
#include "plugins/s3_upload/upload_tree.h"

namespace udon {
namespace {

// Of a source in S3: what is held in memory while it is fetched.
constexpr int64_t fetch_bytes = 8 << 20;
// A name and a checksum of each are held in memory.
constexpr size_t files_max = 200'000;

class S3Upload final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const std::string from = parameters.text("from");
    SendOptions send{.part_bytes = parameters.integer("part_size")};
    TRY_ASSIGN(send.put, put_options_of(parameters));
    return from.ends_with('/') ? run_tree(context, from, send) : run_file(context, from, send);
  }

 private:
  static Result<Outcome> run_file(TaskContext& context, const std::string& from, const SendOptions& send) {
    for (const char* key : {"include", "exclude", "delete_extra"}) {
      const Value& given = context.parameters().get(key);
      if ((given.is_list() && !given.as_list().empty()) || (given.is_bool() && given.as_bool())) {
        return Error{ErrorKind::invalid,
                     std::string(key) + ": `from` names one file; a folder ends in `/`: `" + from + "/`"};
      }
    }
    TRY_ASSIGN(const std::string to, target_of(from, context.parameters().text("to")));
    TRY_ASSIGN(const auto store, open(context, to, "to_connection"));
    TRY_ASSIGN(const Path staging, context.staging());
    PendingUploads pending(staging.parent_path().parent_path() / "uploads", context.fence());
    TRY(pending.abort_left_over(*store, to));
    TRY_ASSIGN(const Path file, local_copy(context, from));
    ObjectSender sender(*store, pending, {context.try_id(), context.fence()}, context.stop_token());
    TRY_ASSIGN(const SentObject sent, sender.send_and_confirm(file, to, send));
    const ObjectInfo& object = sent.object;
    if (!sent.is_sent) {
      context.log(to + " is there already with the same content (SHA-256 " + object.sha256 + "): nothing was sent");
    } else if (sent.has_checksum) {
      context.log("uploaded " + to + ": " + std::to_string(object.bytes) + " bytes, SHA-256 " + object.sha256 +
                  " confirmed by the store");
    } else {
      context.log("uploaded " + to + ": the store keeps no checksums: only the length was compared");
    }
    Value value = Value::map();
    value.set("uri", object.uri);
    value.set("bytes", object.bytes);
    value.set("etag", object.etag);
    value.set("checksum", object.sha256);
    value.set("uploaded", sent.is_sent);
    return Outcome{.return_value = std::move(value),
                   .message = object.uri + (sent.is_sent ? ": uploaded" : ": there already")};
  }

  static Result<Outcome> run_tree(TaskContext& context, const std::string& from, const SendOptions& send) {
    const Value& parameters = context.parameters();
    const std::string to = parameters.text("to");
    if (!to.ends_with('/')) {
      return Error{ErrorKind::invalid, "to: `from` is a folder, so `" + to + "` has to end in `/`: `" + to + "/`"};
    }
    if (needs_connection(from)) {
      return Error{ErrorKind::invalid, "from: `" + from + "` is a folder of a store: s3_copy copies those"};
    }
    const bool deletes = parameters.flag("delete_extra");
    TRY_ASSIGN(const S3Uri prefix, parse_s3_uri(to));
    if (deletes && prefix.key.empty()) {
      return Error{ErrorKind::invalid, "delete_extra: `" + to + "` is a whole bucket; give a prefix in it"};
    }
    TRY_ASSIGN(const NameFilter filter, name_filter_of(parameters));
    TRY_ASSIGN(const Path folder, local_path(context, from));
    const std::string links = parameters.text("symlinks");
    const Symlinks symlinks = links == "skip" ? Symlinks::skip : links == "error" ? Symlinks::refuse : Symlinks::follow;
    TreeUpload upload{.folder = folder, .to = to, .send = send};
    TRY_ASSIGN(upload.files, list_tree(folder, filter, symlinks, files_max, context.stop_token()));
    upload.parallel = static_cast<size_t>(parameters.integer("parallel"));
    if (upload.files.empty()) {
      const std::string nothing =
          folder.string() + " holds no files" + (filter.takes_all() ? "" : " that are asked for");
      if (parameters.text("when_empty") == "skip") return Outcome{.skipped = true, .message = nothing};
      return Error{ErrorKind::not_found, nothing + "; `when_empty: skip` skips the task then"};
    }
    TRY_ASSIGN(const auto store, open(context, to, "to_connection"));
    TRY_ASSIGN(const Path staging, context.staging());
    PendingUploads pending(staging.parent_path().parent_path() / "uploads", context.fence(), to);
    TRY(pending.abort_left_over(*store, to));
    TRY_ASSIGN(TreeUploaded done, upload_tree(*store, pending, {context.try_id(), context.fence()}, upload,
                                              deletes ? Extra::collect : Extra::ignore, context.clock(),
                                              context.stop_token(), [&](std::string_view line) { context.log(line); }));
    if (done.unchecked > 0) {
      context.log("the store keeps no checksums of " + std::to_string(done.unchecked) +
                  " files: it took them by their checksum, and only their lengths are known since");
    }
    // What ends in `/` marks a folder in consoles and is no file.
    std::erase_if(done.extra, [&](const std::string& key) {
      return key.ends_with('/') || !filter.takes(key.substr(prefix.key.size()));
    });
    TRY(remove(context, *store, prefix.bucket, done.extra));
    Value value = Value::map();
    value.set("uri", to);
    value.set("files", done.files);
    value.set("bytes", done.bytes);
    value.set("uploaded", done.uploaded);
    value.set("uploaded_bytes", done.uploaded_bytes);
    value.set("skipped", done.skipped);
    value.set("deleted", static_cast<int64_t>(done.extra.size()));
    return Outcome{.return_value = std::move(value),
                   .message = to + ": " + std::to_string(done.uploaded) + " of " + std::to_string(done.files) +
                              " files uploaded, " + std::to_string(done.skipped) + " there already" +
                              (deletes ? ", " + std::to_string(done.extra.size()) + " deleted" : "")};
  }

  static Result<void> remove(TaskContext& context, S3FileSystem& store, const std::string& bucket,
                             const std::vector<std::string>& keys) {
    for (size_t begin = 0; begin < keys.size(); begin += delete_batch_max) {
      const auto first = keys.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto last = keys.begin() + static_cast<std::ptrdiff_t>(std::min(keys.size(), begin + delete_batch_max));
      TRY_ASSIGN(const auto refused, delete_objects(store.client(), bucket, {first, last}, context.stop_token()));
      if (!refused.empty()) return not_deleted(bucket, refused);
    }
    return {};
  }

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

  static Result<std::unique_ptr<S3FileSystem>> open(TaskContext& context, const std::string& uri,
                                                    std::string_view key) {
    TRY_ASSIGN(const auto connection, aws_connection(context, key));
    return make_s3_file_system(uri, connection, io_context_of(context, key));
  }

  static Result<Path> local_path(TaskContext& context, const std::string& from) {
    if (from.starts_with("file://")) {
      const auto path = percent_decode(std::string_view(from).substr(7));
      if (!path || !path->starts_with('/')) {
        return Error{ErrorKind::invalid, "from: `" + from + "`: expected file:///path, percent-encoded"};
      }
      return Path(*path);
    }
    return from.starts_with('/') ? Path(from) : context.dags_folder() / from;
  }

  // A file here is used where it is; an object is fetched to the staging folder.
  static Result<Path> local_copy(TaskContext& context, const std::string& from) {
    if (!needs_connection(from)) {
      TRY_ASSIGN(Path path, local_path(context, from));
      struct stat status {};
      if (::stat(path.c_str(), &status) != 0) return io_error("open", path, errno);
      if (S_ISDIR(status.st_mode)) {
        return Error{ErrorKind::invalid,
                     "from: `" + from + "` is a folder; `" + from + "/` uploads all files below it"};
      }
      return path;
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
};

}  // namespace

std::unique_ptr<Operator> make_s3_upload() { return std::make_unique<S3Upload>(); }

}  // namespace udon
