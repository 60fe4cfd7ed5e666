#include "model/asset.h"

#include <catch2/catch.hpp>
#include <set>

using namespace udon;

namespace {

AssetCondition of(AssetCondition::Is is, std::vector<AssetCondition> parts) {
  return {.is = is, .asset = {}, .parts = std::move(parts)};
}
AssetCondition asset(const std::string& name) { return {.asset = name}; }
constexpr auto all = AssetCondition::Is::all;
constexpr auto any = AssetCondition::Is::any;

bool holds_with(const AssetCondition& condition, const std::set<std::string>& there) {
  return holds(condition, [&](const std::string& name) { return there.contains(name); });
}

}  // namespace

TEST_CASE("a condition of assets holds as its parts do") {
  const AssetCondition condition = of(any, {asset("a"), of(all, {asset("b"), asset("c")})});
  CHECK(holds_with(condition, {"a"}));
  CHECK(holds_with(condition, {"b", "c"}));
  CHECK_FALSE(holds_with(condition, {"b"}));
  CHECK_FALSE(holds_with(condition, {}));
  CHECK(to_string(condition) == "a | (b & c)");
  CHECK(assets_of(of(all, {asset("b"), asset("a"), asset("b")})) == std::vector<std::string>{"a", "b"});
  CHECK(to_string(of(all, {of(any, {asset("a")}), asset("b")})) == "a & b");
}

TEST_CASE("a condition of assets is read back as it was written") {
  const AssetCondition condition = of(any, {asset("s3://호수/주문"), of(all, {asset("b"), of(any, {asset("c")})})});
  CHECK(*parse_asset_condition(to_value(condition)) == condition);
  Value deep = Value::Map{{"asset", "a"}};
  for (int i = 0; i <= AssetCondition::depth_max; ++i) deep = Value::Map{{"all", Value::List{deep}}};
  for (const Value& wrong : {Value(), Value("a"), Value(Value::Map{}), Value(Value::Map{{"all", Value::list()}}),
                             Value(Value::Map{{"none", Value::List{"a"}}}), Value(Value::Map{{"asset", 7}}), deep}) {
    CHECK_FALSE(parse_asset_condition(wrong));
  }
}

TEST_CASE("an asset has a name that can be shown and kept") {
  CHECK_FALSE(problem_of_asset("s3://lake/주문?dt=2026-01-31"));
  CHECK(problem_of_asset(""));
  CHECK(problem_of_asset("  "));
  CHECK(problem_of_asset("a\nb"));
  CHECK_FALSE(problem_of_asset(std::string(1500, 'x')));
  CHECK(problem_of_asset(std::string(1501, 'x')));
}
