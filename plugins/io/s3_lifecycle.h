#pragma once
// Lifecycle rules of a bucket. S3 takes them only all together: ours are merged into what is there, whose other rules
// stay as they are, to the last element.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace udon {

struct LifecycleTransition {
  int64_t days = 0;
  std::string storage_class;
};
struct LifecycleRule {
  std::string id;
  std::string prefix;
  std::vector<std::pair<std::string, std::string>> tags;
  std::optional<int64_t> larger_than, smaller_than;  // bytes
  bool is_enabled = true;
  std::vector<LifecycleTransition> transitions, noncurrent_transitions;
  std::optional<int64_t> expire_days, noncurrent_expire_days, noncurrent_keep, abort_days;
  bool expires_delete_markers = false;
};

struct LifecyclePlan {
  std::vector<std::string> added, updated, removed, unchanged;  // ids; of rules of others none is among them
  std::vector<std::string> diff;                                // "- id: …", "+ id: …"
  size_t rule_count = 0;                                        // in all, afterwards
  std::string xml;                                              // empty: no rule is left
  bool has_change() const { return !added.empty() || !updated.empty() || !removed.empty(); }
};
// `current`: the store's answer; empty: there are no rules. `removed`: ids; one that is not there is no change.
// unavailable: the answer is none.
Result<LifecyclePlan> plan_lifecycle(std::string_view current, const std::vector<LifecycleRule>& rules,
                                     const std::vector<std::string>& removed);

}  // namespace udon
