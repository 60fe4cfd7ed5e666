#include "plugins/s3_delete/s3_delete.h"

#include <algorithm>
#include <map>

#include "plugins/api/aws_default.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"
#include "plugins/io/s3_delete.h"
#include "plugins/io/s3_file_system.h"
#include "plugins/io/s3_list.h"
#include "plugins/io/s3_parameters.h"

namespace udon {
namespace {

constexpr size_t uris_max = 1000;
constexpr size_t logged_max = 100;

class S3Delete final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    is_dry_ = parameters.flag("dry_run");
    const bool has_keys = !parameters.get("keys").is_null();
    const bool has_prefix = !parameters.text("prefix").empty();
    if (has_keys == has_prefix) return Error{ErrorKind::invalid, "give either `keys` or `prefix`"};
    const auto done = has_keys ? delete_keys(context) : delete_prefix(context);
    if (!done) {
      // What is gone is told also where the rest failed.
      if (deleted_ == 0) return done.error();
      return Error{done.error().kind, "after " + std::to_string(deleted_) + " objects were deleted: " +
                                          done.error().message + "; the next try deletes the others"};
    }
    Value uris = Value::list();
    for (const std::string& uri : uris_) uris.push_back(uri);
    Value value = Value::map();
    value.set(is_dry_ ? "would_delete" : "deleted", is_dry_ ? found_ : deleted_);
    if (has_prefix) value.set("bytes", bytes_);
    value.set("uris", std::move(uris));
    const std::string text =
        is_dry_ ? std::to_string(found_) + " objects would be deleted" : std::to_string(deleted_) + " objects deleted";
    return Outcome{.return_value = std::move(value), .message = text};
  }

 private:
  Result<void> delete_keys(TaskContext& context) {
    std::map<std::string, std::vector<std::string>> keys;  // by bucket
    for (const Value& item : context.parameters().get("keys").as_list()) {
      const std::string uri = item.is_string() ? item.as_string() : "";
      auto object = parse_s3_uri(uri);
      if (!object) return object.error().within("keys");
      if (object->key.empty() || object->key.ends_with('/')) {
        return Error{ErrorKind::invalid, "keys: `" + uri + "` is no object's; what is below it is deleted by `prefix`"};
      }
      note(uri);
      keys[object->bucket].push_back(std::move(object->key));
    }
    // One that is named twice is one.
    found_ = 0;
    for (auto& [bucket, of_bucket] : keys) {
      std::ranges::sort(of_bucket);
      of_bucket.erase(std::ranges::unique(of_bucket).begin(), of_bucket.end());
      found_ += static_cast<int64_t>(of_bucket.size());
    }
    if (is_dry_) return {};
    for (const auto& [bucket, of_bucket] : keys) {
      TRY_ASSIGN(const auto store, open(context, "s3://" + bucket + "/"));
      for (size_t begin = 0; begin < of_bucket.size(); begin += delete_batch_max) {
        const auto first = of_bucket.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto count = std::min(delete_batch_max, of_bucket.size() - begin);
        TRY(remove(context, *store, bucket, {first, first + static_cast<std::ptrdiff_t>(count)}));
      }
    }
    return {};
  }

  // Listed twice: first only counted, so that nothing is deleted where it is more than was expected, and no list of all
  // is held in memory.
  Result<void> delete_prefix(TaskContext& context) {
    const Value& parameters = context.parameters();
    const std::string uri = parameters.text("prefix");
    TRY_ASSIGN(const S3Uri prefix, parse_s3_uri(uri));
    TRY(refuse_danger(prefix, uri, parameters.text("whole_bucket")));
    TRY_ASSIGN(const NameFilter filter, name_filter_of(parameters));
    TRY_ASSIGN(const auto store, open(context, uri));
    const int64_t objects_max = parameters.integer("objects_max");
    const Duration older_than(parameters.integer("older_than"));
    std::optional<TimePoint> written_until;
    const auto is_meant = [&](const S3ListedObject& object) {
      return filter.takes(std::string_view(object.key).substr(prefix.key.size())) &&
             (!written_until || (object.modified_at && *object.modified_at <= *written_until));
    };
    const auto count = [&](const std::vector<S3ListedObject>& page,
                           const std::optional<TimePoint>& now) -> Result<bool> {
      // By the store's clock. What is written from now on is nothing that this task was to delete.
      if (!written_until) written_until = now.value_or(context.clock().now()) - older_than;
      for (const S3ListedObject& object : page) {
        if (!is_meant(object)) continue;
        bytes_ += object.bytes;
        note(to_string({prefix.bucket, object.key}));
      }
      return found_ <= objects_max;
    };
    TRY(list_s3(store->client(), {.prefix = prefix}, count, context.stop_token()));
    if (found_ > objects_max) {
      return Error{ErrorKind::invalid, "more than " + std::to_string(objects_max) + " objects are below " + uri +
                                           ", so nothing was deleted; if all are meant, set objects_max"};
    }
    for (size_t i = 0; i < std::min(uris_.size(), logged_max); ++i)
      context.log((is_dry_ ? "would delete " : "deletes ") + uris_[i]);
    if (found_ > static_cast<int64_t>(logged_max))
      context.log("… and " + std::to_string(found_ - static_cast<int64_t>(logged_max)) + " more");
    if (is_dry_ || found_ == 0) return {};
    const auto remove_page = [&](const std::vector<S3ListedObject>& page,
                                 const std::optional<TimePoint>&) -> Result<bool> {
      std::vector<std::string> keys;
      for (const S3ListedObject& object : page)
        if (is_meant(object)) keys.push_back(object.key);
      for (size_t begin = 0; begin < keys.size(); begin += delete_batch_max) {
        const auto first = keys.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto batch = static_cast<std::ptrdiff_t>(std::min(delete_batch_max, keys.size() - begin));
        TRY(remove(context, *store, prefix.bucket, {first, first + batch}));
      }
      return true;
    };
    return list_s3(store->client(), {.prefix = prefix}, remove_page, context.stop_token());
  }

  // What people delete by mistake: a bucket, a neighbour that begins alike, all days because a template gave nothing.
  static Result<void> refuse_danger(const S3Uri& prefix, const std::string& uri, const std::string& whole_bucket) {
    const auto refuse = [&](const std::string& why) {
      return Error{ErrorKind::invalid, "prefix: `" + uri + "` " + why};
    };
    if (prefix.key.empty()) {
      if (whole_bucket == prefix.bucket) return {};
      return refuse("is the whole bucket; if that is meant, say `whole_bucket: " + prefix.bucket + "`");
    }
    if (!whole_bucket.empty())
      return Error{ErrorKind::invalid, "whole_bucket: `" + uri + "` is not the whole bucket; leave whole_bucket out"};
    if (!prefix.key.ends_with('/'))
      return refuse("also begins other names; `" + uri + "/` is what is below it, `keys` are single objects");
    if (prefix.key.starts_with('/') || prefix.key.find("//") != prefix.key.npos)
      return refuse("has an empty name between two `/`: did a template give nothing?");
    if (prefix.key.find("=/") != prefix.key.npos)
      return refuse("has a partition without a value (`=/`): did a template give nothing?");
    return {};
  }

  static Result<std::unique_ptr<S3FileSystem>> open(TaskContext& context, const std::string& uri) {
    TRY_ASSIGN(const auto connection, aws_connection(context, "connection"));
    return make_s3_file_system(uri, connection, io_context_of(context, "connection"));
  }

  void note(const std::string& uri) {
    ++found_;
    if (uris_.size() < uris_max) uris_.push_back(uri);
  }

  Result<void> remove(TaskContext& context, S3FileSystem& store, const std::string& bucket,
                      const std::vector<std::string>& keys) {
    TRY_ASSIGN(const auto refused, delete_objects(store.client(), bucket, keys, context.stop_token()));
    deleted_ += static_cast<int64_t>(keys.size() - refused.size());
    if (!refused.empty()) return not_deleted(bucket, refused);
    return {};
  }

  bool is_dry_ = false;
  int64_t found_ = 0, deleted_ = 0, bytes_ = 0;
  std::vector<std::string> uris_;  // the first of what was found
};

}  // namespace

std::unique_ptr<Operator> make_s3_delete() { return std::make_unique<S3Delete>(); }

}  // namespace udon
