#include <charconv>

#include "base/limits.h"
#include "base/text.h"
#include "model/wire.h"
#include "spool/log_parts.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

// What one answer holds without full_content; the rest comes with the continuation token.
constexpr int64_t page_bytes = 1 << 20;

// "2026-01-31T00:00:00.123456Z text" → timestamp and event; a line without a time is all event.
Value structured(std::string_view line) {
  const size_t space = line.find(' ');
  // Formatting is checked by its ends only: a log has many lines, and a client parses the time anyway.
  if (space != std::string_view::npos && space >= 20 && space <= 27 && line[space - 1] == 'Z' && line[10] == 'T')
    return Value::Map{{"timestamp", line.substr(0, space)}, {"event", line.substr(space + 1)}};
  return Value::Map{{"event", line}};
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

// The offset to go on from. Nothing secret or trusted is in it, so it is not signed.
std::optional<int64_t> parse_token(const std::string& token) {
  int64_t offset = -1;
  const auto [end, problem] = std::from_chars(token.data(), token.data() + token.size(), offset);
  if (problem != std::errc{} || end != token.data() + token.size() || offset < 0) return std::nullopt;
  return offset;
}

Result<Response> get(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const auto try_number = path_integer(call, "try_number", problems);
  const bool is_full = query.flag("full_content").value_or(false);
  const auto map_index = query.integer("map_index", -1);
  const auto token = query.text("token");
  if (!problems.empty()) return problems.response();
  std::optional<int64_t> offset = 0;
  if (token && !token->empty()) offset = parse_token(*token);
  if (!offset) return Error{ErrorKind::invalid, "Bad Signature. Please use only the tokens provided by the API."};

  const TaskInstanceKey key{call.part("dag_id"), call.part("dag_run_id"), call.part("task_id"),
                            static_cast<int>(map_index.value_or(-1))};
  TRY_ASSIGN(const std::optional<InstanceRow> row, world.reader.instance(key));
  if (!row || *try_number < 1 || *try_number > row->instance.try_number)
    return Error{ErrorKind::not_found, "TaskInstance not found"};
  const bool has_ended = *try_number < row->instance.try_number || !is_live(row->instance.state);
  // Made of our own numbers only: nothing that a client or a DAG file says is part of the path.
  const Path path = world.spool.home() / log_file_of(row->instance.run, row->instance.number, *try_number);
  TRY_ASSIGN(const LogPiece piece, read_log(path, *offset, is_full ? limits::log_bytes_max : page_bytes, has_ended));
  const bool is_over = piece.is_last && has_ended;
  const std::string next = std::to_string(piece.end);

  const std::string* accept_header = call.request.header("accept");
  const std::string accept = accept_header ? *accept_header : "";
  if (accept.find("application/x-ndjson") != std::string::npos) {
    Response response{.content_type = "application/x-ndjson"};
    for (const std::string_view line : lines_of(piece.text)) response.body += to_json(structured(line)) + "\n";
    if (!is_over) response.headers.emplace_back("Airflow-Continuation-Token", next);
    return response;
  }
  if (accept.find("text/plain") != std::string::npos && accept.find("application/json") == std::string::npos) {
    Response response{.content_type = "text/plain; charset=utf-8", .body = piece.text};
    if (!is_over) response.headers.emplace_back("Airflow-Continuation-Token", next);
    return response;
  }
  Value::List content;
  for (const std::string_view line : lines_of(piece.text)) content.push_back(structured(line));
  return json_response(
      200, Value::Map{{"content", std::move(content)}, {"continuation_token", is_over ? Value() : Value(next)}});
}

}  // namespace

void add_logs(Router& router, World& world) {
  router.add("GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/logs/{try_number}",
             at_least(Role::viewer), "The log of a try: JSON, NDJSON or plain text, as Accept says",
             [&world](const Call& call) { return get(world, call); });
}

}  // namespace udon::web
