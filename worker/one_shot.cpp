#include "worker/one_shot.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>

#include "base/id.h"
#include "base/limits.h"
#include "connections/redaction.h"
#include "connections/source_grant.h"
#include "executor/local/environment.h"
#include "plugins/api/child_process.h"
#include "plugins/api/named_connections.h"
#include "plugins/api/plugin_messages.h"
#include "plugins/api/redacted.h"
#include "worker/task/operators.h"

namespace udon {
namespace {

// A plan of a thousand tables is some megabytes.
constexpr size_t message_bytes_max = 256 << 20;

class OneShotContext final : public TaskContext {
 public:
  OneShotContext(Value request, Path staging, const Clock& clock, FileDescriptor output)
      : request_(std::move(request)), staging_(std::move(staging)), clock_(clock), output_(std::move(output)) {}

  Result<void> complete(const OperatorSpec& spec) {
    TRY_ASSIGN(parameters_, complete_parameters(spec, request_.get("parameters")));
    return {};
  }
  void say(const std::string& key, Value content) {
    const std::lock_guard lock(mutex_);
    static_cast<void>(write_all(output_.get(), to_json(Value(Value::Map{{key, std::move(content)}})) + "\n", "udon"));
  }

  const Value& parameters() const override { return parameters_; }
  std::string dag_id() const override { return "udon"; }
  std::string run_id() const override { return "once"; }
  std::string task_id() const override { return request_.text("operator"); }
  int map_index() const override { return -1; }
  int try_number() const override { return 1; }
  std::string try_id() const override { return staging_.filename().string(); }
  int64_t fence() const override { return 0; }
  Result<Connection> connection(const std::string& id) override {
    const Value& uri = request_.get("connections").get(id);
    if (!uri.is_string()) return Error{ErrorKind::not_found, "there is no connection `" + id + "`"};
    TRY_ASSIGN(Connection connection, parse_connection_uri(id, uri.as_string()));
    const std::lock_guard lock(mutex_);
    redactor_.add_secrets_of(connection);
    return connection;
  }
  Result<std::string> variable(const std::string& key) override {
    return Error{ErrorKind::unsupported, "variable `" + key + "`: there are none outside a DAG"};
  }
  Result<Value> xcom_pull(const std::string&, const std::string& key, int) override {
    return Error{ErrorKind::unsupported, "XCom `" + key + "`: there are none outside a DAG"};
  }
  void xcom_push(const std::string&, Value) override {}
  // By a person, beside the server: the connection's own bounds, which are shared out to nobody else here.
  Result<SourceGrant> ask_source(const SourceAsk& ask) override {
    SourceGrant grant{.readers = ask.readers_wanted};
    TRY_ASSIGN(const Connection asked, connection(ask.connection));
    TRY_ASSIGN(grant.bounds, parse_source_bounds(asked));
    if (const auto readers = grant.bounds.max_readers)
      grant.readers = static_cast<int>(std::min<int64_t>(grant.readers, *readers));
    if (const auto rows = grant.bounds.max_rows_per_second) grant.rows_per_second = static_cast<double>(*rows);
    return grant;
  }
  void log(std::string_view text) override { say("log", redact(text)); }
  int log_descriptor() override { return STDERR_FILENO; }
  std::string redact(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    return redactor_.redact(text);
  }
  Result<pid_t> start_process(SpawnRequest request) override {
    request.group = SpawnGroup::own_group;
    return spawn(request);
  }
  std::stop_token stop_token() const override { return {}; }
  Result<std::filesystem::path> staging() override {
    TRY(make_directories(staging_, 0700));
    return staging_;
  }
  std::filesystem::path dags_folder() const override { return request_.text("folder"); }
  const Clock& clock() const override { return clock_; }

 private:
  const Value request_;
  const Path staging_;
  const Clock& clock_;
  const FileDescriptor output_;
  Value parameters_ = Value::map();
  std::mutex mutex_;  // what follows, and the output
  Redactor redactor_;
};

Result<Outcome> run(OneShotContext& context, const std::string& name, const Path& home, const Path& plugins) {
  TRY_ASSIGN(const FoundOperator found, find_operator(name, plugins, home));
  TRY(context.complete(found.spec));
  return found.code->run(context);
}

}  // namespace

Result<OneShotOutcome> run_once(const OneShot& shot, const OperatorSpec& spec,
                                const std::function<Result<Connection>(const std::string& id)>& find,
                                const std::function<void(std::string_view line)>& on_log, std::stop_token stop) {
  TRY_ASSIGN(const Value completed, complete_parameters(spec, shot.parameters));
  TRY_ASSIGN(const std::vector<Connection> named, named_connections(spec, completed, find));
  Value connections = Value::map();
  for (const Connection& connection : named) connections.set(connection.id, to_uri(connection));
  const Value request = Value::Map{{"operator", shot.operator_name},
                                   {"parameters", shot.parameters},
                                   {"connections", std::move(connections)},
                                   {"folder", shot.folder.string()}};
  std::optional<Value> result;
  std::optional<Error> error;
  LineReader lines(message_bytes_max, [&](std::string_view line) {
    const auto message = parse_plugin_message(line);
    if (!message) return on_log(line);
    if (message->kind == PluginMessage::Kind::log)
      on_log(message->content.is_string() ? message->content.as_string() : "");
    if (message->kind == PluginMessage::Kind::result) result = message->content;
    if (message->kind == PluginMessage::Kind::error) error = parse_plugin_error(message->content);
  });
  ChildProcess child([](const SpawnRequest& to_start) { return spawn(to_start); }, std::move(stop),
                     [&](int stream, std::string_view bytes) {
                       if (stream == STDOUT_FILENO)
                         lines.feed(bytes);
                       else
                         on_log(bytes);
                     });
  TRY(child.start({.argv = {shot.program.string(), "operators", "once", "--home", shot.home.string()},
                   .environment = environment_of_tries(current_environment())},
                  to_json(request)));
  TRY_ASSIGN(const ExitStatus status, child.wait());
  lines.finish();
  if (error) return *error;
  if (!status.succeeded() || !result)
    return Error{ErrorKind::invalid, "operator `" + shot.operator_name + "` ended with " + describe(status)};
  return OneShotOutcome{.return_value = result->get("return_value"), .message = result->text("message")};
}

int run_once_main(const Path& home, const Path& plugins, const Clock& clock) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  auto request = parse_json(text);
  FileDescriptor output(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  // What a library prints must not get into the answer.
  dup2(STDERR_FILENO, STDOUT_FILENO);
  if (!request || !output) return 2;
  const Path staging = home / "staging" / ("once-" + std::to_string(getpid()));
  const std::string name = request->text("operator");
  OneShotContext context(std::move(*request), staging, clock, std::move(output));
  Result<Outcome> outcome = Error{ErrorKind::invalid, ""};
  try {
    outcome = run(context, name, home, plugins);
  } catch (const std::exception& exception) {
    outcome = Error{ErrorKind::invalid, std::string("the operator threw an exception: ") + exception.what()};
  }
  static_cast<void>(remove_tree(staging));
  if (outcome)
    context.say("result", Value::Map{{"return_value", redacted(context, outcome->return_value)},
                                     {"message", context.redact(outcome->message)}});
  else
    context.say("error", Value::Map{{"kind", std::string(to_string(outcome.error().kind))},
                                    {"message", context.redact(outcome.error().message)}});
  // Not by return: whatever the operator started must not be torn down under it.
  _exit(outcome ? 0 : 1);
}

}  // namespace udon
