#pragma once
// Parameters that several operators of S3 share, and messages: what they say to people in the same words.
#include <string>
#include <vector>

#include "base/value.h"
#include "plugins/io/file_system.h"
#include "plugins/io/name_filter.h"
#include "plugins/io/s3_delete.h"

namespace udon {

// `storage_class`, `encryption`, `content_type` and `metadata`, of those that are given. invalid names the parameter.
Result<PutOptions> put_options_of(const Value& parameters);
// `include` and `exclude`.
Result<NameFilter> name_filter_of(const Value& parameters);
// Some of the keys of a batch were refused.
Error not_deleted(const std::string& bucket, const std::vector<S3NotDeleted>& refused);

}  // namespace udon
