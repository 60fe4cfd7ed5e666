#include "plugins/io/pending_uploads.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "base/id.h"
#include "base/net/digest.h"
#include "base/text.h"

namespace udon {
namespace {

constexpr std::string_view suffix = ".json";
// How far the store's time of an upload can be from that of the file which says that it would be begun: a quarter of an
// hour, more than which S3 refuses as skewed, and as much again for a beginning that had to be repeated.
constexpr Duration begun_around_max = std::chrono::minutes(30);

// A key may be longer than a file's name.
std::string prefix_of(const std::string& target) { return to_hex(sha256(target)) + "."; }

bool lock_if_free(const FileDescriptor& file) {
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

// The file of a try's uploads to one target, open. A line of JSON for each thing that becomes known: first the object's
// uri, then the state of its upload, which replaces it. A line that was torn by a kill says nothing.
class Record {
 public:
  // For an upload that is about to begin. The name appears with the lock held: nobody ever finds it free while we live.
  static Result<Record> make(const Path& path, const Value& state) {
    const Path temporary = path.parent_path() / (".udon-" + make_secret(8) + ".tmp");
    TRY_ASSIGN(FileDescriptor file, open_file(temporary, O_RDWR | O_CREAT | O_EXCL, 0600));
    Record record(path, std::move(file));
    if (!lock_if_free(record.file_)) {
      const Error error = io_error("lock", temporary, errno);
      ::unlink(temporary.c_str());
      return error;
    }
    Result<void> made = record.add(state, temporary);
    if (made && ::rename(temporary.c_str(), path.c_str()) != 0) made = io_error("rename to", path, errno);
    if (!made) {
      ::unlink(temporary.c_str());
      return made.error();
    }
    return record;
  }
  // Nothing: it is gone, its upload ended.
  static Result<std::optional<Record>> find(const Path& path) {
    auto file = open_file(path, O_RDWR);
    if (!file && file.error().kind == ErrorKind::not_found) return std::optional<Record>();
    if (!file) return file.error();
    return std::optional(Record(path, std::move(*file)));
  }

  // True: whoever wrote it is dead, and it is ours as long as this object lives. False: he lives, or has ended it just
  // now, or another is seeing to it.
  bool is_dead() const {
    struct stat named {};
    struct stat held {};
    return lock_if_free(file_) && ::stat(path_.c_str(), &named) == 0 && ::fstat(file_.get(), &held) == 0 &&
           named.st_ino == held.st_ino && named.st_dev == held.st_dev;
  }
  // In place, as the lock is the file's and not the name's.
  Result<void> add(const Value& state) const { return add(state, path_); }
  // The last that is said of each object. Nothing: not even whose uploads these are.
  std::vector<Value> read() const {
    std::string text;
    char buffer[4096];
    for (off_t at = 0;;) {
      const ssize_t n = ::pread(file_.get(), buffer, sizeof buffer, at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      text.append(buffer, static_cast<size_t>(n));
      at += n;
    }
    std::vector<Value> states;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      auto state = parse_json(std::string_view(text).substr(begin, end - begin));
      begin = end + 1;
      if (!state || !state->is_map()) continue;
      const auto same = std::ranges::find(states, state->text("uri"), [](const Value& s) { return s.text("uri"); });
      if (same != states.end())
        *same = std::move(*state);
      else
        states.push_back(std::move(*state));
    }
    return states;
  }
  TimePoint written_at() const {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) return {};
    return TimePoint(std::chrono::seconds(status.st_mtim.tv_sec));
  }
  void remove() const { ::unlink(path_.c_str()); }
  const Path& path() const { return path_; }

 private:
  Record(Path path, FileDescriptor file) : path_(std::move(path)), file_(std::move(file)) {}
  Result<void> add(const Value& state, const Path& name) const {
    if (::lseek(file_.get(), 0, SEEK_END) < 0) return io_error("seek in", name, errno);
    return write_all(file_.get(), to_json(state) + "\n", name);
  }

  Path path_;
  FileDescriptor file_;
};

Value begun_of(const std::string& uri) {
  Value state = Value::map();
  state.set("uri", uri);
  return state;
}

bool has_id(const Value& state) { return !state.text("upload_id").empty() || !state.text("temporary").empty(); }
// Something may have been begun whose id its beginner never heard.
bool may_hide_one(const Value& state) { return !has_id(state) || state.flag("may_have_begun_twice"); }

Result<std::vector<Path>> records_of(const Path& folder, const std::string& target) {
  std::vector<Path> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(prefix_of(target)) && name.ends_with(suffix)) found.push_back(entry->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) return io_error("list", folder, error.value());
  return found;
}

// Who may not list or abort uploads cannot see to them; the bucket's lifecycle rule has to.
bool is_beyond_us(const Error& error) {
  return error.kind == ErrorKind::denied || error.kind == ErrorKind::unsupported || error.kind == ErrorKind::not_found;
}

// Aborts what was begun around one of these moments and is in nobody's file. False: that cannot be told now, as a
// living process is beginning one whose id it has not yet heard.
Result<bool> abort_unknown(FileSystem& files, const std::string& uri, const Path& folder, const std::string& target,
                           const std::vector<Path>& ours, const std::vector<TimePoint>& moments) {
  // The store first, then the files: whatever it lists, its living beginner had a file before.
  auto begun = files.begun_uploads(uri);
  if (!begun && is_beyond_us(begun.error())) return true;
  if (!begun) return begun.error().within("looking for uploads that were left over");
  std::erase_if(*begun, [&](const BegunUpload& upload) {
    return upload.begun_at && std::ranges::none_of(moments, [&](TimePoint moment) {
             return *upload.begun_at >= moment - begun_around_max && *upload.begun_at <= moment + begun_around_max;
           });
  });
  if (begun->empty()) return true;
  std::set<std::string> known;
  TRY_ASSIGN(const std::vector<Path> paths, records_of(folder, target));
  for (const Path& path : paths) {
    TRY_ASSIGN(const auto record, Record::find(path));
    if (!record) continue;
    const std::vector<Value> states = record->read();
    bool is_beginning = states.empty();
    for (const Value& state : states) {
      if (has_id(state))
        known.insert(state.text("upload_id"));
      else if (state.text("uri") == uri)
        is_beginning = true;
    }
    if (is_beginning && std::ranges::find(ours, path) == ours.end() && !record->is_dead()) return false;
  }
  for (const BegunUpload& upload : *begun) {
    if (known.contains(upload.id)) continue;
    Value state = begun_of(uri);
    state.set("upload_id", upload.id);
    const auto aborted = files.abort(state);
    if (!aborted && !is_beyond_us(aborted.error()))
      return aborted.error().within("aborting an upload that was left over");
  }
  return true;
}

}  // namespace

// The uploads of one try to one target, by their file, and how many of them have not ended.
struct PendingUploads::Shared {
  Record record;
  int open_count = 0;
  bool is_kept = false;  // the next who comes to this target is to see to what it may hide

  void end() {
    if (--open_count == 0 && !is_kept) record.remove();
  }
};

class PendingUploads::RecordedUpload final : public PendingUpload {
 public:
  RecordedUpload(std::shared_ptr<Shared> shared, std::unique_ptr<PendingUpload> upload)
      : shared_(std::move(shared)), upload_(std::move(upload)) {}
  Value state() const override { return upload_->state(); }
  void only_if(const std::string& if_match, bool if_none_match) override { upload_->only_if(if_match, if_none_match); }
  Result<ObjectInfo> complete() override {
    auto info = upload_->complete();
    if (info || info.error().kind == ErrorKind::not_found) end();
    return info;
  }
  Result<void> abort() override {
    TRY(upload_->abort());
    end();
    return {};
  }

 private:
  void end() {
    if (!std::exchange(has_ended_, true)) shared_->end();
  }
  const std::shared_ptr<Shared> shared_;  // first: the lock is held until the upload has been aborted
  const std::unique_ptr<PendingUpload> upload_;
  bool has_ended_ = false;
};

Result<std::shared_ptr<PendingUploads::Shared>> PendingUploads::shared_for(const std::string& uri) {
  if (auto shared = shared_.lock(); shared && (shared->open_count > 0 || shared->is_kept)) {
    TRY(shared->record.add(begun_of(uri)));
    return shared;
  }
  TRY(make_directories(folder_, 0700));
  const Path path = folder_ / (prefix_of(target_of(uri)) + std::to_string(fence_) + std::string(suffix));
  TRY_ASSIGN(Record record, Record::make(path, begun_of(uri)));
  auto shared = std::make_shared<Shared>(Shared{.record = std::move(record)});
  if (!target_.empty()) shared_ = shared;
  return shared;
}

Result<std::unique_ptr<PendingUpload>> PendingUploads::upload(FileSystem& files, const Path& file,
                                                              const std::string& uri, const PutOptions& options,
                                                              int64_t part_bytes) {
  TRY_ASSIGN(const std::shared_ptr<Shared> shared, shared_for(uri));
  ++shared->open_count;
  // Once: the parts that arrive later change nothing of what it takes to abort it.
  bool is_written = false;
  const auto persist = [&](const Value& state) -> Result<void> {
    if (std::exchange(is_written, true)) return {};
    return shared->record.add(state);
  };
  auto begun = files.upload(file, uri, options, part_bytes, persist);
  if (!begun) {
    if (begun.error().kind != ErrorKind::conflict) shared->is_kept = true;
    shared->end();  // with conflict somebody has ended it
    return begun.error();
  }
  auto recorded = std::make_unique<RecordedUpload>(shared, std::move(*begun));
  // What could not be told when we came, mostly can now.
  TRY(abort_left_over(files, target_of(uri)));
  // Its first request was repeated, and may have begun one already of which we know nothing.
  if (recorded->state().flag("may_have_begun_twice")) {
    TRY_ASSIGN(const bool is_seen_to,
               abort_unknown(files, uri, folder_, target_of(uri), {}, {shared->record.written_at()}));
    if (!is_seen_to) shared->is_kept = true;
  }
  return recorded;
}

Result<void> PendingUploads::abort_left_over(FileSystem& files, const std::string& target) const {
  TRY_ASSIGN(const std::vector<Path> paths, records_of(folder_, target));
  std::vector<Record> dead;
  for (const Path& path : paths) {
    TRY_ASSIGN(auto record, Record::find(path));
    if (record && record->is_dead()) dead.push_back(std::move(*record));
  }
  // By object: the moments at which something may have been begun that nobody knows.
  std::map<std::string, std::vector<TimePoint>> moments;
  std::vector<const Record*> hiding;
  for (const Record& record : dead) {
    std::vector<Value> states = record.read();
    if (states.empty() && target_.empty()) states.push_back(begun_of(target));
    bool is_hiding = false;
    for (const Value& state : states) {
      if (has_id(state)) {
        const auto aborted = files.abort(state);
        if (!aborted && aborted.error().kind != ErrorKind::invalid && aborted.error().kind != ErrorKind::not_found)
          return aborted.error().within("aborting an upload that was left over");
      }
      if (!may_hide_one(state)) continue;
      is_hiding = true;
      moments[state.text("uri", target)].push_back(record.written_at());
    }
    if (is_hiding)
      hiding.push_back(&record);
    else
      record.remove();
  }
  if (hiding.empty()) return {};
  std::vector<Path> ours;
  for (const Record* record : hiding) ours.push_back(record->path());
  for (const auto& [uri, around] : moments) {
    TRY_ASSIGN(const bool is_done, abort_unknown(files, uri, folder_, target, ours, around));
    if (!is_done) return {};
  }
  for (const Record* record : hiding) record->remove();
  return {};
}

}  // namespace udon
