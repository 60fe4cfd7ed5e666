#include "plugins/data/publisher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "base/text.h"
#include "base/value.h"
#include "model/run.h"
#include "plugins/io/pending_uploads.h"

namespace udon::data {
namespace {

constexpr std::string_view part_name = "part-00000.parquet";
constexpr std::string_view manifest_name = "_manifest.json";
constexpr std::string_view success_name = "_SUCCESS";
constexpr int64_t manifest_bytes_max = 64 << 20;

void step(const PublishRequest& request, std::string_view name) {
  if (request.on_step) request.on_step(name);
}

Error overtaken(const std::string& to, const std::string& by) {
  return Error{ErrorKind::conflict,
               fmt::format("{} was published by try {}, which is later than this one; nothing was changed", to, by)};
}

// True if `other` is a later try than `mine` of the same installation.
bool is_later(const std::string& other, const std::string& mine) {
  const auto a = parse_try_id(other);
  const auto b = parse_try_id(mine);
  return a && b && a->installation == b->installation && a->fence > b->fence;
}

// ---- S3 ----------------------------------------------------------------------------------------------------------

// Files of the result before that the new one does not replace.
std::vector<std::string> files_of_manifest(const std::string& text) {
  std::vector<std::string> uris;
  const auto manifest = parse_json(text);
  if (!manifest || !manifest->get("files").is_list()) return uris;
  for (const Value& file : manifest->get("files").as_list())
    if (const std::string uri = file.text("uri"); !uri.empty()) uris.push_back(uri);
  return uris;
}

Result<Published> publish_object(FileSystem& file_system, const PublishRequest& request) {
  const std::string folder = request.to.ends_with('/') ? request.to : request.to + "/";
  const std::string part = folder + std::string(part_name);
  const std::string manifest = folder + std::string(manifest_name);
  Published published{.certificate = request.certificate, .manifest = manifest};
  FileCertificate& file = published.certificate.files.at(0);
  file.uri = part;

  step(request, "abort what a dead try left");
  TRY(make_directories(request.pending_folder, 0700));
  const PendingUploads pending(request.pending_folder);
  TRY(pending.abort_left_over(file_system, part));

  step(request, "look at what is there");
  TRY_ASSIGN(const std::optional<ObjectInfo> old_manifest, file_system.stat(manifest));
  std::vector<std::string> old_files;
  if (old_manifest) {
    const auto text = file_system.read(manifest, manifest_bytes_max);
    if (text)
      old_files = files_of_manifest(*text);
    else if (text.error().kind != ErrorKind::not_found)
      return Error(text.error());
  }

  step(request, "upload");
  PutOptions options;
  options.content_type = "application/vnd.apache.parquet";
  options.storage_class = request.storage_class;
  options.metadata = {
      {"udon-certificate", request.certificate.id}, {"udon-sha256", file.sha256}, {"udon-try", request.try_id}};
  TRY_ASSIGN(const std::unique_ptr<PendingUpload> upload,
             file_system.upload(request.staged, part, options, request.part_bytes, pending.keeper(part)));

  // Just before it becomes visible: whoever came later has the say.
  step(request, "check who published last");
  TRY_ASSIGN(const std::optional<ObjectInfo> there, file_system.stat(part));
  if (there) {
    for (const auto& [key, value] : there->metadata) {
      if (key != "udon-try" || !is_later(value, request.try_id)) continue;
      TRY(upload->abort());
      return overtaken(part, value);
    }
  }
  step(request, "complete the upload");
  TRY_ASSIGN(const ObjectInfo written, upload->complete());
  file.etag = written.etag;

  step(request, "write the manifest");
  PutOptions condition;
  condition.content_type = "application/json";
  if (old_manifest)
    condition.if_match = old_manifest->etag;
  else
    condition.if_none_match = true;
  const auto put = file_system.write(manifest, manifest_json(published.certificate), condition);
  if (!put && put.error().kind == ErrorKind::conflict)
    return Error{ErrorKind::conflict,
                 fmt::format("somebody else published to {} at the same time: {}", folder, put.error().message)};
  TRY(put);

  step(request, "mark the success");
  TRY(file_system.write(folder + std::string(success_name), "", {}));

  step(request, "remove old files");
  for (const std::string& old : old_files)
    if (old != part && old.starts_with(folder)) TRY(file_system.remove(old));
  pending.forget(part);
  step(request, "done");
  return published;
}

// ---- local folder ------------------------------------------------------------------------------------------------

Result<void> refuse_foreign_folder(const Path& target) {
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::symlink_status(target, error))) return {};
  if (!std::filesystem::is_directory(target, error))
    return Error{ErrorKind::invalid,
                 fmt::format("{} is a file; `to` is the folder that the result becomes", target.string())};
  if (std::filesystem::is_empty(target, error) || std::filesystem::exists(target / manifest_name, error)) return {};
  return Error{
      ErrorKind::invalid,
      fmt::format("{} holds files but no {}: it is no result of an export, so it is not replaced. Name another "
                  "folder, or empty this one",
                  target.string(), manifest_name)};
}

// Hidden siblings of earlier tries that died: half-written, or the result before the last.
void remove_left_over(const Path& target, const std::string& try_id) {
  const std::string prefix = "." + target.filename().string() + ".";
  std::error_code error;
  std::vector<Path> old;
  for (const auto& entry : std::filesystem::directory_iterator(target.parent_path(), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const std::string id = name.substr(prefix.size());
    if (parse_try_id(id) && (id == try_id || is_later(try_id, id))) old.push_back(entry.path());
  }
  for (const Path& path : old) std::filesystem::remove_all(path, error);
}

Result<void> place(const Path& hidden, const Path& target) {
  if (::renameat2(AT_FDCWD, hidden.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EEXIST && ::renameat2(AT_FDCWD, hidden.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0)
    return {};
  if (errno == EINVAL || errno == ENOSYS)
    return Error{
        ErrorKind::unsupported,
        fmt::format("the file system of {} cannot replace a folder in one step (renameat2); write to ext4, xfs, "
                    "btrfs or tmpfs, or to s3://",
                    target.string())};
  return io_error("rename into", target, errno);
}

Result<void> sync_file(const Path& path) {
  TRY_ASSIGN(const FileDescriptor fd, open_file(path, O_RDONLY));
  if (::fsync(fd.get()) != 0) return io_error("fsync", path, errno);
  return {};
}

Result<Published> publish_folder(const PublishRequest& request) {
  Path target = request.to.starts_with("file://") ? Path(request.to.substr(7)) : Path(request.to);
  target = target.lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  if (!target.is_absolute() || target.filename().empty())
    return Error{ErrorKind::invalid, fmt::format("`{}` is no absolute path of a folder", request.to)};
  const Path hidden = target.parent_path() / fmt::format(".{}.{}", target.filename().string(), request.try_id);

  Published published{.certificate = request.certificate, .manifest = (target / manifest_name).string()};
  FileCertificate& file = published.certificate.files.at(0);
  file.uri = (target / part_name).string();

  step(request, "look at what is there");
  TRY(make_directories(target.parent_path()));
  TRY(refuse_foreign_folder(target));
  if (const auto text = read_file(target / manifest_name); text) {
    const auto manifest = parse_json(*text);
    if (manifest && is_later(manifest->text("try"), request.try_id))
      return overtaken(target.string(), manifest->text("try"));
  }
  step(request, "remove what dead tries left");
  remove_left_over(target, request.try_id);

  step(request, "write the hidden folder");
  TRY(make_directories(hidden));
  const auto fill = [&]() -> Result<void> {
    std::error_code error;
    std::filesystem::rename(request.staged, hidden / part_name, error);
    if (error) {  // another file system: a copy
      std::filesystem::copy_file(request.staged, hidden / part_name, error);
      if (error) return io_error("copy to", hidden / part_name, error.value());
      TRY(sync_file(hidden / part_name));
    }
    step(request, "write the manifest");
    Value manifest = *parse_json(manifest_json(published.certificate));
    manifest.set("try", request.try_id);
    TRY(write_file_atomically(hidden / manifest_name, to_json_pretty(manifest) + "\n",
                              Durability::survives_power_loss));
    step(request, "mark the success");
    TRY(write_file_atomically(hidden / success_name, "", Durability::survives_power_loss));
    return sync_directory(hidden);
  };
  auto placed = fill();
  if (placed) {
    step(request, "rename into place");
    placed = place(hidden, target);
  }
  if (!placed) {
    TRY(remove_tree(hidden));
    return Error(placed.error());
  }
  TRY(sync_directory(target.parent_path()));
  step(request, "remove the old result");
  TRY(remove_tree(hidden));  // after an exchange it is the old one; otherwise there is nothing
  step(request, "done");
  return published;
}

}  // namespace

std::string manifest_json(const Certificate& certificate) {
  Value files = Value::list();
  for (const FileCertificate& file : certificate.files) {
    Value entry = Value::map();
    entry.set("name", file.uri.substr(file.uri.rfind('/') + 1));
    entry.set("uri", file.uri);
    entry.set("rows", static_cast<int64_t>(file.rows));
    entry.set("bytes", static_cast<int64_t>(file.bytes));
    entry.set("sha256", file.sha256);
    entry.set("etag", file.etag);
    files.push_back(std::move(entry));
  }
  Value manifest = Value::map();
  manifest.set("version", 1);
  manifest.set("files", std::move(files));
  manifest.set("certificate", to_value(certificate));
  return to_json_pretty(manifest);
}

Result<Published> publish(FileSystem& file_system, const PublishRequest& request) {
  if (request.to.starts_with("s3://")) return publish_object(file_system, request);
  return publish_folder(request);
}

}  // namespace udon::data
