#include <catch2/catch.hpp>

#include "plugins/db/postgres/session.h"
#include "tests/support/services.h"

using namespace udon;

namespace {

const test::Services services;

Connection with_options(const std::vector<std::pair<std::string, std::string>>& options) {
  Connection connection = services.postgres();
  for (const auto& [name, value] : options) connection.extra.set(name, value);
  return connection;
}

std::unique_ptr<PostgresSession> connect(const Connection& connection) {
  auto session = PostgresSession::connect(connection);
  INFO((session ? "" : session.error().message));
  REQUIRE(session);
  return std::move(*session);
}

}  // namespace

TEST_CASE(
    "a session with PostgreSQL is verified where TLS is used and the server's certificate and name were looked at") {
  const std::string authority = services.certificate("postgres");
  SECTION("by our name of it, in any case of letters") {
    CHECK(connect(with_options({{"ssl_mode", "Verify_Identity"}, {"ssl_ca", authority}}))->is_verified());
  }
  SECTION("by libpq's") {
    CHECK(connect(with_options({{"sslmode", "verify-full"}, {"sslrootcert", authority}}))->is_verified());
  }
  SECTION("because an authority is named") { CHECK(connect(with_options({{"ssl_ca", authority}}))->is_verified()); }
  SECTION("not where libpq's mode, which goes before ours, only encrypts") {
    const auto session = connect(with_options({{"ssl_mode", "verify_identity"}, {"sslmode", "require"}}));
    CHECK(session->is_encrypted());
    CHECK_FALSE(session->is_verified());
  }
  SECTION("not without TLS") { CHECK_FALSE(connect(services.postgres())->is_verified()); }
}
