// The door of tables.so.
#include "plugins/api/plugin.h"
#include "base/limits.h"
#include "plugins/tables/rules.h"
#include "plugins/tables/table_list.h"

namespace udon {

extern const char tables_description[];
extern const char tables_help[];

namespace {

class Tables final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const std::string id = parameters.text("connection");
    TRY_ASSIGN(const TableRules rules, TableRules::parse(parameters));
    TRY_ASSIGN(const Connection connection, context.connection(id));
    const bool with_views = parameters.flag("views");
    TRY_ASSIGN(const std::vector<ListedTable> tables,
               connection.type == "mysql" ? list_mysql_tables(connection, with_views, context.stop_token())
                                          : list_postgres_tables(connection, with_views, context.stop_token()));
    TRY_ASSIGN(TablePlan plan, plan_tables(tables, rules, id));
    for (const std::string& warning : plan.warnings) context.log("note: " + warning);
    if (!parameters.flag("seen"))
      for (Value& entry : plan.entries) entry.erase("seen");
    Outcome outcome;
    outcome.message = std::to_string(plan.entries.size()) + " of " + std::to_string(tables.size()) + " tables";
    outcome.return_value = Value(std::move(plan.entries));
    return outcome;
  }
};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::PluginOperator operators[] = {
      udon::plugin_operator<udon::Tables>(udon::tables_description, udon::tables_help)};
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
