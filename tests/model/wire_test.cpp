#include "model/wire.h"

#include <catch2/catch.hpp>

#include <set>

#include "base/random.h"
#include "model/certificate.h"
#include "model/reason.h"

using namespace udon;

namespace {

// Random values of everything that goes over the wire, from one seed.
class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  bool coin() { return random_.one_in(2); }
  int64_t integer() { return static_cast<int64_t>(random_.next() >> random_.below(64)); }
  int small() { return static_cast<int>(random_.below(1'000'000)); }
  std::string text() {
    static const std::vector<std::string> parts{"",   "a", "우동", " ",       "\"",   "\\",
                                                "\n", "🍜", "\x01", "{{ x }}", "null", "/"};
    std::string made;
    for (uint64_t i = random_.below(6); i > 0; --i) made += parts[random_.below(parts.size())];
    return made;
  }
  TimePoint time() { return TimePoint(Duration(static_cast<int64_t>(random_.below(4'000'000'000'000'000)))); }
  Duration duration() { return Duration(static_cast<int64_t>(random_.below(100'000'000'000))); }
  Value value(int depth = 3) {
    switch (random_.below(depth > 0 ? 7 : 5)) {
      case 0: return {};
      case 1: return coin();
      case 2: return integer();
      case 3: return 0.5 * small();
      case 4: return text();
      case 5: {
        Value list = Value::list();
        for (uint64_t i = random_.below(4); i > 0; --i) list.push_back(value(depth - 1));
        return list;
      }
      default: return map(depth - 1);
    }
  }
  Value map(int depth = 3) {
    Value made = Value::map();
    for (uint64_t i = random_.below(4); i > 0; --i) made.set(text(), value(depth));
    return made;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> made;
    for (uint64_t i = random_.below(4); i > 0; --i) made.push_back(text());
    return made;
  }
  template <class Make>
  auto maybe(Make make) -> std::optional<decltype(make())> {
    return coin() ? std::optional(make()) : std::nullopt;
  }
  template <class E>
  E word(E last) {
    return static_cast<E>(random_.below(static_cast<uint64_t>(last) + 1));
  }

  TryId try_id() {
    return {"home" + std::to_string(random_.below(9)), 1 + static_cast<int64_t>(random_.below(1U << 30))};
  }
  TryRequest request() {
    TryRequest made;
    made.try_id = try_id();
    made.kind = word(TryKind::probe);
    made.key = {text(), text(), text(), coin() ? -1 : small()};
    made.instance = integer();
    made.run = integer();
    made.try_number = small();
    made.max_tries = small();
    made.operator_name = text();
    made.parameters = map();
    made.context = map();
    made.connections = texts();
    made.retry_on = texts();
    made.no_retry_on = texts();
    made.upstream = texts();
    made.execution_timeout = maybe([&] { return duration(); });
    made.timeout = maybe([&] { return duration(); });
    made.poke_interval = duration();
    made.first_poke_at = maybe([&] { return time(); });
    made.soft_fail = coin();
    made.queue = text();
    made.pool = text();
    made.token = text();
    made.log_file = text();
    made.dags_folder = text();
    return made;
  }
  TryEnded ended() {
    TryEnded made;
    made.result = word(TryEnded::Result::skipped);
    made.cause = word(EndCause::error);
    made.error_kind = maybe([&] { return word(ErrorKind::unsupported); });
    made.exit_code = maybe([&] { return small(); });
    made.message = text();
    made.started_at = maybe([&] { return time(); });
    made.at = time();
    made.xcom = map();
    return made;
  }
  Report report() {
    Report made{try_id(), TryUnknown{}};
    switch (random_.below(4)) {
      case 0: made.what = TryStarted{time(), text(), small()}; break;
      case 1: made.what = ended(); break;
      case 2: made.what = StillWaiting{time(), text()}; break;
      default: break;
    }
    return made;
  }
  Certificate certificate() {
    Certificate made;
    made.id = text();
    made.level = word(CertifyLevel::source);
    made.source = text();
    if (coin()) made.where = map();
    made.mechanism = text();
    made.position = text();
    made.mask_key_fingerprint = text();
    made.rows = random_.next() >> 1;
    made.row_sum = maybe([&] { return random_.next(); });
    for (uint64_t i = random_.below(4); i > 0; --i) {
      made.columns.push_back({text(), text(), text(), text(), random_.next() >> 1, random_.below(10),
                              maybe([&] { return random_.next(); }), coin(), text()});
    }
    for (uint64_t i = random_.below(3); i > 0; --i) {
      made.files.push_back({text(), random_.below(1000), random_.next() >> 1, text(), text()});
    }
    for (uint64_t i = random_.below(3); i > 0; --i) made.policies.push_back({text(), text(), random_.below(1000)});
    made.made_at = text();
    return made;
  }

 private:
  Random random_;
};

// There and back through the text, as it is between processes.
template <class T>
void check_round_trip(const T& made, Result<T> (*parse)(const Value&)) {
  const std::string text = to_json(to_value(made));
  INFO(text);
  const Result<Value> value = parse_json(text);
  REQUIRE(value);
  const Result<T> read = parse(*value);
  if (!read) FAIL(read.error().message);
  CHECK(*read == made);
  // A newer writer's key is passed over.
  Value newer = *value;
  newer.set("key_of_tomorrow", Value::List{1, "둘"});
  const Result<T> read_newer = parse(newer);
  REQUIRE(read_newer);
  CHECK(*read_newer == made);
  // A newer form is refused and not guessed at.
  newer.set("version", 2);
  const Result<T> refused = parse(newer);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::unsupported);
}

// Each key that is not null without `optional` must be there, and the error names the one that is not; but those that
// earlier versions did not write.
template <class T>
void check_required_keys(const T& made, Result<T> (*parse)(const Value&), const std::set<std::string>& added = {}) {
  const Value value = to_value(made);
  for (const auto& [key, member] : value.as_map()) {
    Value without = value;
    without.erase(key);
    const Result<T> read = parse(without);
    INFO(key << (read ? "" : ": " + read.error().message));
    if (member.is_null() || added.contains(key)) {
      CHECK(read);
    } else {
      REQUIRE_FALSE(read);
      CHECK(read.error().kind == ErrorKind::invalid);
      CHECK(read.error().message.find("`" + key + "` is missing") != std::string::npos);
    }
    // A wrong type is found at its key too.
    Value wrong = value;
    wrong.set(key, member.is_list() ? Value::map() : Value::list());
    const Result<T> misread = parse(wrong);
    REQUIRE_FALSE(misread);
    CHECK(misread.error().message.find("`" + key + "`") != std::string::npos);
  }
}

}  // namespace

TEST_CASE("requests, ends, reports, keys and certificates come back from JSON as they were") {
  Maker make(20260131);
  for (int i = 0; i < 500; ++i) {
    check_round_trip<TryRequest>(make.request(), parse_try_request);
    check_round_trip<TryEnded>(make.ended(), parse_try_ended);
    check_round_trip<Report>(make.report(), parse_report);
    check_round_trip<Certificate>(make.certificate(), parse_certificate);
  }
}

TEST_CASE("a missing or mistyped key of a request, an end, a certificate or a task instance is named") {
  TryRequest request;
  request.try_id = {"home", 7};
  check_required_keys<TryRequest>(request, parse_try_request, {"retry_on", "no_retry_on"});
  check_required_keys<TryEnded>(TryEnded{}, parse_try_ended);
  check_required_keys<Certificate>(Certificate{}, parse_certificate,
                                   {"connection", "table", "timezone", "source_columns"});
  check_required_keys<TaskInstanceKey>(TaskInstanceKey{"d", "r", "t", 1}, parse_task_instance_key);
}

TEST_CASE("what is wrong deep in a form is named too") {
  TryRequest request;
  request.try_id = {"home", 7};
  Value value = to_value(request);
  Value key = *value.find("key");
  key.erase("run_id");
  value.set("key", key);
  CHECK(parse_try_request(value).error().message == "task instance: `run_id` is missing");

  Certificate certificate;
  certificate.columns.emplace_back().sum = 5;
  value = to_value(certificate);
  Value column = value.find("columns")->as_list().front();
  for (const char* wrong : {"18446744073709551616", "-1", "", "5 ", "0x5", "1e3"}) {
    column.set("sum", wrong);
    value.set("columns", Value::List{column});
    CHECK(parse_certificate(value).error().message ==
          "certificate of a column: `sum` has to be a decimal number below 2^64 in a string, found `" +
              std::string(wrong) + "`");
  }
  column.set("sum", "5");
  column.set("count", -1);
  value.set("columns", Value::List{column});
  CHECK(parse_certificate(value).error().message == "certificate of a column: `count` has to be at least 0, found -1");
}

TEST_CASE("what is no form at all is refused with a reason") {
  for (const char* text : {"null", "[]", "\"x\"", "{}", R"({"version":1})", R"({"version":"1"})"}) {
    const Value value = *parse_json(text);
    INFO(text);
    CHECK_FALSE(parse_try_request(value));
    CHECK_FALSE(parse_try_ended(value));
    CHECK_FALSE(parse_report(value));
    CHECK_FALSE(parse_certificate(value));
  }
}

TEST_CASE("a report says one thing") {
  Value report = to_value(Report{{"home", 7}, TryUnknown{}});
  CHECK(parse_report(report));
  report.set("still_waiting", to_value(Report{{"home", 7}, StillWaiting{}}).get("still_waiting"));
  CHECK(parse_report(report).error().message ==
        "report: exactly one of `started`, `ended`, `still_waiting`, `asks`, `unknown` has to be there, found 2");
  report.erase("unknown");
  report.erase("still_waiting");
  CHECK(parse_report(report).error().message ==
        "report: exactly one of `started`, `ended`, `still_waiting`, `asks`, `unknown` has to be there, found 0");
  CHECK(parse_report(*parse_json(R"({"version":1,"try_id":"../../etc","unknown":{}})")).error().message ==
        "report: `try_id` is no try id: `../../etc`");
}

TEST_CASE("a certificate prints its sums as decimal strings, as JSON readers round 64-bit numbers") {
  Certificate certificate;
  certificate.row_sum = 18'446'744'073'709'551'615U;
  certificate.columns.emplace_back().sum = 9'007'199'254'740'993;
  const Value value = to_value(certificate);
  CHECK(value.text("row_sum") == "18446744073709551615");
  CHECK(value.find("columns")->as_list().front().text("sum") == "9007199254740993");
  certificate.row_sum.reset();
  CHECK(to_value(certificate).get("row_sum").is_null());
}

TEST_CASE("times are RFC 3339 and durations integer microseconds") {
  TryRequest request;
  request.try_id = {"home", 7};
  request.first_poke_at = *parse_time("2026-01-31T09:00:00+09:00");
  request.timeout = std::chrono::hours(1);
  const Value value = to_value(request);
  CHECK(value.text("first_poke_at") == "2026-01-31T00:00:00Z");
  CHECK(value.integer("timeout_us") == 3'600'000'000);
  CHECK(value.get("execution_timeout_us").is_null());
}

TEST_CASE("a log's path is made of numbers only") { CHECK(log_file_of(12, 345, 2) == "logs/12/345-2.log"); }

TEST_CASE("a reason is shown with its kind, text, holders and when it ends") {
  Reason reason{ReasonKind::pool_full, "pool `lake` is full", {"a/b/c", "a/b/d"}, *parse_time("2026-01-31T00:00:00Z")};
  CHECK(
      to_json(to_value(reason)) ==
      R"({"kind":"pool_full","text":"pool `lake` is full","holders":["a/b/c","a/b/d"],"until":"2026-01-31T00:00:00Z"})");
  CHECK(to_json(to_value(Reason{})) == R"({"kind":"ready","text":"","holders":[],"until":null})");
}
