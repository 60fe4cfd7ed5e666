#include "model/asset.h"

#include <algorithm>
#include <set>

#include "base/ensure.h"
#include "base/text.h"

namespace udon {

namespace {

constexpr size_t name_bytes_max = 1500;  // as in Airflow

void collect(const AssetCondition& condition, std::set<std::string>& names) {
  if (condition.is == AssetCondition::Is::asset) names.insert(condition.asset);
  for (const AssetCondition& part : condition.parts) collect(part, names);
}

Result<AssetCondition> parse(const Value& value, int depth) {
  const auto wrong = [](const char* what) { return Error{ErrorKind::data, std::string("asset condition: ") + what}; };
  if (depth > AssetCondition::depth_max) return wrong("nested too deeply");
  if (!value.is_map() || value.size() != 1) return wrong("expected {asset: …}, {all: […]} or {any: […]}");
  if (const Value* asset = value.find("asset")) {
    if (!asset->is_string()) return wrong("an asset is a text");
    return AssetCondition{.is = AssetCondition::Is::asset, .asset = asset->as_string(), .parts = {}};
  }
  AssetCondition condition;
  const Value* parts = value.find("all");
  condition.is = parts != nullptr ? AssetCondition::Is::all : AssetCondition::Is::any;
  if (parts == nullptr) parts = value.find("any");
  if (parts == nullptr || !parts->is_list() || parts->size() == 0) return wrong("expected a list of conditions");
  for (const Value& part : parts->as_list()) {
    TRY_ASSIGN(AssetCondition parsed, parse(part, depth + 1));
    condition.parts.push_back(std::move(parsed));
  }
  return condition;
}

std::string text_of(const AssetCondition& condition, bool is_inside) {
  if (condition.is == AssetCondition::Is::asset) return condition.asset;
  std::vector<std::string> parts;
  for (const AssetCondition& part : condition.parts) parts.push_back(text_of(part, condition.parts.size() > 1));
  const std::string text = join(parts, condition.is == AssetCondition::Is::all ? " & " : " | ");
  return is_inside && condition.parts.size() > 1 ? "(" + text + ")" : text;
}

}  // namespace

bool holds(const AssetCondition& condition, const std::function<bool(const std::string&)>& has_event) {
  const auto part_holds = [&](const AssetCondition& part) { return holds(part, has_event); };
  switch (condition.is) {
    case AssetCondition::Is::asset: return has_event(condition.asset);
    case AssetCondition::Is::all: return std::ranges::all_of(condition.parts, part_holds);
    case AssetCondition::Is::any: return std::ranges::any_of(condition.parts, part_holds);
  }
  ENSURE(false, "an asset condition outside its enum");
}

std::vector<std::string> assets_of(const AssetCondition& condition) {
  std::set<std::string> names;
  collect(condition, names);
  return {names.begin(), names.end()};
}

std::string to_string(const AssetCondition& condition) { return text_of(condition, false); }

Value to_value(const AssetCondition& condition) {
  if (condition.is == AssetCondition::Is::asset) return Value::Map{{"asset", condition.asset}};
  Value::List parts;
  for (const AssetCondition& part : condition.parts) parts.push_back(to_value(part));
  return Value::Map{{condition.is == AssetCondition::Is::all ? "all" : "any", std::move(parts)}};
}

Result<AssetCondition> parse_asset_condition(const Value& value) { return parse(value, 0); }

std::optional<std::string> problem_of_asset(std::string_view name) {
  if (trim(name).empty()) return "an asset has a name";
  if (name.size() > name_bytes_max) {
    return "the name of an asset has at most " + std::to_string(name_bytes_max) + " bytes, this one " +
           std::to_string(name.size());
  }
  if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return "the name of an asset has no control characters";
  }
  return std::nullopt;
}

}  // namespace udon
