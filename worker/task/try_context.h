#pragma once
// What an operator or sensor sees of its try: the part of a TaskContext that is the same in udon-task and the prober.
#include <map>
#include <mutex>

#include "base/clock.h"
#include "model/wire.h"
#include "plugins/api/task_context.h"
#include "plugins/spec/spec.h"
#include "spool/spool.h"
#include "worker/task/door.h"
#include "worker/task/task_log.h"

namespace udon {

class TryContext : public TaskContext {
 public:
  // References outlive the context.
  TryContext(const TryRequest& request, const Spool& spool, const Door& door, TaskLog& log, const Clock& clock,
             std::stop_token stop);

  // Renders the request's parameters and makes of them what the operator's description says. Before the operator runs.
  Result<void> complete_parameters(const OperatorSpec& spec);

  const Value& parameters() const override { return parameters_; }
  std::string dag_id() const override { return request_.key.dag_id; }
  std::string run_id() const override { return request_.key.run_id; }
  std::string task_id() const override { return request_.key.task_id; }
  int map_index() const override { return request_.key.map_index; }
  int try_number() const override { return request_.try_number; }
  std::string try_id() const override { return to_string(request_.try_id); }
  int64_t fence() const override { return request_.try_id.fence; }
  Result<Connection> connection(const std::string& id) override;
  Result<std::string> variable(const std::string& key) override;
  Result<Value> xcom_pull(const std::string& task_id, const std::string& key, int map_index) override;
  void xcom_push(const std::string& key, Value value) override;
  Result<SourceGrant> ask_source(const SourceAsk& ask) override;
  Result<Value> trigger_dag_run(const Value& wish) override { return door_.trigger_dag_run(wish); }
  Result<Value> look_at_dag_run(const Value& question) override { return door_.look_at_dag_run(question); }
  void log(std::string_view text) override { log_.line(text); }
  void log_output(int stream, std::string_view bytes) override { log_.output(stream, bytes); }
  std::string redact(std::string_view text) override { return log_.redact(text); }
  std::stop_token stop_token() const override { return stop_; }
  Result<std::filesystem::path> staging() override;
  std::filesystem::path dags_folder() const override { return request_.dags_folder; }
  std::optional<Value> deferred_state() const override { return request_.deferred_state; }
  Value event() const override { return request_.event.value_or(Value()); }
  const Clock& clock() const override { return clock_; }

  Value take_xcoms();

 private:
  Result<Value> connection_for_template(const std::string& id);

  const TryRequest& request_;
  const Spool& spool_;
  const Door& door_;
  TaskLog& log_;
  const Clock& clock_;
  const std::stop_token stop_;
  Value parameters_ = Value::map();
  std::mutex mutex_;  // what follows
  std::map<std::string, Connection> connections_;
  Value xcoms_ = Value::map();
};

}  // namespace udon
