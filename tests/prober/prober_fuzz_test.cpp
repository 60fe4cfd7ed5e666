// What the server and its prober say to each other, with bytes lost, doubled and exchanged.
#include <catch2/catch.hpp>

#include "executor/local/probe_messages.h"
#include "tests/support/mutation.h"

using namespace udon;
using udon::test::mutated;

namespace {

constexpr std::string_view spice = "{}[]\",:0123456789-+.eEtrufalsn\\ \n\x80\xff";

// A line that is read says the same when it is written and read again.
template <class Message>
void fuzz(const std::vector<Message>& made, Result<Message> (*parse)(std::string_view)) {
  std::vector<std::string> corpus;
  for (const Message& one : made) corpus.push_back(to_line(one));
  const uint64_t seed = test::fuzz_seed();
  Random random(seed);
  uint64_t read_well = 0;
  for (uint64_t round = test::fuzz_rounds(5000); round > 0; --round) {
    const std::string line = mutated(corpus[random.below(corpus.size())], random, spice);
    INFO("seed " << seed << " round " << round << ": " << line);
    const Result<Message> read = parse(line);
    if (!read) {
      REQUIRE_FALSE(read.error().message.empty());
      continue;
    }
    ++read_well;
    const std::string written = to_line(*read);
    REQUIRE(written.find('\n') == written.size() - 1);
    const Result<Message> again = parse(written);
    INFO(written);
    REQUIRE(again);
    REQUIRE(to_line(*again) == written);
  }
  CHECK(read_well > 0);
}

}  // namespace

TEST_CASE("no line makes the prober stumble over an order") {
  TryRequest request;
  request.try_id = {"home", 7};
  request.key = {"orders", "scheduled__2026-01-31T00:00:00+00:00", "기다림", -1};
  request.operator_name = "s3_key";
  request.parameters = Value::Map{{"uri", "s3://호수/x"}, {"poke_interval", 30'000'000}};
  request.connections = {"lake"};
  fuzz<ProberOrder>({PokeOrder{.number = 3, .request = request}, PokeStop{.number = INT64_MAX}}, parse_prober_order);
}

TEST_CASE("no line makes the server stumble over an answer") {
  fuzz<PokeAnswer>(
      {{.number = 3, .is_met = true, .message = "호수에 있다", .xcom = Value::Map{{"files", Value::List{1, 2.5}}}},
       {.number = 4, .message = "no answer\n", .error = ErrorKind::unavailable}},
      parse_poke_answer);
}
