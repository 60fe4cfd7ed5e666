#include "worker/task/operators.h"

#include "base/ensure.h"
#include "plugins/api/plugin_host.h"
#include "plugins/bash/bash.h"
#include "plugins/empty/empty.h"

namespace udon {
namespace {

FoundOperator built_in(const char* description, std::unique_ptr<Operator> code) {
  const auto value = parse_json(description);
  ENSURE(value, "the build embeds operator.json as it is");
  auto spec = parse_operator_spec(*value);
  ENSURE(spec, "operator.json was checked by a test");
  return {.spec = std::move(*spec), .code = std::move(code), .is_built_in = true};
}

}  // namespace

Result<FoundOperator> find_operator(const std::string& name, const Path& plugins) {
  if (name == "bash") return built_in(bash_description, make_bash_operator());
  if (name == "empty") return built_in(empty_description, make_empty_operator());
  // Never destroyed: its objects stay open as long as the process lives.
  static PluginHost& host = *new PluginHost(plugins);
  TRY_ASSIGN(const LoadedOperator* found, host.find(name + ".so", name));
  if (!found->functions->make_operator) {
    return Error{ErrorKind::invalid, "operator `" + name + "` is a " + found->spec.kind + ": the prober runs it"};
  }
  return FoundOperator{.spec = found->spec, .code = found->functions->make_operator()};
}

}  // namespace udon
