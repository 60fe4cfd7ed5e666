#include "worker/task/try_context.h"

#include "dagfile/templates.h"

namespace udon {

TryContext::TryContext(const TryRequest& request, const Spool& spool, const Door& door, TaskLog& log,
                       const Clock& clock, std::stop_token stop)
    : request_(request), spool_(spool), door_(door), log_(log), clock_(clock), stop_(std::move(stop)) {}

Result<void> TryContext::complete_parameters(const OperatorSpec& spec) {
  Value rendered = request_.parameters;
  if (holds_template(rendered)) {
    const TemplateLookups lookups{
        .variable = [this](const std::string& key) -> Result<Value> {
          TRY_ASSIGN(std::string value, variable(key));
          return Value(std::move(value));
        },
        .connection = [this](const std::string& id) { return connection_for_template(id); },
        .xcom = [this](const std::string& task_id, const std::string& key,
                       std::optional<int> map_index) -> Result<Value> {
          TRY_ASSIGN(auto found, door_.xcom(task_id, key, map_index));
          return found.value_or(Value());
        },
        .upstream = request_.upstream,
    };
    TRY_ASSIGN(rendered, render(rendered, request_.context, lookups));
  }
  TRY_ASSIGN(parameters_, udon::complete_parameters(spec, rendered));
  return {};
}

Result<Connection> TryContext::connection(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = connections_.find(id); known != connections_.end()) return known->second;
  }
  TRY_ASSIGN(Connection connection, door_.connection(id));
  log_.add_secrets_of(connection);
  const std::lock_guard lock(mutex_);
  return connections_.emplace(id, std::move(connection)).first->second;
}

Result<SourceGrant> TryContext::ask_source(const SourceAsk& ask) {
  SourceAsk shown = ask;
  shown.waits = redact(ask.waits);  // servers may quote what they were asked
  return door_.source(shown);
}

Result<Value> TryContext::connection_for_template(const std::string& id) {
  TRY_ASSIGN(const Connection opened, connection(id));
  // Airflow's names.
  return Value(Value::Map{{"conn_id", opened.id},
                          {"conn_type", opened.type},
                          {"description", opened.description},
                          {"host", opened.host},
                          {"login", opened.login},
                          {"password", opened.password},
                          {"schema", opened.schema},
                          {"port", opened.port == 0 ? Value() : Value(opened.port)},
                          {"extra", to_json(opened.extra)},
                          {"extra_dejson", opened.extra}});
}

Result<std::string> TryContext::variable(const std::string& key) {
  TRY_ASSIGN(std::string value, door_.variable(key));
  if (is_secret_key(key)) log_.add_secret(value);
  return value;
}

Result<Value> TryContext::xcom_pull(const std::string& task_id, const std::string& key, int map_index) {
  TRY_ASSIGN(auto found, door_.xcom(task_id, key, map_index < 0 ? std::nullopt : std::optional(map_index)));
  if (found) return std::move(*found);
  return Error{ErrorKind::not_found, "task `" + task_id + "` has pushed no XCom `" + key + "` in this run"};
}

void TryContext::xcom_push(const std::string& key, Value value) {
  const std::lock_guard lock(mutex_);
  xcoms_.set(key, std::move(value));
}

Value TryContext::take_xcoms() {
  const std::lock_guard lock(mutex_);
  return std::exchange(xcoms_, Value::map());
}

Result<std::filesystem::path> TryContext::staging() { return spool_.make_staging(request_.try_id); }

}  // namespace udon
