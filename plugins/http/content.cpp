#include "plugins/http/content.h"

#include <algorithm>

#include "base/text.h"
#include "plugins/http/endpoint.h"

namespace udon {

std::optional<std::string> header_text(const Value& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool() || value.is_number()) return to_json(value);
  return std::nullopt;
}

Result<HttpHeaders> parse_headers(const Value& headers) {
  HttpHeaders parsed;
  if (headers.is_null()) return parsed;
  for (const auto& [name, value] : headers.as_map()) {
    const std::string lower = lower_ascii(name);
    if (lower == "content-length" || lower == "transfer-encoding")
      return Error{ErrorKind::invalid, "headers: `" + name + "` is set by what the body is; leave it out"};
    const auto text = header_text(value);
    if (!text)
      return Error{ErrorKind::invalid,
                   "headers: `" + name + "` is " + std::string(value.type_name()) + ", expected a text or a number"};
    parsed.emplace_back(name, *text);
  }
  return parsed;
}

bool has_header(const HttpHeaders& headers, std::string_view lower_name) {
  return std::ranges::any_of(headers, [&](const auto& header) { return lower_ascii(header.first) == lower_name; });
}

std::string header_of(const HttpHeaders& headers, std::string_view lower_name) {
  for (const auto& [name, value] : headers)
    if (lower_ascii(name) == lower_name) return value;
  return {};
}

Result<std::string> make_body(const Value& body, HttpHeaders& headers) {
  if (body.is_null()) return std::string();
  const std::string type = lower_ascii(header_of(headers, "content-type"));
  if (body.is_string()) {
    if (type.empty()) headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
    return body.as_string();
  }
  if (body.is_map() && type.starts_with("application/x-www-form-urlencoded")) return form_encoded(body, "body");
  if (type.empty()) headers.emplace_back("Content-Type", "application/json");
  return to_json(body);
}

}  // namespace udon
