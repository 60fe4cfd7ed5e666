#include "plugins/spec/builtin.h"

#include "base/ensure.h"
#include "plugins/spec/builtin_table.h"
#include "plugins/spec/foreign.h"

namespace udon {

OperatorCatalog builtin_operators() {
  OperatorCatalog catalog;
  for (const EmbeddedOperator& embedded : embedded_operators()) {
    const Result<Value> description = parse_json(embedded.description);
    ENSURE(description, std::string(embedded.name) + "/operator.json: " + description.error().message);
    Result<OperatorSpec> spec = parse_operator_spec(*description);
    ENSURE(spec, std::string(embedded.name) + "/operator.json: " + spec.error().message);
    ENSURE(spec->name == embedded.name, std::string(embedded.name) + "/operator.json names another operator");
    spec->help = embedded.help;
    catalog.add(std::move(*spec));
  }
  return catalog;
}

Result<OperatorCatalog> installed_operators(const Path& home) {
  TRY_ASSIGN(const PluginIndex index, read_plugin_index(home));
  OperatorCatalog catalog = builtin_operators();
  catalog.set_foreign(index.operators());
  return catalog;
}

}  // namespace udon
