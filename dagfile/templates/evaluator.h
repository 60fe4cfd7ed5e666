#pragma once
// Walks a parsed template with a context. One object a rendering; it owns what a rendering makes.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dagfile/templates.h"
#include "dagfile/templates/ast.h"
#include "dagfile/templates/budget.h"
#include "dagfile/templates/methods.h"

namespace udon::templates {

class Evaluator {
 public:
  // All three must outlive it.
  Evaluator(const Value& context, const TemplateLookups& lookups) : context_(context), lookups_(lookups) {}

  Result<std::string> render(const Template& tree);
  Result<Datum> evaluate(const Node& node);
  // Where the last error arose.
  const std::optional<Position>& failed_at() const { return failed_at_; }

 private:
  struct Loop {
    Items items;
    size_t index = 0;
    int depth = 0;
    std::optional<Datum> last_changed;
  };
  using Scope = std::map<std::string, Datum, std::less<>>;

  Result<void> run(const Body& body, std::string& out);
  Result<void> run_one(const Statement& statement, std::string& out);
  Result<void> run_for(const Statement& statement, std::string& out);
  Result<void> append(const std::string& text, std::string& out);
  Result<void> assign(const Target& target, const Datum& value);

  Result<Datum> evaluate_node(const Node& node);
  Result<Datum> name(const std::string& name);
  Result<Datum> from_context(const std::string& name);
  Result<Datum> logic(const Node& node);
  Result<Datum> comparison(const Node& node);
  Result<Datum> collection(const Node& node);
  Result<Datum> subscript(const Node& node);
  Result<Arguments> arguments(const Node& node);
  Result<Datum> filtered(const Node& node, const Datum* head);
  Result<Datum> attribute(const Datum& datum, const std::string& name);
  Result<Datum> item(const Datum& datum, const Datum& key);
  Result<Datum> call(const Node& node);
  Result<Datum> call_bound(const Bound& bound, const Arguments& arguments);
  Result<Datum> call_global(const std::string& name, const Arguments& arguments);

  // What Airflow adds: ti, var, conn, macros.
  Result<Datum> source_member(Source source, const std::string& name);
  Result<Datum> call_source(Source source, const std::string& name, const Arguments& arguments);
  Result<Datum> variable(const std::string& key, bool is_json);
  Result<Datum> connection(const std::string& id);
  Result<Datum> xcom_pull(const Arguments& arguments);
  Result<Datum> loop_member(size_t index, const std::string& name);

  const Value& context_;
  const TemplateLookups& lookups_;
  Budget budget_;
  Scope converted_;            // names of the context that were asked for
  std::vector<Scope> scopes_;  // what the template itself sets, innermost last
  std::vector<Scope> spaces_;  // namespace()
  std::vector<Loop> loops_;
  std::optional<Position> failed_at_;
};

// Names that every template has, beside those of its context.
const std::vector<std::string>& global_names();

}  // namespace udon::templates
