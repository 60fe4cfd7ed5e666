#include "worker/task/operators.h"

#include <algorithm>

#include "base/ensure.h"
#include "plugins/api/executable_plugin.h"
#include "plugins/api/plugin_host.h"
#include "plugins/bash/bash.h"
#include "plugins/branch/branch.h"
#include "plugins/empty/empty.h"
#include "plugins/short_circuit/short_circuit.h"
#include "plugins/spec/foreign.h"

namespace udon {
namespace {

struct BuiltIn {
  OperatorSpec spec;
  std::unique_ptr<Operator> (*make)();
};

const std::vector<BuiltIn>& built_in_operators() {
  static const std::vector<BuiltIn> all = [] {
    std::vector<BuiltIn> made;
    const auto add = [&](const char* description, std::unique_ptr<Operator> (*make)()) {
      const auto value = parse_json(description);
      ENSURE(value, "the build embeds operator.json as it is");
      auto spec = parse_operator_spec(*value);
      ENSURE(spec, "operator.json was checked by a test");
      made.push_back({std::move(*spec), make});
    };
    add(bash_description, make_bash_operator);
    add(branch_description, make_branch_operator);
    add(short_circuit_description, make_short_circuit_operator);
    add(empty_description, make_empty_operator);
    return made;
  }();
  return all;
}

Error not_a_process(const OperatorSpec& spec) {
  return {ErrorKind::invalid, "operator `" + spec.name + "` is a " + spec.kind + ": the prober runs it"};
}

Result<FoundOperator> of_object(PluginHost& host, const Path& object, const std::string& name) {
  TRY_ASSIGN(const LoadedOperator* found, host.find(object, name));
  if (!found->functions->make_operator) return not_a_process(found->spec);
  return FoundOperator{.spec = found->spec, .code = found->functions->make_operator()};
}

}  // namespace

void prepare_operators() { static_cast<void>(built_in_operators()); }

Result<FoundOperator> find_operator(const std::string& name, const Path& plugins, const Path& home) {
  for (const BuiltIn& own : built_in_operators()) {
    if (own.spec.name == name) return FoundOperator{.spec = own.spec, .code = own.make(), .is_built_in = true};
  }
  // Never destroyed: its objects stay open as long as the process lives.
  static PluginHost& host = *new PluginHost(plugins);
  auto own = of_object(host, name + ".so", name);
  if (own || own.error().kind != ErrorKind::not_found) return own;
  TRY_ASSIGN(const PluginIndex index, read_plugin_index(home));
  const ForeignPlugin* plugin = index.find(name);
  if (!plugin)
    return Error{ErrorKind::not_found, "there is no operator `" + name +
                                           "` any more: neither this build nor the last `udon plugins scan` has it"};
  TRY(check_unchanged(*plugin));
  if (plugin->form == PluginForm::object) return of_object(host, plugin->file, name);
  const auto spec = std::find_if(plugin->operators.begin(), plugin->operators.end(),
                                 [&](const OperatorSpec& found) { return found.name == name; });
  if (spec->kind != "process") return not_a_process(*spec);
  // It prints into pipes of its own.
  return FoundOperator{.spec = *spec, .code = make_executable_operator(plugin->file, *spec), .is_built_in = true};
}

}  // namespace udon
