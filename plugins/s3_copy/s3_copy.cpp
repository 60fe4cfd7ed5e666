#include "plugins/s3_copy/s3_copy.h"

#include <fcntl.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "plugins/api/aws_default.h"
#include "plugins/io/failures.h"
#include "plugins/io/in_parallel.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"
#include "plugins/io/s3_copy.h"
#include "plugins/io/s3_list.h"
#include "plugins/io/s3_parameters.h"

namespace udon {
namespace {

// Of an object that goes through this machine: what is held in memory, and of how many at a time.
constexpr int64_t fetch_bytes = 4 << 20;
constexpr size_t fetch_parallel_max = 4;

class S3Copy final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    from_ = parameters.text("from"), to_ = parameters.text("to");
    TRY_ASSIGN(const S3Uri from, parse_s3_uri(from_));
    TRY_ASSIGN(S3Uri to, parse_s3_uri(to_));
    TRY(prepare(context, from, to));
    const bool is_prefix = from.key.empty() || from.key.ends_with('/');
    if (!is_prefix && (to.key.empty() || to.key.ends_with('/'))) {
      to.key += from.key.substr(from.key.rfind('/') + 1);
      to_ = to_string(to);
    }
    TRY_ASSIGN(const Path staging, context.staging());
    PendingUploads pending(staging.parent_path().parent_path() / "uploads", context.fence(), is_prefix ? to_ : "");
    pending_ = &pending;
    TRY(pending.abort_left_over(*target_, to_));
    const Result<void> done = is_prefix ? copy_prefix(context, from, to) : copy_one(context, from, to);
    if (!done || failures_.count() > 0) {
      if (!is_prefix) return done.error();
      return failures_.error(from_ + ": " + std::to_string(copied_ + skipped_) + " objects are at " + to_ + " (" +
                                 std::to_string(copied_) + " copied, " + std::to_string(skipped_) +
                                 " were there); the next try copies only the others. ",
                             done ? std::nullopt : std::optional(done.error()));
    }
    if (is_prefix && copied_ + skipped_ == 0) {
      const std::string nothing = "there is nothing to be copied at " + from_;
      if (parameters.text("when_empty") == "skip") return Outcome{.skipped = true, .message = nothing};
      return Error{ErrorKind::not_found, nothing + "; `when_empty: skip` skips the task then"};
    }
    Value value = Value::map();
    value.set("uri", to_);
    value.set("objects", copied_ + skipped_);
    value.set("bytes", bytes_);
    value.set("copied", copied_);
    value.set("skipped", skipped_);
    value.set("by_the_store", is_same_store_);
    return Outcome{.return_value = std::move(value),
                   .message = to_ + ": " + std::to_string(copied_) + " objects copied, " + std::to_string(skipped_) +
                              " there already"};
  }

 private:
  Result<void> prepare(TaskContext& context, const S3Uri& from, const S3Uri& to) {
    const Value& parameters = context.parameters();
    const bool is_prefix = from.key.empty() || from.key.ends_with('/');
    if (is_prefix && !to.key.empty() && !to.key.ends_with('/'))
      return Error{ErrorKind::invalid, "to: `from` is a prefix, so `" + to_ + "` has to end in `/`: `" + to_ + "/`"};
    TRY_ASSIGN(filter_, name_filter_of(parameters));
    if (!is_prefix && !filter_.takes_all())
      return Error{ErrorKind::invalid,
                   "include, exclude: `from` is one object; a prefix ends in `/`: `" + from_ + "/`"};
    TRY_ASSIGN(asked_, put_options_of(parameters));
    asked_.content_type = parameters.text("content_type");
    is_described_ = !parameters.get("metadata").is_null();
    part_bytes_ = parameters.integer("part_size");
    one_request_max_ = parameters.integer("parts_above");
    TRY_ASSIGN(const auto source_connection, aws_connection(context, "from_connection"));
    TRY_ASSIGN(const auto target_connection, aws_connection(context, "to_connection"));
    TRY_ASSIGN(source_, make_s3_file_system(from_, source_connection, io_context_of(context, "from_connection")));
    TRY_ASSIGN(target_, make_s3_file_system(to_, target_connection, io_context_of(context, "to_connection")));
    has_two_connections_ = parameters.text("from_connection") != parameters.text("to_connection");
    const S3Settings& a = source_->client().settings();
    const S3Settings& b = target_->client().settings();
    is_same_store_ = a.endpoint.origin() == b.endpoint.origin() && a.endpoint_path == b.endpoint_path;
    if (is_prefix && is_same_store_ && from.bucket == to.bucket && to.key.starts_with(from.key) && to.key != from.key)
      return Error{ErrorKind::invalid,
                   "to: `" + to_ + "` is inside of `" + from_ + "`: the copies would be copied too"};
    return {};
  }

  Result<void> copy_one(TaskContext& context, const S3Uri& from, const S3Uri& to) {
    return copy(context, from, to_string(to), 0);
  }

  // A page of the list at a time; large objects one after the other, as each is copied by several requests.
  Result<void> copy_prefix(TaskContext& context, const S3Uri& from, const S3Uri& to) {
    const auto threads = static_cast<size_t>(context.parameters().integer("parallel"));
    const auto take = [&](const std::vector<S3ListedObject>& page, const std::optional<TimePoint>&) -> Result<bool> {
      std::vector<S3ListedObject> small, large;
      for (const S3ListedObject& object : page) {
        const std::string_view name = std::string_view(object.key).substr(from.key.size());
        if (name.empty() || !filter_.takes(name)) continue;
        const int64_t small_max = is_same_store_ ? one_request_max_ : part_bytes_;
        (object.bytes > small_max ? large : small).push_back(object);
      }
      for (auto* objects : {&large, &small}) {
        const size_t parallel = objects == &large ? 1
                                : is_same_store_  ? threads
                                                  : std::min(threads, fetch_parallel_max);
        TRY(in_parallel(objects->size(), parallel, context.stop_token(), [&](size_t i) -> Result<void> {
          const std::string& key = (*objects)[i].key;
          const std::string name = key.substr(from.key.size());
          const auto copied = copy(context, {from.bucket, key}, to_string({to.bucket, to.key + name}), i);
          return copied ? copied : failures_.note(name, copied.error());
        }));
      }
      return true;
    };
    return list_s3(source_->client(), {.prefix = from}, take, context.stop_token());
  }

  // `slot`: of those that are copied at the same time each has its own.
  Result<void> copy(TaskContext& context, const S3Uri& from, const std::string& to, size_t slot) {
    TRY(parse_s3_uri(to));
    TRY_ASSIGN(const auto source, look_up_source(source_->client(), from, context.stop_token()));
    if (!source) return Error{ErrorKind::not_found, "from: there is no object " + to_string(from)};
    const PutOptions put = described_as(*source, asked_, is_described_);
    const WriteOrder order(context.try_id(), context.fence());
    Result<SentObject> sent =
        is_same_store_ ? copy_object(*target_, *pending_, order, *source, to,
                                     {.put = put, .part_bytes = part_bytes_, .one_request_max = one_request_max_},
                                     context.stop_token())
                       : send(context, *source, to, put, order, slot);
    // One's keys may write there, the other's read here: then it goes through this machine, one at a time.
    if (!sent && sent.error().kind == ErrorKind::denied && is_same_store_ && has_two_connections_) {
      const std::lock_guard lock(by_hand_);
      if (!std::exchange(has_told_, true))
        context.log("the keys of to_connection may not read the source, or not write: copying through this machine");
      sent = send(context, *source, to, put, order, slot);
    }
    if (!sent) return sent.error();
    const std::lock_guard lock(mutex_);
    ++(sent->is_sent ? copied_ : skipped_);
    bytes_ += source->info.bytes;
    return {};
  }

  // From one store to another: by the staging folder.
  Result<SentObject> send(TaskContext& context, const CopySource& source, const std::string& to, const PutOptions& put,
                          const WriteOrder& order, size_t slot) {
    TRY_ASSIGN(const auto there, target_->stat(to));
    if (there && is_same_content(source.info, *there) && is_described_alike(*there, put))
      return SentObject{.object = *there, .is_sent = false, .has_checksum = true};
    TRY_ASSIGN(const Path staging, context.staging());
    const Path copy = staging / ("copy-" + std::to_string(slot));
    const Result<void> fetched = fetch(source, copy);
    ObjectSender sender(*target_, *pending_, order, context.stop_token());
    Result<SentObject> sent = fetched ? sender.send_and_confirm(copy, to, {.put = put, .part_bytes = part_bytes_})
                                      : Result<SentObject>(fetched.error());
    std::error_code ignored;
    std::filesystem::remove(copy, ignored);
    return sent;
  }

  Result<void> fetch(const CopySource& source, const Path& copy) {
    const std::string uri = to_string(source.object);
    const Error changed{ErrorKind::conflict, uri + " was written by somebody else while it was being read"};
    TRY_ASSIGN(const FileDescriptor file, open_file(copy, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    for (int64_t offset = 0; offset < source.info.bytes; offset += fetch_bytes) {
      const int64_t wanted = std::min(fetch_bytes, source.info.bytes - offset);
      TRY_ASSIGN(const std::string chunk, source_->read_range(uri, offset, wanted));
      if (static_cast<int64_t>(chunk.size()) != wanted) return changed;
      TRY(write_all(file.get(), chunk, copy));
    }
    // Ranges of two versions would make an object that never was.
    TRY_ASSIGN(const auto after, source_->stat(uri));
    if (!after || after->etag != source.info.etag) return changed;
    return {};
  }

  std::string from_, to_;
  std::unique_ptr<S3FileSystem> source_, target_;
  PendingUploads* pending_ = nullptr;
  NameFilter filter_;
  PutOptions asked_;
  bool is_described_ = false, is_same_store_ = false, has_two_connections_ = false;
  std::mutex by_hand_;  // of what goes through this machine in place of a copy by the store, and of:
  bool has_told_ = false;
  int64_t part_bytes_ = 0, one_request_max_ = 0;
  Failures failures_;
  std::mutex mutex_;  // of all below
  int64_t copied_ = 0, skipped_ = 0, bytes_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_s3_copy() { return std::make_unique<S3Copy>(); }

}  // namespace udon
