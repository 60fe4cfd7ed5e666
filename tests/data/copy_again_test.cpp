// What ends a snapshot has the table read from the beginning, once.
#include "plugins/data/copy_again.h"

#include <catch2/catch.hpp>

#include "tests/base/temporary_folder.h"
#include "tests/data/arrays.h"
#include "tests/data/fake_reader.h"

namespace udon::data {
namespace {

struct Readings {
  TemporaryFolder folder;
  FakeClock clock{*parse_time("2026-01-31T00:00:00Z")};
  size_t made = 0;
  std::vector<Error> again;
  std::stop_source stop;

  // `failures`: what ends each reading, after it has given a row.
  Result<CopyResult> run(const std::vector<Error>& failures) {
    CopyRequest request;
    request.folder = folder.path();
    request.clock = &clock;
    const MakeReader make_reader = [&] {
      auto reader = std::make_unique<test::FakeReader>();
      reader->columns = {
          {.request = {.source_name = "id", .name = "id"}, .source_type = "test", .type = arrow::int64()}};
      reader->add(arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}), 1,
                                           arrow::ArrayVector{test::ints({static_cast<int64_t>(made)})}));
      if (made < failures.size()) reader->batches.emplace_back(failures[made]);
      ++made;
      return reader;
    };
    return copy_table_again(make_reader, request, stop.get_token(),
                            [&](const Error& error) { again.push_back(error); });
  }
};

const Error altered{ErrorKind::conflict, "table shop.orders: Table definition has changed"};
const Error lost{ErrorKind::unavailable, "table shop.orders: lost after 1 row"};

TEST_CASE("a table altered once, or a session lost once, is read from the beginning, and nothing is doubled") {
  const Error failure = GENERATE(altered, lost);
  Readings readings;
  const auto copied = readings.run({failure});
  REQUIRE(copied);
  CHECK(copied->certificate.rows == 1);
  CHECK(readings.made == 2);
  REQUIRE(readings.again.size() == 1);
  CHECK(readings.again[0].message == failure.message);
  CHECK(std::distance(std::filesystem::directory_iterator(readings.folder.path()), {}) == 1);
}

TEST_CASE("the second time ends the export, naming both") {
  Readings readings;
  const auto copied = readings.run({lost, altered, altered});
  REQUIRE_FALSE(copied);
  CHECK(readings.made == 2);
  CHECK(copied.error().kind == ErrorKind::conflict);
  CHECK(copied.error().message ==
        "table shop.orders: Table definition has changed (all was read from the beginning already, after: table "
        "shop.orders: lost after 1 row); export the table when nobody alters it");
  CHECK(std::filesystem::is_empty(readings.folder.path()));
}

TEST_CASE("what another snapshot would not mend is not read again") {
  const ErrorKind kind = GENERATE(ErrorKind::data, ErrorKind::io, ErrorKind::denied, ErrorKind::cancelled);
  Readings readings;
  const auto copied = readings.run({Error{kind, "no"}});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().message == "no");
  CHECK(readings.made == 1);
}

TEST_CASE("who was asked to stop does not begin again") {
  Readings readings;
  readings.stop.request_stop();
  CHECK_FALSE(readings.run({lost}));
  CHECK(readings.made == 1);
}

}  // namespace
}  // namespace udon::data
