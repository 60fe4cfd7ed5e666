// A MariaDB table that is altered between an export's snapshot and its reading: error 1412.
#include <catch2/catch.hpp>

#include <thread>

#include "plugins/data/copy_again.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/scratch_table.h"
#include "tests/support/eventually.h"

namespace udon::data {
namespace {

TEST_CASE("a table that is altered between snapshot and reading is read once more, in a new snapshot") {
  const std::string statement =
      GENERATE("alter table reader_test.altered modify v bigint", "truncate table reader_test.altered",
               "alter table reader_test.altered drop column v", "alter table reader_test.altered rename column v to w");
  INFO(statement);
  test::ScratchTable table("altered", "v int");
  table.insert({"(1, 2)", "(2, 3)"});
  TemporaryFolder folder;
  const SystemClock clock;
  CopyRequest request;
  request.table = table.completed({});
  request.folder = folder.path();
  request.clock = &clock;
  Result<CopyResult> copied = Error{ErrorKind::io, "not run"};
  std::vector<std::string> again;

  // Held until the reader waits for it, its snapshot open.
  table.run("lock tables {} write");
  {
    auto watching = MysqlSession::connect(table.connection());
    REQUIRE(watching);
    std::jthread copying([&] {
      copied = copy_table_again([&] { return make_mysql_reader(table.connection()); }, request, {},
                                [&](const Error& error) { again.push_back(error.message); });
    });
    CHECK(udon::test::eventually([&] {
      const auto waiting = (*watching)->query(
          "select id from information_schema.processlist where state = 'Waiting for table metadata lock'");
      return waiting && waiting->rows.size() == 1;
    }));
    table.execute(statement);
    table.execute("unlock tables");
  }
  INFO((copied ? "" : copied.error().message));
  REQUIRE(copied);
  REQUIRE(again.size() == 1);
  INFO(again[0]);
  CHECK(again[0].find("reader_test.altered") != std::string::npos);
  CHECK(copied->certificate.rows == (statement.starts_with("truncate") ? 0U : 2U));
  CHECK(copied->certificate.columns.size() == (statement.ends_with("drop column v") ? 1U : 2U));
}

TEST_CASE("a column that was never there is told of at once") {
  test::ScratchTable table("altered", "v int");
  TemporaryFolder folder;
  const SystemClock clock;
  CopyRequest request;
  request.table = table.completed({});
  request.table.where = "w = 1";
  request.folder = folder.path();
  request.clock = &clock;
  size_t made = 0;
  const MakeReader make_reader = [&] {
    ++made;
    return make_mysql_reader(table.connection());
  };
  const auto copied = copy_table_again(make_reader, request, {}, [](const Error&) {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().kind == ErrorKind::not_found);
  CHECK(made == 1);
}

}  // namespace
}  // namespace udon::data
