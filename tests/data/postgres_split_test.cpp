// Several readers of one PostgreSQL table.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>

#include <thread>

#include "plugins/data/reader.h"
#include "plugins/data/table_copy.h"
#include "plugins/db/postgres/session.h"
#include "tests/base/temporary_folder.h"
#include "tests/support/eventually.h"
#include "tests/support/services.h"

namespace udon::data {
namespace {

struct SplitFixture {
  test::Services services;
  Connection connection = services.postgres();
  std::unique_ptr<PostgresSession> session;

  SplitFixture() {
    auto connected = PostgresSession::connect(connection);
    REQUIRE(connected);
    session = std::move(*connected);
    run("drop schema if exists split_test cascade; create schema split_test");
  }
  void run(const std::string& sql) {
    const auto done = session->execute(sql);
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
  }
};

TableRequest request_for(int readers, std::vector<std::string> by = {}) {
  TableRequest request;
  request.table = "split_test.t";
  request.all_columns = true;
  request.split = {.by = std::move(by), .into = readers};
  return request;
}

struct Rows {
  std::vector<std::vector<std::string>> texts;  // [column][row]
  size_t sources = 0;
  std::string mechanism;
  std::optional<Error> error;
};

Rows read(const Connection& connection, const TableRequest& request) {
  Rows all;
  const auto reader = make_postgres_reader(connection);
  const auto columns = reader->open(request, {});
  if (!columns) {
    all.error = columns.error();
    return all;
  }
  all.texts.resize(columns->size());
  all.sources = reader->sources().size();
  for (BatchSource* source : reader->sources()) {
    while (true) {
      const auto batch = source->next();
      if (!batch) {
        all.error = batch.error();
        return all;
      }
      if (!*batch) break;
      for (size_t c = 0; c < all.texts.size(); ++c)
        for (int64_t r = 0; r < (*batch)->rows->num_rows(); ++r)
          all.texts[c].push_back((*batch)->rows->column(static_cast<int>(c))->GetScalar(r).ValueOrDie()->ToString());
    }
  }
  all.mechanism = reader->mechanism();
  return all;
}

void require_all(const Rows& rows, size_t column, int64_t count) {
  INFO(rows.mechanism << (rows.error ? rows.error->message : ""));
  REQUIRE_FALSE(rows.error);
  std::vector<std::string> texts = rows.texts.at(column);
  REQUIRE(static_cast<int64_t>(texts.size()) == count);
  std::ranges::sort(texts);
  REQUIRE(std::ranges::adjacent_find(texts) == texts.end());
}

int ranges_in(const std::string& mechanism) {
  const size_t at = mechanism.find("split: ");
  return at == mechanism.npos ? 1 : std::max(1, std::atoi(mechanism.c_str() + at + 7));
}

TEST_CASE("without a column to go by a table is cut by its blocks, whatever its rows are like") {
  SplitFixture f;
  f.run(
      "create table split_test.t (v text); insert into split_test.t select 'row ' || i from generate_series(1, 20000) "
      "i");
  // Holes, rows that moved, and a block that is empty.
  f.run("delete from split_test.t where v like '%3%'; update split_test.t set v = v || ' moved' where v like '%7'");
  const auto count = f.session->query("select count(*) from split_test.t");
  const Rows rows = read(f.connection, request_for(3));
  require_all(rows, 0, std::stoll(*count->rows[0][0]));
  CHECK(rows.sources == 3);
  CHECK(rows.mechanism.starts_with("3 readers on one exported snapshot"));
  CHECK(rows.mechanism.find("12 ranges of blocks") != std::string::npos);
}

TEST_CASE("a table is cut by a key of whatever type") {
  SplitFixture f;
  struct Case {
    const char* type;
    const char* value;
  };
  const auto [type, value] =
      GENERATE(Case{"int", "i"}, Case{"bigint", "case when i < 4000 then -9000000000000000000 + i else i end"},
               Case{"smallint", "i"}, Case{"date", "date '2020-01-01' + i"},
               Case{"timestamp", "timestamp '2020-01-01' + i * interval '7919 seconds 3 microseconds'"},
               Case{"timestamptz", "timestamptz '2020-01-01 00:00:00+09' - i * interval '7919 seconds'"},
               Case{"text", "'우동''\\' || i"}, Case{"varchar(40) collate \"C\"", "'ÄÖ' || md5(i::text)"},
               Case{"uuid", "md5(i::text)::uuid"}, Case{"numeric(30,5)", "i * 1.00007"},
               Case{"bytea", "decode(md5(i::text), 'hex')"});
  f.run(std::string("create table split_test.t (k ") + type + " primary key)");
  f.run(std::string("insert into split_test.t select ") + value +
        " from generate_series(1, 5000) i; analyze split_test.t");
  const Rows rows = read(f.connection, request_for(3, {"k"}));
  INFO(type);
  require_all(rows, 0, 5000);
  CHECK(rows.sources == 3);
  CHECK(ranges_in(rows.mechanism) >= 6);
}

TEST_CASE("infinite days and NULL are in a range, too") {
  SplitFixture f;
  f.run("create table split_test.t (n int, k timestamptz); create index on split_test.t (k)");
  f.run(
      "insert into split_test.t select i, timestamptz '2026-01-01' + i * interval '1 hour' from generate_series(1, "
      "1000) i");
  f.run("insert into split_test.t values (2001, 'infinity'), (2002, '-infinity'), (2003, null)");
  TableRequest request = request_for(2, {"k"});
  request.policies.infinity = "null";
  const Rows rows = read(f.connection, request);
  require_all(rows, 0, 1003);
  CHECK(rows.sources == 2);
}

TEST_CASE("a key of several columns is cut in all of them, and the condition holds in every range") {
  SplitFixture f;
  f.run("create table split_test.t (shop text, day date, n int, primary key (shop, day, n))");
  f.run(
      "insert into split_test.t select case when i % 100 = 0 then '가게' || i else '큰 가게' end, "
      "date '2026-01-01' + i % 50, i from generate_series(1, 5000) i");
  TableRequest request = request_for(4, {"shop", "day", "n"});
  request.where = "n > :n or n = 1 -- the first";
  request.where_parameters.set("n", 1000);
  const Rows rows = read(f.connection, request);
  require_all(rows, 2, 4001);
  CHECK(ranges_in(rows.mechanism) >= 12);
}

TEST_CASE("a partitioned table is cut by its primary key, a view by what is named") {
  SplitFixture f;
  f.run(
      "create table split_test.t (id int primary key, v int) partition by hash (id); "
      "create table split_test.t0 partition of split_test.t for values with (modulus 2, remainder 0); "
      "create table split_test.t1 partition of split_test.t for values with (modulus 2, remainder 1); "
      "insert into split_test.t select i, i from generate_series(1, 3000) i; "
      "create view split_test.seen as select * from split_test.t where id % 2 = 0");
  Rows rows = read(f.connection, request_for(2));
  require_all(rows, 0, 3000);
  CHECK(rows.mechanism.find("ranges of \"id\"") != std::string::npos);

  TableRequest request = request_for(2);
  request.table = "split_test.seen";
  rows = read(f.connection, request);
  require_all(rows, 0, 1500);
  CHECK(rows.sources == 1);
  CHECK(rows.mechanism.find("name columns to split by") != std::string::npos);
  request.split.by = {"id"};
  rows = read(f.connection, request);
  require_all(rows, 0, 1500);
  CHECK(rows.sources == 2);
}

TEST_CASE("few rows, or none, need no ranges; what cannot be split by is refused") {
  SplitFixture f;
  f.run("create table split_test.t (id int primary key, plain int)");
  CHECK(read(f.connection, request_for(4)).texts.at(0).empty());
  CHECK(read(f.connection, request_for(4, {"id"})).texts.at(0).empty());
  f.run("insert into split_test.t values (1, 1), (2, 2)");
  require_all(read(f.connection, request_for(4)), 0, 2);
  require_all(read(f.connection, request_for(4, {"id"})), 0, 2);
  CHECK(read(f.connection, request_for(4, {"ID"})).error.value().message.find("did you mean `id`?") !=
        std::string::npos);
  CHECK(read(f.connection, request_for(4, {"plain"})).error.value().message.find("no index begins with `plain`") !=
        std::string::npos);
}

TEST_CASE("all readers see one moment, while others write") {
  SplitFixture f;
  f.run(
      "create table split_test.t (id int primary key, money bigint); insert into split_test.t select i, 1000 from "
      "generate_series(1, 2000) i");
  std::atomic<bool> is_over = false;
  std::atomic<int> moves = 0;
  std::jthread writer([&] {
    auto session = PostgresSession::connect(f.connection);
    for (int i = 0; session && !is_over; ++i) {
      const std::string from = std::to_string(1 + i * 7 % 900), to = std::to_string(1900 - i * 3 % 900);
      if ((*session)->execute("update split_test.t set money = money + case when id = " + from +
                              " then -1 else 1 end where id in (" + from + ", " + to + ")"))
        ++moves;
    }
  });
  for (int round = 0; round < 10; ++round) {
    const int before = moves;
    // By blocks rows are found wherever an update has put them; by key where they belong.
    const Rows rows = read(f.connection, round % 2 == 0 ? request_for(4) : request_for(4, {"id"}));
    require_all(rows, 0, 2000);
    int64_t sum = 0;
    for (const std::string& money : rows.texts[1]) sum += std::stoll(money);
    CHECK(sum == 2'000'000);
    while (moves == before) std::this_thread::yield();
  }
  is_over = true;
}

TEST_CASE("a replica exports its snapshot like a primary") {
  SplitFixture f;
  f.run("create table split_test.t (id int); insert into split_test.t select generate_series(1, 3000)");
  const Connection replica = f.services.postgres_replica();
  REQUIRE(test::eventually([&] {
    return read(replica, request_for(1)).texts.size() == 1 && read(replica, request_for(1)).texts[0].size() == 3000;
  }));
  const Rows rows = read(replica, request_for(2));
  require_all(rows, 0, 3000);
  CHECK(rows.sources == 2);
}

// The server serves other tests, too, whose writes move it on.
TEST_CASE("two snapshots with nothing between them are proven the same, two with a write between are not") {
  SplitFixture f;
  f.run("create table split_test.t as select i as id from generate_series(1, 5000) i");
  const bool on_replica = GENERATE(false, true);
  const Connection connection = on_replica ? f.services.postgres_replica() : f.connection;
  const auto has_rows = [&](size_t count) {
    const Rows rows = read(connection, request_for(1));
    return !rows.error && rows.texts.size() == 1 && rows.texts[0].size() == count;
  };
  REQUIRE(test::eventually([&] { return has_rows(5000); }, std::chrono::seconds(120)));
  const auto state = [&] {
    const auto reader = make_postgres_reader(connection);
    const auto opened = reader->open(request_for(2), {});
    INFO((opened ? "" : opened.error().message));
    REQUIRE(opened);
    REQUIRE(reader->sources().size() == 2);
    return reader->state();
  };
  CHECK(test::eventually(
      [&] {
        const std::string first = state();
        return !first.empty() && first == state();
      },
      std::chrono::seconds(120)));
  const std::string before = state();
  f.run("insert into split_test.t values (0)");
  REQUIRE(test::eventually([&] { return has_rows(5001); }, std::chrono::seconds(120)));
  const std::string after = state();
  CHECK((after.empty() || after != before));
  // One reader alone needs none.
  const auto reader = make_postgres_reader(connection);
  REQUIRE(reader->open(request_for(1), {}));
  CHECK(reader->state().empty());
}

TEST_CASE("four readers certify what one does") {
  SplitFixture f;
  f.run(
      "create table split_test.t as select i as id, case when i % 7 > 0 then (i / 3.0)::numeric(12,2) end as price, "
      "'우동 ' || md5(i::text) as name from generate_series(1, 50000) i");
  const auto certificate = [&](int readers) {
    TemporaryFolder folder;
    SystemClock clock;
    CopyRequest request;
    request.table = request_for(readers);
    request.folder = folder.path();
    request.clock = &clock;
    const auto reader = make_postgres_reader(f.connection);
    const auto copied = copy_table(*reader, request, {});
    INFO((copied ? "" : copied.error().message));
    REQUIRE(copied);
    return copied->certificate;
  };
  const Certificate one = certificate(1), four = certificate(4);
  CHECK(one.rows == 50000);
  CHECK(four.row_sum == one.row_sum);
  CHECK(four.columns == one.columns);
}

}  // namespace
}  // namespace udon::data
