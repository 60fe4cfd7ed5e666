// What comes over a wire or out of a file of ours, with bytes lost and exchanged: a value that comes back from its own
// form as it is, or an error with words.
#include <catch2/catch.hpp>
#include <vector>

#include "base/text.h"
#include "connections/connection.h"
#include "model/certificate.h"
#include "model/cron.h"
#include "model/schedule.h"
#include "model/wire.h"
#include "tests/support/mutation.h"

using namespace udon;
using udon::test::mutated;

namespace {

constexpr std::string_view json_spice = "{}[]\",:0123456789-+.eEtrufalsn\\ \x80\xff";

// JSON texts of whole forms.
template <class T>
void fuzz_form(const std::vector<T>& made, Result<T> (*parse)(const Value&)) {
  std::vector<std::string> corpus;
  for (const T& one : made) corpus.push_back(to_json(to_value(one)));
  const uint64_t seed = test::fuzz_seed();
  Random random(seed);
  uint64_t read_well = 0;
  for (uint64_t round = test::fuzz_rounds(5000); round > 0; --round) {
    const std::string text = mutated(corpus[random.below(corpus.size())], random, json_spice);
    INFO("seed " << seed << " round " << round << ": " << text);
    const Result<Value> value = parse_json(text);
    if (!value) {
      REQUIRE_FALSE(value.error().message.empty());
      continue;
    }
    const Result<T> read = parse(*value);
    if (!read) {
      REQUIRE_FALSE(read.error().message.empty());
      continue;
    }
    ++read_well;
    const Result<Value> again = parse_json(to_json(to_value(*read)));
    REQUIRE(again);
    const Result<T> once_more = parse(*again);
    REQUIRE(once_more);
    REQUIRE(*once_more == *read);
  }
  CHECK(read_well > 0);
}

TryRequest full_request() {
  TryRequest request;
  request.try_id = {"home", 7};
  request.key = {"orders", "scheduled__2026-01-31T00:00:00+00:00", "적재", 3};
  request.operator_name = "bash";
  request.connections = {"market", "lake"};
  request.execution_timeout = std::chrono::minutes(3);
  request.queue = "default";
  return request;
}

}  // namespace

TEST_CASE("no request, end, report or certificate makes its reader stumble") {
  fuzz_form<TryRequest>({full_request()}, parse_try_request);
  TryEnded ended;
  ended.result = TryEnded::Result::success;
  ended.xcom.set("return_value", Value::List{1, 2.5, "셋", Value::map()});
  TryEnded failed;
  failed.cause = EndCause::error;
  failed.error_kind = ErrorKind::unavailable;
  failed.message = "no answer";
  fuzz_form<TryEnded>({ended, failed}, parse_try_ended);
  fuzz_form<Report>({Report{{"home", 7}, TryUnknown{}}, Report{{"home", 8}, ended},
                     Report{{"home", 9}, TryStarted{.at = TimePoint{}, .hostname = "h", .pid = 3}}},
                    parse_report);
  Certificate certificate;
  certificate.columns.emplace_back().sum = 5;
  fuzz_form<Certificate>({certificate}, parse_certificate);
}

TEST_CASE("no text makes the reader of crons stumble, and what it reads has a next time or none") {
  const std::vector<std::string> corpus{"*/10 0-23/2 1,15,L 1-12 mon-fri", "30 2 * * sun#2", "@hourly", "0 0 29 feb L5",
                                        "5,10-20/3 ? 31 jan,jul 0-7"};
  const uint64_t seed = test::fuzz_seed();
  Random random(seed);
  for (uint64_t round = test::fuzz_rounds(5000); round > 0; --round) {
    const std::string text =
        mutated(corpus[random.below(corpus.size())], random, "*/-,#L?@ 0123456789abdefghijlmnoprstuvwy\t");
    INFO("seed " << seed << " round " << round << ": " << text);
    const Result<CronExpression> cron = parse_cron(text);
    if (!cron) {
      REQUIRE_FALSE(cron.error().message.empty());
      continue;
    }
    REQUIRE(parse_cron(cron->text) == *cron);
    const TimePoint at = parse_time("2026-03-28T12:34:56Z").value();
    const auto next = next_match(*cron, "Europe/Berlin", {}, at);
    const auto previous = previous_match(*cron, "Europe/Berlin", {}, at);
    if (next) REQUIRE(*next > at);
    if (previous) REQUIRE(*previous < at);
    REQUIRE(next.has_value() == previous.has_value());
  }
}

TEST_CASE("no URI makes the reader of connections stumble, and what it reads comes back from its own URI") {
  const std::vector<std::string> corpus{"mysql://user:p%40ss@db.example:3306/orders?ssl_mode=REQUIRED&charset=utf8mb4",
                                        "postgresql://u@[::1]:5432/%ED%95%9C?sslmode=verify-full",
                                        "aws://AKIA:se%2Fcret@/?region_name=eu-west-1",
                                        "sqlite:////var/lib/x.db",
                                        "http://:@host",
                                        "my-type://host/?__extra__=%7B%22a%22%3A+1%7D"};
  const uint64_t seed = test::fuzz_seed();
  Random random(seed);
  for (uint64_t round = test::fuzz_rounds(5000); round > 0; --round) {
    const std::string text =
        mutated(corpus[random.below(corpus.size())], random, ":/?#[]@!$&'()*+,;=%0123456789abcdef{}\" \xff");
    INFO("seed " << seed << " round " << round << ": " << text);
    const Result<Connection> read = parse_connection_uri("c", text);
    if (!read) {
      REQUIRE_FALSE(read.error().message.empty());
      continue;
    }
    const Result<Connection> again = parse_connection_uri("c", to_uri(*read));
    INFO(to_uri(*read));
    REQUIRE(again);
    REQUIRE(*again == *read);
  }
}
