#include "plugins/sql_check/answer.h"

#include "plugins/data/cell_text.h"
#include "plugins/data/query.h"
#include "plugins/data/statement_limit.h"
#include "plugins/data/try_pace.h"

namespace udon {
namespace {

constexpr int64_t value_bytes_max = 1 << 20;  // of what is compared; more is no key figure

CheckCell cell_of(const data::ColumnInfo& info, const arrow::Array& column, int64_t row) {
  CheckCell cell;
  if (column.IsNull(row)) return cell;
  cell.is_null = false;
  data::append_cell_text(column, row, cell.text);
  if (column.type_id() == arrow::Type::BOOL)
    cell.number = Number::parse(cell.text == "true" ? "1" : "0");
  else if (data::is_numeric(*column.type()) || info.text_form == data::TextForm::digits)
    cell.number = Number::parse(cell.text);  // none: NaN, infinity
  return cell;
}

Error within(const CheckQuery& query, const Error& error) {
  return query.parameter == "sql" ? error : error.within("`" + query.parameter + "`");
}

}  // namespace

Result<std::vector<std::string>> names_in(TaskContext& context, const CheckQuery& query) {
  TRY_ASSIGN(const Connection connection, context.connection(query.connection));
  TRY_ASSIGN(const SqlDialect dialect, data::dialect_of(connection));
  auto names = parameter_names(query.sql, dialect);
  return names ? std::move(*names) : Result<std::vector<std::string>>(within(query, names.error()));
}

Result<std::vector<std::string>> read_answer(
    TaskContext& context, const CheckQuery& query,
    const std::function<Result<void>(const std::vector<std::string>& columns, CheckRow row)>& take) {
  const Value& parameters = context.parameters();
  TRY_ASSIGN(const Connection connection, context.connection(query.connection));
  TRY_ASSIGN(const SqlDialect dialect, data::dialect_of(connection));
  TRY_ASSIGN(const std::vector<std::string> names, names_in(context, query));
  Value own = Value::map();
  for (const std::string& name : names)
    if (const Value* value = query.parameters.find(name)) own.set(name, *value);
  auto statements = data::make_statements(Value(query.sql), own, dialect);
  if (!statements) return within(query, statements.error());
  if (statements->size() != 1)
    return Error{ErrorKind::invalid,
                 query.parameter + ": expected one statement, found " + std::to_string(statements->size())};

  const bool only_reads = data::only_reads(statements->front(), dialect);
  data::StatementPace pace(context, query.connection, connection);
  TRY(pace.begin(only_reads ? data::Pace::Standing::between_batches : data::Pace::Standing::never));
  data::StatementLimit limit(Duration(parameters.integer("statement_timeout")), pace.token());
  data::QueryOptions options;
  options.program = "udon " + context.dag_id() + "." + context.task_id();
  options.timezone = parameters.text("timezone");
  TRY_ASSIGN(const auto session, data::open_query_session(connection, options, limit.token()));
  // Never committed.
  TRY(session->begin(only_reads ? data::Access::reads : data::Access::writes));
  data::TableRequest request;
  request.all_columns = true;
  request.timezone = options.timezone;
  request.policies.ancient_dates = "keep";
  request.certify = CertifyLevel::rows;
  request.value_bytes_max = value_bytes_max;
  request.batch_rows = pace.batch_rows(request.batch_rows);
  const auto rows = session->rows(statements->front());
  const auto read = [&]() -> Result<std::vector<std::string>> {
    TRY_ASSIGN(const std::vector<data::ColumnInfo> infos, rows->open(request, limit.token()));
    std::vector<std::string> columns;
    for (const data::ColumnInfo& info : infos) columns.push_back(info.request.name);
    if (columns.empty())
      return Error{ErrorKind::invalid, query.parameter + ": the statement gives no rows; a check needs a SELECT"};
    data::Pace::Turn turn(pace.pace());
    for (;;) {
      TRY(turn.before_batch(limit.token()));
      TRY_ASSIGN(const std::optional<data::SourceBatch> batch, rows->next());
      if (!batch) return columns;
      turn.after_batch(batch->rows->num_rows());
      for (int64_t r = 0; r < batch->rows->num_rows(); ++r) {
        CheckRow row;
        for (size_t c = 0; c < infos.size(); ++c)
          row.push_back(cell_of(infos[c], *batch->rows->column(static_cast<int>(c)), r));
        TRY(take(columns, std::move(row)));
      }
    }
  };
  limit.start();
  auto done = read();
  limit.finish();
  if (!done) return within(query, pace.explain(limit.explain(done.error())));
  return done;
}

}  // namespace udon
