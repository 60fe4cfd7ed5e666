// What the options of connections say of their server.
#include "connections/source_bounds.h"

#include <catch2/catch.hpp>

#include "connections/source_grant.h"

using namespace udon;
using namespace std::chrono_literals;

namespace {

Connection of(const std::string& uri) { return parse_connection_uri("market", uri).value(); }
std::string refused(const std::string& uri) {
  const auto bounds = parse_source_bounds(of(uri));
  REQUIRE_FALSE(bounds);
  CHECK(bounds.error().kind == ErrorKind::invalid);
  return bounds.error().message;
}

}  // namespace

TEST_CASE("a connection without bounds has none") {
  CHECK_FALSE(parse_source_bounds(of("mysql://u:p@db/shop?ssl_mode=required"))->any());
  CHECK_FALSE(parse_source_bounds(of("aws://?max_pool_connections=4&max_attempts=x"))->any());
}

TEST_CASE("each bound is an option of the connection") {
  const auto bounds = parse_source_bounds(
      of("postgres://u@db/"
         "shop?max_readers=4&max_rows_per_second=100000&max_lag=30s&max_threads_running=40&max_snapshot_age=2h"));
  REQUIRE(bounds);
  CHECK(*bounds == SourceBounds{4, 100000, 30s, 40, 2h});
  CHECK(source_bounds_of(to_value(*bounds)) == *bounds);
  CHECK(parse_source_bounds(of(R"(mysql://db/?__extra__={"max_readers":3})"))->max_readers == 3);
}

TEST_CASE("a bound that cannot be read is refused, with what was expected") {
  CHECK(refused("mysql://db/?max_readers=0") == "connection market: max_readers=0: expected a whole number from 1");
  CHECK(refused("mysql://db/?max_threads_running=many").find("expected a whole number") != std::string::npos);
  CHECK(refused("mysql://db/?max_rows_per_second=1e5").find("expected a whole number") != std::string::npos);
  CHECK(refused("mysql://db/?max_lag=30") == "connection market: max_lag=30: expected a duration, such as 30s or 2h");
  CHECK(refused("mysql://db/?max_snapshot_age=0s").find("expected a duration") != std::string::npos);
  CHECK(refused("mysql://db/?max_reader=4").find("did you mean `max_readers`") != std::string::npos);
}

TEST_CASE("a source is a server, whoever logs in and to which database") {
  CHECK(source_of(of("mysql://a:x@DB.example/shop")) == "mysql://db.example:3306");
  CHECK(source_of(of("mariadb://b:y@db.example:3306/다른?max_readers=1")) == "mysql://db.example:3306");
  CHECK(source_of(of("postgres://db.example")) == "postgresql://db.example:5432");
  CHECK(source_of(of("mysql://[::1]:3307")) == "mysql://[::1]:3307");
  CHECK(source_of(of("mysql://u@localhost/?unix_socket=%2Frun%2Fmysqld.sock")) == "mysql:///run/mysqld.sock");
}

TEST_CASE("of several bounds the strictest holds") {
  const SourceBounds one{4, {}, 30s, {}, 2h}, other{8, 1000, 10s, {}, {}};
  CHECK(strictest(one, other) == SourceBounds{4, 1000, 10s, {}, 2h});
  CHECK(strictest(other, one) == strictest(one, other));
  CHECK(strictest(one, {}) == one);
}

TEST_CASE("asks and grants come through as they were sent") {
  const SourceAsk ask{"market", 4, 2, 1500.5, "waiting to read 시장"};
  const auto asked = parse_source_ask(parse_json(to_json(to_value(ask))).value());
  REQUIRE(asked);
  CHECK((asked->connection == "market" && asked->readers_wanted == 4 && asked->readers_held == 2 &&
         asked->rows_per_second_held == 1500.5 && asked->waits == ask.waits));
  const SourceGrant grant{{4, {}, 30s, {}, {}}, 2, 750.25, 3, "`주문/내보내기` reads"};
  const auto granted = parse_source_grant(parse_json(to_json(to_value(grant))).value());
  REQUIRE(granted);
  CHECK((granted->bounds == grant.bounds && granted->readers == 2 && granted->rows_per_second == 750.25 &&
         granted->readers_elsewhere == 3 && granted->reason == grant.reason));
  for (const char* wrong : {"[]", "{}", R"({"connection":"x"})", R"({"connection":"x","readers_wanted":-1})",
                            R"({"connection":"x","readers_wanted":1,"readers_held":99999999999})",
                            R"({"connection":"x","readers_wanted":1,"readers_held":0,"rows_per_second_held":"1"})"})
    CHECK_FALSE(parse_source_ask(parse_json(wrong).value()));
}
