#include "plugins/api/plugin.h"

#include <algorithm>
#include <charconv>

#include "base/net/http_client.h"
#include "base/text.h"
#include "plugins/http/answer.h"
#include "plugins/http/content.h"
#include "plugins/http/endpoint.h"

namespace udon {
extern const char http_job_description[];
extern const char http_job_help[];

namespace {

const Value* member_at(const Value& value, const std::string& path) {
  const Value* at = &value;
  for (const std::string& step : split(path, '.')) {
    if (at->is_list()) {
      size_t index = 0;
      const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
      if (error != std::errc() || end != step.data() + step.size() || index >= at->size()) return nullptr;
      at = &at->as_list()[index];
    } else {
      at = at->is_map() ? at->find(step) : nullptr;
      if (at == nullptr) return nullptr;
    }
  }
  return at;
}

// A text as it is, a number as it is written.
std::optional<std::string> text_at(const Value& value, const std::string& path) {
  const Value* found = member_at(value, path);
  if (found == nullptr || found->is_null() || found->is_map() || found->is_list()) return std::nullopt;
  return found->is_string() ? found->as_string() : to_json(*found);
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

// In every text of it.
Value with_key(const Value& value, const std::string& key) {
  if (value.is_string()) return replaced(value.as_string(), "{key}", key);
  if (value.is_list()) {
    Value::List list;
    for (const Value& item : value.as_list()) list.push_back(with_key(item, key));
    return list;
  }
  if (!value.is_map()) return value;
  Value map = Value::map();
  for (const auto& [name, member] : value.as_map()) map.set(name, with_key(member, key));
  return map;
}

bool is_named(const Value& list, const std::string& state) {
  return std::ranges::find(list.as_list(), Value(state)) != list.as_list().end();
}

class HttpJob final : public ExternalJob {
 public:
  bool is_idempotent(TaskContext& context) override {
    const Value& parameters = context.parameters();
    return !parameters.text("idempotency_header").empty() ||
           parameters.text("submit_url").find("{key}") != std::string::npos ||
           to_json(parameters.get("body")).find("{key}") != std::string::npos;
  }

  Result<Value> submit(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const std::string key = context.try_id();
    const std::string id_path = parameters.text("id_path");
    HttpHeaders own;
    if (const std::string name = parameters.text("idempotency_header"); !name.empty()) own.emplace_back(name, key);
    TRY_ASSIGN(const HttpResponse response,
               ask(context, parameters.text("submit_method"), parameters.text("submit_url"), "",
                   with_key(parameters.get("body"), key), own));
    const bool is_there = response.status == 409 && id_path.empty();
    if (!is_there) TRY(judge(context, "the submission", response));
    if (id_path.empty()) return handle_of(context, key);
    TRY_ASSIGN(const Value answer, body_of(context, "the submission", response));
    const auto id = text_at(answer, id_path);
    if (!id || id->empty())
      return Error{ErrorKind::data, "the answer to the submission has no id at `" + id_path +
                                        "`: " + context.redact(to_json(answer).substr(0, 300))};
    return handle_of(context, *id);
  }

  Result<Status> poll(TaskContext& context, const Value& handle) override {
    const Value& parameters = context.parameters();
    TRY_ASSIGN(const HttpResponse response,
               ask(context, "GET", parameters.text("status_url"), handle.text("id"), Value(), {}));
    TRY(judge(context, "the status", response));
    TRY_ASSIGN(const Value answer, body_of(context, "the status", response));
    const std::string state_path = parameters.text("state_path");
    const auto state = text_at(answer, state_path);
    if (!state)
      return Error{ErrorKind::data, "the status has no state at `" + state_path +
                                        "`: " + context.redact(to_json(answer).substr(0, 300))};
    Status status{.phase = Status::Phase::running, .message = *state, .return_value = {}};
    if (const std::string path = parameters.text("message_path"); !path.empty()) {
      if (const auto more = text_at(answer, path); more && !more->empty()) status.message += ": " + *more;
    }
    if (is_named(parameters.get("failure_states"), *state)) status.phase = Status::Phase::failed;
    if (!is_named(parameters.get("success_states"), *state)) return status;
    status.phase = Status::Phase::succeeded;
    const std::string result_path = parameters.text("result_path");
    const Value* result = result_path.empty() ? &answer : member_at(answer, result_path);
    if (result != nullptr) status.return_value = *result;
    return status;
  }

  Result<void> cancel(TaskContext& context, const Value& handle) override {
    const Value& parameters = context.parameters();
    const std::string url = parameters.text("cancel_url");
    if (url.empty()) {
      context.log("job " + handle.text("id") + " goes on: there is no `cancel_url`");
      return {};
    }
    TRY_ASSIGN(const HttpResponse response,
               ask(context, parameters.text("cancel_method"), url, handle.text("id"), Value(), {}));
    // It has ended, or is gone.
    if (response.status == 404 || response.status == 409 || response.status == 410) return {};
    return judge(context, "the cancellation", response);
  }

 private:
  static Result<Value> handle_of(TaskContext& context, const std::string& id) {
    const std::string log_url = context.parameters().text("log_url");
    if (!log_url.empty()) context.log("log of the job: " + replaced(log_url, "{id}", percent_encode(id)));
    return Value(Value::Map{{"id", id}});
  }

  static Result<HttpResponse> ask(TaskContext& context, const std::string& method, const std::string& url,
                                  const std::string& id, const Value& body, HttpHeaders more) {
    const Value& parameters = context.parameters();
    std::optional<Connection> connection;
    if (const std::string name = parameters.text("connection"); !name.empty()) {
      TRY_ASSIGN(connection, context.connection(name));
    }
    const std::string target = replaced(replaced(url, "{id}", percent_encode(id)), "{key}", context.try_id());
    TRY_ASSIGN(const HttpEndpoint endpoint, make_endpoint(connection, target, Value::map()));
    TRY_ASSIGN(HttpHeaders headers, parse_headers(parameters.get("headers")));
    HttpRequest request;
    TRY_ASSIGN(request.body, make_body(body, headers));
    for (auto& header : more) headers.push_back(std::move(header));
    for (const auto& header : endpoint.headers)
      if (!has_header(headers, lower_ascii(header.first))) headers.push_back(header);
    if (!has_header(headers, "user-agent")) headers.emplace_back("User-Agent", "udon");
    request.headers = std::move(headers);
    request.method = method;
    request.url = endpoint.url;
    request.tls_authorities = endpoint.tls_authorities;
    request.tls_verified = endpoint.is_tls_verified;
    request.timeouts.total = request.timeouts.stall = Duration(parameters.integer("request_timeout"));
    // A client of its own: a kept connection that has died would have the request sent twice.
    HttpClient client;
    auto response = client.send(request, context.stop_token());
    if (!response) return response.error().within(method + " " + endpoint.shown);
    return response;
  }

  static Result<void> judge(TaskContext& context, const std::string& what, const HttpResponse& response) {
    TRY_ASSIGN(const ExpectedStatus expected, ExpectedStatus::parse("2xx"));
    if (expected.contains(response.status)) return {};
    return unexpected_status(what, response, expected, [&](std::string_view text) { return context.redact(text); });
  }

  static Result<Value> body_of(TaskContext& context, const std::string& what, const HttpResponse& response) {
    auto value =
        response_value(response, KeepResponse::json, [&](std::string_view text) { return context.redact(text); });
    if (!value) return value.error().within(what);
    return value;
  }
};

const PluginOperator operators[] = {plugin_operator<HttpJob>(http_job_description, http_job_help)};
const Plugin plugin{.operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
