#include "model/wire.h"

#include <array>

#include "base/ensure.h"
#include "base/error_kind.h"
#include "model/fields.h"

namespace udon {
namespace {

constexpr int64_t wire_version = 1;

Value time_or_null(const std::optional<TimePoint>& time) { return time ? Value(format_time(*time)) : Value(); }
Value microseconds_or_null(const std::optional<Duration>& duration) {
  return duration ? Value(int64_t{duration->count()}) : Value();
}
Value list_of(const std::vector<std::string>& texts) {
  Value list = Value::list();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

void check_version(FieldReader& fields, std::string_view what) {
  const int64_t version = fields.integer("version");
  if (version <= wire_version) return;
  fields.fail(Error{ErrorKind::unsupported, std::string(what) + ": written in version " + std::to_string(version) +
                                                " of its form; this program reads up to " +
                                                std::to_string(wire_version)});
}

TryId read_try_id(FieldReader& fields) {
  const std::string text = fields.text("try_id");
  std::optional<TryId> id = parse_try_id(text);
  if (!id) fields.fail("try_id", "is no try id: `" + text + "`");
  return id.value_or(TryId{});
}

constexpr std::array all_results{TryEnded::Result::success, TryEnded::Result::failed, TryEnded::Result::skipped,
                                 TryEnded::Result::deferred, TryEnded::Result::resumed};

std::string_view to_string(TryEnded::Result result) {
  switch (result) {
    case TryEnded::Result::success: return "success";
    case TryEnded::Result::failed: return "failed";
    case TryEnded::Result::skipped: return "skipped";
    case TryEnded::Result::deferred: return "deferred";
    case TryEnded::Result::resumed: return "resumed";
  }
  ENSURE(false, "a result of a try outside its enum");
}

std::optional<TryEnded::Result> parse_result(std::string_view text) {
  for (const auto result : all_results) {
    if (to_string(result) == text) return result;
  }
  return std::nullopt;
}

Value to_value(const TryStarted& started) {
  return Value(Value::Map{
      {"at", format_time(started.at)},
      {"hostname", started.hostname},
      {"pid", started.pid},
  });
}

Result<TryStarted> parse_try_started(const Value& value) {
  FieldReader fields(value, "start of a try");
  TryStarted started;
  started.at = fields.time("at");
  started.hostname = fields.text("hostname");
  started.pid = fields.integer("pid");
  TRY(fields.status());
  return started;
}

Value to_value(const StillWaiting& waiting) {
  return Value(Value::Map{{"at", format_time(waiting.at)}, {"message", waiting.message}});
}

Result<StillWaiting> parse_still_waiting(const Value& value) {
  FieldReader fields(value, "look of a waiting try");
  StillWaiting waiting;
  waiting.at = fields.time("at");
  waiting.message = fields.text("message");
  TRY(fields.status());
  return waiting;
}

Value to_value(const TryAsks& asks) {
  return Value(Value::Map{{"at", format_time(asks.at)}, {"question", to_value(asks.question)}});
}

Result<TryAsks> parse_try_asks(const Value& value) {
  FieldReader fields(value, "question of a try");
  TryAsks asks;
  asks.at = fields.time("at");
  const Value& question = fields.map("question");
  TRY(fields.status());
  TRY_ASSIGN(asks.question, parse_question(question));
  return asks;
}

}  // namespace

std::string_view to_string(TryKind kind) {
  switch (kind) {
    case TryKind::process: return "process";
    case TryKind::probe: return "probe";
  }
  ENSURE(false, "a kind of try outside its enum");
}

std::optional<TryKind> parse_try_kind(std::string_view text) {
  for (const TryKind kind : {TryKind::process, TryKind::probe}) {
    if (to_string(kind) == text) return kind;
  }
  return std::nullopt;
}

Value to_value(const TaskInstanceKey& key) {
  return Value(Value::Map{
      {"dag_id", key.dag_id},
      {"run_id", key.run_id},
      {"task_id", key.task_id},
      {"map_index", key.map_index},
  });
}

Result<TaskInstanceKey> parse_task_instance_key(const Value& value) {
  FieldReader fields(value, "task instance");
  TaskInstanceKey key;
  key.dag_id = fields.text("dag_id");
  key.run_id = fields.text("run_id");
  key.task_id = fields.text("task_id");
  key.map_index = fields.small_integer("map_index");
  TRY(fields.status());
  return key;
}

Value to_value(const TryRequest& request) {
  Value value(Value::Map{
      {"version", wire_version},
      {"try_id", to_string(request.try_id)},
      {"kind", to_string(request.kind)},
      {"key", to_value(request.key)},
      {"instance", request.instance},
      {"run", request.run},
      {"try_number", request.try_number},
      {"max_tries", request.max_tries},
      {"retry_on", list_of(request.retry_on)},
      {"no_retry_on", list_of(request.no_retry_on)},
      {"operator", request.operator_name},
      {"parameters", request.parameters},
      {"context", request.context},
      {"connections", list_of(request.connections)},
      {"upstream", list_of(request.upstream)},
      {"execution_timeout_us", microseconds_or_null(request.execution_timeout)},
      {"timeout_us", microseconds_or_null(request.timeout)},
      {"poke_interval_us", int64_t{request.poke_interval.count()}},
      {"first_poke_at", time_or_null(request.first_poke_at)},
      {"soft_fail", request.soft_fail},
      {"queue", request.queue},
      {"pool", request.pool},
      {"token", request.token},
      {"log_file", request.log_file},
      {"dags_folder", request.dags_folder},
  });
  if (request.spent_before > Duration(0)) value.set("spent_before_us", int64_t{request.spent_before.count()});
  if (request.is_external_job) value.set("is_external_job", true);
  if (request.has_asked) value.set("has_asked", true);
  if (request.deferred_state) value.set("deferred", Value::Map{{"state", *request.deferred_state}});
  if (request.event) value.set("resumed", Value::Map{{"event", *request.event}});
  return value;
}

Result<TryRequest> parse_try_request(const Value& value) {
  FieldReader fields(value, "request of a try");
  check_version(fields, "request of a try");
  TryRequest request;
  request.try_id = read_try_id(fields);
  request.kind = fields.word("kind", parse_try_kind);
  const Value& key = fields.map("key");
  request.instance = fields.integer("instance");
  request.run = fields.integer("run");
  request.try_number = fields.small_integer("try_number");
  request.max_tries = fields.small_integer("max_tries");
  if (fields.has("retry_on")) request.retry_on = fields.texts("retry_on");
  if (fields.has("no_retry_on")) request.no_retry_on = fields.texts("no_retry_on");
  request.operator_name = fields.text("operator");
  request.parameters = fields.map("parameters");
  request.context = fields.map("context");
  request.connections = fields.texts("connections");
  request.upstream = fields.texts("upstream");
  request.execution_timeout = fields.optional_duration("execution_timeout_us");
  if (fields.has("spent_before_us")) request.spent_before = fields.duration("spent_before_us");
  request.timeout = fields.optional_duration("timeout_us");
  request.poke_interval = fields.duration("poke_interval_us");
  request.first_poke_at = fields.optional_time("first_poke_at");
  request.soft_fail = fields.flag("soft_fail");
  request.queue = fields.text("queue");
  request.pool = fields.text("pool");
  request.token = fields.text("token");
  request.log_file = fields.text("log_file");
  request.dags_folder = fields.text("dags_folder");
  request.is_external_job = fields.optional_flag("is_external_job").value_or(false);
  request.has_asked = fields.optional_flag("has_asked").value_or(false);
  if (fields.has("deferred")) request.deferred_state = fields.map("deferred").get("state");
  if (fields.has("resumed")) request.event = fields.map("resumed").get("event");
  TRY(fields.status());
  TRY_ASSIGN(request.key, parse_task_instance_key(key));
  return request;
}

Value to_value(const TryEnded& ended) {
  Value value(Value::Map{
      {"version", wire_version},
      {"result", to_string(ended.result)},
      {"cause", to_string(ended.cause)},
      {"error_kind", ended.error_kind ? Value(to_string(*ended.error_kind)) : Value()},
      {"exit_code", ended.exit_code ? Value(*ended.exit_code) : Value()},
      {"message", ended.message},
      {"started_at", time_or_null(ended.started_at)},
      {"at", format_time(ended.at)},
      {"xcom", ended.xcom},
  });
  if (ended.deferring) value.set("deferring", to_value(*ended.deferring));
  if (ended.result == TryEnded::Result::resumed) value.set("event", ended.event);
  return value;
}

Result<TryEnded> parse_try_ended(const Value& value) {
  FieldReader fields(value, "result of a try");
  check_version(fields, "result of a try");
  TryEnded ended;
  ended.result = fields.word("result", parse_result);
  ended.cause = fields.word("cause", parse_end_cause);
  ended.error_kind = fields.optional_word("error_kind", parse_error_kind);
  if (fields.has("exit_code")) ended.exit_code = fields.small_integer("exit_code");
  ended.message = fields.text("message");
  ended.started_at = fields.optional_time("started_at");
  ended.at = fields.time("at");
  ended.xcom = fields.map("xcom");
  const bool is_deferred = ended.result == TryEnded::Result::deferred;
  const Value* deferring = is_deferred ? &fields.map("deferring") : nullptr;
  if (ended.result == TryEnded::Result::resumed) ended.event = fields.any("event");
  TRY(fields.status());
  if (deferring != nullptr) {
    TRY_ASSIGN(ended.deferring, parse_deferring(*deferring));
  }
  return ended;
}

// {"version": 1, "try_id": "…", "ended": {…}}: exactly one of started, ended, still_waiting, asks, unknown.
Value to_value(const Report& report) {
  Value value = Value(Value::Map{{"version", wire_version}, {"try_id", to_string(report.try_id)}});
  struct Member {
    Value& value;
    void operator()(const TryStarted& started) { value.set("started", to_value(started)); }
    void operator()(const TryEnded& ended) { value.set("ended", to_value(ended)); }
    void operator()(const StillWaiting& waiting) { value.set("still_waiting", to_value(waiting)); }
    void operator()(const TryAsks& asks) { value.set("asks", to_value(asks)); }
    void operator()(const TryUnknown&) { value.set("unknown", Value::map()); }
  };
  std::visit(Member{value}, report.what);
  return value;
}

Result<Report> parse_report(const Value& value) {
  FieldReader fields(value, "report");
  check_version(fields, "report");
  Report report;
  report.try_id = read_try_id(fields);
  TRY(fields.status());
  int found = 0;
  if (const Value* started = value.find("started")) {
    TRY_ASSIGN(report.what, parse_try_started(*started));
    ++found;
  }
  if (const Value* ended = value.find("ended")) {
    TRY_ASSIGN(report.what, parse_try_ended(*ended));
    ++found;
  }
  if (const Value* waiting = value.find("still_waiting")) {
    TRY_ASSIGN(report.what, parse_still_waiting(*waiting));
    ++found;
  }
  if (const Value* asks = value.find("asks")) {
    TRY_ASSIGN(report.what, parse_try_asks(*asks));
    ++found;
  }
  if (value.find("unknown") != nullptr) {
    report.what = TryUnknown{};
    ++found;
  }
  if (found != 1) {
    return Error{ErrorKind::invalid,
                 "report: exactly one of `started`, `ended`, `still_waiting`, `asks`, `unknown` has to be "
                 "there, found " +
                     std::to_string(found)};
  }
  return report;
}

std::string log_file_of(RunNumber run, InstanceNumber instance, int try_number) {
  return "logs/" + std::to_string(run) + "/" + std::to_string(instance) + "-" + std::to_string(try_number) + ".log";
}

}  // namespace udon
