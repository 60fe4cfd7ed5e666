#pragma once
// Rows that did not fit, beside the result: `<to>/_rejects/rejects.ndjson` in a folder, where it comes and goes with
// the result; `<to>/_rejects/<try id>.ndjson` in S3, there before the result that it belongs to, and those of earlier
// tries removed after it. Readers of the table pass over names that begin with `_`. Not for others.
#include <string>

#include "plugins/data/publish_steps.h"
#include "plugins/io/file_system.h"

namespace udon::data {

constexpr std::string_view rejects_folder = "_rejects";
constexpr std::string_view rejects_name = "rejects.ndjson";

// S3. The uri; empty if the try has none.
Result<std::string> put_rejects(FileSystem& file_system, const PublishRequest& request);
// Of earlier tries, once the result is published; `mine`: what put_rejects gave.
Result<void> remove_old_rejects(FileSystem& file_system, const PublishRequest& request, const std::string& mine);

}  // namespace udon::data
