#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "model/run.h"
#include "plugins/data/publish_rejects.h"
#include "plugins/data/publish_steps.h"
#include "plugins/io/local_file_system.h"

namespace udon::data {
namespace {

bool holds_rejects_only(const Path& folder) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().filename() != rejects_name) return false;
  return !error;
}

// A file of the try as one of the result.
Result<void> move_into(const Path& file, const Path& target) {
  std::error_code error;
  std::filesystem::rename(file, target, error);
  if (!error) return {};
  LocalFileSystem local({});  // another file system: a copy
  TRY(local.write_file(file, target, {}));
  return {};
}

// What is there is replaced, and then removed, as a whole: so it must be a result of ours with nothing beside it, and
// not that of a later try.
Result<void> check_replaceable(const Path& target, const PublishRequest& request) {
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::symlink_status(target, error)))
    return check_growth(request, std::nullopt);
  if (!std::filesystem::is_directory(target, error))
    return Error{ErrorKind::invalid,
                 fmt::format("{} is a file; `to` is the folder that the result becomes", target.string())};
  std::optional<OldManifest> old;
  if (const auto text = read_file(target / manifest_name, manifest_bytes_max))
    old = parse_old_manifest(*text);
  else if (text.error().kind != ErrorKind::not_found)
    return text.error();
  if (old && is_later(old->try_id, request.try_id)) return overtaken(target.string(), old->try_id);
  TRY(check_growth(request, old));
  std::vector<std::string> foreign;
  std::filesystem::directory_iterator entry(target, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool is_ours =
        old && (name == manifest_name || name == success_name || old->uris.contains(entry->path().string()));
    if (is_ours || (old && name == rejects_folder && holds_rejects_only(entry->path()))) continue;
    foreign.push_back(name);
  }
  if (error) return io_error("list", target, error.value());
  std::ranges::sort(foreign);
  if (!foreign.empty()) return holds_others_files(target.string(), foreign);
  return {};
}

// Held while one looks, and from the last look to the rename, so that two tries on one machine, or on one NFS server,
// come one after the other.
Result<FileDescriptor> lock_folder(const Path& folder) {
  TRY_ASSIGN(FileDescriptor descriptor, open_file(folder, O_RDONLY | O_DIRECTORY));
  while (::flock(descriptor.get(), LOCK_EX) != 0)
    if (errno != EINTR) return io_error("lock", folder, errno);
  return descriptor;
}

// A try's own folder, locked until it ends. What came before it under that name is gone.
Result<FileDescriptor> make_hidden(const Path& hidden) {
  while (true) {
    TRY(make_directories(hidden));
    auto descriptor = open_file(hidden, O_RDONLY | O_DIRECTORY);
    if (!descriptor && descriptor.error().kind == ErrorKind::not_found) continue;
    if (!descriptor) return descriptor.error();
    while (::flock(descriptor->get(), LOCK_EX) != 0)
      if (errno != EINTR) return io_error("lock", hidden, errno);
    // Before it was locked a later try may have taken it for a dead one's.
    struct stat held {
    }, there{};
    if (::fstat(descriptor->get(), &held) == 0 && ::stat(hidden.c_str(), &there) == 0 && held.st_ino == there.st_ino &&
        held.st_dev == there.st_dev)
      return std::move(*descriptor);
  }
}

// Hidden siblings of earlier tries that died: half-written, or the result before the last. One that is locked is of a
// try that lives: if files went from under its hands, it might still mark and place what is left.
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
  for (const Path& path : old) {
    const auto descriptor = open_file(path, O_RDONLY | O_DIRECTORY);
    if (descriptor && ::flock(descriptor->get(), LOCK_EX | LOCK_NB) != 0) continue;
    std::filesystem::remove_all(path, error);
  }
}

// A file that stays is in the new folder under its old name: the same file, where the file system has links.
Result<void> keep(const FileCertificate& file, const Path& target, const Path& hidden) {
  const Path path = file.uri;
  if (path.parent_path() != target)
    return Error{ErrorKind::data,
                 fmt::format("the manifest of {} names {}, which is not in it", target.string(), file.uri)};
  std::error_code error;
  std::filesystem::create_hard_link(path, hidden / path.filename(), error);
  if (!error) return {};
  if (error == std::errc::no_such_file_or_directory)
    return Error{ErrorKind::data,
                 fmt::format("{} is gone, which the manifest beside it names; export the table anew to "
                             "another folder, or with `mode: full`",
                             file.uri)};
  LocalFileSystem local({});
  TRY(local.write_file(path, hidden / path.filename(), {}));
  return {};
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

std::string name_of(const PublishRequest& request, size_t number) {
  return part_name_of(number, request.growth ? request.try_id : std::string(), extension_of(request));
}

}  // namespace

Result<Published> publish_folder(const PublishRequest& request) {
  Path target = request.to.starts_with("file://") ? Path(request.to.substr(7)) : Path(request.to);
  target = target.lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  if (!target.is_absolute() || target.filename().empty())
    return Error{ErrorKind::invalid, fmt::format("`{}` is no absolute path of a folder", request.to)};
  const Path hidden = target.parent_path() / fmt::format(".{}.{}", target.filename().string(), request.try_id);

  Published published{.certificate = request.certificate, .manifest = (target / manifest_name).string()};
  for (size_t i = 0; i < request.staged.size(); ++i)
    published.certificate.files.at(i).uri = (target / name_of(request, i)).string();

  step(request, "look at what is there");
  TRY(make_directories(target.parent_path()));
  {
    TRY_ASSIGN(const FileDescriptor lock, lock_folder(target.parent_path()));
    TRY(check_replaceable(target, request));
  }
  step(request, "remove what dead tries left");
  remove_left_over(target, request.try_id);

  step(request, "write the hidden folder");
  TRY_ASSIGN(const FileDescriptor living, make_hidden(hidden));
  const auto fill = [&]() -> Result<void> {
    for (size_t i = 0; i < request.staged.size(); ++i) TRY(move_into(request.staged[i], hidden / name_of(request, i)));
    if (!request.rejects.empty()) {
      TRY(make_directories(hidden / rejects_folder));
      TRY(move_into(request.rejects, hidden / rejects_folder / rejects_name));
      TRY(sync_directory(hidden / rejects_folder));
      published.rejects = (target / rejects_folder / rejects_name).string();
    }
    if (request.growth)
      for (const FileCertificate& file : request.growth->keeps) TRY(keep(file, target, hidden));
    step(request, "write the manifest");
    TRY(write_file_atomically(hidden / manifest_name,
                              manifest_json(published.certificate, request.try_id, request.growth),
                              Durability::survives_power_loss));
    step(request, "mark the success");
    TRY(write_file_atomically(hidden / success_name, "", Durability::survives_power_loss));
    return sync_directory(hidden);
  };
  auto placed = fill();
  if (placed) {
    step(request, "rename into place");
    placed = [&]() -> Result<void> {
      TRY_ASSIGN(const FileDescriptor lock, lock_folder(target.parent_path()));
      TRY(check_replaceable(target, request));
      return place(hidden, target);
    }();
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

}  // namespace udon::data
