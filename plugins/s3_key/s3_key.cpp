#include "plugins/s3_key/s3_key.h"

#include <algorithm>

#include "plugins/api/aws_default.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"
#include "plugins/io/name_filter.h"
#include "plugins/io/s3_file_system.h"
#include "plugins/io/s3_list.h"

namespace udon {
namespace {

// A poke takes a few seconds: a store that does not answer by then is asked again by the next.
constexpr std::chrono::seconds answer_timeout{5};
constexpr int attempts_max = 2;
// Of one poke. What begins as the pattern does and is more than this is not looked at.
constexpr int64_t listed_max = 20'000;
constexpr size_t uris_max = 1000;

std::string counted(int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// What was found of what is waited for.
struct Seen {
  int64_t objects = 0;    // that match and are large enough
  int64_t too_small = 0;  // that match and are not
  int64_t bytes = 0;
  int64_t listed = 0;
  bool is_cut = false;
  std::vector<std::string> uris;
  std::string first_too_small;
  int64_t first_too_small_bytes = 0;
  std::string newest;
  std::optional<TimePoint> newest_at;
  bool has_unknown_time = false;
  std::optional<TimePoint> now;  // by the store's clock
};

class S3KeySensor final : public Sensor {
 public:
  Result<Poke> poke(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const std::string uri = parameters.text("key");
    TRY_ASSIGN(const S3Uri pattern, parse_s3_uri(uri));
    if (pattern.key.empty()) {
      return Error{ErrorKind::invalid, "key: `" + uri +
                                           "` names a bucket; give a key, a pattern or a prefix that ends "
                                           "in `/`, `s3://" +
                                           pattern.bucket + "/**` for any object"};
    }
    TRY(check_glob(pattern.key));
    if (!is_glob(pattern.key) && !pattern.key.ends_with('/') && parameters.integer("count_at_least") > 1) {
      return Error{ErrorKind::invalid, "count_at_least: `" + uri +
                                           "` is one object; a prefix ends in `/`, a pattern has "
                                           "a `*`"};
    }
    IoContext io = io_context_of(context, "connection");
    io.stall = answer_timeout;
    io.silence_max = 2 * answer_timeout;
    TRY_ASSIGN(const auto connection, aws_connection(context, "connection"));
    TRY_ASSIGN(const auto store, make_s3_file_system(uri, connection, std::move(io)));
    TRY_ASSIGN(const Seen seen, look(*store, pattern, parameters, context.stop_token()));
    return judge(seen, parameters, context.clock().now());
  }

 private:
  static Result<Seen> look(S3FileSystem& store, const S3Uri& pattern, const Value& parameters,
                           const std::stop_token& stop) {
    const bool is_prefix = pattern.key.ends_with('/');
    const bool is_pattern = is_glob(pattern.key);
    // From the top: a pattern without `/` is a key's like any other.
    const std::string anchored = "/" + pattern.key;
    const auto is_meant = [&](const std::string& key) {
      if (is_pattern) return matches_glob(anchored, key);
      // The folder's own marker, as consoles make it, is none of its objects.
      return is_prefix ? key != pattern.key : key == pattern.key;
    };
    const int64_t bytes_min = parameters.integer("bytes_at_least");
    const bool has_to_be_quiet = !parameters.get("unchanged_for").is_null();
    const int64_t wanted = parameters.integer("count_at_least");
    Seen seen;
    const auto take = [&](const std::vector<S3ListedObject>& page,
                          const std::optional<TimePoint>& now) -> Result<bool> {
      if (!seen.now) seen.now = now;
      for (const S3ListedObject& object : page) {
        ++seen.listed;
        if (!is_meant(object.key)) continue;
        if (object.bytes < bytes_min) {
          if (seen.too_small++ == 0) {
            seen.first_too_small = to_string({pattern.bucket, object.key});
            seen.first_too_small_bytes = object.bytes;
          }
          continue;
        }
        ++seen.objects;
        seen.bytes += object.bytes;
        if (seen.uris.size() < uris_max) seen.uris.push_back(to_string({pattern.bucket, object.key}));
        if (!object.modified_at) seen.has_unknown_time = true;
        if (object.modified_at && (!seen.newest_at || *object.modified_at > *seen.newest_at)) {
          seen.newest_at = object.modified_at;
          seen.newest = to_string({pattern.bucket, object.key});
        }
      }
      // A key is the first of all that begin so.
      if (!is_pattern && !is_prefix) return false;
      if (!has_to_be_quiet && seen.objects >= wanted) return false;
      seen.is_cut = seen.listed >= listed_max;
      return !seen.is_cut;
    };
    TRY(list_s3(store.client(),
                {.prefix = {pattern.bucket, is_pattern ? fixed_beginning(pattern.key) : pattern.key},
                 .attempts_max = attempts_max},
                take, stop));
    return seen;
  }

  static Result<Poke> judge(const Seen& seen, const Value& parameters, TimePoint here_now) {
    const std::string key = parameters.text("key");
    const int64_t wanted = parameters.integer("count_at_least");
    Poke poke;
    if (seen.objects < wanted) {
      poke.message = seen.objects == 0 && seen.too_small == 0 ? "nothing is at " + key + " yet"
                                                              : counted(seen.objects, "object") + " at " + key;
      if (wanted > 1) poke.message += ", waiting for " + std::to_string(wanted);
      if (seen.too_small > 0) {
        poke.message += "; " + seen.first_too_small + " has " + counted(seen.first_too_small_bytes, "byte") +
                        ", waiting for " + std::to_string(parameters.integer("bytes_at_least"));
        if (seen.too_small > 1) poke.message += " (" + std::to_string(seen.too_small - 1) + " more are too small)";
      }
      if (seen.is_cut) {
        poke.message += "; of more than " + std::to_string(seen.listed) +
                        " keys that begin so no more were looked at: give a longer beginning";
      }
      return poke;
    }
    if (const Value& quiet = parameters.get("unchanged_for"); !quiet.is_null()) {
      if (seen.is_cut) {
        return Error{ErrorKind::invalid, "key: more than " + std::to_string(seen.listed) + " keys begin as " + key +
                                             " does, so that unchanged_for cannot be told; give a longer beginning"};
      }
      if (seen.has_unknown_time || !seen.newest_at) {
        return Error{ErrorKind::unsupported, "unchanged_for: the store does not say when " + key + " was written"};
      }
      // By one clock, where the store shows its own. What would change while nobody looks has a later time.
      const Duration age = std::max(Duration(0), Duration(seen.now.value_or(here_now) - *seen.newest_at));
      if (age < Duration(quiet.as_int())) {
        poke.message = counted(seen.objects, "object") + " at " + key + ", but " + seen.newest + " was written " +
                       format_duration(std::chrono::floor<std::chrono::seconds>(age)) + " ago, waiting for " +
                       format_duration(Duration(quiet.as_int())) + " without a change";
        return poke;
      }
    }
    poke.is_met = true;
    poke.message = counted(seen.objects, "object") + " at " + key + ", " + counted(seen.bytes, "byte");
    Value uris = Value::list();
    for (const std::string& uri : seen.uris) uris.push_back(uri);
    poke.return_value = Value::map();
    poke.return_value.set("count", seen.objects);
    poke.return_value.set("bytes", seen.bytes);
    poke.return_value.set("uris", std::move(uris));
    return poke;
  }
};

}  // namespace

std::unique_ptr<Sensor> make_s3_key_sensor() { return std::make_unique<S3KeySensor>(); }

}  // namespace udon
