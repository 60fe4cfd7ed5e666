#include "tests/golden.h"
#include "tests/web/api_scene.h"

namespace udon::test {

void check_model(const std::string& model, const Value& value, const std::vector<std::string>& ours) {
  static const Value models = [] {
    const auto text = read_file(source_folder() / "tests/web/airflow_models.json");
    REQUIRE(text);
    return parse_json(*text).value();
  }();
  INFO(model << ": " << to_json(value));
  REQUIRE(value.is_map());
  REQUIRE(models.find(model) != nullptr);
  for (const Value& key : models.get(model).get("required").as_list()) {
    INFO("required: " << key.as_string());
    CHECK(value.find(key.as_string()) != nullptr);
  }
  const auto& known = models.get(model).get("known").as_list();
  for (const auto& [key, member] : value.as_map()) {
    INFO("unknown: " << key);
    const bool is_ours = std::find(ours.begin(), ours.end(), key) != ours.end();
    CHECK((is_ours || std::find(known.begin(), known.end(), Value(key)) != known.end()));
  }
}

}  // namespace udon::test
