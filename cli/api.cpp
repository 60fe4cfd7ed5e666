#include "cli/api.h"

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"

namespace udon::cli {
namespace {

ErrorKind kind_of_status(int status) {
  switch (status) {
    case 400:
    case 422: return ErrorKind::invalid;
    case 401:
    case 403: return ErrorKind::denied;
    case 404: return ErrorKind::not_found;
    case 409: return ErrorKind::conflict;
    case 501: return ErrorKind::unsupported;
    default: return ErrorKind::unavailable;
  }
}

// How Airflow's API begins the messages of checks that are its own.
constexpr std::string_view pydantic_prefix = "Value error, ";

// 422's list: "body.slots: Input should be a valid integer; …".
std::string describe_problems(const Value& list) {
  std::vector<std::string> parts;
  for (const Value& problem : list.as_list()) {
    std::vector<std::string> where;
    if (problem.get("loc").is_list())
      for (const Value& part : problem.get("loc").as_list())
        where.push_back(part.is_string() ? part.as_string() : to_json(part));
    if (!where.empty() && (where.front() == "body" || where.front() == "query" || where.front() == "path"))
      where.erase(where.begin());
    std::string message = problem.text("msg");
    if (message.starts_with(pydantic_prefix)) message.erase(0, pydantic_prefix.size());
    parts.push_back((where.empty() ? "" : join(where, ".") + ": ") + message);
  }
  return join(parts, "; ");
}

Result<Value> value_of(Result<ApiAnswer> answer) {
  if (!answer) return answer.error();
  if (answer->status < 200 || answer->status > 299) return error_of_answer(*answer);
  if (answer->body.empty()) return Value();
  Result<Value> value = parse_json(answer->body);
  if (!value) return Error{ErrorKind::unavailable, "the server's answer is not JSON: " + value.error().message};
  return value;
}

}  // namespace

Error error_of_answer(const ApiAnswer& answer) {
  const Result<Value> body = parse_json(answer.body);
  std::string message = "the server answered with status " + std::to_string(answer.status);
  if (body && body->get("detail").is_string()) message = body->get("detail").as_string();
  if (body && body->get("detail").is_list()) message = describe_problems(body->get("detail"));
  if (answer.status == 401) message += " (set UDON_TOKEN to a token: `udon tokens create`, or POST /auth/token)";
  return {kind_of_status(answer.status), message};
}

Result<Value> Api::get(const std::string& target) { return value_of(send("GET", target, "", "application/json")); }
Result<Value> Api::post(const std::string& target, const Value& body) {
  return value_of(send("POST", target, to_json(body), "application/json"));
}
Result<Value> Api::patch(const std::string& target, const Value& body) {
  return value_of(send("PATCH", target, to_json(body), "application/json"));
}
Result<void> Api::remove(const std::string& target) {
  TRY(value_of(send("DELETE", target, "", "application/json")));
  return {};
}

Result<Value> Api::get_all(const std::string& target, std::string_view plural, std::optional<int64_t> most) {
  Value all;
  Value::List rows;
  const char separator = target.find('?') == std::string::npos ? '?' : '&';
  while (true) {
    const auto have = static_cast<int64_t>(rows.size());
    const int64_t limit = most ? std::min<int64_t>(limits::page_rows_max, *most - have) : limits::page_rows_max;
    TRY_ASSIGN(Value page,
               get(target + separator + "limit=" + std::to_string(limit) + "&offset=" + std::to_string(have)));
    if (const Value* found = page.find(plural); found && found->is_list())
      rows.insert(rows.end(), found->as_list().begin(), found->as_list().end());
    const int64_t total = page.integer("total_entries");
    const auto now = static_cast<int64_t>(rows.size());
    all = std::move(page);
    if (now >= total || now == have || (most && now >= *most)) break;
  }
  all.set(plural, std::move(rows));
  return all;
}

std::string path_of(std::initializer_list<std::string_view> segments) {
  std::string path;
  for (const std::string_view segment : segments) path += (path.empty() ? "" : "/") + percent_encode(segment);
  return path;
}

std::string query_of(const std::vector<std::pair<std::string_view, std::string>>& pairs) {
  std::string query;
  for (const auto& [name, value] : pairs)
    if (!value.empty()) query += (query.empty() ? "?" : "&") + std::string(name) + "=" + percent_encode(value);
  return query;
}

}  // namespace udon::cli
