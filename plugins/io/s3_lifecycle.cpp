#include "plugins/io/s3_lifecycle.h"

#include <algorithm>
#include <pugixml.hpp>
#include <sstream>

namespace udon {
namespace {

// S3 refuses more.
constexpr size_t rules_max = 1000;

void add_text(pugi::xml_node& parent, const char* name, const std::string& text) {
  parent.append_child(name).text() = text.c_str();
}
void add_number(pugi::xml_node& parent, const char* name, const std::optional<int64_t>& number) {
  if (number) parent.append_child(name).text() = static_cast<long long>(*number);
}

void add_filter(pugi::xml_node& node, const LifecycleRule& rule) {
  pugi::xml_node filter = node.append_child("Filter");
  const size_t conditions =
      (rule.prefix.empty() ? 0 : 1) + rule.tags.size() + (rule.larger_than ? 1 : 0) + (rule.smaller_than ? 1 : 0);
  // Several conditions stand in an <And>, one by itself.
  pugi::xml_node place = conditions > 1 ? filter.append_child("And") : filter;
  if (!rule.prefix.empty() || conditions == 0) add_text(place, "Prefix", rule.prefix);
  for (const auto& [key, value] : rule.tags) {
    pugi::xml_node tag = place.append_child("Tag");
    add_text(tag, "Key", key);
    add_text(tag, "Value", value);
  }
  add_number(place, "ObjectSizeGreaterThan", rule.larger_than);
  add_number(place, "ObjectSizeLessThan", rule.smaller_than);
}

void add_rule(pugi::xml_node& root, const LifecycleRule& rule) {
  pugi::xml_node node = root.append_child("Rule");
  add_text(node, "ID", rule.id);
  add_filter(node, rule);
  add_text(node, "Status", rule.is_enabled ? "Enabled" : "Disabled");
  for (const LifecycleTransition& transition : rule.transitions) {
    pugi::xml_node child = node.append_child("Transition");
    add_number(child, "Days", transition.days);
    add_text(child, "StorageClass", transition.storage_class);
  }
  if (rule.expire_days || rule.expires_delete_markers) {
    pugi::xml_node child = node.append_child("Expiration");
    add_number(child, "Days", rule.expire_days);
    if (rule.expires_delete_markers) add_text(child, "ExpiredObjectDeleteMarker", "true");
  }
  for (const LifecycleTransition& transition : rule.noncurrent_transitions) {
    pugi::xml_node child = node.append_child("NoncurrentVersionTransition");
    add_number(child, "NoncurrentDays", transition.days);
    add_text(child, "StorageClass", transition.storage_class);
  }
  if (rule.noncurrent_expire_days) {
    pugi::xml_node child = node.append_child("NoncurrentVersionExpiration");
    add_number(child, "NoncurrentDays", rule.noncurrent_expire_days);
    add_number(child, "NewerNoncurrentVersions", rule.noncurrent_keep);
  }
  if (rule.abort_days) {
    pugi::xml_node child = node.append_child("AbortIncompleteMultipartUpload");
    add_number(child, "DaysAfterInitiation", rule.abort_days);
  }
}

// Leaves as "Path=text"; what repeats (transitions, tags) is kept together as one entry.
void flatten(const pugi::xml_node& node, const std::string& path, std::vector<std::string>& entries) {
  for (const pugi::xml_node child : node.children()) {
    if (child.type() != pugi::node_element) continue;
    const std::string name = child.name();
    if (path.empty() && name == "ID") continue;
    const bool is_group = name == "Transition" || name == "NoncurrentVersionTransition" || name == "Tag";
    const bool is_leaf =
        child.find_child([](const pugi::xml_node& n) { return n.type() == pugi::node_element; }).empty();
    std::string own = path + name;
    if (is_group) {
      std::vector<std::string> inner;
      flatten(child, " ", inner);
      std::ranges::sort(inner);
      for (const std::string& entry : inner) own += entry;
      entries.push_back(std::move(own));
    } else if (is_leaf) {
      std::string text = child.child_value();
      // Written so before there were filters; some stores give it so still.
      if (own == "Prefix") own = "Filter/Prefix";
      if (own == "Filter") own = "Filter/Prefix", text.clear();
      entries.push_back(own + "=" + text);
    } else {
      // An <And> says nothing of its own.
      flatten(child, name == "And" ? path : own + "/", entries);
    }
  }
}

std::string as_text(const pugi::xml_node& rule) {
  std::vector<std::string> entries;
  flatten(rule, "", entries);
  std::ranges::sort(entries);
  std::string text;
  for (const std::string& entry : entries) text += (text.empty() ? "" : ", ") + entry;
  return text;
}

}  // namespace

Result<LifecyclePlan> plan_lifecycle(std::string_view current, const std::vector<LifecycleRule>& rules,
                                     const std::vector<std::string>& removed) {
  pugi::xml_document old;
  if (!current.empty()) {
    const auto parsed = old.load_buffer(current.data(), current.size(), pugi::parse_default, pugi::encoding_utf8);
    if (!parsed || std::string_view(old.first_child().name()) != "LifecycleConfiguration")
      return Error{ErrorKind::unavailable, "the store's answer is no <LifecycleConfiguration>"};
  }
  pugi::xml_document next;
  pugi::xml_node root = next.append_child("LifecycleConfiguration");
  root.append_attribute("xmlns") = "http://s3.amazonaws.com/doc/2006-03-01/";
  pugi::xml_document ours;
  pugi::xml_node our_root = ours.append_child("Rules");
  for (const LifecycleRule& rule : rules) add_rule(our_root, rule);
  const auto our_rule = [&](const std::string& id) {
    return our_root.find_child([&](const pugi::xml_node& node) { return node.child_value("ID") == id; });
  };

  LifecyclePlan plan;
  std::vector<std::string> seen;
  for (const pugi::xml_node rule : old.first_child().children("Rule")) {
    const std::string id = rule.child_value("ID");
    const pugi::xml_node mine = our_rule(id);
    if (std::ranges::find(removed, id) != removed.end()) {
      plan.removed.push_back(id);
      plan.diff.push_back("- " + id + ": " + as_text(rule));
      continue;
    }
    ++plan.rule_count;
    if (mine.empty()) {
      root.append_copy(rule);
      continue;
    }
    seen.push_back(id);
    if (as_text(rule) == as_text(mine)) {
      plan.unchanged.push_back(id);
      root.append_copy(rule);
      continue;
    }
    plan.updated.push_back(id);
    plan.diff.push_back("- " + id + ": " + as_text(rule));
    plan.diff.push_back("+ " + id + ": " + as_text(mine));
    root.append_copy(mine);
  }
  for (const LifecycleRule& rule : rules) {
    if (std::ranges::find(seen, rule.id) != seen.end()) continue;
    ++plan.rule_count;
    plan.added.push_back(rule.id);
    plan.diff.push_back("+ " + rule.id + ": " + as_text(our_rule(rule.id)));
    root.append_copy(our_rule(rule.id));
  }
  if (plan.rule_count > rules_max)
    return Error{ErrorKind::invalid,
                 "the bucket would have " + std::to_string(plan.rule_count) + " rules; S3 keeps 1000"};
  if (plan.rule_count == 0) return plan;
  std::ostringstream text;
  next.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  plan.xml = text.str();
  return plan;
}

}  // namespace udon
