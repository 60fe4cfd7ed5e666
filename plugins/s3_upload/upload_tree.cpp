#include "plugins/s3_upload/upload_tree.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "plugins/io/failures.h"
#include "plugins/io/in_parallel.h"
#include "plugins/io/s3_list.h"

namespace udon {
namespace {

// A task says in its log how far it is.
constexpr auto progress_every = std::chrono::seconds(15);
// A prefix that holds so many times more objects than we have files is not listed to its end.
constexpr size_t listed_per_file_max = 10;
constexpr size_t listed_anyway = 20'000;

struct Target {
  enum class There { unknown, absent, present };
  There there = There::unknown;
  std::string etag;  // of what we have sent; empty: nothing
};

class Upload {
 public:
  Upload(S3FileSystem& store, PendingUploads& pending, const WriteOrder& order, const TreeUpload& upload, Extra extra,
         const Clock& clock, const std::stop_token& stop, const std::function<void(std::string_view)>& log)
      : store_(store),
        sender_(store, pending, order, stop),
        upload_(upload),
        extra_(extra),
        clock_(clock),
        stop_(stop),
        log_(log),
        targets_(upload.files.size()),
        told_at_(clock.monotonic()) {}

  Result<TreeUploaded> run() {
    TRY_ASSIGN(prefix_, parse_s3_uri(upload_.to));
    for (const TreeFile& file : upload_.files) {
      done_.bytes += file.bytes;
      // Here, so that a key that is too long is told before anything is sent.
      if (const auto key = parse_s3_uri(uri_of(file)); !key)
        return key.error().within((upload_.folder / file.name).string());
    }
    done_.files = static_cast<int64_t>(upload_.files.size());
    TRY(look());
    TRY(each([](const TreeFile& file, int64_t part_bytes) { return file.bytes > part_bytes; }, 1, &Upload::send));
    TRY(each([](const TreeFile& file, int64_t part_bytes) { return file.bytes <= part_bytes; }, upload_.parallel,
             &Upload::send));
    TRY(confirm());
    if (failures_.count() > 0) return failure({});
    return std::move(done_);
  }

 private:
  std::string uri_of(const TreeFile& file) const { return upload_.to + file.name; }

  // Calls `found` for each of our files that the store lists; true if it was listed to the end.
  Result<bool> list(const std::function<void(size_t index, const S3ListedObject&)>& found,
                    const std::function<void(std::string key)>& others) {
    size_t listed = 0;
    bool is_whole = true;
    const size_t listed_max = listed_anyway + listed_per_file_max * upload_.files.size();
    const auto take = [&](std::vector<S3ListedObject> page, const std::optional<TimePoint>&) -> Result<bool> {
      listed += page.size();
      for (S3ListedObject& object : page) {
        const std::string_view name = std::string_view(object.key).substr(prefix_.key.size());
        const auto at = std::ranges::lower_bound(upload_.files, name, {},
                                                 [](const TreeFile& f) { return std::string_view(f.name); });
        if (at != upload_.files.end() && at->name == name)
          found(static_cast<size_t>(at - upload_.files.begin()), object);
        else
          others(std::move(object.key));
      }
      is_whole = listed <= listed_max || extra_ == Extra::collect;
      return is_whole;
    };
    TRY(list_s3(store_.client(), {.prefix = prefix_}, take, stop_));
    return is_whole;
  }

  // One list instead of a look at each.
  Result<void> look() {
    const auto found = [&](size_t index, const S3ListedObject&) { targets_[index].there = Target::There::present; };
    const auto others = [&](std::string key) {
      if (extra_ == Extra::collect) done_.extra.push_back(std::move(key));
    };
    TRY_ASSIGN(const bool is_whole, list(found, others));
    if (!is_whole) return {};
    for (Target& target : targets_)
      if (target.there == Target::There::unknown) target.there = Target::There::absent;
    return {};
  }

  using Step = Result<void> (Upload::*)(size_t index);
  Result<void> each(const std::function<bool(const TreeFile&, int64_t)>& is_meant, size_t threads, Step step) {
    std::vector<size_t> meant;
    for (size_t i = 0; i < upload_.files.size(); ++i)
      if (is_meant(upload_.files[i], upload_.send.part_bytes)) meant.push_back(i);
    const Result<void> all =
        in_parallel(meant.size(), threads, stop_, [&](size_t i) { return (this->*step)(meant[i]); });
    if (!all) return failure(all.error());
    return {};
  }

  Result<void> send(size_t index) {
    const TreeFile& file = upload_.files[index];
    const std::string uri = uri_of(file);
    std::optional<ObjectInfo> there;
    if (targets_[index].there != Target::There::absent) {
      auto info = store_.stat(uri);
      if (!info) return note(file, info.error());
      there = std::move(*info);
    }
    auto sent = sender_.send(upload_.folder / file.name, uri, upload_.send, std::move(there));
    return take(index, std::move(sent));
  }

  Result<void> send_again(size_t index) {
    const TreeFile& file = upload_.files[index];
    auto sent = sender_.send_and_confirm(upload_.folder / file.name, uri_of(file), upload_.send);
    if (!sent) return note(file, sent.error());
    return {};
  }

  Result<void> take(size_t index, Result<SentObject> sent) {
    const TreeFile& file = upload_.files[index];
    if (!sent) return note(file, sent.error());
    targets_[index].etag = sent->is_sent ? sent->object.etag : "";
    const std::lock_guard lock(mutex_);
    if (sent->is_sent) {
      ++done_.uploaded;
      done_.uploaded_bytes += sent->object.bytes;
      if (!sent->has_checksum) ++done_.unchecked;
    } else {
      ++done_.skipped;
    }
    if (clock_.monotonic() - told_at_ < progress_every) return {};
    told_at_ = clock_.monotonic();
    log_(std::to_string(done_.uploaded + done_.skipped) + " of " + std::to_string(done_.files) + " files are there");
    return {};
  }

  Result<void> note(const TreeFile& file, const Error& error) { return failures_.note(file.name, error); }

  // What stands there now is what we have sent: an earlier try that slipped in between is sent away again.
  Result<void> confirm() {
    std::vector<bool> is_seen(targets_.size());
    bool is_whole = true;
    if (done_.uploaded > 0) {
      const auto found = [&](size_t index, const S3ListedObject& object) {
        is_seen[index] = object.etag == targets_[index].etag;
      };
      TRY_ASSIGN(is_whole, list(found, [](const std::string&) {}));
    }
    std::vector<size_t> again;
    for (size_t i = 0; i < targets_.size(); ++i)
      if (!targets_[i].etag.empty() && !is_seen[i]) again.push_back(i);
    const Result<void> all = in_parallel(again.size(), is_whole ? 1 : upload_.parallel, stop_, [&](size_t i) {
      const TreeFile& file = upload_.files[again[i]];
      if (!is_whole) {
        const auto there = store_.stat(uri_of(file));
        if (!there) return note(file, there.error());
        if (*there && (*there)->etag == targets_[again[i]].etag) return Result<void>();
      }
      return send_again(again[i]);
    });
    if (!all) return failure(all.error());
    return {};
  }

  Error failure(const std::optional<Error>& last) const {
    return failures_.error(upload_.folder.string() + ": " + std::to_string(done_.uploaded + done_.skipped) + " of " +
                               std::to_string(done_.files) + " files are at " + upload_.to + " (" +
                               std::to_string(done_.uploaded) + " uploaded, " + std::to_string(done_.skipped) +
                               " were there); the next try sends only the others. ",
                           last);
  }

  S3FileSystem& store_;
  ObjectSender sender_;
  const TreeUpload& upload_;
  const Extra extra_;
  const Clock& clock_;
  const std::stop_token stop_;
  const std::function<void(std::string_view)>& log_;
  S3Uri prefix_;
  std::vector<Target> targets_;  // of upload_.files; each is one thread's at a time
  Failures failures_;
  std::mutex mutex_;  // of all below
  Duration told_at_;
  TreeUploaded done_;
};

}  // namespace

Result<TreeUploaded> upload_tree(S3FileSystem& store, PendingUploads& pending, const WriteOrder& order,
                                 const TreeUpload& upload, Extra extra, const Clock& clock, const std::stop_token& stop,
                                 const std::function<void(std::string_view)>& log) {
  return Upload(store, pending, order, upload, extra, clock, stop, log).run();
}

}  // namespace udon
