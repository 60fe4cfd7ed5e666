#pragma once
// Assets: what tasks make and what other DAGs wait for. An asset is known by its name alone, usually a URI
// ("s3://lake/orders"); an event of it says that it was made anew.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/value.h"

namespace udon {

using AssetEventNumber = int64_t;

struct AssetEvent {
  AssetEventNumber number = 0;
  std::string asset;
  TimePoint at{};
  Value extra = Value::map();  // what whoever made it says of it
  // The task instance that made it; empty: somebody from outside.
  std::string source_dag_id;
  std::string source_run_id;
  std::string source_task_id;
  int source_map_index = -1;
  std::string user;  // who told of it from outside
  bool operator==(const AssetEvent&) const = default;
};
using AssetEventPtr = std::shared_ptr<const AssetEvent>;

// The XCom by which a task says what is to stand in the `extra` of its events: {asset: {…}}.
inline constexpr std::string_view outlet_events_key = "outlet_events";

// What a DAG waits for: an asset, all of several, any of several.
struct AssetCondition {
  enum class Is { asset, all, any };
  Is is = Is::asset;
  std::string asset;
  std::vector<AssetCondition> parts;
  static constexpr int depth_max = 20;  // nobody writes that; what is read must end
  bool operator==(const AssetCondition&) const = default;
};
bool holds(const AssetCondition& condition, const std::function<bool(const std::string&)>& has_event);
std::vector<std::string> assets_of(const AssetCondition& condition);  // each once, in the order of their names
std::string to_string(const AssetCondition& condition);               // "a & (b | c)"
// {"asset": "a"}, {"all": […]}, {"any": […]}
Value to_value(const AssetCondition& condition);
Result<AssetCondition> parse_asset_condition(const Value& value);

// What is wrong with an asset's name, or nothing.
std::optional<std::string> problem_of_asset(std::string_view name);

}  // namespace udon
