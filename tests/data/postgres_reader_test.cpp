#include <catch2/catch.hpp>

#include <thread>

#include "base/text.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/reader.h"
#include "plugins/db/postgres/session.h"
#include "tests/support/eventually.h"
#include "tests/support/services.h"

namespace udon::data {
namespace {

using Row = std::vector<std::string>;

struct Fixture {
  test::Services services;
  Connection connection = services.postgres();
  std::unique_ptr<PostgresSession> session;

  Fixture() {
    auto connected = PostgresSession::connect(connection);
    REQUIRE(connected);
    session = std::move(*connected);
    run("drop schema if exists reader_test cascade; create schema reader_test");
  }
  void run(const std::string& sql) {
    const auto done = session->execute(sql);
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
  }
};

TableRequest request_for(const std::string& table) {
  TableRequest request;
  request.table = "reader_test." + table;
  request.all_columns = true;
  return request;
}

struct Reading {
  std::vector<ColumnInfo> columns;
  std::vector<Row> rows;  // as Arrow prints each value, "NULL" for none
  std::string error;
  ErrorKind kind = ErrorKind::io;
};

// Reads the whole table; every hash must be that of the Arrow value.
Reading read(const Connection& connection, const TableRequest& request) {
  Reading reading;
  const auto reader = make_postgres_reader(connection);
  auto columns = reader->open(request, {});
  if (!columns) return {{}, {}, columns.error().message, columns.error().kind};
  reading.columns = *columns;
  while (true) {
    const auto batch = reader->sources().front()->next();
    if (!batch) {
      reading.error = batch.error().message;
      reading.kind = batch.error().kind;
      return reading;
    }
    if (!*batch) return reading;
    const auto& rows = *(*batch)->rows;
    for (int c = 0; c < rows.num_columns(); ++c) {
      REQUIRE(rows.column(c)->ValidateFull().ok());
      CHECK(*hash_array(*rows.column(c)) == (*batch)->hashes.at(static_cast<size_t>(c)));
    }
    for (int64_t r = 0; r < rows.num_rows(); ++r) {
      Row& row = reading.rows.emplace_back();
      for (int c = 0; c < rows.num_columns(); ++c) {
        const auto scalar = rows.column(c)->GetScalar(r).ValueOrDie();
        row.push_back(scalar->is_valid ? scalar->ToString() : "NULL");
      }
    }
  }
}

// One column of a type, with values written as SQL: how each comes out.
void check_type(Fixture& f, const std::string& sql_type, const std::string& arrow_type,
                const std::vector<std::pair<std::string, std::string>>& values,
                TableRequest request = request_for("t")) {
  f.run("drop table if exists reader_test.t; create table reader_test.t (n serial primary key, v " + sql_type + ")");
  for (const auto& [sql, unused] : values) f.run("insert into reader_test.t (v) values (" + sql + ")");
  const Reading reading = read(f.connection, request);
  INFO(sql_type << ": " << reading.error);
  REQUIRE(reading.error.empty());
  CHECK(reading.columns.at(1).type->ToString() == arrow_type);
  REQUIRE(reading.rows.size() == values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    INFO(sql_type << ", " << values[i].first);
    CHECK(reading.rows[i][1] == values[i].second);
  }
}

std::string refusal(Fixture& f, const std::string& sql_type, const std::string& value, const Policies& policies = {}) {
  f.run("drop table if exists reader_test.t; create table reader_test.t (n int primary key, v " + sql_type +
        "); insert into reader_test.t values (41, null), (42, " + value + ")");
  TableRequest request = request_for("t");
  request.policies = policies;
  const Reading reading = read(f.connection, request);
  if (!reading.error.empty()) CHECK(reading.kind == ErrorKind::data);
  return reading.error;
}

TEST_CASE("every type of PostgreSQL comes out exactly, edge values and NULL alike") {
  Fixture f;
  check_type(f, "smallint", "int16", {{"-32768", "-32768"}, {"32767", "32767"}, {"null", "NULL"}});
  check_type(f, "integer", "int32", {{"-2147483648", "-2147483648"}, {"2147483647", "2147483647"}});
  check_type(f, "bigint", "int64",
             {{"-9223372036854775808", "-9223372036854775808"}, {"9223372036854775807", "9223372036854775807"}});
  check_type(f, "oid", "int64", {{"4294967295", "4294967295"}, {"0", "0"}});
  check_type(f, "boolean", "bool", {{"true", "true"}, {"false", "false"}, {"null", "NULL"}});
  check_type(f, "real", "float", {{"3.14159274", "3.1415927"}, {"'NaN'", "nan"}, {"'-Infinity'", "-inf"}});
  check_type(
      f, "double precision", "double",
      {{"1e308", "1e+308"}, {"5e-324", "5e-324"}, {"'Infinity'", "inf"}, {"'NaN'", "nan"}, {"-0.0::float8", "-0"}});
  check_type(f, "numeric(12,2)", "decimal128(12, 2)",
             {{"9999999999.99", "9999999999.99"},
              {"-0.01", "-0.01"},
              {"0", "0.00"},
              {"100000000", "100000000.00"},
              {"null", "NULL"}});
  check_type(f, "numeric(38,10)", "decimal128(38, 10)",
             {{"9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"},
              {"-9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999"},
              {"0.0000000001", "1E-10"},
              {"10000", "10000.0000000000"}});
  // On both sides of what 64 bits hold: long noughts, before the point and behind it.
  check_type(f, "numeric(38,2)", "decimal128(38, 2)",
             {{"1e20", "100000000000000000000.00"},
              {"1e35", "100000000000000000000000000000000000.00"},
              {"-99999999.99", "-99999999.99"},
              {"100000000", "100000000.00"},
              {"-1e8", "-100000000.00"},
              {"0.01", "0.01"},
              {"0", "0.00"}});
  check_type(f, "numeric(30,8)", "decimal128(30, 8)",
             {{"99999999.99999999", "99999999.99999999"},
              {"-99999999.00000001", "-99999999.00000001"},
              {"0.00000001", "1E-8"},
              {"100000000.00000001", "100000000.00000001"},
              {"9999000000000000000000", "9999000000000000000000.00000000"}});
  check_type(f, "numeric(30,9)", "decimal128(30, 9)",
             {{"99999999.999999999", "99999999.999999999"}, {"-0.000000001", "-1E-9"}});
  check_type(f, "numeric(38)", "decimal128(38, 0)",
             {{"99999999999999999999999999999999999999", "99999999999999999999999999999999999999"}});
  check_type(f, "numeric", "string",
             {{"1.2e29", "120000000000000000000000000000"}, {"'NaN'", "NaN"}, {"1.10", "1.10"}});
  check_type(f, "numeric(65,30)", "string", {{"1.23", "1.230000000000000000000000000000"}});
  check_type(f, "numeric(2,-3)", "string", {{"12345", "12000"}});
  check_type(f, "money", "decimal128(19, 2)",
             {{"'-92233720368547758.08'", "-92233720368547758.08"}, {"12.34::numeric::money", "12.34"}});
  check_type(f, "date", "date32[day]", {{"'9999-12-31'", "9999-12-31"}, {"'1582-10-15'", "1582-10-15"}});
  check_type(f, "timestamp", "timestamp[us]",
             {{"'2026-01-31 09:00:00.123456'", "2026-01-31 09:00:00.123456"},
              {"'1969-12-31 23:59:59.999999'", "1969-12-31 23:59:59.999999"}});
  check_type(f, "timestamptz", "timestamp[us, tz=UTC]",
             {{"'2026-01-31 09:00:00.123456+09'", "2026-01-31 00:00:00.123456Z"}});
  check_type(f, "time", "string", {{"'24:00:00'", "24:00:00"}, {"'12:34:56.123456'", "12:34:56.123456"}});
  check_type(f, "timetz", "string", {{"'12:34:56+09'", "12:34:56+09"}});
  check_type(f, "interval", "string", {{"'1 mon'", "P1M"}, {"'-1 day 02:03:04.5'", "P-1DT2H3M4.5S"}, {"'0'", "PT0S"}});
  check_type(f, "json", "string",
             {{"'{\"b\": 1,  \"a\": 1.50}'", "{\"b\": 1,  \"a\": 1.50}"}, {"'null'", "null"}, {"null", "NULL"}});
  check_type(f, "jsonb", "string", {{"'{\"b\": 1,  \"a\": 1.50}'", "{\"a\": 1.50, \"b\": 1}"}, {"'null'", "null"}});
  check_type(f, "uuid", "string", {{"'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}});
  check_type(f, "inet", "string",
             {{"'10.0.0.1'", "10.0.0.1"}, {"'10.0.0.1/24'", "10.0.0.1/24"}, {"'::1'", "::1"}, {"null", "NULL"}});
  check_type(f, "cidr", "string", {{"'10.0.0.0/8'", "10.0.0.0/8"}});
  check_type(f, "macaddr", "string", {{"'08:00:2B:01:02:03'", "08:00:2b:01:02:03"}});
  check_type(f, "text", "string", {{"''", ""}, {"'우동 🍜'", "우동 🍜"}, {"null", "NULL"}});
  check_type(f, "char(5)", "string", {{"'ab'", "ab   "}});
  check_type(f, "varchar(5)", "string", {{"'ab'", "ab"}});
  check_type(f, "\"char\"", "string", {{"'x'", "x"}});
  check_type(f, "name", "string", {{"'orders'", "orders"}});
  check_type(f, "bytea", "binary", {{"'\\x00ff'::bytea", std::string("\x00\xff", 2)}, {"''::bytea", ""}});
  check_type(f, "bit(10)", "string", {{"B'0101010101'", "0101010101"}});
  check_type(f, "varbit", "string", {{"B'01'", "01"}});
  check_type(f, "point", "string", {{"'(1.5,-2)'", "(1.5,-2)"}});
  check_type(f, "int4range", "string", {{"'[1,5)'", "[1,5)"}, {"'empty'", "empty"}});
  check_type(f, "tsvector", "string", {{"'a:1 b:2'", "'a':1 'b':2"}});
  check_type(f, "xml", "string", {{"'<a>1</a>'", "<a>1</a>"}});
}

TEST_CASE("types that a database defines itself come out by what they stand for") {
  Fixture f;
  f.run(
      "create type reader_test.mood as enum ('좋음', 'sad'); create domain reader_test.price as numeric(12,2); "
      "create domain reader_test.cost as reader_test.price; create type reader_test.pair as (a int, b text)");
  check_type(f, "reader_test.mood", "string", {{"'좋음'", "좋음"}, {"null", "NULL"}});
  check_type(f, "reader_test.cost", "decimal128(12, 2)", {{"1.5", "1.50"}});
  check_type(f, "reader_test.pair", "string", {{"row(1, 'x y')", "(1,\"x y\")"}});
}

TEST_CASE("arrays of one dimension are lists, with NULLs, empty ones and NULL ones told apart") {
  Fixture f;
  check_type(f, "int[]", "list<item: int32>",
             {{"'{1,null,-3}'", "list<item: int32>[1, null, -3]"}, {"'{}'", "list<item: int32>[]"}, {"null", "NULL"}});
  check_type(f, "text[]", "list<item: string>",
             {{"array['a', null, '태그,\"q\"', '']", "list<item: string>[a, null, 태그,\"q\", ]"}});
  check_type(f, "numeric(6,2)[]", "list<item: decimal128(6, 2)>",
             {{"'{1.5,null}'", "list<item: decimal128(6, 2)>[1.50, null]"}});
  check_type(f, "numeric[]", "list<item: string>", {{"'{1.50,NaN}'", "list<item: string>[1.50, NaN]"}});
  check_type(f, "timestamptz[]", "list<item: timestamp[us, tz=UTC]>",
             {{"array['2026-01-01 09:00+09'::timestamptz]",
               "list<item: timestamp[us, tz=UTC]>[2026-01-01 00:00:00.000000Z]"}});
  check_type(
      f, "uuid[]", "list<item: string>",
      {{"'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", "list<item: string>[a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11]"}});
  check_type(f, "inet[]", "list<item: string>",
             {{"'{10.0.0.1,null}'", "list<item: string>[10.0.0.1, null]"},
              {"null", "NULL"},
              {"'{}'", "list<item: string>[]"}});
  check_type(f, "boolean[]", "list<item: bool>", {{"'[5:6]={t,f}'", "list<item: bool>[true, false]"}});
  check_type(f, "money[]", "list<item: decimal128(19, 2)>",
             {{"array[12.34::numeric::money]", "list<item: decimal128(19, 2)>[12.34]"}});
  CHECK(refusal(f, "int[]", "'{{1,2},{3,4}}'").find("an array of 2 dimensions") != std::string::npos);
}

TEST_CASE("a value without an exact place is an error that names table, column, key and choices") {
  Fixture f;
  CHECK(refusal(f, "timestamp", "'infinity'") ==
        "table reader_test.t, column `v` (timestamp without time zone), key n=42: an infinite value; choose what "
        "becomes of "
        "such values "
        "with `infinity: 'null'` or the column's `type: string`");
  CHECK(refusal(f, "date", "'-infinity'").find("an infinite value; choose") != std::string::npos);
  CHECK(refusal(f, "timestamptz", "'infinity'").find("`infinity: 'null'`") != std::string::npos);
  CHECK(refusal(f, "numeric(5,2)", "'NaN'").find("NaN; choose what becomes of such values with `nan: 'null'`") !=
        std::string::npos);
  CHECK(refusal(f, "timestamp", "'0001-01-01 BC'").find("before 1582-10-15") != std::string::npos);
  CHECK(refusal(f, "date", "'4713-01-01 BC'").find("ancient_dates") != std::string::npos);
  CHECK(refusal(f, "timestamp", "'294276-12-31 23:59:59.999999'").find("later than microseconds") != std::string::npos);
}

TEST_CASE("a policy of null takes the value's place, and is counted") {
  Fixture f;
  Policies policies;
  policies.infinity = policies.nan = policies.ancient_dates = "null";
  f.run(
      "create table reader_test.t (a timestamp, b numeric(5,2), c date); "
      "insert into reader_test.t values ('infinity', 'NaN', '1500-01-01'), ('-infinity', 1, '2026-01-01')");
  TableRequest request = request_for("t");
  request.policies = policies;
  const auto reader = make_postgres_reader(f.connection);
  REQUIRE(reader->open(request, {}));
  const auto batch = reader->sources().front()->next();
  REQUIRE(batch);
  REQUIRE(*batch);
  CHECK((*batch)->rows->column(0)->null_count() == 2);
  for (int c = 0; c < 3; ++c)
    CHECK(*hash_array(*(*batch)->rows->column(c)) == (*batch)->hashes.at(static_cast<size_t>(c)));
  CHECK(reader->policy_uses() ==
        std::vector<PolicyUse>{{"a", "infinity=null", 2}, {"b", "nan=null", 1}, {"c", "ancient_dates=null", 1}});
}

TEST_CASE("ancient_dates: keep writes the day that the database means") {
  Fixture f;
  TableRequest request = request_for("t");
  request.policies.ancient_dates = "keep";
  check_type(f, "date", "date32[day]", {{"'1500-03-01'", "1500-03-01"}}, request);
}

TEST_CASE("a declared zone turns wall clocks into instants, and refuses those that never were") {
  Fixture f;
  TableRequest request = request_for("t");
  request.timezone = "Asia/Seoul";
  check_type(f, "timestamp", "timestamp[us, tz=UTC]", {{"'2026-01-31 09:00:00.5'", "2026-01-31 00:00:00.500000Z"}},
             request);
  f.run(
      "drop table reader_test.t; create table reader_test.t (v timestamp); insert into reader_test.t values "
      "('2026-03-08 02:30')");
  request.timezone = "America/New_York";
  CHECK(read(f.connection, request).error.find("skipped or showed twice") != std::string::npos);
  request.timezone = "Asia/Soul";
  CHECK(read(f.connection, request).error.find("did you mean `Asia/Seoul`?") != std::string::npos);
}

TEST_CASE("only the chosen columns are asked for, under their new names") {
  Fixture f;
  f.run(
      "create table reader_test.t (id int primary key, secret text, \"Größe \"\"x\"\"\" int, \"select\" int); "
      "insert into reader_test.t values (1, 'hidden', 3, 4)");
  TableRequest request = request_for("t");
  request.all_columns = false;
  request.columns = {{.source_name = "select", .name = "chosen", .mask = "", .type = ""},
                     {.source_name = "Größe \"x\"", .name = "크기", .mask = "", .type = ""}};
  const Reading reading = read(f.connection, request);
  CHECK(reading.error.empty());
  CHECK(reading.rows == std::vector<Row>{{"4", "3"}});
  CHECK(reading.columns.at(1).request.name == "크기");
  request.columns = {{.source_name = "secrte", .name = "s", .mask = "", .type = ""}};
  const Reading wrong = read(f.connection, request);
  CHECK(wrong.kind == ErrorKind::not_found);
  CHECK(wrong.error.find("no column `secrte`; did you mean `secret`?") != std::string::npos);
}

TEST_CASE("where binds its values as what the server infers, whatever they hold") {
  Fixture f;
  f.run(
      "create table reader_test.t (id int, name text, at timestamptz, local_at timestamp, day date); insert into "
      "reader_test.t values "
      "(1, 'it''s \\ $1', '2026-01-31 00:00+09', '2026-01-31 00:00', '2026-01-31'), "
      "(2, 'b', '2026-01-31 23:59:59.999999+09', '2026-01-31 23:59:59.999999', '2026-02-01')");
  const auto ids = [&](const std::string& where, Value parameters, const std::string& zone = "") {
    TableRequest request = request_for("t");
    request.all_columns = false;
    request.columns = {{.source_name = "id", .name = "id", .mask = "", .type = ""}};
    request.where = where;
    request.where_parameters = std::move(parameters);
    request.timezone = zone;
    const Reading reading = read(f.connection, request);
    if (!reading.error.empty()) return reading.error;
    std::vector<std::string> found;
    for (const Row& row : reading.rows) found.push_back(row[0]);
    return join(found, ",");
  };
  CHECK(ids("name = :n and '$1' = '$1'", Value::Map{{"n", "it's \\ $1"}}) == "1");
  CHECK(ids("name = :n", Value::Map{{"n", "x' or '1'='1"}}).empty());
  CHECK(ids("id = :i or id = :i", Value::Map{{"i", 2}}) == "2");
  CHECK(ids("id = :i", Value::Map{{"i", nullptr}}).empty());
  CHECK(ids("at >= :from and at < :to", Value::Map{{"from", "2026-01-30T15:00:00Z"}, {"to", "2026-01-31T15:00:00Z"}}) ==
        "1,2");
  CHECK(ids("local_at >= :from", Value::Map{{"from", "2026-01-31T10:00:00Z"}}, "Asia/Seoul") == "2");
  CHECK(ids("local_at >= :from", Value::Map{{"from", "2026-01-31T10:00:00Z"}}).find("say `timezone:`") !=
        std::string::npos);
  CHECK(ids("at >= :from", Value::Map{{"from", "2026-01-31"}}).find("has no offset") != std::string::npos);
  CHECK(ids("at >= :from", Value::Map{{"from", "2026-01-31"}}, "Asia/Seoul") == "1,2");
  CHECK(ids("day = :d", Value::Map{{"d", "2026-01-31T15:00:00Z"}}, "Asia/Seoul") == "2");
  CHECK(ids("day = :d", Value::Map{{"d", "2026-01-31T14:00:00Z"}}, "Asia/Seoul").find("no midnight") !=
        std::string::npos);
  CHECK(ids("id = :missing", Value::map()).find("no value for parameter `:missing`") != std::string::npos);
  CHECK(ids("id = ", Value::map()).find("syntax error") != std::string::npos);
}

TEST_CASE("views, partitioned tables, empty tables and thousand columns are read") {
  Fixture f;
  f.run(
      "create table reader_test.parts (id int, day date) partition by range (day); "
      "create table reader_test.p1 partition of reader_test.parts for values from ('2026-01-01') to ('2026-02-01'); "
      "create table reader_test.p2 partition of reader_test.parts for values from ('2026-02-01') to ('2026-03-01'); "
      "insert into reader_test.parts values (1, '2026-01-05'), (2, '2026-02-05'); "
      "create view reader_test.v as select id * 2 as twice from reader_test.parts; create table reader_test.empty (a "
      "int, b text)");
  CHECK(read(f.connection, request_for("parts")).rows.size() == 2);
  CHECK(read(f.connection, request_for("v")).rows == std::vector<Row>{{"2"}, {"4"}});
  const Reading empty = read(f.connection, request_for("empty"));
  CHECK(empty.error.empty());
  CHECK(empty.columns.size() == 2);
  CHECK(empty.rows.empty());
  std::string wide = "create table reader_test.wide (c0 int";
  for (int i = 1; i < 1000; ++i) wide += ", c" + std::to_string(i) + " int default " + std::to_string(i);
  f.run(wide + "); insert into reader_test.wide (c0) values (0)");
  CHECK(read(f.connection, request_for("wide")).rows.at(0).at(999) == "999");
}

TEST_CASE("a table that is not there is told with the nearest name") {
  Fixture f;
  f.run("create table reader_test.orders (id int)");
  const Reading reading = read(f.connection, request_for("ordres"));
  CHECK(reading.kind == ErrorKind::not_found);
  CHECK(reading.error.find("did you mean `reader_test.orders`?") != std::string::npos);
  CHECK(reading.error.find("udon:udon") == std::string::npos);
}

TEST_CASE("a value larger than an eighth of the budget is an error naming column and key") {
  Fixture f;
  f.run(
      "create table reader_test.t (id int primary key, v text); insert into reader_test.t values (7, repeat('x', "
      "100000))");
  TableRequest request = request_for("t");
  request.value_bytes_max = 50'000;
  const Reading reading = read(f.connection, request);
  CHECK(reading.kind == ErrorKind::data);
  CHECK(reading.error.find("column `v`, key id=7: a value of 100000 bytes") != std::string::npos);
}

TEST_CASE("an error never quotes the key where it is masked") {
  Fixture f;
  f.run(
      "create table reader_test.t (email text primary key, v timestamp); insert into reader_test.t values "
      "('kim@example.com', 'infinity')");
  TableRequest request = request_for("t");
  request.all_columns = false;
  request.columns = {{.source_name = "email", .name = "email", .mask = "hmac_sha256", .type = ""},
                     {.source_name = "v", .name = "v", .mask = "", .type = ""}};
  const Reading reading = read(f.connection, request);
  CHECK(reading.error.find("row 1 of the export") != std::string::npos);
  CHECK(reading.error.find("kim@") == std::string::npos);
}

TEST_CASE("a session that is killed in mid-export is an error that tells how far it got, never an end") {
  Fixture f;
  f.run(
      "create table reader_test.t (id int, filler text); insert into reader_test.t select i, repeat('x', 1000) from "
      "generate_series(1, 100000) i");
  TableRequest request = request_for("t");
  request.batch_rows = 100;
  const auto reader = make_postgres_reader(f.connection);
  REQUIRE(reader->open(request, {}));
  REQUIRE(*reader->sources().front()->next());
  f.run(
      "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query like 'copy "
      "(select%' ");
  while (true) {
    const auto batch = reader->sources().front()->next();
    if (batch) {
      REQUIRE(*batch);
      continue;
    }
    CHECK(batch.error().kind == ErrorKind::unavailable);
    CHECK(batch.error().message.find("rows)") != std::string::npos);
    break;
  }
}

TEST_CASE("a stop request ends the wait for the server") {
  Fixture f;
  f.run("create table reader_test.t (id int); insert into reader_test.t select generate_series(1, 10)");
  f.run("create view reader_test.slow as select id, pg_sleep(60)::text as s from reader_test.t");
  std::stop_source stop;
  // The server says nothing before its first rows, so even open() waits; stopped once the server is at it.
  std::jthread stopper([&] {
    test::eventually([&] {
      const auto busy = f.session->query(
          "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like 'copy (select%'");
      return busy && busy->rows.at(0).at(0) != "0";
    });
    stop.request_stop();
  });
  const auto reader = make_postgres_reader(f.connection);
  const auto opened = reader->open(request_for("slow"), stop.get_token());
  stopper.join();
  ErrorKind kind = ErrorKind::io;
  if (!opened) {
    kind = opened.error().kind;
  } else if (const auto batch = reader->sources().front()->next(); !batch) {
    kind = batch.error().kind;
  }
  CHECK(kind == ErrorKind::cancelled);
}

TEST_CASE("a wrong password and a server that is down are told apart, and neither shows the password") {
  Fixture f;
  Connection wrong = f.connection;
  wrong.password = "hunter2hunter2";
  Reading reading = read(wrong, request_for("t"));
  CHECK(reading.kind == ErrorKind::denied);
  CHECK(reading.error.find("127.0.0.1:") != std::string::npos);
  CHECK(reading.error.find("hunter2") == std::string::npos);
  Connection down = f.connection;
  down.port = 1;
  reading = read(down, request_for("t"));
  CHECK(reading.kind == ErrorKind::unavailable);
  CHECK(reading.error.find("127.0.0.1:1") != std::string::npos);
  Connection nowhere = f.connection;
  nowhere.schema = "nowhere";
  CHECK(read(nowhere, request_for("t")).kind == ErrorKind::not_found);
}

TEST_CASE("a table that may not be read is denied, with the GRANT to ask for") {
  Fixture f;
  f.run(
      "drop role if exists reader_test_nobody; create role reader_test_nobody login password 'nobody-nobody'; "
      "create table reader_test.t (id int); grant usage on schema reader_test to reader_test_nobody");
  Connection nobody = f.connection;
  nobody.login = "reader_test_nobody";
  nobody.password = "nobody-nobody";
  const Reading reading = read(nobody, request_for("t"));
  CHECK(reading.kind == ErrorKind::denied);
  CHECK(reading.error.find("GRANT SELECT") != std::string::npos);
  f.run("drop schema reader_test cascade; drop role reader_test_nobody");
}

TEST_CASE("a replica is read like a primary, and the certificate will say how far it had replayed") {
  Fixture f;
  const auto reader = make_postgres_reader(f.services.postgres_replica());
  TableRequest request;
  request.table = "pg_catalog.pg_database";
  request.columns = {{.source_name = "datname", .name = "datname", .mask = "", .type = ""}};
  REQUIRE(reader->open(request, {}));
  CHECK(reader->position().starts_with("replica, replayed to "));
  REQUIRE(*reader->sources().front()->next());
}

}  // namespace
}  // namespace udon::data
