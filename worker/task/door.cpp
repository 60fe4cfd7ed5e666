#include "worker/task/door.h"

#include <algorithm>

#include "base/error_kind.h"
#include "base/pause.h"
#include "base/text.h"

namespace udon {
namespace {

ErrorKind kind_of(int status, const std::string& word) {
  if (const auto kind = parse_error_kind(word)) return *kind;
  switch (status) {
    case 401:
    case 403: return ErrorKind::denied;
    case 404: return ErrorKind::not_found;
    case 409: return ErrorKind::conflict;
    case 429:
    case 500:
    case 502:
    case 503: return ErrorKind::unavailable;
    case 504: return ErrorKind::timeout;
    default: return ErrorKind::invalid;
  }
}

Error unexpected(const std::string& target) {
  return {ErrorKind::data, "the server's answer to " + target + " has not the expected form"};
}

Result<Value> value_of(const std::string& target, const HttpResponse& response) {
  auto value = parse_json(response.body);
  if (response.status == 200) {
    if (!value || !value->is_map()) return unexpected(target);
    return value;
  }
  const Value body = value ? *value : Value();
  const std::string message =
      body.text("message", "the server answered " + target + " with status " + std::to_string(response.status));
  return Error{kind_of(response.status, body.text("kind")), message};
}

}  // namespace

Result<HttpResponse> Door::ask_patiently(const HttpRequest& request) const {
  const auto deadline = std::chrono::steady_clock::now() + options_.patience;
  bool has_told = false;
  for (std::chrono::milliseconds delay(20);;
       delay = std::min<std::chrono::milliseconds>(delay * 2, std::chrono::seconds(2))) {
    auto response = ask_over_socket(options_.socket, request, options_.timeout, stop_);
    const bool is_down = response ? response->status == 503 : response.error().kind == ErrorKind::unavailable;
    if (!is_down || std::chrono::steady_clock::now() + delay > deadline) return response;
    if (!has_told && options_.tell) {
      options_.tell("waiting for the server: " + (response ? std::string("it is busy") : response.error().message));
    }
    has_told = true;
    if (!pause_unless_stopped(delay, stop_))
      return Error{ErrorKind::cancelled, "asked to stop while waiting for the server"};
  }
}

HttpRequest Door::request(const std::string& target) const {
  return {.target = target,
          .headers = {{"Authorization", "Bearer " + options_.token}, {"X-Udon-Try", options_.try_id}}};
}

Result<Value> Door::get(const std::string& target) const {
  TRY_ASSIGN(const HttpResponse response, ask_patiently(request(target)));
  return value_of(target, response);
}

Result<Value> Door::post(const std::string& target, const Value& body) const {
  HttpRequest asked = request(target);
  asked.method = "POST";
  asked.body = to_json(body);
  TRY_ASSIGN(const HttpResponse response, ask_patiently(asked));
  return value_of(target, response);
}

Result<Connection> Door::connection(const std::string& id) const {
  const std::string target = "/task/v1/connections/" + percent_encode(id);
  TRY_ASSIGN(const Value value, get(target));
  const Value* uri = value.find("uri");
  if (!uri || !uri->is_string()) return unexpected(target);
  return parse_connection_uri(id, uri->as_string());
}

Result<std::string> Door::variable(const std::string& key) const {
  const std::string target = "/task/v1/variables/" + percent_encode(key);
  TRY_ASSIGN(const Value answer, get(target));
  const Value* value = answer.find("value");
  if (!value || !value->is_string()) return unexpected(target);
  return value->as_string();
}

Result<std::optional<Value>> Door::xcom(const std::string& task_id, const std::string& key,
                                        std::optional<int> map_index) const {
  std::string target = "/task/v1/xcoms?task_id=" + percent_encode(task_id) + "&key=" + percent_encode(key);
  if (map_index) target += "&map_index=" + std::to_string(*map_index);
  TRY_ASSIGN(const Value answer, get(target));
  const Value* found = answer.find("found");
  if (!found || !found->is_bool()) return unexpected(target);
  if (!found->as_bool()) return std::nullopt;
  return answer.get("value");
}

Result<SourceGrant> Door::source(const SourceAsk& ask) const {
  // Asked again in a second, whatever comes of it.
  constexpr std::chrono::seconds timeout{5};
  HttpRequest asked = request("/task/v1/source");
  asked.method = "POST";
  asked.body = to_json(to_value(ask));
  TRY_ASSIGN(const HttpResponse response, ask_over_socket(options_.socket, asked, timeout, stop_));
  TRY_ASSIGN(const Value value, value_of(asked.target, response));
  return parse_source_grant(value);
}

}  // namespace udon
