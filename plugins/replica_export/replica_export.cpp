#include <fmt/format.h>

#include <memory>

#include "plugins/api/operator.h"
#include "plugins/api/plugin.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/export.h"
#include "plugins/data/reader.h"
#include "plugins/data/recast_reader.h"

namespace udon {

extern const char replica_export_description[];
extern const char replica_export_help[];

namespace {

class ReplicaExport final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    data::TableRequest request;
    request.table = parameters.text("table");
    request.timezone = parameters.text("timezone");
    TRY(data::parse_columns(parameters.get("columns"), request));
    TRY(data::parse_where(parameters.get("where"), request));
    TRY(data::parse_split(parameters.get("split"), request));
    request.policies = {.zero_dates = parameters.text("zero_dates", "error"),
                        .infinity = parameters.text("infinity", "error"),
                        .nan = parameters.text("nan", "error"),
                        .invalid_text = parameters.text("invalid_text", "error"),
                        .ancient_dates = parameters.text("ancient_dates", "error")};
    request.consistency = parameters.text("consistency", "snapshot");

    TRY_ASSIGN(const Connection connection, context.connection(parameters.text("connection")));
    if (connection.type != "mysql" && connection.type != "postgresql")
      return Error{ErrorKind::invalid,
                   fmt::format("connection `{}` is of type {}; replica_export reads mysql (MariaDB too) "
                               "and postgresql",
                               connection.id, connection.type)};
    const data::MakeReader make_reader = [&connection] {
      return data::make_recast_reader(connection.type == "mysql" ? data::make_mysql_reader(connection)
                                                                 : data::make_postgres_reader(connection));
    };
    return data::export_table(context, make_reader, request, connection.display() + " table " + request.table,
                              connection.type == "mysql" ? SqlDialect::mysql : SqlDialect::postgresql);
  }
};

const PluginOperator operators[] = {plugin_operator<ReplicaExport>(replica_export_description, replica_export_help)};
const Plugin plugin = {.arrow_version = data::arrow_version, .operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1();
extern "C" const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
