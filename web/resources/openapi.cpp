#include "base/text.h"
#include "web/resources/resources.h"

namespace udon::web {
namespace {

// The routes as they are: paths, verbs, who may ask. Bodies and answers are those of Airflow 3's public API, whose own
// description says what is in them; ours under /api/udon are described in docs/.
Value describe(const Router& router) {
  Value paths = Value::map();
  for (const Route& route : router.routes()) {
    if (route.access.kind == Access::Kind::live_try) continue;
    Value::List parameters;
    for (const std::string& segment : split(route.pattern, '/'))
      if (segment.size() > 2 && segment.front() == '{')
        parameters.push_back(Value::Map{{"name", segment.substr(1, segment.size() - 2)},
                                        {"in", "path"},
                                        {"required", true},
                                        {"schema", Value::Map{{"type", "string"}}}});
    Value operation = Value::Map{
        {"summary", route.summary},
        {"parameters", std::move(parameters)},
        {"responses", Value::Map{{"default", Value::Map{{"description", "JSON; errors are {\"detail\": …}"}}}}}};
    if (route.access.kind == Access::Kind::person) {
      operation.set("security", Value::List{Value::Map{{"bearer", Value::list()}}});
      operation.set("x-udon-role", to_string(route.access.role));
    }
    if (!paths.find(route.pattern)) paths.set(route.pattern, Value::map());
    Value item = paths.get(route.pattern);
    item.set(lower_ascii(route.method), std::move(operation));
    paths.set(route.pattern, std::move(item));
  }
  return Value::Map{
      {"openapi", "3.1.0"},
      {"info", Value::Map{{"title", "Udon"}, {"version", udon_version}}},
      {"paths", std::move(paths)},
      {"components",
       Value::Map{{"securitySchemes", Value::Map{{"bearer", Value::Map{{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

}  // namespace

void add_openapi(Router& router, World& world) {
  router.add("GET", "/openapi.json", world.openapi_is_open ? open_to_all : at_least(Role::viewer), "This description",
             [&router](const Call&) -> Result<Response> { return json_response(200, describe(router)); });
}

}  // namespace udon::web
