// Names that a file alone cannot check: pools and connections.
#include <algorithm>

#include "base/text.h"
#include "dagfile/catalog.h"

namespace udon {
namespace {

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::vector<Diagnostic> check_names(const CatalogSnapshot& catalog, const KnownNames& names) {
  std::vector<Diagnostic> found;
  bool uses_pools = false, uses_connections = false;
  for (const auto& [id, dag] : catalog.dags) {
    for (const Task& task : dag->tasks) {
      const auto report = [&](const std::string& what, const std::string& name, const std::vector<std::string>& known) {
        found.push_back({Diagnostic::Severity::error, dag->file, task.line, 1,
                         "task `" + task.task_id + "`: unknown " + what + " `" + name + "`" + did_you_mean(name, known),
                         id});
      };
      if (task.pool != "default_pool") {
        uses_pools = true;
        if (names.pools && !has(*names.pools, task.pool)) report("pool", task.pool, *names.pools);
      }
      for (const std::string& connection : task.connections) {
        if (has(task.default_connections, connection)) continue;
        uses_connections = true;
        if (names.connections && !has(*names.connections, connection))
          report("connection", connection, *names.connections);
      }
    }
  }
  const auto not_checked = [&](const std::string& what) {
    found.push_back({Diagnostic::Severity::warning, "", 0, 0, what + " are not checked: no server", ""});
  };
  if (uses_pools && !names.pools) not_checked("pools");
  if (uses_connections && !names.connections) not_checked("connections");
  return found;
}

}  // namespace udon
