#include "connections/secrets/sources.h"

#include <catch2/catch.hpp>

using namespace udon;

namespace {
const std::vector<std::string> environment{"PATH=/bin",
                                           "UDON_CONN_LAKE=aws://key:s3cret%2F@/?region=ap-northeast-2",
                                           "UDON_CONN_BROKEN=not a uri with p4ssword",
                                           "UDON_VAR_GREETING=안녕=하세요",
                                           "UDON_CONN_=mysql://x",
                                           "NO_EQUALS_SIGN"};
ConnectionSource connections() {
  return ConnectionSource(
      EnvironmentSecrets(environment), [](const std::string& id) -> Result<std::optional<Connection>> {
        if (id == "down") return Error{ErrorKind::unavailable, "store: disk full"};
        if (id != "lake" && id != "stored") return std::optional<Connection>();
        return std::optional<Connection>(Connection{.id = id, .type = "mysql", .host = "from-the-store"});
      });
}
}  // namespace

TEST_CASE("a connection of the environment goes before one of the store") {
  const Result<Connection> lake = connections().find("lake");
  REQUIRE(lake);
  CHECK(lake->id == "lake");
  CHECK(lake->type == "aws");
  CHECK(lake->password == "s3cret/");
  const Result<Connection> stored = connections().find("stored");
  REQUIRE(stored);
  CHECK(stored->host == "from-the-store");
}

TEST_CASE("a connection that is nowhere is an error that says where it was looked for and how to add it") {
  const Result<Connection> missing = connections().find("market_replica");
  REQUIRE(!missing);
  CHECK(missing.error().kind == ErrorKind::not_found);
  CHECK_THAT(missing.error().message, Catch::Contains("UDON_CONN_MARKET_REPLICA"));
  CHECK_THAT(missing.error().message, Catch::Contains("udon connections add market_replica"));
}

TEST_CASE("a URI that cannot be read names its variable and never quotes it") {
  const Result<Connection> broken = connections().find("broken");
  REQUIRE(!broken);
  CHECK_THAT(broken.error().message, Catch::Contains("UDON_CONN_BROKEN"));
  CHECK_THAT(broken.error().message, !Catch::Contains("p4ssword"));
}

TEST_CASE("a store that fails is not a connection that is missing") {
  const Result<Connection> down = connections().find("down");
  REQUIRE(!down);
  CHECK(down.error().kind == ErrorKind::unavailable);
}

TEST_CASE("variables come from the environment, then from the store") {
  const VariableSource variables(
      EnvironmentSecrets(environment), [](const std::string& key) -> Result<std::optional<std::string>> {
        return key == "greeting" || key == "stored" ? std::optional<std::string>("store") : std::nullopt;
      });
  CHECK(variables.find("greeting").value() == "안녕=하세요");
  CHECK(variables.find("stored").value() == "store");
  const Result<std::string> missing = variables.find("nowhere");
  REQUIRE(!missing);
  CHECK_THAT(missing.error().message, Catch::Contains("udon variables set nowhere"));
}
