// The MySQL reader as an export uses it: one snapshot, chosen columns, conditions, and what goes wrong.
#include <arrow/api.h>
#include <arrow/util/byte_size.h>

#include <catch2/catch.hpp>

#include "plugins/data/mysql_types.h"
#include "tests/data/scratch_table.h"

using namespace udon;
using namespace udon::data;
using udon::data::test::check_mentions;
using udon::data::test::ReadTable;
using udon::data::test::ScratchTable;
using Strings = std::vector<std::string>;

namespace {

std::vector<ColumnRequest> columns(std::initializer_list<std::string> names) {
  std::vector<ColumnRequest> all;
  for (const std::string& name : names) all.push_back({.source_name = name, .name = name});
  return all;
}

// The rest of an export whose reader is open.
Result<int64_t> drain(TableReader& reader) {
  int64_t rows = 0;
  while (true) {
    TRY_ASSIGN(std::optional<SourceBatch> batch, reader.sources().front()->next());
    if (!batch) return rows;
    rows += batch->rows->num_rows();
  }
}

ScratchTable with_many_rows(const std::string& name) {
  ScratchTable table(name, "v varchar(200)");
  table.run("insert into {} select seq, repeat('x', 200) from seq_1_to_100000");
  return table;
}

}  // namespace

TEST_CASE("an export sees the rows of one moment, whatever is written meanwhile") {
  ScratchTable table = with_many_rows("snapshot");
  auto reader = make_mysql_reader(table.connection());
  TableRequest request = table.completed({});
  request.batch_rows = 100;
  REQUIRE(reader->open(request, {}));
  table.run("delete from {} where id > 50");
  table.run("insert into {} values (0, 'late')");
  const auto rows = drain(*reader);
  REQUIRE(rows);
  CHECK(*rows == 100000);
  CHECK(reader->mechanism().find("WITH CONSISTENT SNAPSHOT") != std::string::npos);
  CHECK(reader->position().find("binlog binlog.0") == 0);
  CHECK(!drain(*reader).value());  // the end stays the end
}

TEST_CASE("the position is the binary log's at the snapshot, with its GTID while that is certain") {
  ScratchTable table("position", "v int");
  // Other tests may write to the same server; between their writes the position is certain.
  bool is_exact = false;
  for (int i = 0; i < 1000 && !is_exact; ++i) {
    const auto status = table.session().query("show master status");
    const auto gtid = table.session().query("select @@gtid_binlog_pos");
    REQUIRE((status && gtid));
    const std::string expected = "binlog " + status->at(0, "File").value() + ":" + status->at(0, "Position").value() +
                                 ", gtid " + gtid->rows[0][0].value();
    is_exact = table.read({}).position == expected;
  }
  CHECK(is_exact);
}

TEST_CASE("batches end by rows and by bytes, and an empty table gives none") {
  ScratchTable table = with_many_rows("batches");
  TableRequest request;
  request.batch_rows = 40000;
  request.batch_bytes = 64 << 20;
  ReadTable read = table.read(request);
  REQUIRE(read.batches.size() == 3);
  CHECK(read.batches[0]->num_rows() == 40000);
  CHECK(read.batches[2]->num_rows() == 20000);
  request.batch_bytes = 1 << 20;
  read = table.read(request);
  CHECK(read.rows() == 100000);
  for (const auto& batch : read.batches) CHECK(arrow::util::TotalBufferSize(*batch) <= 1 << 20);
  request.certify = CertifyLevel::rows;
  CHECK(table.read(request).rows() == 100000);
  table.run("truncate table {}");
  read = table.read({});
  CHECK(read.batches.empty());
  CHECK(read.columns.size() == 2);
}

TEST_CASE("only the chosen columns are asked for, in their order, under their new names") {
  ScratchTable table("chosen", "name varchar(20), email varchar(50), `order` int");
  table.insert({"(1, '가', 'a@b', 5)"});
  Connection poor = table.connection();
  table.execute("create or replace user reader_poor@'127.0.0.1' identified by 'poor'");
  table.run("grant select (id, name, `order`) on {} to reader_poor@'127.0.0.1'");
  poor.login = "reader_poor", poor.password = "poor", poor.schema = "";
  TableRequest request = table.completed({});
  request.all_columns = false;
  request.columns = columns({"order", "ID"});
  request.columns[0].name = "sequence";
  auto reader = make_mysql_reader(poor);
  const auto read = data::test::read_all(*reader, request);
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  CHECK(read->columns[0].request.name == "sequence");
  CHECK(read->batches[0]->schema()->field_names() == Strings{"sequence", "ID"});
  CHECK(read->texts(0) == Strings{"5"});
  request.columns = columns({"id", "emial"});
  Error error = table.failure(request);
  CHECK(error.kind == ErrorKind::not_found);
  check_mentions(error, {"reader_test.chosen", "`emial`", "did you mean `email`?"});
  request.columns = columns({"id", "email"});
  const auto refused = data::test::read_all(*make_mysql_reader(poor), request);
  REQUIRE(!refused);
  check_mentions(refused.error(), {"email"});
  CHECK(refused.error().kind == ErrorKind::not_found);  // what a user may not see is not in the user's catalog
}

TEST_CASE("names of any script and with any sign are quoted") {
  ScratchTable table("`주문 ``표``.a`", "`select` int, `이름` varchar(10), `a``b` int");
  table.insert({"(1, 2, '우동', 3)"});
  TableRequest request;
  request.columns = columns({"select", "이름", "a`b"});
  request.where = "`a``b` = :value and 이름 = '우동' -- the end";
  request.where_parameters.set("value", Value(3));
  const ReadTable read = table.read(request);
  CHECK(read.texts(0) == Strings{"2"});
  CHECK(read.texts(1) == Strings{"우동"});
}

TEST_CASE("a condition's values are bound, and an instant is what the column means by it") {
  ScratchTable table("bound", "name varchar(20), wall datetime, instant timestamp null");
  table.insert({"(1, 'O''Hara', '2024-01-01 08:59:59', '2024-01-01 08:59:59')",
                "(2, '; drop', '2024-01-01 09:00:00', '2024-01-01 09:00:00')"});
  auto ids = [&](const std::string& where, const Value& value, const std::string& zone = "") {
    TableRequest request;
    request.where = where;
    request.where_parameters.set("x", value);
    request.timezone = zone;
    return table.read(request).texts(0);
  };
  CHECK(ids("name = :x", "O'Hara") == Strings{"1"});
  CHECK(ids("id > :x", Value(1)) == Strings{"2"});
  CHECK(ids("id > :x or id is null", Value(1.5)) == Strings{"2"});
  CHECK(ids("instant >= :x", "2024-01-01T00:00:00Z") == Strings{"2"});
  CHECK(ids("instant >= :x", "2024-01-01T09:00:00+09:00") == Strings{"2"});
  CHECK(ids("wall >= :x", "2024-01-01T00:00:00Z", "Asia/Seoul") == Strings{"2"});
  CHECK(ids("wall >= :x", "2024-01-01 09:00:00") == Strings{"2"});
  CHECK(ids("wall >= :x", "2024-01-01") == Strings{"1", "2"});
  CHECK(ids("name <> :x", "2024-01-01T00:00:00Z") == Strings{"1", "2"});

  TableRequest request;
  request.where = "wall >= :x";
  request.where_parameters.set("x", "2024-01-01T00:00:00Z");
  Error error = table.failure(request);
  CHECK(error.kind == ErrorKind::invalid);
  check_mentions(error, {"`wall`", "2024-01-01T00:00:00Z", "`timezone: Asia/Seoul`"});
  request.where = "coalesce(wall, instant) >= :x";
  check_mentions(table.failure(request), {"`wall`", "`instant`", "beside its column"});
  request.where = "wall >= :y";
  check_mentions(table.failure(request), {"where", "`:y`"});
  request.where = "no_such = :x";
  CHECK(table.failure(request).kind == ErrorKind::not_found);
}

TEST_CASE("a time without offset against an instant is of the declared zone, or refused") {
  ScratchTable table("naive", "wall datetime, instant timestamp null, day date, name varchar(30)");
  // The session of the test is in Seoul: midnight of the 10th there, and the hour before.
  table.insert({"(1, '2026-01-09 23:59:59', '2026-01-09 23:59:59', '2026-01-09', '2026-01-10')",
                "(2, '2026-01-10 00:00:00', '2026-01-10 00:00:00', '2026-01-10', 'b')",
                "(3, '2026-01-11 00:00:00', '2026-01-11 00:00:00', '2026-01-11', 'c')"});
  const auto requested = [&](const std::string& where, const Value& value, const std::string& zone) {
    TableRequest request;
    request.where = where;
    request.where_parameters.set("x", value);
    request.timezone = zone;
    return request;
  };
  const auto ids = [&](const std::string& where, const Value& value, const std::string& zone = "Asia/Seoul") {
    return table.read(requested(where, value, zone)).texts(0);
  };
  CHECK(ids("instant >= :x", "2026-01-10") == Strings{"2", "3"});
  CHECK(ids("instant >= :x and instant < '2026-01-10 15:00:00'", "2026-01-10") == Strings{"2"});
  CHECK(ids(":x > instant", "2026-01-10T00:00") == Strings{"1"});
  CHECK(ids("instant between :x and :x", "2026-01-11 00:00:00") == Strings{"3"});
  CHECK(ids("instant in (:x)", "2026-01-11 00:00:00.000") == Strings{"3"});
  CHECK(ids("instant >= :x and day >= :x and wall >= :x", "2026-01-10") == Strings{"2", "3"});
  CHECK(ids("instant is not null and name = :x", "2026-01-10") == Strings{"1"});
  CHECK(ids("wall >= :x", "2026-01-10", "") == Strings{"2", "3"});
  CHECK(ids("instant >= :x and wall >= :x", "2026-01-10T00:00:00+09:00") == Strings{"2", "3"});

  const auto refused = [&](const std::string& where, const Value& value, const std::string& zone,
                           std::initializer_list<std::string_view> words) {
    const Error error = table.failure(requested(where, value, zone));
    CHECK(error.kind == ErrorKind::invalid);
    check_mentions(error, words);
  };
  refused("instant >= :x", "2026-01-10", "", {"'2026-01-10'", "`instant`", "no offset", "timezone"});
  refused("date(instant) = :x", "2026-01-10", "Asia/Seoul", {"beside its column", "`instant`"});
  refused("instant >= :x", "2026-03-08 02:30:00", "America/New_York", {"never was", "America/New_York"});
  refused("instant >= :x", "2026-11-01 01:30:00", "America/New_York", {"was twice"});
  refused("instant >= :x", Value(20260110), "Asia/Seoul", {"20260110", "as a time"});
}

TEST_CASE("a table that has no snapshots is refused, unless consistency is not asked for") {
  ScratchTable table("mine", "v int", "engine=MyISAM");
  table.insert({"(1, 2)"});
  const Error error = table.failure({});
  CHECK(error.kind == ErrorKind::unsupported);
  check_mentions(error, {"reader_test.mine (MyISAM)", "`consistency: none`"});
  TableRequest request;
  request.consistency = "none";
  const ReadTable read = table.read(request);
  CHECK(read.texts(1) == Strings{"2"});
  check_mentions(Error{ErrorKind::data, read.mechanism}, {"no snapshot (consistency: none)", "MyISAM"});
  CHECK(read.position.empty());
}

TEST_CASE("a view's column that is a bare NULL has no type, and the message says what to do about it") {
  ScratchTable table("below_null", "v int");
  table.insert({"(1, 10)"});
  table.execute("create or replace view reader_test.view_null as select id, null as n from reader_test.below_null");
  TableRequest request;
  request.table = "reader_test.view_null";
  const Error error = table.failure(request);
  check_mentions(error, {"`n` has no type", "leave it out of `columns`", "CAST"});
  CHECK(error.kind == ErrorKind::unsupported);  // another try would find the same
  request.columns = {{.source_name = "id", .name = "id"}};
  CHECK(table.read(request).rows() == 1);
  table.execute(
      "create or replace view reader_test.view_null as select id, cast(null as char) as n from reader_test.below_null");
  request.columns.clear();
  CHECK(table.read(request).rows() == 1);
}

TEST_CASE("a view is read if all tables below it have snapshots") {
  ScratchTable good("below_good", "v int");
  ScratchTable bad("below_bad", "v int", "engine=Aria");
  good.insert({"(1, 2)"});
  good.execute("create or replace view reader_test.view_good as select id, v + 1 as v from reader_test.below_good");
  good.execute(
      "create or replace view reader_test.view_bad as select g.id from reader_test.view_good g left join "
      "reader_test.below_bad `b``b` using (id)");
  TableRequest request;
  request.table = "reader_test.view_good";
  const ReadTable read = good.read(request);
  CHECK(read.texts(1) == Strings{"3"});
  CHECK(read.mechanism.find("below the view") != std::string::npos);
  request.table = "reader_test.view_bad";
  const Error error = good.failure(request);
  CHECK(error.kind == ErrorKind::unsupported);
  check_mentions(error, {"reader_test.below_bad (Aria)"});
  // Who may not see the view's text cannot tell.
  Connection poor = good.connection();
  good.execute("create or replace user reader_poor2@'127.0.0.1' identified by 'poor'");
  good.execute("grant select on reader_test.view_good to reader_poor2@'127.0.0.1'");
  poor.login = "reader_poor2", poor.password = "poor", poor.schema = "";
  request.table = "reader_test.view_good";
  const auto refused = data::test::read_all(*make_mysql_reader(poor), good.completed(request));
  REQUIRE(!refused);
  CHECK(refused.error().kind == ErrorKind::denied);
  check_mentions(refused.error(), {"GRANT SHOW VIEW ON `reader_test`.`view_good`"});
}

TEST_CASE("a table that is not there is named with the nearest, and one that may not be read with the refusal") {
  ScratchTable table("orders", "v int");
  TableRequest request;
  request.table = "reader_test.ordres";
  Error error = table.failure(request);
  CHECK(error.kind == ErrorKind::not_found);
  check_mentions(error, {"reader_test.ordres", "did you mean `orders`?"});
  request.table = "";
  request.policies.zero_dates = "nul";
  error = table.failure(request);
  CHECK(error.kind == ErrorKind::invalid);
  check_mentions(error, {"zero_dates", "did you mean `null`?"});
  Connection poor = table.connection();
  table.execute("create or replace user reader_poor3@'127.0.0.1' identified by 'poor-secret'");
  poor.login = "reader_poor3", poor.password = "poor-secret", poor.schema = "";
  const auto refused = data::test::read_all(*make_mysql_reader(poor), table.completed({}));
  REQUIRE(!refused);
  CHECK(refused.error().kind == ErrorKind::denied);
  check_mentions(refused.error(), {"reader_poor3"});
  CHECK(refused.error().message.find("poor-secret") == std::string::npos);
}

TEST_CASE("a connection that drops in mid-export is an error with table, host and rows, never the end") {
  ScratchTable table = with_many_rows("dropped");
  auto reader = make_mysql_reader(table.connection());
  TableRequest request = table.completed({});
  request.batch_rows = 10;
  REQUIRE(reader->open(request, {}));
  REQUIRE(reader->sources().front()->next());
  const auto sessions = table.session().query(
      "select id from information_schema.processlist where info like 'select `id`, `v` from `reader_test`.`dropped`%'");
  REQUIRE(sessions);
  REQUIRE(sessions->rows.size() == 1);
  table.execute("kill " + *sessions->rows[0][0]);
  const auto rows = drain(*reader);
  REQUIRE(!rows);
  CHECK(rows.error().kind == ErrorKind::unavailable);
  check_mentions(rows.error(),
                 {"reader_test.dropped", "127.0.0.1:" + std::to_string(table.connection().port), " rows"});
}

TEST_CASE("a table that is altered while it is exported is a conflict") {
  ScratchTable table("altered", "v int");
  table.insert({"(1, 2)"});
  // The snapshot is opened before the table is looked at; in between it changes. A second snapshot stands for that.
  auto session = MysqlSession::connect(table.connection());
  REQUIRE(session);
  REQUIRE((*session)->execute("set session transaction isolation level repeatable read"));
  REQUIRE((*session)->execute("start transaction with consistent snapshot"));
  table.run("alter table {} modify v bigint");
  const auto late = (*session)->query("select * from " + table.name());
  REQUIRE(!late);
  CHECK(late.error().kind == ErrorKind::conflict);
}

TEST_CASE("a request to stop ends an export at once") {
  ScratchTable table = with_many_rows("stopped");
  std::stop_source source;
  auto reader = make_mysql_reader(table.connection());
  TableRequest request = table.completed({});
  request.batch_rows = 10;
  REQUIRE(reader->open(request, source.get_token()));
  REQUIRE(reader->sources().front()->next());
  source.request_stop();
  const auto rows = drain(*reader);
  REQUIRE(!rows);
  CHECK(rows.error().kind == ErrorKind::cancelled);
}

TEST_CASE("an error names the row by its key only if that was chosen, and never quotes what is masked") {
  ScratchTable table("private", "v date, email varchar(20) character set ucs2");
  table.insert({"(1, '2024-01-01', 'x')", "(77, '0000-00-00', 'secret@udon')"});
  TableRequest request;
  request.columns = columns({"v"});
  check_mentions(table.failure(request), {"row 2 of the answer", "'0000-00-00'"});
  request.columns = columns({"id", "v"});
  request.columns[0].mask = "hmac_sha256";
  request.columns[1].mask = "hmac_sha256";
  const Error error = table.failure(request);
  check_mentions(error, {"row 2 of the answer", "the value is no day of the calendar"});
  CHECK(error.message.find("77") == std::string::npos);
  CHECK(error.message.find("0000") == std::string::npos);
}

TEST_CASE("a column of a type without an exact place is refused by name, and so are no columns at all") {
  TableRequest request;
  request.columns = columns({"shape"});
  const std::vector<MysqlCatalogColumn> catalog{{.name = "shape", .data_type = "xmltype", .column_type = "xmltype(5)"}};
  auto plans = plan_mysql_columns(catalog, request);
  REQUIRE(!plans);
  CHECK(plans.error().kind == ErrorKind::unsupported);
  check_mentions(plans.error(), {"`shape`", "xmltype(5)", "leave it out"});
  request.columns.clear();
  plans = plan_mysql_columns(catalog, request);
  REQUIRE(!plans);
  CHECK(plans.error().kind == ErrorKind::invalid);
}

TEST_CASE("columns that SELECT * leaves out are read only if they are named") {
  ScratchTable table("invisible", "v int, hidden int invisible default 7");
  table.run("insert into {} (id, v) values (1, 2)");
  CHECK(table.read({}).columns.size() == 2);
  TableRequest request;
  request.columns = columns({"hidden"});
  CHECK(table.read(request).texts(0) == Strings{"7"});
}

TEST_CASE("a table without its database needs one in the connection") {
  ScratchTable table("homeless", "v int");
  Connection connection = table.connection();
  TableRequest request = table.completed({});
  request.table = "homeless";
  connection.schema = "";
  const auto refused = data::test::read_all(*make_mysql_reader(connection), request);
  REQUIRE(!refused);
  CHECK(refused.error().kind == ErrorKind::invalid);
  check_mentions(refused.error(), {"DATABASE.TABLE"});
  connection.schema = "reader_test";
  CHECK(data::test::read_all(*make_mysql_reader(connection), request));
}
