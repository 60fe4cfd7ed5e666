// `type:` and the policies on columns of a real PostgreSQL.
#include <arrow/api.h>

#include <catch2/catch.hpp>

#include "plugins/db/postgres/session.h"
#include "tests/data/scratch_table.h"

using namespace udon;
using namespace udon::data;
using udon::data::test::check_mentions;
using udon::data::test::ReadTable;
using Strings = std::vector<std::string>;

namespace {

class Scratch {
 public:
  explicit Scratch(const std::string& schema = "overrides_test") : schema_(schema) {
    auto connected = PostgresSession::connect(connection);
    REQUIRE(connected);
    session_ = std::move(*connected);
    run("drop schema if exists " + schema_ + " cascade; create schema " + schema_);
  }
  void run(const std::string& sql) {
    const auto done = session_->execute(sql);
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
  }
  // Table t (id, v) with the values and a NULL.
  void fill(const std::string& sql_type, const Strings& literals) {
    run("drop table if exists " + schema_ + ".t; create table " + schema_ + ".t (id serial primary key, v " + sql_type +
        ")");
    for (const std::string& literal : literals) run("insert into " + schema_ + ".t (v) values (" + literal + ")");
    run("insert into " + schema_ + ".t (v) values (null)");
  }
  TableRequest request(const std::string& type, const Policies& policies = {}, const std::string& timezone = "") const {
    TableRequest request;
    request.table = schema_ + ".t";
    request.columns = {{.source_name = "id", .name = "id"}, {.source_name = "v", .name = "v", .type = type}};
    request.policies = policies;
    request.timezone = timezone;
    return request;
  }
  Result<ReadTable> read(const TableRequest& request) const {
    return data::test::read_all(*make_recast_reader(make_postgres_reader(connection)), request);
  }
  Strings values(const TableRequest& request) const {
    auto table = read(request);
    INFO((table ? "" : table.error().message));
    REQUIRE(table);
    last_uses = table->uses;
    return table->texts(1);
  }
  Error failure(const TableRequest& request) const {
    const auto table = read(request);
    REQUIRE_FALSE(table);
    return table.error();
  }

  udon::test::Services services;
  Connection connection = services.postgres();
  mutable std::vector<PolicyUse> last_uses;

 private:
  std::string schema_;
  std::unique_ptr<PostgresSession> session_;
};

void check(Scratch& f, const std::string& sql_type, const Strings& literals, const std::string& type,
           const std::string& arrow_type, Strings expected, const std::string& timezone = "") {
  INFO(sql_type << " as " << type);
  f.fill(sql_type, literals);
  auto table = f.read(f.request(type, {}, timezone));
  INFO((table ? "" : table.error().message));
  REQUIRE(table);
  CHECK(table->columns[1].type->ToString() == arrow_type);
  CHECK(table->columns[1].is_recast);
  expected.emplace_back("null");
  CHECK(table->texts(1) == expected);
}

}  // namespace

TEST_CASE("an override to string is PostgreSQL's own text, whatever the value") {
  Scratch f;
  check(f, "bigint", {"-9223372036854775808"}, "string", "string", {"-9223372036854775808"});
  check(f, "boolean", {"true"}, "string", "string", {"true"});
  check(f, "real", {"3.14159274", "'NaN'"}, "string", "string", {"3.1415927", "NaN"});
  check(f, "double precision", {"0.1", "'-Infinity'"}, "string", "string", {"0.1", "-Infinity"});
  check(f, "numeric(12,2)", {"1.5", "'NaN'"}, "string", "string", {"1.50", "NaN"});
  check(f, "money", {"1234.5::numeric::money"}, "string", "string", {"1234.50"});
  check(f, "date", {"'infinity'", "'4713-01-01 BC'", "'2026-01-31'"}, "string", "string",
        {"infinity", "4713-01-01 BC", "2026-01-31"});
  check(f, "timestamp", {"'-infinity'", "'294276-12-31 23:59:59.999999'", "'2026-01-31 09:00'"}, "string", "string",
        {"-infinity", "294276-12-31 23:59:59.999999", "2026-01-31 09:00:00"}, "Asia/Seoul");
  check(f, "timestamptz", {"'2026-01-31 09:00+09'"}, "string", "string", {"2026-01-31 00:00:00+00"});
  check(f, "int[]", {"'{{1,2},{3,null}}'", "'{}'"}, "string", "string", {"{{1,2},{3,NULL}}", "{}"});
  check(f, "inet[]", {"'{10.0.0.1,10.0.0.0/8}'"}, "string", "string", {"{10.0.0.1,10.0.0.0/8}"});
  check(f, "money[]", {"array[12.34::numeric::money]"}, "string", "string", {"{12.34}"});
  check(f, "bytea", {"convert_to('우동', 'UTF8')"}, "string", "string", {"우동"});
}

TEST_CASE("overrides of PostgreSQL's columns are recast from what the server sent") {
  Scratch f;
  check(f, "numeric", {"1.10", "-99999999999999999999999999999999999.999"}, "decimal(38,3)", "decimal128(38, 3)",
        {"1.100", "-99999999999999999999999999999999999.999"});
  check(f, "numeric(65,30)", {"1.23"}, "decimal(5,2)", "decimal128(5, 2)", {"1.23"});
  check(f, "numeric", {"'NaN'", "'Infinity'", "0.1"}, "double", "double", {"nan", "inf", "0.1"});
  check(f, "numeric(20,0)", {"9223372036854775807"}, "int64", "int64", {"9223372036854775807"});
  check(f, "money", {"12.34::numeric::money"}, "decimal(12,2)", "decimal128(12, 2)", {"12.34"});
  check(f, "double precision", {"12.34"}, "decimal(12,2)", "decimal128(12, 2)", {"12.34"});
  check(f, "real", {"0.5"}, "double", "double", {"0.5"});
  check(f, "bigint", {"127"}, "int8", "int8", {"127"});
  check(f, "boolean", {"true"}, "int8", "int8", {"1"});
  check(f, "text", {"'42'"}, "int64", "int64", {"42"});
  check(f, "date", {"'2026-01-31'"}, "timestamp", "timestamp[us]", {"2026-01-31 00:00:00.000000"});
  check(f, "timestamp", {"'2026-01-31'"}, "date", "date32[day]", {"2026-01-31"}, "Asia/Seoul");
  check(f, "time", {"'23:59:59.999999'", "'00:00'"}, "time", "time64[us]", {"23:59:59.999999", "00:00:00.000000"});
  check(f, "time", {"'24:00:00'"}, "interval_us", "int64", {"86400000000"});
  check(f, "interval", {"'-02:03:04.5'", "'838:59:59'", "'0'", "'-0.000006 s'"}, "interval_us", "int64",
        {"-7384500000", "3020399000000", "0", "-6"});
}

TEST_CASE("what PostgreSQL's types could lose is refused, and values that do not fit are told by their key") {
  Scratch f;
  f.fill("timetz", {"'12:00+09'"});
  check_mentions(f.failure(f.request("time")), {"`v` (time with time zone)", "it can be string"});
  f.fill("timestamptz", {});
  check_mentions(f.failure(f.request("timestamp")), {"it can be string, timestamptz"});
  f.fill("int[]", {"'{{1,2},{3,4}}'"});
  check_mentions(f.failure(f.request("")), {"an array of 2 dimensions", "`type: string`"});
  check_mentions(f.failure(f.request("int64")), {"`v` (integer[])", "it can be string"});
  f.fill("time", {"'24:00:00'"});
  check_mentions(f.failure(f.request("time")), {"id = 1: '24:00:00' is no time of a day"});
  f.fill("interval", {"'1 day'"});
  check_mentions(f.failure(f.request("interval_us")), {"id = 1: 'P1D' holds days"});
  f.fill("numeric", {"1", "'NaN'"});
  check_mentions(f.failure(f.request("decimal(38,0)")), {"id = 2: 'NaN' has no place", "`nan: 'null'`"});
}

TEST_CASE("infinite days and times are NULL by policy, and counted; numbers that are not, too") {
  Scratch f;
  for (const std::string type : {"date", "timestamp", "timestamptz"}) {
    INFO(type);
    f.fill(type, {"'infinity'", "'-infinity'", "'2026-01-31'"});
    CHECK(f.values(f.request("", {.infinity = "null"}))[0] == "null");
    CHECK(f.last_uses == std::vector<PolicyUse>{{"v", "infinity=null", 2}});
    check_mentions(f.failure(f.request("")), {"`infinity: 'null'`"});
  }
  f.fill("numeric(5,2)", {"'NaN'", "1"});
  CHECK(f.values(f.request("", {.nan = "null"})) == Strings{"null", "1.00", "null"});
  CHECK(f.last_uses == std::vector<PolicyUse>{{"v", "nan=null", 1}});
  f.fill("numeric", {"'NaN'", "'Infinity'", "'-Infinity'", "1"});
  CHECK(f.values(f.request("decimal(38,1)", {.infinity = "null", .nan = "null"})) ==
        Strings{"null", "null", "null", "1.0", "null"});
  CHECK(f.last_uses == std::vector<PolicyUse>{{"v", "infinity=null", 2}, {"v", "nan=null", 1}});
}

TEST_CASE("ancient days are kept or NULL by policy, and counted, in either case") {
  Scratch f;
  f.fill("timestamp", {"'1582-10-14 23:59:59.999999'", "'1582-10-15'", "'0001-01-01 BC'"});
  CHECK(f.values(f.request("", {.ancient_dates = "keep"})) ==
        Strings{"1582-10-14 23:59:59.999999", "1582-10-15 00:00:00.000000", "0000-01-01 00:00:00.000000", "null"});
  CHECK(f.last_uses == std::vector<PolicyUse>{{"v", "ancient_dates=keep", 2}});
  CHECK(f.values(f.request("", {.ancient_dates = "null"})) ==
        Strings{"null", "1582-10-15 00:00:00.000000", "null", "null"});
  CHECK(f.last_uses == std::vector<PolicyUse>{{"v", "ancient_dates=null", 2}});
  f.fill("date", {"'1582-10-14'"});
  CHECK(f.values(f.request("", {.ancient_dates = "keep"})) == Strings{"1582-10-14", "null"});
}

TEST_CASE("policies reach into lists: the element becomes NULL, the list stays") {
  Scratch f;
  f.fill("timestamp[]", {"'{infinity,2026-01-31,NULL,1500-01-01}'"});
  CHECK(f.values(f.request("", {.infinity = "null", .ancient_dates = "keep"}))[0] ==
        "list<item: timestamp[us]>[null, 2026-01-31 00:00:00.000000, null, 1500-01-01 00:00:00.000000]");
  CHECK(f.last_uses == std::vector<PolicyUse>{{"v", "infinity=null", 1}, {"v", "ancient_dates=keep", 1}});
  f.fill("numeric(5,2)[]", {"'{NaN,1}'"});
  CHECK(f.values(f.request("", {.nan = "null"}))[0] == "list<item: decimal128(5, 2)>[null, 1.00]");
  check_mentions(f.failure(f.request("")), {"NaN; choose", "`nan: 'null'`"});
}

TEST_CASE("a column declared NOT NULL can hold the NULLs of a policy") {
  Scratch f;
  f.run(
      "create table overrides_test.t (id int not null, v date not null); "
      "insert into overrides_test.t values (1, 'infinity')");
  const auto table = f.read(f.request("", {.infinity = "null"}));
  REQUIRE(table);
  CHECK_FALSE(table->columns[0].nullable);
  CHECK(table->columns[1].nullable);
}

TEST_CASE("text of a database that checks none is refused, replaced or NULL by policy, in lists too") {
  Scratch f("public_overrides");
  const Connection server = f.connection;
  f.run("drop database if exists overrides_ascii");
  f.run("create database overrides_ascii encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0");
  f.connection.schema = "overrides_ascii";
  auto session = PostgresSession::connect(f.connection);
  REQUIRE(session);
  REQUIRE(
      (*session)->execute("create schema public_overrides; create table public_overrides.t (id int, v text); "
                          "insert into public_overrides.t values (1, E'a\\xff'), (2, 'plain')"));
  check_mentions(f.failure(f.request("")),
                 {"text that is not UTF-8", "`invalid_text: replace`", "`invalid_text: 'null'`"});
  CHECK(f.values(f.request("", {.invalid_text = "replace"})) == Strings{"a\uFFFD", "plain"});
  CHECK(f.last_uses == std::vector<PolicyUse>{{"v", "invalid_text=replace", 1}});
  CHECK(f.values(f.request("", {.invalid_text = "null"})) == Strings{"null", "plain"});
  CHECK(f.last_uses == std::vector<PolicyUse>{{"v", "invalid_text=null", 1}});
  REQUIRE((*session)->execute("alter table public_overrides.t alter v type text[] using array[v, null]"));
  CHECK(f.values(f.request("", {.invalid_text = "replace"}))[0] == "list<item: string>[a\uFFFD, null]");
  CHECK(f.values(f.request("", {.invalid_text = "null"}))[0] == "list<item: string>[null, null]");
  CHECK(f.last_uses == std::vector<PolicyUse>{{"v", "invalid_text=null", 1}});
  session->reset();
  f.run("drop database overrides_ascii");
}
