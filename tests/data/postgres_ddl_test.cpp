// A PostgreSQL table that is altered while its export begins.
#include <catch2/catch.hpp>

#include <thread>

#include "plugins/data/copy_again.h"
#include "plugins/db/postgres/session.h"
#include "tests/base/temporary_folder.h"
#include "tests/support/eventually.h"
#include "tests/support/services.h"

namespace udon::data {
namespace {

// To a snapshot that is older than the rewriting, the table would be empty, and PostgreSQL would not say a word.
TEST_CASE("PostgreSQL: a table that is rewritten as an export begins is exported whole, as it then is") {
  const auto [rewriting, kind] = GENERATE(
      std::pair{"alter table ddl_test.t alter n type text using 'n' || n", "table"},
      std::pair{"truncate ddl_test.t; insert into ddl_test.t select i from generate_series(11, 14) i", "table"},
      std::pair{"refresh materialized view ddl_test.m", "materialized view"});
  INFO(rewriting);
  const int readers = GENERATE(1, 2);
  const Connection connection = test::Services().postgres();
  auto owner = PostgresSession::connect(connection);
  REQUIRE(owner);
  const auto run = [&](const std::string& sql) {
    const auto done = (*owner)->execute(sql);
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
  };
  run("drop schema if exists ddl_test cascade; create schema ddl_test");
  run("create table ddl_test.t as select i::int n from generate_series(1, 4) i");
  run("create table ddl_test.below as select * from ddl_test.t; "
      "create materialized view ddl_test.m as select * from ddl_test.below");
  run(std::string("begin; ") + rewriting);
  TemporaryFolder folder;
  const SystemClock clock;
  CopyRequest request;
  request.table = {.table = std::string_view(kind) == "table" ? "ddl_test.t" : "ddl_test.m", .all_columns = true};
  if (std::string_view(kind) == "table") request.table.split.into = readers;
  request.folder = folder.path();
  request.clock = &clock;
  Result<CopyResult> copied = Error{ErrorKind::io, "not run"};
  size_t again = 0;
  {
    std::jthread copying([&] {
      copied = copy_table_again([&] { return make_postgres_reader(connection); }, request, {},
                                [&](const Error&) { ++again; });
    });
    auto watching = PostgresSession::connect(connection);
    REQUIRE(watching);
    CHECK(test::eventually([&] {
      const auto waiting = (*watching)->query(
          "select 1 from pg_locks where not granted and relation in ('ddl_test.t'::regclass, "
          "'ddl_test.m'::regclass)");
      return waiting && waiting->rows.size() == 1;
    }));
    run("commit");
  }
  INFO((copied ? "" : copied.error().message));
  REQUIRE(copied);
  CHECK(copied->certificate.rows == 4);
  CHECK(again == (std::string_view(kind) == "table" ? 0U : 1U));
}

}  // namespace
}  // namespace udon::data
