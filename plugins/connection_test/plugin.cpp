// The door of connection_test.so.
#include "plugins/api/plugin.h"
#include "base/text.h"
#include "plugins/connection_test/looks.h"

namespace udon {

extern const char connection_test_description[];
extern const char connection_test_help[];

namespace {

class ConnectionTest final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const std::string id = parameters.text("connection");
    TRY_ASSIGN(const Connection connection, context.connection(id));
    TRY_ASSIGN(const TestQuestion question, question_of(context, connection));
    const TimePoint begun = context.clock().now();
    auto found = look(context, connection, question);
    if (!found) return with_next_step(found.error(), id);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(context.clock().now() - begun);
    found->facts.set("took_ms", static_cast<int64_t>(took.count()));

    std::vector<std::string> remedies;
    for (const Check& check : found->checks) {
      context.log(check.feature + ": " + std::string(to_string(check.state)) + ": " + check.found +
                  (check.remedy.empty() ? "" : "; missing: " + check.remedy));
      if (check.state == CheckState::missing) remedies.push_back(check.remedy.empty() ? check.found : check.remedy);
    }
    if (found->has_missing() && parameters.text("on_missing") != "report")
      return Error{ErrorKind::denied, "connection `" + id + "` is not good for it; missing: " + join(remedies, " ")};
    Outcome outcome;
    outcome.return_value = to_value(*found);
    outcome.return_value.set("connection", id);
    outcome.return_value.set("type", connection.type);
    outcome.message = remedies.empty() ? "nothing is missing" : std::to_string(remedies.size()) + " missing";
    return outcome;
  }

 private:
  static Result<TestQuestion> question_of(TaskContext& context, const Connection& connection) {
    const Value& parameters = context.parameters();
    TestQuestion question{.uri = parameters.text("uri"), .probe_name = "udon-connection-test-" + context.try_id()};
    for (const Value& feature : parameters.get("for").as_list()) question.features.push_back(feature.as_string());
    const std::string table = parameters.text("table");
    if (table.empty()) return question;
    const bool is_database =
        connection.type == "mysql" || connection.type == "postgresql" || connection.type == "sqlite";
    if (!is_database)
      return Error{ErrorKind::invalid,
                   "table: connection `" + connection.id + "` is of type " + connection.type + ", which has no tables"};
    TRY_ASSIGN(question.table, parse_table_name(table, connection.type == "mysql"    ? SqlDialect::mysql
                                                       : connection.type == "sqlite" ? SqlDialect::sqlite
                                                                                     : SqlDialect::postgresql));
    return question;
  }

  static Result<Finding> look(TaskContext& context, const Connection& connection, const TestQuestion& question) {
    const std::stop_token stop = context.stop_token();
    if (connection.type == "mysql") return look_at_mysql(connection, question, stop);
    if (connection.type == "postgresql") return look_at_postgres(connection, question, stop);
    if (connection.type == "sqlite") return look_at_sqlite(connection, question, stop);
    if (connection.type == "http" || connection.type == "https") return look_at_http(connection, question, stop);
    if (connection.type == "aws") {
      TRY_ASSIGN(const Path staging, context.staging());
      return look_at_s3(connection, question, staging, io_context_of(context, ""));
    }
    return Error{ErrorKind::unsupported, "it is of type " + connection.type +
                                             ", which cannot be opened; mysql, postgresql, sqlite, aws, http and "
                                             "https can"};
  }
};

std::unique_ptr<Operator> make_connection_test() { return std::make_unique<ConnectionTest>(); }

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::PluginOperator operators[] = {
      {udon::connection_test_description, udon::connection_test_help, udon::make_connection_test, nullptr, nullptr}};
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
