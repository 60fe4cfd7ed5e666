#include <algorithm>

#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

Value show_section(const World& world, const std::string& name, const std::string* only_key) {
  Value::List options;
  for (const ShownSetting& setting : world.shown_settings)
    if (setting.section == name && (!only_key || setting.key == *only_key))
      options.push_back(Value::Map{{"key", setting.key}, {"value", setting.value}});
  return Value::Map{{"name", name}, {"options", std::move(options)}};
}

}  // namespace

void add_settings(Router& router, World& world) {
  router.add("GET", "/api/v2/config", at_least(Role::op), "The server's settings, without secrets",
             [&world](const Call& call) -> Result<Response> {
               std::optional<std::string> wanted;
               for (const auto& [name, value] : call.request.query)
                 if (name == "section") wanted = value;
               std::vector<std::string> names;
               for (const ShownSetting& setting : world.shown_settings)
                 if (std::find(names.begin(), names.end(), setting.section) == names.end())
                   names.push_back(setting.section);
               if (wanted && std::find(names.begin(), names.end(), *wanted) == names.end())
                 return Error{ErrorKind::not_found, "Section " + *wanted + " not found."};
               Value::List sections;
               for (const std::string& name : names)
                 if (!wanted || name == *wanted) sections.push_back(show_section(world, name, nullptr));
               return json_response(200, Value::Map{{"sections", std::move(sections)}});
             });
  router.add("GET", "/api/v2/config/section/{section}/option/{option}", at_least(Role::op), "A setting of the server",
             [&world](const Call& call) -> Result<Response> {
               const Value section = show_section(world, call.part("section"), &call.part("option"));
               if (section.get("options").size() == 0)
                 return Error{ErrorKind::not_found,
                              "Option [" + call.part("section") + "/" + call.part("option") + "] not found."};
               return json_response(200, Value::Map{{"sections", Value::List{section}}});
             });
}

}  // namespace udon::web
