#include <fmt/format.h>

#include <functional>
#include <memory>
#include <optional>

#include "base/limits.h"
#include "base/text.h"
#include "plugins/api/operator.h"
#include "plugins/api/plugin.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/cell_text.h"
#include "plugins/data/export.h"
#include "plugins/data/query.h"
#include "plugins/data/statement_limit.h"
#include "plugins/data/try_pace.h"

namespace udon {

extern const char sql_description[];
extern const char sql_help[];

namespace {

constexpr int64_t rows_max_default = 1000;

// Rows of a statement, and what is to be done once the last of them is read, before anything is published.
class EndingReader final : public data::TableReader, public data::BatchSource {
 public:
  EndingReader(data::QueryRows& rows, std::function<Result<void>()> at_end, std::function<Error(const Error&)> explain)
      : rows_(rows), at_end_(std::move(at_end)), explain_(std::move(explain)) {}

  Result<std::vector<data::ColumnInfo>> open(const data::TableRequest& request, std::stop_token stop) override {
    auto columns = rows_.open(request, std::move(stop));
    if (!columns) return explain_(columns.error());
    if (columns->empty())
      return Error{ErrorKind::invalid, "`to` is said, but no statement gives rows; leave it out, or end with a SELECT"};
    return columns;
  }
  std::vector<data::BatchSource*> sources() override { return {this}; }
  Result<std::optional<data::SourceBatch>> next() override {
    auto batch = rows_.next();
    if (!batch) return explain_(batch.error());
    if (!*batch && !has_ended_) {
      has_ended_ = true;
      TRY(at_end_());
    }
    return batch;
  }
  std::string mechanism() const override { return rows_.mechanism(); }
  std::string position() const override { return rows_.position(); }
  std::vector<PolicyUse> policy_uses() const override { return rows_.policy_uses(); }

 private:
  data::QueryRows& rows_;
  std::function<Result<void>()> at_end_;
  std::function<Error(const Error&)> explain_;
  bool has_ended_ = false;
};

class Sql final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    TRY_ASSIGN(const Connection connection, context.connection(parameters.text("connection")));
    TRY_ASSIGN(const SqlDialect dialect, data::dialect_of(connection));
    TRY_ASSIGN(statements_, data::make_statements(parameters.get("sql"), parameters.get("parameters"), dialect));
    // The answer that is asked for is the last.
    size_t answer = statements_.size();
    data::Access access = data::Access::reads;
    for (size_t i = 0; i < statements_.size(); ++i) {
      if (data::may_give_rows(statements_[i], dialect)) answer = i;
      if (!data::only_reads(statements_[i], dialect)) access = data::Access::writes;
    }
    const bool to_files = !parameters.text("to").empty();
    if (to_files && answer == statements_.size())
      return Error{ErrorKind::invalid, "`to` is said, but no statement gives rows; leave it out, or end with a SELECT"};

    context_ = &context;
    pace_.emplace(context, parameters.text("connection"), connection);
    if (answer < statements_.size())
      TRY(pace_->begin(access == data::Access::reads ? data::Pace::Standing::between_batches
                                                     : data::Pace::Standing::never));
    limit_.emplace(Duration(parameters.integer("statement_timeout")), pace_->token());
    data::QueryOptions options;
    options.program = "udon " + context.dag_id() + "." + context.task_id();
    options.timezone = parameters.text("timezone");
    TRY_ASSIGN(session_, data::open_query_session(connection, options, limit_->token()));
    in_transaction_ = !parameters.flag("autocommit");
    if (in_transaction_) TRY(session_->begin(access));

    for (size_t i = 0; i < answer; ++i) TRY(execute(i));
    Outcome outcome;
    if (answer == statements_.size()) {
      TRY(finish(answer));
    } else if (to_files) {
      TRY_ASSIGN(outcome, export_answer(answer, connection));
    } else {
      TRY_ASSIGN(outcome, collect_answer(answer));
    }
    context.xcom_push("rows_affected", changed_);
    if (outcome.return_value.is_null() && !has_rows_) {
      outcome.return_value = Value::map();
      outcome.return_value.set("rows_affected", changed_);
    }
    if (outcome.message.empty()) outcome.message = fmt::format("{} rows affected", changed_);
    return outcome;
  }

 private:
  Error told(size_t i, const Error& error) const {
    const Error explained = pace_->explain(limit_->explain(error));
    return statements_.size() == 1 ? explained
                                   : explained.within(fmt::format("statement {} of {}", i + 1, statements_.size()));
  }

  void note(size_t i, int64_t changed, const std::string& more = {}) {
    if (changed > 0) changed_ += changed;
    std::string line = fmt::format("statement {} of {}", i + 1, statements_.size());
    if (changed >= 0) line += fmt::format(": {} rows affected", changed);
    context_->log(line + more);
  }

  Result<void> execute(size_t i) {
    limit_->start();
    const auto changed = session_->execute(statements_[i]);
    limit_->finish();
    if (!changed) return told(i, changed.error());
    note(i, *changed, *changed < 0 ? ": done" : "");
    return {};
  }

  // Whatever comes after the statement whose rows are wanted, and the transaction's end.
  Result<void> finish(size_t answer) {
    for (size_t i = answer + 1; i < statements_.size(); ++i) TRY(execute(i));
    if (!in_transaction_) return {};
    auto committed = session_->commit();
    if (!committed) return pace_->explain(committed.error()).within("commit");
    return {};
  }

  data::TableRequest request_of_rows(const char* ancient_dates) const {
    const Value& parameters = context_->parameters();
    data::TableRequest request;
    request.all_columns = true;
    request.timezone = parameters.text("timezone");
    request.policies = {.zero_dates = parameters.text("zero_dates", "error"),
                        .infinity = parameters.text("infinity", "error"),
                        .nan = parameters.text("nan", "error"),
                        .invalid_text = parameters.text("invalid_text", "error"),
                        .ancient_dates = parameters.text("ancient_dates", ancient_dates)};
    return request;
  }

  Result<Outcome> export_answer(size_t answer, const Connection& connection) {
    has_rows_ = true;
    const Value& parameters = context_->parameters();
    data::ExportForm form;
    if (parameters.text("format") == "csv") {
      TRY_ASSIGN(const auto csv, data::parse_csv_options(parameters));
      form.text = data::csv_format(csv);
      form.text->extension = ".csv";
    }
    const auto rows = session_->rows(statements_[answer]);
    form.on_start = [this] { limit_->start(); };
    form.pace = pace_->pace();
    EndingReader reader(
        *rows,
        [&]() -> Result<void> {
          limit_->finish();
          note(answer, rows->rows_changed(), ": read");
          return finish(answer);
        },
        [&](const Error& error) { return told(answer, error); });
    auto outcome = data::export_table(*context_, reader, request_of_rows(form.text ? "keep" : "error"),
                                      connection.display() + " task " + context_->task_id(), form);
    limit_->finish();
    return outcome;
  }

  Result<Outcome> collect_answer(size_t answer) {
    limit_->start();
    auto collected = collect(answer);
    limit_->finish();
    if (!collected) return told(answer, collected.error());
    TRY(finish(answer));
    return collected;
  }

  // The rows as a list of maps; bounded, as what does not fit into an XCom belongs into a file.
  Result<Outcome> collect(size_t answer) {
    const Value& parameters = context_->parameters();
    const bool is_kept = parameters.flag("to_xcom", true);
    const int64_t rows_max = parameters.integer("rows_max", rows_max_default);
    if (rows_max < 1) return Error{ErrorKind::invalid, fmt::format("rows_max: {} is less than 1", rows_max)};
    data::TableRequest request = request_of_rows("keep");
    request.certify = CertifyLevel::rows;
    request.batch_rows = pace_->batch_rows(request.batch_rows);
    if (is_kept) request.batch_rows = std::min(request.batch_rows, rows_max + 1);
    const auto rows = session_->rows(statements_[answer]);
    TRY_ASSIGN(const std::vector<data::ColumnInfo> columns, rows->open(request, limit_->token()));
    has_rows_ = !columns.empty();
    Value list = Value::list();
    int64_t count = 0, bytes = 0;
    data::Pace::Turn turn(pace_->pace());
    for (;;) {
      TRY(turn.before_batch(limit_->token()));
      TRY_ASSIGN(const std::optional<data::SourceBatch> batch, rows->next());
      if (!batch) break;
      turn.after_batch(batch->rows->num_rows());
      count += batch->rows->num_rows();
      if (!is_kept) continue;
      if (count > rows_max)
        return Error{ErrorKind::data,
                     fmt::format("the answer has more than {} rows (`rows_max`){}; write it `to` a file, or "
                                 "ask for less",
                                 rows_max, undone())};
      TRY(add(*batch->rows, list, bytes));
    }
    note(answer, rows->rows_changed(), has_rows_ ? fmt::format(": {} rows", count) : "");
    Outcome outcome;
    if (!has_rows_) return outcome;
    outcome.message = fmt::format("{} rows", count);
    if (changed_ > 0) outcome.message += fmt::format(", {} affected", changed_);
    if (is_kept) outcome.return_value = std::move(list);
    context_->xcom_push("rows", count);
    return outcome;
  }

  Result<void> add(const arrow::RecordBatch& batch, Value& list, int64_t& bytes) {
    for (int64_t r = 0; r < batch.num_rows(); ++r) {
      Value row = Value::map();
      for (int c = 0; c < batch.num_columns(); ++c)
        row.set(batch.schema()->field(c)->name(), data::cell_value(*batch.column(c), r));
      bytes += static_cast<int64_t>(to_json(row).size()) + 1;
      if (bytes > limits::xcom_bytes_max)
        return Error{ErrorKind::data,
                     fmt::format("the answer is larger than the {} bytes that an XCom may have{}; write it "
                                 "`to` a file, or ask for less",
                                 limits::xcom_bytes_max, undone())};
      list.push_back(std::move(row));
    }
    return {};
  }

  const char* undone() const { return in_transaction_ ? "; the transaction was undone" : ""; }

  TaskContext* context_ = nullptr;
  std::vector<data::Statement> statements_;
  std::optional<data::StatementPace> pace_;
  std::optional<data::StatementLimit> limit_;
  std::unique_ptr<data::QuerySession> session_;
  bool in_transaction_ = true;
  bool has_rows_ = false;
  int64_t changed_ = 0;
};

const PluginOperator operators[] = {plugin_operator<Sql>(sql_description, sql_help)};
const Plugin plugin = {.arrow_version = data::arrow_version, .operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1();
extern "C" const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
