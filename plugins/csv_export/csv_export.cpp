#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "plugins/api/operator.h"
#include "plugins/api/plugin.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/csv_writer.h"
#include "plugins/data/export.h"
#include "plugins/data/query.h"
#include "plugins/data/recast_reader.h"
#include "plugins/data/statement_limit.h"
#include "plugins/data/try_pace.h"

namespace udon {

extern const char csv_export_description[];
extern const char csv_export_help[];

namespace {

class CsvExport final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const bool by_table = !parameters.text("table").empty();
    if (by_table == !parameters.get("sql").is_null())
      return Error{ErrorKind::invalid, "say `table` or `sql`, one of them"};
    TRY_ASSIGN(const Connection connection, context.connection(parameters.text("connection")));
    TRY_ASSIGN(const data::ExportForm form, form_of(parameters));
    return by_table ? export_of_table(context, connection, form) : export_of_query(context, connection, form);
  }

 private:
  static Result<data::ExportForm> form_of(const Value& parameters) {
    TRY_ASSIGN(data::CsvWriteOptions options, data::parse_csv_options(parameters));
    if (parameters.flag("excel")) options.read_by = data::CsvReadBy::spreadsheets;
    if (parameters.text("compression") == "gzip") options.compression = data::Compression::gzip;
    options.binary = parameters.text("binary") == "hex" ? data::BinaryText::hex : data::BinaryText::base64;
    data::ExportForm form;
    form.text = data::csv_format(options);
    return form;
  }

  static data::TableRequest request_of(const Value& parameters) {
    data::TableRequest request;
    request.timezone = parameters.text("timezone");
    request.policies = {.zero_dates = parameters.text("zero_dates", "error"),
                        .infinity = parameters.text("infinity", "error"),
                        .nan = parameters.text("nan", "error"),
                        .invalid_text = parameters.text("invalid_text", "error"),
                        .ancient_dates = parameters.text("ancient_dates", "keep")};
    return request;
  }

  static Result<Outcome> export_of_table(TaskContext& context, const Connection& connection,
                                         const data::ExportForm& form) {
    const Value& parameters = context.parameters();
    data::TableRequest request = request_of(parameters);
    request.table = parameters.text("table");
    TRY(data::parse_columns(parameters.get("columns"), request));
    TRY(data::parse_where(parameters.get("where"), request));
    std::unique_ptr<data::TableReader> reader;
    if (connection.type == "mysql")
      reader = data::make_mysql_reader(connection);
    else if (connection.type == "postgresql")
      reader = data::make_postgres_reader(connection);
    else
      return Error{ErrorKind::invalid, fmt::format("connection `{}` is of type {}: of it say `sql`, not `table`",
                                                   connection.id, connection.type)};
    reader = data::make_recast_reader(std::move(reader));
    const std::string source = connection.display() + " table " + request.table;
    return data::export_table(context, *reader, std::move(request), source, form);
  }

  static Result<Outcome> export_of_query(TaskContext& context, const Connection& connection,
                                         const data::ExportForm& form) {
    const Value& parameters = context.parameters();
    TRY_ASSIGN(const SqlDialect dialect, data::dialect_of(connection));
    TRY_ASSIGN(const auto statements,
               data::make_statements(parameters.get("sql"), parameters.get("parameters"), dialect));
    if (statements.size() != 1 || !data::may_give_rows(statements[0], dialect) ||
        !data::only_reads(statements[0], dialect))
      return Error{ErrorKind::invalid,
                   "sql: one statement that reads was expected; what changes anything is for `sql` tasks"};
    data::StatementPace pace(context, parameters.text("connection"), connection);
    TRY(pace.begin(data::Pace::Standing::between_batches));
    data::StatementLimit limit(Duration(parameters.integer("statement_timeout")), pace.token());
    data::QueryOptions options;
    options.program = "udon " + context.dag_id() + "." + context.task_id();
    options.timezone = parameters.text("timezone");
    TRY_ASSIGN(const auto session, data::open_query_session(connection, options, limit.token()));
    TRY(session->begin(data::Access::reads));
    data::TableRequest request = request_of(parameters);
    request.all_columns = true;
    const auto rows = session->rows(statements[0]);
    data::ExportForm timed = form;
    timed.on_start = [&limit] { limit.start(); };
    timed.pace = pace.pace();
    auto outcome = data::export_table(context, *rows, std::move(request),
                                      connection.display() + " task " + context.task_id(), timed);
    limit.finish();
    if (!outcome) return pace.explain(limit.explain(outcome.error()));
    return outcome;
  }
};

const PluginOperator operators[] = {plugin_operator<CsvExport>(csv_export_description, csv_export_help)};
const Plugin plugin = {.arrow_version = data::arrow_version, .operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1();
extern "C" const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
