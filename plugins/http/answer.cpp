#include "plugins/http/answer.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace udon {
namespace {

constexpr size_t quoted_bytes_max = 300;

std::optional<int> parse_status(std::string_view text) {
  int status = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  if (error != std::errc() || end != text.data() + text.size() || status < 100 || status > 599) return std::nullopt;
  return status;
}

// "2xx", "204", "200-204".
std::optional<std::pair<int, int>> parse_range(const std::string& text) {
  if (text.size() == 3 && lower_ascii(text).ends_with("xx") && text[0] >= '1' && text[0] <= '5')
    return std::pair((text[0] - '0') * 100, (text[0] - '0') * 100 + 99);
  if (const auto status = parse_status(text)) return std::pair(*status, *status);
  const size_t dash = text.find('-');
  if (dash == std::string::npos) return std::nullopt;
  const auto from = parse_status(trim(text.substr(0, dash)));
  const auto to = parse_status(trim(text.substr(dash + 1)));
  if (!from || !to || *from > *to) return std::nullopt;
  return std::pair(*from, *to);
}

struct Meaning {
  int status;
  const char* name;
};
// RFC 9110 and RFC 6585.
constexpr Meaning meanings[] = {{200, "OK"},
                                {201, "Created"},
                                {202, "Accepted"},
                                {204, "No Content"},
                                {206, "Partial Content"},
                                {301, "Moved Permanently"},
                                {302, "Found"},
                                {303, "See Other"},
                                {304, "Not Modified"},
                                {307, "Temporary Redirect"},
                                {308, "Permanent Redirect"},
                                {400, "Bad Request"},
                                {401, "Unauthorized"},
                                {402, "Payment Required"},
                                {403, "Forbidden"},
                                {404, "Not Found"},
                                {405, "Method Not Allowed"},
                                {406, "Not Acceptable"},
                                {407, "Proxy Authentication Required"},
                                {408, "Request Timeout"},
                                {409, "Conflict"},
                                {410, "Gone"},
                                {412, "Precondition Failed"},
                                {413, "Content Too Large"},
                                {415, "Unsupported Media Type"},
                                {422, "Unprocessable Content"},
                                {425, "Too Early"},
                                {429, "Too Many Requests"},
                                {500, "Internal Server Error"},
                                {501, "Not Implemented"},
                                {502, "Bad Gateway"},
                                {503, "Service Unavailable"},
                                {504, "Gateway Timeout"}};

ErrorKind kind_of(int status) {
  switch (status) {
    case 401:
    case 402:
    case 403:
    case 407: return ErrorKind::denied;
    case 404:
    case 410: return ErrorKind::not_found;
    case 408: return ErrorKind::timeout;
    case 409:
    case 412: return ErrorKind::conflict;
    case 425:
    case 429: return ErrorKind::unavailable;
    case 501:
    case 505: return ErrorKind::unsupported;
    default: return status >= 500 ? ErrorKind::unavailable : ErrorKind::invalid;
  }
}

std::string advice(int status) {
  if (status == 401) return "; check login and password, or token, of the connection";
  if (status == 403) return "; the credentials are known but may not do this";
  if (status >= 300 && status < 400) return "; it is a redirect, and `redirects: none` was said";
  return {};
}

// On one line, and not more than somebody wants to read.
std::string quoted(const HttpResponse& response, const Redact& redact) {
  std::string text;
  // Redacted before it is cut: half a secret would not be known as one.
  for (const char c : redact(response.body)) {
    const bool is_space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (is_space && (text.empty() || text.back() == ' ')) continue;
    text += is_space ? ' ' : c;
    if (text.size() > quoted_bytes_max) break;
  }
  if (text.empty() || !is_valid_utf8(redact(response.body))) return {};
  const bool is_cut = text.size() > quoted_bytes_max;
  while (is_cut && !text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
  if (is_cut && !text.empty() && static_cast<unsigned char>(text.back()) >= 0x80) text.pop_back();
  return ": " + text + (is_cut ? "…" : "");
}

bool is_json(std::string_view content_type) {
  const std::string type = lower_ascii(trim(content_type.substr(0, content_type.find(';'))));
  return type == "application/json" || type == "text/json" || type.ends_with("+json");
}

Result<Value> bounded(Value value) {
  if (static_cast<int64_t>(to_json(value).size()) > limits::xcom_bytes_max)
    return Error{ErrorKind::data, "the answer is larger than the " + std::to_string(limits::xcom_bytes_max) +
                                      " bytes that an XCom may have; say `response: none`, or ask for less"};
  return value;
}

const Value* member_at(const Value& body, const std::string& path) {
  const Value* at = &body;
  for (const std::string& step : split(path, '.')) {
    if (at->is_list()) {
      size_t index = 0;
      const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
      if (error != std::errc() || end != step.data() + step.size() || index >= at->size()) return nullptr;
      at = &at->as_list()[index];
    } else {
      at = at->find(step);
      if (at == nullptr) return nullptr;
    }
  }
  return at;
}

bool are_equal(const Value& a, const Value& b) {
  return a == b || (a.is_number() && b.is_number() && a.as_double() == b.as_double());
}

}  // namespace

Result<ExpectedStatus> ExpectedStatus::parse(const Value& value) {
  ExpectedStatus expected;
  const Value::List one{value};
  const Value::List& list = value.is_list() ? value.as_list() : one;
  for (const Value& item : list) {
    const std::string text = item.is_int() ? std::to_string(item.as_int()) : item.is_string() ? item.as_string() : "";
    const auto range = parse_range(text);
    if (!range)
      return Error{ErrorKind::invalid, "expected_status: `" + (item.is_string() ? text : to_json(item)) +
                                           "` is none; write 200, 2xx, 200-204, or a list of such"};
    expected.ranges_.push_back(*range);
    expected.texts_.push_back(text);
  }
  if (list.empty()) return Error{ErrorKind::invalid, "expected_status: is empty; write 200, 2xx, or a list of such"};
  return expected;
}

bool ExpectedStatus::contains(int status) const {
  return std::ranges::any_of(ranges_,
                             [&](const auto& range) { return range.first <= status && status <= range.second; });
}

std::string ExpectedStatus::text() const { return join(texts_, ", "); }

std::string status_text(int status) {
  const auto* found = std::ranges::find(meanings, status, &Meaning::status);
  const std::string number = std::to_string(status);
  return found == std::end(meanings) ? number : number + " " + found->name;
}

Error unexpected_status(const std::string& what, const HttpResponse& response, const ExpectedStatus& expected,
                        const Redact& redact) {
  std::string message = what + ": " + status_text(response.status) + ", expected " + expected.text() +
                        quoted(response, redact) + advice(response.status);
  if (const std::string_view wait = response.header("retry-after"); !wait.empty()) {
    const bool is_seconds = wait.find_first_not_of("0123456789") == std::string_view::npos;
    message += "; the server asks to wait " + (is_seconds ? std::string(wait) + " s" : "until " + std::string(wait)) +
               " (Retry-After): a `retry_delay` below that is in vain";
  }
  return {kind_of(response.status), message};
}

Result<Value> response_value(const HttpResponse& response, KeepResponse keep, const Redact& redact,
                             std::string_view instead) {
  const std::string_view type = response.header("content-type");
  if (keep == KeepResponse::by_type) {
    if (response.body.empty()) return Value();
    keep = is_json(type) ? KeepResponse::json : is_valid_utf8(response.body) ? KeepResponse::text : KeepResponse::none;
  }
  switch (keep) {
    case KeepResponse::none:
    case KeepResponse::by_type: return Value();
    case KeepResponse::text:
      if (!is_valid_utf8(response.body))
        return Error{ErrorKind::data,
                     "the answer is no text in UTF-8 (content type `" + std::string(type) + "`); say `response: none`"};
      return bounded(Value(response.body));
    case KeepResponse::json: {
      auto value = parse_json(response.body);
      if (!value)
        return Error{ErrorKind::data, "the answer is not the JSON that it has to be: " + value.error().message +
                                          (instead.empty() ? "" : "; " + std::string(instead)) +
                                          quoted(response, redact)};
      return bounded(std::move(*value));
    }
  }
  return Value();
}

Result<void> check_members(const Value& body, const Value& expect) {
  if (expect.is_null()) return {};
  for (const auto& [path, expected] : expect.as_map()) {
    const Value* found = member_at(body, path);
    if (found == nullptr)
      return Error{ErrorKind::data, "the answer has no `" + path + "`, expected " + to_json(expected)};
    if (!are_equal(*found, expected)) {
      std::string text = to_json(*found);
      if (text.size() > quoted_bytes_max) text = std::string(found->type_name());
      return Error{ErrorKind::data, "the answer has `" + path + "` = " + text + ", expected " + to_json(expected)};
    }
  }
  return {};
}

}  // namespace udon
