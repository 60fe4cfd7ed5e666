#pragma once
// What a try sees, for tests of operators and sensors: parameters and connections are set, the rest is plain.
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "connections/redaction.h"
#include "plugins/api/task_context.h"

namespace udon::test {

class FakeTaskContext : public TaskContext {
 public:
  explicit FakeTaskContext(const Clock& clock) : clock_(clock) {}

  Value parameter_map = Value::map();
  std::map<std::string, Connection> connections;
  std::vector<std::string> lines;
  std::map<std::string, Value> pushed;
  std::stop_source stop;
  std::filesystem::path staging_folder;
  std::function<Result<SourceGrant>(const SourceAsk&)> on_ask;  // the server's door; from any thread

  const Value& parameters() const override { return parameter_map; }
  std::string dag_id() const override { return "dag"; }
  std::string run_id() const override { return "run"; }
  std::string task_id() const override { return "task"; }
  int map_index() const override { return -1; }
  int try_number() const override { return 1; }
  std::string try_id() const override { return "test-1"; }
  int64_t fence() const override { return 1; }
  Result<Connection> connection(const std::string& id) override {
    const auto found = connections.find(id);
    if (found == connections.end()) return Error{ErrorKind::not_found, "no connection `" + id + "`"};
    return found->second;
  }
  Result<std::string> variable(const std::string& key) override {
    return Error{ErrorKind::not_found, "no variable " + key};
  }
  Result<Value> xcom_pull(const std::string&, const std::string& key, int) override {
    return Error{ErrorKind::not_found, "no XCom " + key};
  }
  void xcom_push(const std::string& key, Value value) override { pushed[key] = std::move(value); }
  std::string redact(std::string_view text) override {
    Redactor redactor;
    for (const auto& [id, connection] : connections) redactor.add_secrets_of(connection);
    return redactor.redact(text);
  }
  void log(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    lines.emplace_back(text);
  }
  // While the operator runs.
  std::vector<std::string> lines_so_far() const {
    const std::lock_guard lock(mutex_);
    return lines;
  }
  Result<SourceGrant> ask_source(const SourceAsk& ask) override {
    return on_ask ? on_ask(ask) : TaskContext::ask_source(ask);
  }
  int log_descriptor() override { return 2; }
  std::stop_token stop_token() const override { return stop.get_token(); }
  Result<std::filesystem::path> staging() override { return staging_folder; }
  std::filesystem::path dags_folder() const override { return staging_folder; }
  const Clock& clock() const override { return clock_; }

 private:
  const Clock& clock_;
  mutable std::mutex mutex_;
};

}  // namespace udon::test
