// Names that a file alone cannot check: pools and connections.
#include <algorithm>

#include "base/text.h"
#include "dagfile/catalog.h"

namespace udon {
namespace {

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class NameCheck {
 public:
  NameCheck(const KnownNames& names, const OperatorCatalog& operators, std::vector<Diagnostic>& found)
      : names_(names), operators_(operators), found_(found) {}

  void check(const Dag& dag, const Task& task) {
    dag_ = &dag;
    task_ = &task;
    check_pool();
    for (const std::string& connection : task.connections) {
      if (has(task.default_connections, connection)) continue;
      uses_connections = true;
      if (names_.connections && !has(*names_.connections, connection))
        report("unknown connection `" + connection + "`" + did_you_mean(connection, *names_.connections));
    }
    const OperatorSpec* spec = operators_.find(task.operator_name);
    if (spec == nullptr) return;
    for (const ParamSpec& param : spec->params) check_type(param);
  }

  bool uses_pools = false;
  bool uses_connections = false;

 private:
  void check_pool() {
    const bool is_usual = task_->pool == "default_pool";
    uses_pools = uses_pools || !is_usual;
    if (!is_usual && names_.pools && !has(*names_.pools, task_->pool))
      return report("unknown pool `" + task_->pool + "`" + did_you_mean(task_->pool, *names_.pools));
    const auto slots = names_.slots.find(task_->pool);
    // Fewer than nothing: without end.
    if (slots == names_.slots.end() || slots->second < 0 || task_->pool_slots <= slots->second) return;
    report("`pool_slots: " + std::to_string(task_->pool_slots) + "`: the pool `" + task_->pool + "` has " +
           std::to_string(slots->second) + ", so the task could never start");
  }

  void check_type(const ParamSpec& param) {
    if (param.type != ParamType::connection || param.connection_types.empty()) return;
    const Value* given = task_->parameters.find(param.name);
    if (given == nullptr || !given->is_string()) return;
    const auto type = names_.conn_types.find(given->as_string());
    if (type == names_.conn_types.end() || has(param.connection_types, type->second)) return;
    report("`" + param.name + "`: the connection `" + type->first + "` is of type " + type->second + "; expected " +
           join(param.connection_types, " or "));
  }

  void report(const std::string& message) {
    found_.push_back({Diagnostic::Severity::error, dag_->file, task_->line, 1,
                      "task `" + task_->task_id + "`: " + message, dag_->dag_id});
  }

  const KnownNames& names_;
  const OperatorCatalog& operators_;
  std::vector<Diagnostic>& found_;
  const Dag* dag_ = nullptr;
  const Task* task_ = nullptr;
};

}  // namespace

std::vector<Diagnostic> check_names(const CatalogSnapshot& catalog, const KnownNames& names,
                                    const OperatorCatalog& operators) {
  std::vector<Diagnostic> found;
  NameCheck check(names, operators, found);
  for (const auto& [id, dag] : catalog.dags)
    for (const Task& task : dag->tasks) check.check(*dag, task);
  for (const DagPtr& dag : catalog.refused)
    for (const Task& task : dag->tasks) check.check(*dag, task);
  const auto not_checked = [&](const std::string& what) {
    found.push_back({Diagnostic::Severity::warning, "", 0, 0, what + " are not checked: no server", ""});
  };
  if (check.uses_pools && !names.pools) not_checked("pools");
  if (check.uses_connections && !names.connections) not_checked("connections");
  return found;
}

}  // namespace udon
