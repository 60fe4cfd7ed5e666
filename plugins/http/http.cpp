#include "plugins/http/http.h"

#include <algorithm>
#include <optional>

#include "base/net/http_client.h"
#include "base/text.h"
#include "plugins/http/answer.h"
#include "plugins/http/content.h"
#include "plugins/http/endpoint.h"

namespace udon {
namespace {

constexpr int redirects_max = 10;  // Chrome and Firefox stop at 20, curl at 50; a loop is one after ten, too
// What of an answer is kept that nobody wants: enough to say what a refusal said.
constexpr int64_t unwanted_bytes_kept = 64 << 10;

// Headers that must not go to another server than the one they were written for.
bool is_credential(const std::string& name) {
  const std::string lower = lower_ascii(name);
  return lower == "cookie" || is_secret_key(lower);
}

KeepResponse keep_of(const std::string& word) {
  if (word == "json") return KeepResponse::json;
  if (word == "text") return KeepResponse::text;
  return word == "none" ? KeepResponse::none : KeepResponse::by_type;
}

bool is_redirect(const HttpResponse& response) {
  const int status = response.status;
  return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
         !response.header("location").empty();
}

class Http final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    std::optional<Connection> connection;
    if (const std::string id = parameters.text("connection"); !id.empty()) {
      TRY_ASSIGN(connection, context.connection(id));
    }
    TRY_ASSIGN(endpoint_, make_endpoint(connection, parameters.text("url"), parameters.get("query")));
    TRY_ASSIGN(expected_, ExpectedStatus::parse(parameters.get("expected_status")));
    keep_ = keep_of(parameters.text("response"));
    TRY(set_up(parameters));
    what_ = request_.method + " " + endpoint_.shown;

    const Duration began = context.clock().monotonic();
    auto answered = send(context);
    if (!answered) return context.stop_requested() ? answered.error() : told(answered.error());
    const HttpResponse& response = *answered;
    context.log(what_ + ": " + status_text(response.status) + ", " + size_of(response) + " in " +
                format_duration(round_to_milliseconds(context.clock().monotonic() - began)));
    if (!expected_.contains(response.status))
      return unexpected_status(what_, response, expected_, [&](std::string_view text) { return context.redact(text); });
    return outcome_of(context, response);
  }

 private:
  static Duration round_to_milliseconds(Duration duration) {
    return std::chrono::round<std::chrono::milliseconds>(duration);
  }

  static std::string size_of(const HttpResponse& response) {
    const std::string_view type = response.header("content-type");
    return std::to_string(response.body.size()) + " bytes" +
           (type.empty() || response.body.empty() ? "" : " of " + std::string(type));
  }

  Error told(const Error& error) const {
    return error.kind == ErrorKind::unavailable
               ? Error{error.kind, what_ + ": " + error.message + "; is the server up, and are host and port right?"}
               : error.within(what_);
  }

  Result<void> set_up(const Value& parameters) {
    TRY_ASSIGN(HttpHeaders own, parse_headers(parameters.get("headers")));
    const Value& body = parameters.get("body");
    TRY_ASSIGN(request_.body, make_body(body, own));
    // What the task says goes before what the connection says.
    for (const auto& header : endpoint_.headers)
      if (!has_header(own, lower_ascii(header.first))) own.push_back(header);
    if (!has_header(own, "user-agent")) own.emplace_back("User-Agent", "udon");
    request_.headers = std::move(own);
    request_.method = parameters.text("method");
    if (request_.method.empty()) request_.method = body.is_null() ? "GET" : "POST";
    request_.url = endpoint_.url;
    request_.tls_authorities = endpoint_.tls_authorities;
    request_.tls_verified = endpoint_.is_tls_verified;
    follows_redirects_ = parameters.text("redirects") != "none";
    if (keep_ == KeepResponse::none && parameters.get("expect").size() == 0) {
      request_.response_bytes_max = INT64_MAX;
      request_.response_bytes_kept = unwanted_bytes_kept;
    }
    return {};
  }

  // With redirects followed. The time limit is for all of them together.
  Result<HttpResponse> send(TaskContext& context) {
    const Duration limit(context.parameters().integer("request_timeout"));
    const Duration deadline = context.clock().monotonic() + limit;
    HttpClient client;
    for (int hops = 0;; ++hops) {
      const Duration left = deadline - context.clock().monotonic();
      if (left <= Duration(0))
        return Error{ErrorKind::timeout, "not done within " + format_duration(limit) + " (`request_timeout`)"};
      // curl counts whole milliseconds on a clock of its own.
      request_.timeouts.total = request_.timeouts.stall = std::chrono::ceil<std::chrono::milliseconds>(left);
      auto answered = client.send(request_, context.stop_token());
      const Duration ended = context.clock().monotonic() + std::chrono::milliseconds(2);
      if (!answered && answered.error().kind == ErrorKind::timeout && ended >= deadline)
        return Error{ErrorKind::timeout, "not done within " + format_duration(limit) + " (`request_timeout`)"};
      TRY_ASSIGN(HttpResponse response, std::move(answered));
      if (!follows_redirects_ || !is_redirect(response) || expected_.contains(response.status)) return response;
      if (hops == redirects_max)
        return Error{ErrorKind::data, "it redirects again and again (" + std::to_string(hops) + " times)"};
      TRY(follow(response, context));
    }
  }

  Result<void> follow(const HttpResponse& response, TaskContext& context) {
    TRY_ASSIGN(const std::string next, resolve_location(request_.url, std::string(response.header("location"))));
    TRY_ASSIGN(const HttpUrl from, parse_http_url(request_.url));
    auto parsed = parse_http_url(next);
    if (!parsed) return parsed.error().within("it redirects to a wrong address");
    const HttpUrl& to = *parsed;
    if (from.scheme == "https" && to.scheme == "http")
      return Error{ErrorKind::denied, "it redirects from https to " + to.origin() +
                                          ", where everybody on the way could read along; nothing was sent there"};
    if (from.origin() != to.origin())
      std::erase_if(request_.headers, [&](const auto& header) {
        return is_credential(header.first) || has_header(endpoint_.headers, lower_ascii(header.first));
      });
    // As browsers and Python's requests do it, and RFC 9110 allows.
    const bool becomes_get =
        response.status == 303 ? request_.method != "HEAD" : response.status <= 302 && request_.method == "POST";
    if (becomes_get) {
      request_.method = "GET";
      request_.body = std::string();
      std::erase_if(request_.headers, [](const auto& header) { return lower_ascii(header.first) == "content-type"; });
    }
    request_.url = next;
    context.log("redirected by " + status_text(response.status) + " to " + to.origin());
    return {};
  }

  Result<Outcome> outcome_of(TaskContext& context, const HttpResponse& response) {
    const Value& expect = context.parameters().get("expect");
    const Redact redact = [&](std::string_view text) { return context.redact(text); };
    auto value = response_value(response, keep_, redact, "say `response: text` to take it as it is");
    if (!value) return value.error().within(what_);
    if (expect.size() > 0) {
      // They may be asked for of an answer that is not kept.
      auto body = keep_ == KeepResponse::none ? response_value(response, KeepResponse::json, redact) : value;
      if (!body) return body.error().within(what_);
      if (const auto checked = check_members(*body, expect); !checked) return checked.error().within(what_);
    }
    if (value->is_null() && keep_ == KeepResponse::by_type && !response.body.empty())
      context.log("the answer is no text, so it is not kept");
    Value headers = Value::map();
    for (const auto& [name, text] : response.headers)
      if (!is_credential(name) && name != "set-cookie" && is_valid_utf8(text)) headers.set(name, text);
    context.xcom_push("status", response.status);
    context.xcom_push("headers", std::move(headers));
    Outcome outcome;
    outcome.return_value = std::move(*value);
    outcome.message = what_ + ": " + status_text(response.status);
    return outcome;
  }

  HttpEndpoint endpoint_;
  ExpectedStatus expected_;
  KeepResponse keep_ = KeepResponse::by_type;
  HttpRequest request_;
  std::string what_;  // "POST https://host/path"
  bool follows_redirects_ = true;
};

}  // namespace

std::unique_ptr<Operator> make_http() { return std::make_unique<Http>(); }

}  // namespace udon
