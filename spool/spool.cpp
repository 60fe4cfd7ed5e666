#include "spool/spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>
#include <set>

#include "base/limits.h"
#include "model/fields.h"
#include "spool/layout.h"
#include "spool/log_parts.h"
#include "spool/stamped_file.h"

namespace udon {
namespace {

constexpr int folder_mode = 0700;
constexpr int file_mode = 0600;
// A request holds the parameters and the context of one task instance; both come from DAG files and confs.
constexpr int64_t request_bytes_max = 4 * limits::dag_file_bytes_max;

constexpr int64_t process_bytes_max = 64 << 10;

// Where a runner's process stands, if there is to be none.
const Value& barred() {
  static const Value text("no runner any more");
  return text;
}

Value to_value(const ProcessIdentity& identity) {
  return Value(Value::Map{{"boot_id", identity.boot_id},
                          {"pid", int64_t{identity.pid}},
                          {"start_time", static_cast<int64_t>(identity.start_time)}});
}

Result<ProcessIdentity> parse_identity(const Value& value) {
  FieldReader fields(value, "identity of a process");
  ProcessIdentity identity;
  identity.boot_id = fields.text("boot_id");
  const int64_t pid = fields.integer("pid");
  // 0 and below mean groups of processes to the kernel: one misread file must not end everything.
  if (pid < 1 || pid > std::numeric_limits<pid_t>::max()) fields.fail("pid", "is no number of a process");
  identity.pid = static_cast<pid_t>(pid);
  identity.start_time = static_cast<uint64_t>(fields.integer_at_least("start_time", 0));
  TRY(fields.status());
  return identity;
}

bool is_not_found(const Error& error) { return error.kind == ErrorKind::not_found; }

Result<Value> read_json(const Path& path, int64_t bytes_max) {
  TRY_ASSIGN(const std::string content, read_file(path, bytes_max));
  auto value = parse_json(content);
  if (!value) return value.error().within("read " + path.string());
  return value;
}

// process.json, which a runner writes to begin a try and the scheduler to bar it, as the only one who is at it. Its
// content was read under the lock. conflict: somebody else is at it.
class Claim {
 public:
  static Result<Claim> take(const Path& path, const TryId& id) {
    TRY_ASSIGN(FileDescriptor file, open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, file_mode));
    if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return io_error("lock", path, errno);
      return Error{ErrorKind::conflict, path.string() + ": another runner is just beginning"};
    }
    TRY_ASSIGN(auto content, read_stamped(path, id, process_bytes_max));
    return Claim(std::move(file), path, std::move(content));
  }
  const std::optional<Value>& content() const { return content_; }
  Result<void> write(const TryId& id, const Value& value) const { return overwrite_file(path_, stamped(id, value)); }

 private:
  Claim(FileDescriptor file, Path path, std::optional<Value> content)
      : file_(std::move(file)), path_(std::move(path)), content_(std::move(content)) {}
  FileDescriptor file_;
  Path path_;
  std::optional<Value> content_;
};

}  // namespace

std::string log_stamp(TimePoint time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

Spool::Spool(Path home) : home_(std::move(home)) {}

Path Spool::folder(const TryId& id) const { return home_ / "spool" / to_string(id); }
Path Spool::log_file(const TryRequest& request) const { return home_ / request.log_file; }
Path Spool::staging(const TryId& id) const { return home_ / "staging" / to_string(id); }
Path Spool::socket() const { return home_ / "run" / "udon.sock"; }

Result<void> Spool::write_request(const TryRequest& request) const {
  const Path path = folder(request.try_id);
  TRY(make_directories(path, folder_mode));
  return write_in_place(path / layout::request, stamped(request.try_id, to_value(request)));
}

Result<TryRequest> Spool::read_request(const TryId& id) const {
  const Path path = folder(id) / layout::request;
  TRY_ASSIGN(const auto value, read_stamped(path, id, request_bytes_max));
  if (!value && !std::filesystem::exists(path)) return io_error("open", path, ENOENT);
  if (!value) return Error{ErrorKind::invalid, "read " + path.string() + ": it is damaged, or not of this try"};
  auto request = parse_try_request(*value);
  if (!request) return request.error().within("read " + path.string());
  return request;
}

Result<void> Spool::write_process(const TryId& id, const RunnerProcess& process) const {
  Value value = to_value(process.identity);
  if (!process.cgroup.empty()) value.set("cgroup", process.cgroup.string());
  const Path path = folder(id) / layout::process;
  TRY_ASSIGN(const Claim claim, Claim::take(path, id));
  if (claim.content()) return Error{ErrorKind::conflict, path.string() + ": another runner was first"};
  return claim.write(id, value);
}

Result<std::optional<RunnerProcess>> Spool::read_process(const TryId& id) const {
  TRY_ASSIGN(const auto value, read_stamped(folder(id) / layout::process, id, process_bytes_max));
  if (!value) return std::nullopt;
  const auto identity = parse_identity(*value);
  if (!identity) return std::nullopt;
  return RunnerProcess{.identity = *identity, .cgroup = value->text("cgroup")};
}

Result<bool> Spool::bar_runners(const TryId& id) const {
  const auto claim = Claim::take(folder(id) / layout::process, id);
  if (!claim) {
    if (is_not_found(claim.error())) return true;
    if (claim.error().kind == ErrorKind::conflict) return false;
    return claim.error();
  }
  if (claim->content()) return *claim->content() == barred();
  TRY(claim->write(id, barred()));
  return true;
}

Result<void> Spool::write_tree(const TryId& id, const std::vector<ProcessIdentity>& descendants) const {
  Value list = Value::list();
  for (const ProcessIdentity& identity : descendants) list.push_back(to_value(identity));
  // A power loss ends the try's process too; and what is lost then is found out by its absence.
  return write_file_atomically(folder(id) / layout::tree, to_json(list), Durability::survives_kill, file_mode);
}

Result<std::vector<ProcessIdentity>> Spool::read_tree(const TryId& id) const {
  std::vector<ProcessIdentity> descendants;
  const auto value = read_json(folder(id) / layout::tree, limits::result_bytes_max);
  if (!value) {
    // Damaged by a power loss: then none of them runs any more.
    if (is_not_found(value.error()) || value.error().kind == ErrorKind::invalid) return descendants;
    return value.error();
  }
  if (!value->is_list()) return descendants;
  for (const Value& item : value->as_list()) {
    if (auto identity = parse_identity(item)) descendants.push_back(std::move(*identity));
  }
  return descendants;
}

Result<void> Spool::write_result(const TryId& id, const TryEnded& ended) const {
  const std::string content = stamped(id, to_value(ended));
  if (static_cast<int64_t>(content.size()) > limits::result_bytes_max) {
    return Error{ErrorKind::data, "the result of the try has " + std::to_string(content.size()) +
                                      " bytes as JSON; at most " + std::to_string(limits::result_bytes_max) +
                                      " are kept. Large data goes to a file, its path to the XCom"};
  }
  return write_in_place(folder(id) / layout::result, content);
}

Result<std::optional<TryEnded>> Spool::read_result(const TryId& id) const {
  const auto value = read_stamped(folder(id) / layout::result, id, limits::result_bytes_max);
  if (!value) {
    if (value.error().kind == ErrorKind::data) return std::nullopt;
    return value.error();
  }
  if (!*value) return std::nullopt;
  auto ended = parse_try_ended(**value);
  if (!ended) return std::nullopt;
  return std::move(*ended);
}

Result<void> Spool::append_to_log(const TryId& id, TimePoint at, const std::string& text) const {
  TRY_ASSIGN(const TryRequest request, read_request(id));
  const Path path = log_file(request);
  TRY(make_directories(path.parent_path(), folder_mode));
  TRY_ASSIGN(const std::vector<LogPart> parts, open_log_parts(path));
  const Path& newest = parts.empty() ? path : parts.back().path;
  TRY_ASSIGN(const FileDescriptor file, open_file(newest, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, file_mode));
  // A kill may have cut the runner's last line.
  char last = '\n';
  const off_t size = lseek(file.get(), 0, SEEK_END);
  if (size > 0 && pread(file.get(), &last, 1, size - 1) < 0) return io_error("read", path.string(), errno);
  const std::string line = (last == '\n' ? "" : "\n") + log_stamp(at) + text + "\n";
  if (write(file.get(), line.data(), line.size()) < 0) return io_error("write to", path.string(), errno);
  return {};
}

Result<Path> Spool::make_staging(const TryId& id) const {
  const Path path = staging(id);
  if (rename((folder(id) / layout::spare_staging).c_str(), path.c_str()) == 0) return path;
  TRY(make_directories(path, folder_mode));
  return path;
}

Result<void> Spool::put_by_staging(const TryId& id) const {
  const Path path = staging(id);
  const auto emptied = empty_directory(path);
  if (!emptied && is_not_found(emptied.error())) return remove_tree(path);
  if (emptied && chmod(path.c_str(), folder_mode) == 0 &&
      rename(path.c_str(), (folder(id) / layout::spare_staging).c_str()) == 0) {
    return {};
  }
  return remove_tree(path);
}

Result<std::vector<TryId>> Spool::tries() const {
  std::set<TryId> ids;
  for (const Path& root : {home_ / "spool", home_ / "staging"}) {
    std::error_code error;
    std::filesystem::directory_iterator entry(root, error);
    if (error == std::errc::no_such_file_or_directory) continue;
    for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error)) {
      if (const auto id = parse_try_id(entry->path().filename().string())) ids.insert(*id);
    }
    if (error) return io_error("list", root, error.value());
  }
  return std::vector<TryId>(ids.begin(), ids.end());
}

Result<void> Spool::remove(const TryId& id) const {
  TRY(remove_tree(staging(id)));
  return remove_tree(folder(id));
}

}  // namespace udon
