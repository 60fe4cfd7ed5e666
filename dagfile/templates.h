#pragma once
// Jinja2's syntax over values: expressions, filters, tests, if/for/set; no code, no attributes but those of data.
// Tested against Jinja2 itself. Used by the loader (syntax), by udon-task and the prober (rendering); a target of its
// own that links nothing but base. What differs from Jinja2 stands in docs/templates.md.
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
  std::vector<std::string>
      upstream;  // of whom ti.xcom_pull() without task_ids asks: one gives its value, several a list
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

// The names that every task's templates have: Airflow's context, as the scheduler fills it, and what comes through the
// lookups. Those of `expand` come beside them.
const std::vector<std::string>& template_names();
// What `local`, `macros` and `dag_run` have, in every run; nothing for names whose members nobody can list.
const std::vector<std::string>* members_of_template_name(std::string_view name);

// What a template would ask for and hand on, told from its text alone.
struct TemplateFacts {
  struct Splice {
    std::string source;  // "params.shop", "ti.xcom_pull"
    int line = 1;        // of its {{
    int column = 1;
  };
  std::vector<std::string> names;          // as names_in_template
  std::vector<std::string> connections;    // named in conn.X, conn['X'], conn.get('X')
  bool opens_computed_connection = false;  // conn[…] by a name that only rendering knows
  bool asks_when_run = false;              // var.… or xcom_pull: known only to the try
  std::vector<std::string> pulled_tasks;   // named in ti.xcom_pull('X')
  struct Member {
    std::string owner, name;
    bool operator==(const Member&) const = default;
  };
  std::vector<Member> members;  // read of a top-level name: params.X, params['X'], local.X, dag_run.X, …
  // Somebody's text (params, a run's conf, XComs, variables, connections, `mapped` names) that becomes part of the
  // output without `| shell_quote` or a filter that makes a number of it.
  std::vector<Splice> splices;
};
// Of a text that check_template finds no problem with; otherwise empty.
TemplateFacts facts_of_template(std::string_view text, const std::vector<std::string>& mapped = {});

// A text that is one whole {{ … }} gives the expression's value with its type; any other gives text. An undefined name
// is an error with the nearest one, not an empty string. Errors begin with the place in the text: "1:4: …". A text
// without any tag is returned as it is. Moments (data_interval_start, …) stand in the context as RFC 3339 texts, and
// render as Airflow prints them: 2026-01-01 00:00:00+00:00.
Result<Value> render_text(std::string_view text, const Value& context, const TemplateLookups& lookups);
// The same, always as text: what Jinja2 itself would make of it.
Result<std::string> render_to_text(std::string_view text, const Value& context, const TemplateLookups& lookups);
// All texts inside, keys untouched. The error says where: "parameters.to: …".
Result<Value> render(const Value& value, const Value& context, const TemplateLookups& lookups);

}  // namespace udon
