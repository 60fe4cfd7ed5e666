#pragma once
// The connections that an operator's parameters name, for what has to have them before it starts.
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "connections/connection.h"
#include "plugins/spec/spec.h"

namespace udon {

// Of its parameters of type connection. `parameters`: completed. A default that nobody has defined is left out.
inline Result<std::vector<Connection>> named_connections(
    const OperatorSpec& spec, const Value& parameters,
    const std::function<Result<Connection>(const std::string& id)>& find) {
  std::vector<Connection> connections;
  for (const ParamSpec& param : spec.params) {
    const std::string id = param.type == ParamType::connection ? parameters.text(param.name) : "";
    if (id.empty()) continue;
    auto found = find(id);
    const bool is_default = param.default_value && *param.default_value == Value(id);
    if (!found && is_default && found.error().kind == ErrorKind::not_found) continue;
    if (!found) return found.error();
    connections.push_back(std::move(*found));
  }
  return connections;
}

}  // namespace udon
