#include "plugins/api/executable_plugin.h"

#include <unistd.h>

#include <optional>

#include "base/limits.h"
#include "base/text.h"
#include "plugins/api/child_process.h"
#include "plugins/api/named_connections.h"
#include "plugins/api/plugin_messages.h"
#include "plugins/api/redacted.h"

namespace udon {
namespace {

constexpr int64_t description_bytes_max = 4 << 20;
constexpr size_t shown_bytes_max = 500;
// A result is an XCom, and what stands around it.
constexpr size_t message_bytes_max = static_cast<size_t>(limits::xcom_bytes_max) + 4096;

std::string last_words(const std::string& text) {
  const std::string_view trimmed = trim(text);
  if (trimmed.empty()) return {};
  return "; it said: " + std::string(trimmed.substr(trimmed.size() - std::min(trimmed.size(), shown_bytes_max)));
}

Value to_request(const Connection& connection) {
  return Value::Map{{"conn_id", connection.id},    {"conn_type", connection.type},
                    {"host", connection.host},     {"port", connection.port == 0 ? Value() : Value(connection.port)},
                    {"login", connection.login},   {"password", connection.password},
                    {"schema", connection.schema}, {"extra", connection.extra},
                    {"uri", to_uri(connection)}};
}

// The program at work, and what it has said so far.
class PluginCall {
 public:
  PluginCall(TaskContext& context, const Path& file, const OperatorSpec& spec)
      : context_(context), file_(file), spec_(spec) {}

  Result<ExitStatus> run(const std::string& verb) {
    TRY_ASSIGN(const std::vector<Connection> named,
               named_connections(spec_, context_.parameters(),
                                 [this](const std::string& id) { return context_.connection(id); }));
    Value connections = Value::map();
    for (const Connection& connection : named) connections.set(connection.id, to_request(connection));
    TRY_ASSIGN(const Path staging, context_.staging());
    const Value request = Value::Map{{"protocol", plugin_protocol_version},
                                     {"operator", spec_.name},
                                     {"dag_id", context_.dag_id()},
                                     {"run_id", context_.run_id()},
                                     {"task_id", context_.task_id()},
                                     {"map_index", context_.map_index()},
                                     {"try_number", context_.try_number()},
                                     {"try_id", context_.try_id()},
                                     {"fence", context_.fence()},
                                     {"staging", staging.string()},
                                     {"dags_folder", context_.dags_folder().string()},
                                     {"parameters", context_.parameters()},
                                     {"connections", std::move(connections)}};
    LineReader lines(message_bytes_max, [this](std::string_view line) { take(line); });
    ChildProcess child(context_, [&](int stream, std::string_view bytes) {
      if (stream == STDOUT_FILENO)
        lines.feed(bytes);
      else
        context_.log_output(stream, bytes);
    });
    TRY(child.start({.argv = {file_.string(), verb, spec_.name},
                     .environment = current_environment(),
                     .working_directory = staging},
                    to_json(request) + "\n"));
    TRY_ASSIGN(const ExitStatus status, child.wait());
    lines.finish();
    is_cut_ = lines.has_cut();
    if (context_.stop_requested()) return Error{ErrorKind::cancelled, "stopped"};
    if (problem_) return *problem_;
    if (error_) return Error{error_->kind, context_.redact(error_->message)};
    return status;
  }

  // What it gave with that key; an error says what it has to give.
  Result<Value> answer(const std::string& key) const {
    if (answer_) return *answer_;
    return Error{ErrorKind::invalid,
                 file_.string() + " ended without a result: it must print a line {\"" + key +
                     "\": …} on its standard output" +
                     (is_cut_ ? "; one line had more than " + std::to_string(message_bytes_max) + " bytes" : "") +
                     (others_ > 0 ? "; " + std::to_string(others_) + " lines that are no message are in the log" : "")};
  }

 private:
  void take(std::string_view line) {
    const auto message = parse_plugin_message(line);
    if (!message) {
      others_ += 1;
      return context_.log(line);
    }
    const Value& content = message->content;
    switch (message->kind) {
      case PluginMessage::Kind::log: return context_.log(content.is_string() ? content.as_string() : to_json(content));
      case PluginMessage::Kind::error: error_ = parse_plugin_error(content); return;
      case PluginMessage::Kind::xcom:
        if (content.text("key").empty() || !content.find("value"))
          problem_ = {ErrorKind::invalid, file_.string() + ": an xcom is {\"key\": text, \"value\": any}"};
        else
          context_.xcom_push(context_.redact(content.text("key")), redacted(context_, content.get("value")));
        return;
      case PluginMessage::Kind::result:
      case PluginMessage::Kind::poke:
        if (answer_) problem_ = {ErrorKind::invalid, file_.string() + " gave two results"};
        answer_ = content;
    }
  }

  TaskContext& context_;
  const Path& file_;
  const OperatorSpec& spec_;
  std::optional<Value> answer_;
  std::optional<Error> error_, problem_;
  int64_t others_ = 0;
  bool is_cut_ = false;
};

class ExecutableOperator final : public Operator {
 public:
  ExecutableOperator(Path file, OperatorSpec spec) : file_(std::move(file)), spec_(std::move(spec)) {}

  Result<Outcome> run(TaskContext& context) override {
    PluginCall call(context, file_, spec_);
    TRY_ASSIGN(const ExitStatus status, call.run("run"));
    if (!status.succeeded()) return Outcome{.exit = status};
    TRY_ASSIGN(const Value answer, call.answer("result"));
    return Outcome{.skipped = answer.flag("skipped"),
                   .return_value = redacted(context, answer.get("return_value")),
                   .message = context.redact(answer.text("message"))};
  }

 private:
  const Path file_;
  const OperatorSpec spec_;
};

class ExecutableSensor final : public Sensor {
 public:
  ExecutableSensor(Path file, OperatorSpec spec) : file_(std::move(file)), spec_(std::move(spec)) {}

  Result<Poke> poke(TaskContext& context) override {
    PluginCall call(context, file_, spec_);
    TRY_ASSIGN(const ExitStatus status, call.run("poke"));
    if (!status.succeeded()) return Error{ErrorKind::invalid, file_.string() + ": " + describe(status)};
    TRY_ASSIGN(const Value answer, call.answer("poke"));
    if (!answer.get("is_met").is_bool())
      return Error{ErrorKind::invalid, file_.string() + ": a poke is {\"is_met\": true or false, \"message\": text}"};
    return Poke{.is_met = answer.flag("is_met"),
                .message = answer.text("message"),
                .return_value = redacted(context, answer.get("return_value"))};
  }

 private:
  const Path file_;
  const OperatorSpec spec_;
};

}  // namespace

Result<std::vector<OperatorSpec>> parse_description(std::string_view json) {
  TRY_ASSIGN(const Value value, parse_json(json));
  if (!value.get("protocol").is_int() || !value.get("operators").is_list())
    return Error{ErrorKind::data, "expected {\"protocol\": 1, \"operators\": […]}"};
  if (value.integer("protocol") != plugin_protocol_version)
    return Error{ErrorKind::unsupported, "it speaks protocol " + std::to_string(value.integer("protocol")) +
                                             ", this program " + std::to_string(plugin_protocol_version)};
  std::vector<OperatorSpec> operators;
  for (const Value& description : value.get("operators").as_list()) {
    TRY_ASSIGN(OperatorSpec spec, parse_operator_spec(description));
    operators.push_back(std::move(spec));
  }
  return operators;
}

Value to_description(const std::vector<OperatorSpec>& operators) {
  Value list = Value::list();
  for (const OperatorSpec& spec : operators) list.push_back(to_value(spec));
  return Value::Map{{"protocol", plugin_protocol_version}, {"operators", std::move(list)}};
}

Result<std::vector<OperatorSpec>> describe_executable(const Path& file, std::vector<std::string> environment,
                                                      std::chrono::milliseconds timeout) {
  const SpawnRequest request{.argv = {file.string(), "describe"}, .environment = std::move(environment)};
  TRY_ASSIGN(const CommandOutput output, run_command(request, timeout, description_bytes_max));
  if (!output.status.succeeded())
    return Error{ErrorKind::data,
                 "`describe` ended with " + describe(output.status) + last_words(output.standard_error)};
  auto operators = parse_description(output.standard_output);
  if (!operators)
    return Error{operators.error().kind,
                 "what `describe` printed: " + operators.error().message + last_words(output.standard_error)};
  return operators;
}

std::unique_ptr<Operator> make_executable_operator(Path file, OperatorSpec spec) {
  return std::make_unique<ExecutableOperator>(std::move(file), std::move(spec));
}

std::unique_ptr<Sensor> make_executable_sensor(Path file, OperatorSpec spec) {
  return std::make_unique<ExecutableSensor>(std::move(file), std::move(spec));
}

}  // namespace udon
