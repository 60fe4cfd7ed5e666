// Several readers of one MariaDB table.
#include <algorithm>
#include <catch2/catch.hpp>

#include <atomic>
#include <map>
#include <thread>

#include "plugins/data/table_copy.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/scratch_table.h"
#include "tests/support/eventually.h"

namespace udon::data {
namespace {

using test::ReadTable;
using test::ScratchTable;

TableRequest split_into(int readers, std::vector<std::string> by = {}) {
  TableRequest request;
  request.split = {.by = std::move(by), .into = readers};
  return request;
}

// Every row once, by a column that tells them apart.
void require_all(const ReadTable& read, int column, int64_t rows) {
  std::vector<std::string> texts = read.texts(column);
  REQUIRE(static_cast<int64_t>(texts.size()) == rows);
  std::ranges::sort(texts);
  REQUIRE(std::ranges::adjacent_find(texts) == texts.end());
}

int ranges_in(const std::string& mechanism) {
  const size_t at = mechanism.find("split: ");
  return at == mechanism.npos ? 1 : std::max(1, std::atoi(mechanism.c_str() + at + 7));
}

TEST_CASE("a table is cut by its primary key, whatever the key is") {
  struct Case {
    const char* name;
    const char* columns;
    const char* rows;
  };
  const auto [name, columns, rows] = GENERATE(
      Case{"split_int", "k int not null primary key", "select seq from seq_1_to_5000"},
      Case{"split_negative", "k bigint not null primary key",
           "select cast(seq as signed) * if(seq % 2, -1, 1) * 1000003 from seq_1_to_5000"},
      Case{"split_unsigned", "k bigint unsigned not null primary key",
           "select 18446744073709551615 - seq * seq from seq_0_to_4999"},
      Case{"split_heaps", "k bigint not null primary key",
           "select if(seq < 4000, seq, 9000000000000000000 + seq) from seq_1_to_5000"},
      Case{"split_date", "k datetime(6) not null primary key",
           "select '2020-01-01' + interval seq * 7919 second from seq_1_to_5000"},
      Case{"split_instant", "k timestamp(3) not null primary key",
           "select '2020-01-01' + interval seq * 7919 second from seq_1_to_5000"},
      Case{"split_time", "k time(3) not null primary key",
           "select sec_to_time((seq - 2500.0) * 999.001) from seq_1_to_5000"},
      Case{"split_uuid", "k uuid not null primary key",
           "select insert(insert(md5(seq), 13, 1, '4'), 17, 1, '8') from seq_1_to_5000"},
      Case{"split_inet6", "k inet6 not null primary key", "select concat('2001:db8::', hex(seq)) from seq_1_to_5000"},
      Case{"split_decimal", "k decimal(30,5) not null primary key", "select seq * 1.00007 from seq_1_to_5000"},
      Case{"split_korean", "k varchar(60) character set euckr not null primary key",
           "select concat('우동', seq, '''') from seq_1_to_5000"},
      Case{"split_padded", "k char(20) character set utf8mb4 collate utf8mb4_unicode_ci not null primary key",
           "select concat(if(seq % 2, 'Ä', 'a'), hex(seq)) from seq_1_to_5000"},
      Case{"split_binary", "k varbinary(32) not null primary key", "select unhex(md5(seq)) from seq_1_to_5000"});
  ScratchTable table(name, "v int");
  table.execute("create or replace table " + table.name() + " (" + columns + ")");
  table.run(std::string("insert into {} ") + rows);
  table.run("analyze table {}");
  const ReadTable read = table.read(split_into(3));
  INFO(name << ": " << read.mechanism);
  require_all(read, 0, 5000);
  CHECK(read.mechanism.starts_with("3 readers, one snapshot: LOCK TABLES"));
  CHECK(ranges_in(read.mechanism) >= 3);
  CHECK(read.position.find("binlog") != std::string::npos);
  CHECK(table.read({}).rows() == 5000);
}

TEST_CASE("a key of several columns is cut in all of them") {
  ScratchTable table("split_composite", "v int");
  table.execute("create or replace table " + table.name() +
                " (shop varchar(20) not null, day date not null, n int not null, primary key (shop, day, n))");
  // One shop has nearly all rows: its days are what must be cut.
  table.run(
      "insert into {} select if(seq % 100 = 0, concat('가게', seq), '큰 가게'), "
      "'2026-01-01' + interval seq % 50 day, seq from seq_1_to_5000");
  const ReadTable read = table.read(split_into(4));
  INFO(read.mechanism);
  require_all(read, 2, 5000);
  CHECK(ranges_in(read.mechanism) >= 12);
}

TEST_CASE("NULL and dates that are none lie in the first range") {
  ScratchTable table("split_null", "k date, index (k)");
  table.run("insert into {} select seq, '2026-01-01' + interval seq day from seq_1_to_1000");
  table.run("insert into {} select seq, null from seq_1001_to_1500");
  table.run("insert into {} values (2000, '0000-00-00'), (2001, '2026-00-00')");
  TableRequest request = split_into(2, {"k"});
  request.policies.zero_dates = "null";
  const ReadTable read = table.read(request);
  INFO(read.mechanism);
  require_all(read, 0, 1502);
  CHECK(ranges_in(read.mechanism) >= 2);
  REQUIRE(read.uses.size() == 1);
  CHECK(read.uses[0].values == 2);
}

TEST_CASE("a value of most rows makes a large range, not several") {
  ScratchTable table("split_same", "k varchar(10), index (k)");
  table.run("insert into {} select seq, if(seq % 10 = 0, seq, 'same') from seq_1_to_3000");
  const ReadTable read = table.read(split_into(4, {"k"}));
  require_all(read, 0, 3000);
}

TEST_CASE("the condition holds in every range, and its values too") {
  ScratchTable table("split_where", "v varchar(20), at datetime");
  table.run(
      "insert into {} select seq, if(seq % 2, '짝?', '홀'), '2026-01-01' + interval seq minute from seq_1_to_4000");
  TableRequest request = split_into(3);
  request.where = "v = :v and at >= :from or id = 7 -- the lucky one";
  request.where_parameters.set("v", "홀");
  request.where_parameters.set("from", "2026-01-02");
  const ReadTable read = table.read(request);
  INFO(read.mechanism);
  const auto expected = table.session().query("select count(*) from " + table.name() +
                                              " where v = '홀' and at >= '2026-01-02' or id = 7");
  require_all(read, 0, std::stoll(*expected->rows[0][0]));
  CHECK(ranges_in(read.mechanism) >= 3);
}

TEST_CASE("few rows, or none, need no ranges") {
  ScratchTable table("split_few", "v int");
  CHECK(table.read(split_into(4)).rows() == 0);
  table.insert({"(1, 1)"});
  CHECK(table.read(split_into(4)).rows() == 1);
  table.insert({"(2, 1)", "(3, 1)"});
  require_all(table.read(split_into(4)), 0, 3);
}

TEST_CASE("a table without a key is read by one, and that is said") {
  ScratchTable table("split_keyless", "v int");
  table.execute("create or replace table " + table.name() + " (v int)");
  table.run("insert into {} select seq from seq_1_to_100");
  const ReadTable read = table.read(split_into(4));
  require_all(read, 0, 100);
  CHECK(read.mechanism.find("no primary key") != std::string::npos);
}

TEST_CASE("a table whose key nobody chose and no cut can be made of is read by one, and that is said") {
  ScratchTable table("split_float_key", "v int");
  table.execute("create or replace table " + table.name() + " (v double not null primary key)");
  table.run("insert into {} select seq from seq_1_to_100");
  const ReadTable read = table.read(split_into(4));
  CHECK(read.rows() == 100);
  CHECK(read.mechanism.find("its primary key has `v` of type double") != std::string::npos);
  CHECK(table.failure(split_into(4, {"v"})).message.find("`v` is of type double") != std::string::npos);
}

TEST_CASE("what a table cannot be split by is an error that says what it can be split by") {
  ScratchTable table("split_wrong", "plain int, kind enum('a', 'b'), maybe int, index (kind), index (maybe, kind)");
  const auto failure = [&](std::vector<std::string> by) { return table.failure(split_into(2, std::move(by))).message; };
  table.run("insert into {} select seq, seq, 'a', seq from seq_1_to_100");
  CHECK(failure({"plan"}).find("did you mean `plain`?") != std::string::npos);
  CHECK(failure({"plain"}).find("no index begins with `plain`") != std::string::npos);
  CHECK(failure({"kind"}).find("enum('a','b')") != std::string::npos);
  CHECK(failure({"maybe", "id"}).find("`maybe` may be NULL") != std::string::npos);
}

TEST_CASE("a view is split by the columns that are named, and its tables are locked") {
  ScratchTable table("split_below", "v int");
  table.run("insert into {} select seq, seq from seq_1_to_1000");
  table.execute("create or replace view reader_test.split_view as select * from " + table.name());
  TableRequest request = split_into(2, {"id"});
  request.table = "reader_test.split_view";
  const ReadTable read = table.read(request);
  INFO(read.mechanism);
  require_all(read, 0, 1000);
  CHECK(ranges_in(read.mechanism) >= 2);
}

// Money moves between two accounts in different ranges, without end: every snapshot has the same sum.
TEST_CASE("all readers see one moment, while others write") {
  ScratchTable table("split_bank", "money bigint not null");
  table.run("insert into {} select seq, 1000 from seq_1_to_2000");
  std::atomic<bool> is_over = false;
  std::atomic<int> moves = 0;
  std::jthread writer([&] {
    auto session = MysqlSession::connect(table.connection());
    for (int i = 0; session && !is_over; ++i) {
      const std::string from = std::to_string(1 + i * 7 % 900), to = std::to_string(1900 - i * 3 % 900);
      if ((*session)->execute("start transaction") &&
          (*session)->execute("update " + table.name() + " set money = money - 1 where id = " + from) &&
          (*session)->execute("update " + table.name() + " set money = money + 1 where id = " + to) &&
          (*session)->execute("commit"))
        ++moves;
    }
  });
  for (int round = 0; round < 15; ++round) {
    const int before = moves;
    const ReadTable read = table.read(split_into(4));
    CHECK(read.mechanism.starts_with("4 readers"));
    require_all(read, 0, 2000);
    int64_t sum = 0;
    for (const std::string& money : read.texts(1)) sum += std::stoll(money);
    CHECK(sum == 2'000'000);
    while (moves == before) std::this_thread::yield();
  }
  is_over = true;
}

TEST_CASE("who may not lock the table reads it with one reader, and the certificate says why") {
  ScratchTable table("split_denied", "v int");
  table.run("insert into {} select seq, seq from seq_1_to_100");
  Connection poor = table.connection();
  table.execute("create or replace user split_poor@'127.0.0.1' identified by 'poor'");
  table.run("grant select on {} to split_poor@'127.0.0.1'");
  poor.login = "split_poor", poor.password = "poor", poor.schema = "";
  const auto read = test::read_all(*make_mysql_reader(poor), table.completed(split_into(4)));
  REQUIRE(read);
  require_all(*read, 0, 100);
  CHECK(read->mechanism.starts_with("one reader"));
  CHECK(read->mechanism.find("not several: LOCK TABLES") != std::string::npos);
  CHECK(read->mechanism.find("denied") != std::string::npos);
}

TEST_CASE("a table that somebody holds locked is read with one reader, and nobody waits behind us for long") {
  ScratchTable table("split_held", "v int");
  table.run("insert into {} select seq, seq from seq_1_to_100");
  auto holder = MysqlSession::connect(table.connection());
  REQUIRE(holder);
  REQUIRE((*holder)->execute("start transaction"));
  REQUIRE((*holder)->execute("update " + table.name() + " set v = 0 where id = 1"));
  const ReadTable read = table.read(split_into(2));
  require_all(read, 0, 100);
  CHECK(read.mechanism.find("not several: LOCK TABLES") != std::string::npos);
  CHECK(std::ranges::count(read.texts(1), "0") == 0);
}

TEST_CASE("a table without snapshots is read by one reader, if it is read at all") {
  ScratchTable table("split_aria", "v int", "engine = Aria");
  table.run("insert into {} select seq, seq from seq_1_to_100");
  CHECK(table.failure(split_into(2)).kind == ErrorKind::unsupported);
  TableRequest request = split_into(2);
  request.consistency = "none";
  const ReadTable read = table.read(request);
  require_all(read, 0, 100);
  CHECK(read.mechanism.starts_with("one reader, no snapshot"));
}

TEST_CASE("a reader whose connection is cut stops the others, and the table stays unlocked") {
  ScratchTable table("split_cut", "v varchar(500)");
  table.run("insert into {} select seq, repeat('x', 500) from seq_1_to_200000");
  TemporaryFolder folder;
  SystemClock clock;
  CopyRequest request;
  request.table = table.completed(split_into(3));
  request.table.certify = CertifyLevel::rows;
  request.folder = folder.path();
  request.clock = &clock;
  std::atomic<bool> was_cut = false;
  std::jthread cutter([&](const std::stop_token& stop) {
    auto session = MysqlSession::connect(table.connection());
    while (session && !stop.stop_requested() && !was_cut) {
      const auto busy = (*session)->query(
          "select id from information_schema.processlist where info like 'select `id`, `v` from "
          "`reader_test`.`split_cut` where %'");
      if (!busy || busy->rows.empty()) continue;
      was_cut = (*session)->execute("kill " + *busy->rows.back()[0]).has_value();
    }
  });
  const auto reader = make_mysql_reader(table.connection());
  const auto copied = copy_table(*reader, request, {});
  cutter.request_stop();
  cutter.join();
  REQUIRE(was_cut);
  REQUIRE_FALSE(copied);
  CHECK(copied.error().kind == ErrorKind::unavailable);
  CHECK(copied.error().message.find("reader_test.split_cut") != std::string::npos);
  CHECK(std::filesystem::is_empty(folder.path()));
  table.run("insert into {} values (0, 'after')");
}

// The server serves other tests, too, whose writes move it on.
TEST_CASE("two snapshots with nothing between them are proven the same, two with a write between are not") {
  ScratchTable table("split_state", "v int");
  table.run("insert into {} select seq, seq from seq_1_to_5000");
  const auto state = [&] {
    const auto reader = make_mysql_reader(table.connection());
    const auto opened = reader->open(table.completed(split_into(2)), {});
    INFO((opened ? "" : opened.error().message));
    REQUIRE(opened);
    return reader->state();
  };
  CHECK(udon::test::eventually(
      [&] {
        const std::string first = state();
        return !first.empty() && first == state();
      },
      std::chrono::seconds(120)));
  const std::string before = state();
  // Past the binary log.
  table.execute("set sql_log_bin = 0");
  table.run("insert into {} values (0, 0)");
  CHECK(state() != before);
}

TEST_CASE("four readers certify what one does") {
  ScratchTable table("split_certified", "price decimal(12,2), name varchar(40), at timestamp(6) null");
  table.run(
      "insert into {} select seq, if(seq % 7, seq / 3, null), concat('우동 ', md5(seq)), "
      "if(seq % 5, '2026-01-01' + interval seq second, null) from seq_1_to_50000");
  const auto certificate = [&](int readers) {
    TemporaryFolder folder;
    SystemClock clock;
    CopyRequest request;
    request.table = table.completed(split_into(readers));
    request.folder = folder.path();
    request.clock = &clock;
    const auto reader = make_mysql_reader(table.connection());
    const auto copied = copy_table(*reader, request, {});
    INFO((copied ? "" : copied.error().message));
    REQUIRE(copied);
    // One that others are quicker than has no file.
    CHECK(copied->files.size() <= static_cast<size_t>(readers));
    return copied->certificate;
  };
  const Certificate one = certificate(1), four = certificate(4);
  CHECK(one.rows == 50000);
  CHECK(four.rows == one.rows);
  CHECK(four.row_sum == one.row_sum);
  CHECK(four.columns == one.columns);
}

}  // namespace
}  // namespace udon::data
