#pragma once
// Jinja2's syntax over values: expressions, filters, tests, if/for/set; no code, no attributes but those of data.
// Tested against Jinja2 itself. Used by the loader (syntax), by udon-task and the prober (rendering); a target of its
// own that links nothing but base and model.
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace udon {

// What rendering asks for when a template names it; each may go over the socket.
struct TemplateLookups {
  std::function<Result<Value>(const std::string& key)> variable;              // var.value.KEY, var.json.KEY
  std::function<Result<Value>(const std::string& connection_id)> connection;  // conn.ID.host, .login, …
  // ti.xcom_pull(task_ids=…, key=…, map_indexes=…): null if there is none, as in Airflow.
  std::function<Result<Value>(const std::string& task_id, const std::string& key, std::optional<int> map_index)> xcom;
};

struct TemplateProblem {
  int line = 1;  // within the text
  int column = 1;
  std::string message;
};
// Syntax only; nothing: fine.
std::optional<TemplateProblem> check_template(std::string_view text);
// The top-level names that the template reads: "ds", "params", "item", …
std::vector<std::string> names_in_template(std::string_view text);

// A text that is one whole {{ … }} gives the expression's value with its type; any other gives text. An undefined name
// is an error with the nearest one, not an empty string.
Result<Value> render_text(std::string_view text, const Value& context, const TemplateLookups& lookups);
// All texts inside, keys untouched. The error says where: "parameters.to: …".
Result<Value> render(const Value& value, const Value& context, const TemplateLookups& lookups);

}  // namespace udon
