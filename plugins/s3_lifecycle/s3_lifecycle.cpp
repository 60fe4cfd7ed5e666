#include "plugins/s3_lifecycle/s3_lifecycle.h"

#include <algorithm>

#include "base/text.h"
#include "plugins/api/aws_default.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"
#include "plugins/io/s3_file_system.h"
#include "plugins/io/s3_lifecycle.h"

namespace udon {
namespace {

// What a rule's transitions leave out is 128 KB, or what the bucket says; a PUT without it would set it back.
constexpr const char* minimum_size_header = "x-amz-transition-default-minimum-object-size";

Error wrong(const std::string& id, const std::string& what) {
  return {ErrorKind::invalid, "rules: `" + id + "`: " + what};
}

Result<std::optional<int64_t>> days_of(const Value& map, const char* key, const std::string& id) {
  const Value& value = map.get(key);
  if (value.is_null()) return std::optional<int64_t>();
  if (!value.is_int() || value.as_int() < 1) return wrong(id, std::string(key) + " is a number of days from 1");
  return std::optional(value.as_int());
}

Result<std::optional<int64_t>> bytes_of(const Value& map, const char* key, const std::string& id) {
  const Value& value = map.get(key);
  if (value.is_null()) return std::optional<int64_t>();
  const auto bytes =
      value.is_int() ? std::optional(value.as_int()) : parse_bytes(value.is_string() ? value.as_string() : "");
  if (!bytes || *bytes < 0) return wrong(id, std::string(key) + " is a size such as 128KiB");
  return std::optional(*bytes);
}

Result<std::vector<LifecycleTransition>> transitions_of(const Value& map, const char* key, const std::string& id) {
  std::vector<LifecycleTransition> transitions;
  const Value& list = map.get(key);
  if (!list.is_list()) return transitions;
  for (const Value& item : list.as_list()) {
    const int64_t days = item.integer("after_days", -1);
    const std::string storage_class = item.text("storage_class");
    if (days < 0 || storage_class.empty())
      return wrong(id, std::string(key) + ": each is {after_days: 30, storage_class: GLACIER_IR}");
    if (!transitions.empty() && days <= transitions.back().days)
      return wrong(id, std::string(key) + ": " + storage_class + " after " + std::to_string(days) +
                           " days is not later than " + transitions.back().storage_class);
    transitions.push_back({days, storage_class});
  }
  return transitions;
}

Result<LifecycleRule> rule_of(const Value& map) {
  LifecycleRule rule{.id = map.text("id"), .prefix = map.text("prefix")};
  const std::string& id = rule.id;
  if (id.empty() || id.size() > 255) return wrong(id, "an id has 1 to 255 characters");
  if (rule.prefix.starts_with("s3://") || rule.prefix.starts_with('/'))
    return wrong(id, "prefix is what keys begin with, `logs/`, without the bucket");
  rule.is_enabled = map.flag("enabled", true);
  rule.expires_delete_markers = map.flag("expire_delete_markers");
  if (const Value& tags = map.get("tags"); tags.is_map())
    for (const auto& [key, value] : tags.as_map())
      rule.tags.emplace_back(key, value.is_string() ? value.as_string() : to_json(value));
  TRY_ASSIGN(rule.larger_than, bytes_of(map, "larger_than", id));
  TRY_ASSIGN(rule.smaller_than, bytes_of(map, "smaller_than", id));
  TRY_ASSIGN(rule.expire_days, days_of(map, "expire_after_days", id));
  TRY_ASSIGN(rule.abort_days, days_of(map, "abort_uploads_after_days", id));
  TRY_ASSIGN(rule.noncurrent_expire_days, days_of(map, "expire_versions_after_days", id));
  TRY_ASSIGN(rule.noncurrent_keep, days_of(map, "keep_versions", id));
  TRY_ASSIGN(rule.transitions, transitions_of(map, "transitions", id));
  TRY_ASSIGN(rule.noncurrent_transitions, transitions_of(map, "version_transitions", id));
  if (rule.noncurrent_keep && !rule.noncurrent_expire_days)
    return wrong(id, "keep_versions goes with expire_versions_after_days");
  if (rule.expire_days && rule.expires_delete_markers)
    return wrong(id, "expire_delete_markers is no addition to expire_after_days, which does that too");
  if (rule.transitions.empty() && rule.noncurrent_transitions.empty() && !rule.expire_days && !rule.abort_days &&
      !rule.noncurrent_expire_days && !rule.expires_delete_markers)
    return wrong(id, "it does nothing; give transitions, expire_after_days, abort_uploads_after_days, …");
  if (rule.expire_days && !rule.transitions.empty() && *rule.expire_days <= rule.transitions.back().days)
    return wrong(id, "it expires after " + std::to_string(*rule.expire_days) + " days, not later than the move to " +
                         rule.transitions.back().storage_class);
  if (rule.abort_days && (!rule.tags.empty() || rule.larger_than || rule.smaller_than))
    return wrong(id, "abort_uploads_after_days knows neither tags nor sizes; make it a rule of its own");
  const bool is_of_all = rule.prefix.empty() && rule.tags.empty();
  if ((rule.expire_days || rule.noncurrent_expire_days) && is_of_all && !map.flag("whole_bucket"))
    return wrong(id, "it would delete what is in the whole bucket; give a prefix, or say `whole_bucket: true`");
  return rule;
}

class S3Lifecycle final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const std::string bucket = parameters.text("bucket");
    auto object = parse_s3_uri("s3://" + bucket + "/");
    if (!object) return object.error().within("bucket");
    std::vector<LifecycleRule> rules;
    for (const Value& item : parameters.get("rules").as_list()) {
      TRY_ASSIGN(LifecycleRule rule, rule_of(item));
      if (std::ranges::find(rules, rule.id, &LifecycleRule::id) != rules.end())
        return wrong(rule.id, "it is there twice");
      rules.push_back(std::move(rule));
    }
    std::vector<std::string> removed;
    for (const Value& item : parameters.get("remove").as_list()) {
      removed.push_back(item.is_string() ? item.as_string() : "");
      if (std::ranges::find(rules, removed.back(), &LifecycleRule::id) != rules.end())
        return Error{ErrorKind::invalid, "remove: `" + removed.back() + "` is also among the rules"};
    }
    if (rules.empty() && removed.empty()) return Error{ErrorKind::invalid, "give `rules` or `remove`"};

    TRY_ASSIGN(const auto connection, aws_connection(context, "connection"));
    TRY_ASSIGN(const auto store,
               make_s3_file_system("s3://" + bucket + "/", connection, io_context_of(context, "connection")));
    TRY_ASSIGN(S3Answer current,
               store->client().send(
                   {.action = "read the lifecycle rules of", .object = {bucket, ""}, .query = {{"lifecycle", ""}}},
                   context.stop_token()));
    const bool is_none = current.problem && current.problem->code == "NoSuchLifecycleConfiguration";
    if (current.problem && !is_none) return current.problem->error;
    auto plan = plan_lifecycle(is_none ? "" : std::string_view(current.response.body), rules, removed);
    if (!plan) return plan.error().within("s3://" + bucket + "/");
    const bool is_dry = parameters.flag("dry_run");
    for (const std::string& line : plan->diff) context.log(line);
    if (plan->has_change() && !is_dry) {
      TRY(put(context, *store, bucket, plan->xml, std::string(current.response.header(minimum_size_header))));
    }
    return outcome(bucket, *plan, is_dry);
  }

 private:
  static Result<void> put(TaskContext& context, S3FileSystem& store, const std::string& bucket, const std::string& xml,
                          const std::string& minimum_size) {
    S3Request request{.action = "write the lifecycle rules of",
                      .method = xml.empty() ? "DELETE" : "PUT",
                      .object = {bucket, ""},
                      .query = {{"lifecycle", ""}}};
    if (!xml.empty()) {
      request.body = std::string_view(xml);
      request.body_sha256 = sha256(xml);
      request.headers = {{"content-md5", to_base64(md5(xml))},
                         {"x-amz-checksum-sha256", to_base64(request.body_sha256)},
                         {"content-type", "application/xml"}};
      if (!minimum_size.empty()) request.headers.emplace_back(minimum_size_header, minimum_size);
    }
    TRY(store.client().get_answer(request, context.stop_token()));
    return {};
  }

  static Outcome outcome(const std::string& bucket, const LifecyclePlan& plan, bool is_dry) {
    const auto list = [](const std::vector<std::string>& texts) {
      Value value = Value::list();
      for (const std::string& text : texts) value.push_back(text);
      return value;
    };
    Value value = Value::map();
    value.set("changed", plan.has_change() && !is_dry);
    value.set(is_dry ? "would_add" : "added", list(plan.added));
    value.set(is_dry ? "would_update" : "updated", list(plan.updated));
    value.set(is_dry ? "would_remove" : "removed", list(plan.removed));
    value.set("unchanged", list(plan.unchanged));
    value.set("rules", static_cast<int64_t>(plan.rule_count));
    value.set("diff", list(plan.diff));
    const std::string numbers = std::to_string(plan.added.size()) + " added, " + std::to_string(plan.updated.size()) +
                                " updated, " + std::to_string(plan.removed.size()) + " removed";
    return {
        .return_value = std::move(value),
        .message = "s3://" + bucket + "/: " +
                   (plan.has_change() ? (is_dry ? "would be: " : "rules: ") + numbers : "the rules are as asked for")};
  }
};

}  // namespace

std::unique_ptr<Operator> make_s3_lifecycle() { return std::make_unique<S3Lifecycle>(); }

}  // namespace udon
