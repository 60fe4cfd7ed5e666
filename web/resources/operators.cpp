#include "base/text.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

Value show_operator(const OperatorSpec& spec) {
  Value shown = to_value(spec);
  shown.erase("help");
  return shown;
}

}  // namespace

void add_operators(Router& router, World& world) {
  router.add("GET", "/api/udon/operators", at_least(Role::viewer), "The operators there are",
             [&world](const Call&) -> Result<Response> {
               Value::List rows;
               for (const std::string& name : world.operators.names())
                 rows.push_back(show_operator(*world.operators.find(name)));
               const auto total = static_cast<int64_t>(rows.size());
               return json_response(200, show_list("operators", std::move(rows), total));
             });
  router.add("GET", "/api/udon/operators/{name}", at_least(Role::viewer), "An operator with its help page",
             [&world](const Call& call) -> Result<Response> {
               const OperatorSpec* spec = world.operators.find(call.part("name"));
               if (!spec)
                 return Error{ErrorKind::not_found, "The Operator with name: `" + call.part("name") +
                                                        "` was not found" +
                                                        did_you_mean(call.part("name"), world.operators.names())};
               Value shown = show_operator(*spec);
               shown.set("help", spec->help);
               return json_response(200, shown);
             });
}

}  // namespace udon::web
