#pragma once
// What publish_object.cpp, publish_objects.cpp and publish_folder.cpp share: names, and who was later. Not for others.
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/value.h"
#include "plugins/data/publisher.h"

namespace udon::data {

constexpr std::string_view manifest_name = "_manifest.json";
constexpr std::string_view success_name = "_SUCCESS";
constexpr int64_t manifest_bytes_max = 64 << 20;
constexpr size_t files_max = limits::files_per_result_max;

// What the names of a result's files end in: the staged files' own, where it is one of these.
constexpr std::string_view extensions[] = {".parquet", ".csv",    ".tsv",       ".ndjson", ".json",
                                           ".csv.gz",  ".tsv.gz", ".ndjson.gz", ".json.gz"};
std::string_view extension_of(const PublishRequest& request);
// Of one of several files; `tail` makes the name one that nobody else has.
std::string part_name_of(size_t number, std::string_view tail, std::string_view extension);

inline void step(const PublishRequest& request, std::string_view name) {
  if (request.on_step) request.on_step(name);
}

// True if `other` is a later try than `mine` of the same installation. Tries of two installations have no order.
bool is_later(const std::string& other, const std::string& mine);
// What to do where two write to one target.
constexpr std::string_view of_two_at_once =
    "give each export a target of its own, or let them run one after the other: in a pool of one slot";
Error overtaken(const std::string& to, const std::string& by);
// `by`: the try, if it is known. `is_there`: something is in its place.
Error was_replaced(const std::string& what, bool is_there, const std::string& by);
// No try of this installation on this machine ends what another is sending; so it was somebody elsewhere, and only what
// stands at `what` now can tell who: `by`, if anything.
Error upload_was_ended(const std::string& what, const Error& error, const std::string& by, const std::string& mine);
// The result would stand among somebody's files, or take their place.
Error holds_others_files(const std::string& to, const std::vector<std::string>& names);

// What a manifest says that we need to replace its result; nothing: it is none of ours.
struct OldManifest {
  std::string try_id;
  std::string certificate_id;
  std::set<std::string> uris;
};
std::optional<OldManifest> parse_old_manifest(const std::string& text);

// conflict: the result grows, and what it was planned from is not there any more.
Result<void> check_growth(const PublishRequest& request, const std::optional<OldManifest>& old);

// Of one file. Nothing: more is to be done than to replace one object, and nothing was done.
Result<std::optional<Published>> publish_object(FileSystem& file_system, const PublishRequest& request);
// Of any number of files.
Result<Published> publish_objects(FileSystem& file_system, const PublishRequest& request);
Result<Published> publish_folder(const PublishRequest& request);

}  // namespace udon::data
