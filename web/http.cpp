#include "web/http.h"

#include "base/text.h"

namespace udon::web {

const std::string* Request::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_case_name) return &value;
  return nullptr;
}

namespace {

Result<std::string> decode(std::string_view text) {
  std::optional<std::string> decoded = percent_decode(text);
  if (!decoded) return Error{ErrorKind::invalid, "the URL has a % that is not followed by two hex digits"};
  if (!is_valid_utf8(*decoded)) return Error{ErrorKind::invalid, "the URL is not UTF-8"};
  if (decoded->find('\0') != std::string::npos) return Error{ErrorKind::invalid, "the URL holds a NUL"};
  return *std::move(decoded);
}

// In a query '+' is a space (the form encoding that all clients use); in a path it is itself.
Result<std::string> decode_query(std::string_view text) {
  std::string spaced(text);
  for (char& c : spaced)
    if (c == '+') c = ' ';
  return decode(spaced);
}

}  // namespace

Result<Request> parse_target(std::string_view target) {
  Request request;
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  std::string_view path = target.substr(0, question);
  if (path.empty() || path.front() != '/') return Error{ErrorKind::invalid, "the URL's path does not start with /"};
  path.remove_prefix(1);
  for (const std::string& segment : split(path, '/')) {
    TRY_ASSIGN(std::string decoded, decode(segment));
    request.path.push_back(std::move(decoded));
  }
  if (question != std::string_view::npos) {
    for (const std::string& pair : split(target.substr(question + 1), '&')) {
      if (pair.empty()) continue;
      const size_t equals = pair.find('=');
      TRY_ASSIGN(std::string name, decode_query(std::string_view(pair).substr(0, equals)));
      std::string value;
      if (equals != std::string::npos) {
        TRY_ASSIGN(value, decode_query(std::string_view(pair).substr(equals + 1)));
      }
      request.query.emplace_back(std::move(name), std::move(value));
    }
  }
  return request;
}

Response json_response(int status, const Value& value) { return {.status = status, .body = to_json(value)}; }

Response no_content() { return {.status = 204, .content_type = ""}; }

Response error_response(int status, Value detail) {
  return json_response(status, Value::Map{{"detail", std::move(detail)}});
}

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return 400;
    case ErrorKind::not_found: return 404;
    case ErrorKind::conflict: return 409;
    case ErrorKind::denied: return 403;
    case ErrorKind::unavailable: return 503;
    case ErrorKind::timeout: return 504;
    case ErrorKind::cancelled: return 503;
    case ErrorKind::io: return 500;
    case ErrorKind::data: return 500;
    case ErrorKind::unsupported: return 501;
  }
  return 500;
}

Response error_response(const Error& error) { return error_response(status_of(error.kind), error.message); }

}  // namespace udon::web
