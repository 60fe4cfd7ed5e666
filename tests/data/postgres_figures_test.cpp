// `certify: source` against a real PostgreSQL: its own figures of every type are those of the file.
#include <catch2/catch.hpp>

#include "base/text.h"
#include "plugins/db/postgres/session.h"
#include "tests/data/certified_copy.h"
#include "tests/support/services.h"

namespace udon::data {
namespace {

using Strings = std::vector<std::string>;

struct Fixture {
  udon::test::Services services;
  Connection connection = services.postgres();
  std::unique_ptr<PostgresSession> session;

  Fixture() {
    auto connected = PostgresSession::connect(connection);
    REQUIRE(connected);
    session = std::move(*connected);
    run("drop schema if exists figures_test cascade; create schema figures_test");
  }
  void run(const std::string& sql) {
    const auto done = session->execute(sql);
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
  }
  static TableRequest completed(TableRequest request) {
    request.table = "figures_test.t";
    if (request.columns.empty()) request.all_columns = true;
    return request;
  }
  Result<Certificate> certified(TableRequest request = {}) const {
    return test::certified_copy(make_postgres_reader(connection), completed(std::move(request)));
  }
};

DatabaseFigures figures(const Result<Certificate>& certificate, const std::string& column) {
  INFO((certificate ? "" : certificate.error().message));
  REQUIRE(certificate);
  for (const ColumnCertificate& found : certificate->columns) {
    if (found.name != column) continue;
    REQUIRE(found.database);
    return *found.database;
  }
  FAIL("no column " << column);
  return {};
}

struct Column {
  std::string type;
  Strings literals;
  std::string least, greatest, sum;  // empty: none
  int64_t bytes = -1;                // -1: none
};

}  // namespace

TEST_CASE("PostgreSQL's figures of every type are those of the file") {
  Fixture f;
  f.run("create type figures_test.mood as enum ('좋음', 'bad'); create domain figures_test.price as numeric(6,2)");
  const std::vector<Column> columns{
      {"boolean", {"true", "false", "true"}, "0", "1", "2"},
      {"smallint", {"-32768", "32767"}, "-32768", "32767", "-1"},
      {"integer", {"-2147483648", "2147483647"}, "-2147483648", "2147483647", "-1"},
      {"bigint",
       {"9223372036854775807", "9223372036854775806"},
       "9223372036854775806",
       "9223372036854775807",
       "18446744073709551613"},
      {"oid", {"4294967295", "0"}, "0", "4294967295", "4294967295"},
      {"real", {"3.14159274", "'NaN'", "'-Infinity'"}, "-Infinity", "NaN", ""},
      {"double precision", {"4.9e-324", "'-0'", "0.1"}, "0", "0.1", ""},
      {"numeric(12,2)", {"9999999999.99", "-0.01"}, "-0.01", "9999999999.99", "9999999999.98"},
      {"numeric(38,10)",
       {"9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"},
       "9999999999999999999999999999.9999999999",
       "9999999999999999999999999999.9999999999",
       "19999999999999999999999999999.9999999998"},
      {"numeric", {"1.2e29", "'NaN'"}, "", "", "", 33},
      {"numeric(65,30)", {"1.23"}, "", "", "", 32},
      {"money", {"'-12.34'", "'99.99'"}, "-12.34", "99.99", "87.65"},
      {"figures_test.price", {"12.50"}, "12.50", "12.50", "12.50"},
      {"date", {"'1582-10-15'", "'5874897-12-31'"}, "1582-10-15", "day 2145042905 since 1970-01-01", ""},
      {"timestamp",
       {"'1582-10-15 00:00:00.000001'", "'294246-12-31 23:59:59'"},
       "1582-10-15 00:00:00.000001",
       "day 106751981 since 1970-01-01 23:59:59",
       ""},
      {"timestamptz",
       {"'2024-01-01 09:00:00.5+09'", "'1970-01-01 00:00:00Z'"},
       "1970-01-01 00:00:00Z",
       "2024-01-01 00:00:00.5Z",
       ""},
      {"time", {"'24:00:00'", "'12:34:56.5'"}, "", "", "", 18},
      {"timetz", {"'12:34:56+09'"}, "", "", "", 11},
      {"interval", {"'-1 mon 2 days'"}, "", "", "", 6},
      {"json", {"'{\"a\":  1}'"}, "", "", "", 9},
      {"jsonb", {"'{\"a\":  1}'", "'null'"}, "", "", "", 12},
      {"uuid", {"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"}, "", "", "", 36},
      {"inet", {"'10.0.0.1'"}, "", "", "", 8},
      {"int[]", {"'{1,null,3}'", "'{}'"}, "", "", ""},
      {"text[]", {"'{a,null}'"}, "", "", ""},
      {"bit(10)", {"B'1000000001'"}, "", "", "", 10},
      {"bytea", {"'\\x00ff'", "''"}, "", "", "", 2},
      {"char(5)", {"'ab'", "'우동'"}, "", "", "", 5 + 9},
      {"varchar(20)", {"'우동 '"}, "", "", "", 7},
      {"text", {"'😀'", "''"}, "", "", "", 4},
      {"figures_test.mood", {"'좋음'", "'bad'"}, "", "", "", 9},
      {"point", {"'(1,2)'"}, "", "", "", 5},
      {"int4range", {"'[1,5)'"}, "", "", "", 5},
      {"xml", {"'<a>면</a>'"}, "", "", "", 10},
  };
  Strings definitions{"id int primary key"};
  size_t rows = 0;
  for (size_t c = 0; c < columns.size(); ++c) {
    definitions.push_back("c" + std::to_string(c) + " " + columns[c].type);
    rows = std::max(rows, columns[c].literals.size());
  }
  f.run("create table figures_test.t (" + join(definitions, ", ") + ")");
  for (size_t r = 0; r <= rows; ++r) {
    Strings values{std::to_string(r)};
    for (const Column& column : columns) values.push_back(r < column.literals.size() ? column.literals[r] : "null");
    f.run("insert into figures_test.t values (" + join(values, ", ") + ")");
  }
  for (const int readers : {1, 2}) {
    const auto certificate = f.certified({.split = {.by = {"id"}, .into = readers}});
    for (size_t c = 0; c < columns.size(); ++c) {
      const Column& expected = columns[c];
      INFO(expected.type);
      const DatabaseFigures found = figures(certificate, "c" + std::to_string(c));
      CHECK(found.count == expected.literals.size());
      CHECK(found.nulls == rows + 1 - expected.literals.size());
      CHECK(found.least.value_or("") == expected.least);
      CHECK(found.greatest.value_or("") == expected.greatest);
      CHECK(found.sum.value_or("") == expected.sum);
      CHECK((found.bytes ? static_cast<int64_t>(*found.bytes) : -1) == expected.bytes);
      // Whatever is absent has its reason.
      const bool is_day = expected.type == "date" || expected.type.starts_with("timestamp");
      CHECK(found.left_out.empty() == (!expected.sum.empty() || is_day));
    }
    CHECK(certificate->mechanism.find("figures: computed by the server") != std::string::npos);
    CHECK(certificate->rows == rows + 1);
  }
}

TEST_CASE("PostgreSQL's figures are of the rows that the condition chooses") {
  Fixture f;
  f.run(
      "create table figures_test.t (id int, 이름 text, t timestamp); insert into figures_test.t values "
      "(1, '가', '2024-01-01'), (2, '나', '2024-07-01 00:00:00.25'), (3, '다', null)");
  TableRequest request;
  request.where = "이름 >= :from -- to the end";
  request.where_parameters.set("from", "나");
  request.timezone = "Asia/Seoul";
  const auto certificate = f.certified(request);
  CHECK(figures(certificate, "id").sum == "5");
  CHECK(figures(certificate, "t").least == "2024-06-30 15:00:00.25Z");
  CHECK(figures(certificate, "t").nulls == 1);
}

TEST_CASE("PostgreSQL: an empty table has figures too") {
  Fixture f;
  f.run("create table figures_test.t (n int, s text)");
  const auto certificate = f.certified();
  CHECK(figures(certificate, "n") == DatabaseFigures{});
  CHECK(figures(certificate, "s").bytes == 0);
}

TEST_CASE("PostgreSQL: what a policy made NULL counts as such, and is in no least, greatest or sum") {
  Fixture f;
  f.run(
      "create table figures_test.t (n numeric(8,2), d date, t timestamptz, a date[]); insert into figures_test.t "
      "values "
      "('NaN', 'infinity', '-infinity', '{infinity}'), (1.5, '1500-01-01', '1500-01-01', null), "
      "(2.5, '2024-01-01', '2024-01-01Z', '{2024-01-01}'), (null, null, null, null)");
  TableRequest request;
  request.policies = {.infinity = "null", .nan = "null", .ancient_dates = "null"};
  const auto certificate = f.certified(request);
  CHECK(figures(certificate, "n") ==
        DatabaseFigures{.count = 3, .nulls = 1, .nulled = 1, .least = "1.50", .greatest = "2.50", .sum = "4.00"});
  CHECK(figures(certificate, "d") ==
        DatabaseFigures{.count = 3, .nulls = 1, .nulled = 2, .least = "2024-01-01", .greatest = "2024-01-01"});
  CHECK(figures(certificate, "t").nulled == 2);
  CHECK(figures(certificate, "t").least == "2024-01-01 00:00:00Z");
  CHECK(figures(certificate, "a").count == 2);
  CHECK(figures(certificate, "a").nulled == 0);
}

TEST_CASE("PostgreSQL: masked columns tell counts only; recast ones counts, or the server's own text") {
  Fixture f;
  f.run(
      "create table figures_test.t (email text, price text, day date); insert into figures_test.t values "
      "('김@우동.kr', '12.50', '2024-01-01'), (null, '1', '2024-01-02')");
  TableRequest request;
  request.columns = {{.source_name = "email", .name = "mail", .mask = "hmac_sha256"},
                     {.source_name = "price", .name = "price", .type = "decimal(12,2)"},
                     {.source_name = "day", .name = "day", .type = "string"}};
  const auto certificate = f.certified(request);
  CHECK(figures(certificate, "mail") == DatabaseFigures{.count = 1, .nulls = 1, .left_out = "all but counts: masked"});
  CHECK(figures(certificate, "price") ==
        DatabaseFigures{.count = 2, .left_out = "all but counts: recast to decimal(12,2)"});
  CHECK(figures(certificate, "day").bytes == 20);
}

TEST_CASE("PostgreSQL: a database in another encoding counts the bytes of its texts in UTF-8") {
  Fixture f;
  f.run("drop database if exists figures_korean");
  f.run("create database figures_korean encoding 'EUC_KR' lc_collate 'C' lc_ctype 'C' template template0");
  Connection korean = f.connection;
  korean.schema = "figures_korean";
  {
    auto session = PostgresSession::connect(korean);
    REQUIRE(session);
    REQUIRE(
        (*session)->execute("create table t (s text, c char(4)); insert into t values ('우동', '면'), ('a', null)"));
  }
  const auto certificate =
      test::certified_copy(make_postgres_reader(korean), TableRequest{.table = "t", .all_columns = true});
  CHECK(figures(certificate, "s").bytes == 7);
  CHECK(figures(certificate, "c").bytes == 6);
  f.run("drop database figures_korean");
}

TEST_CASE("PostgreSQL: a fault that hashes and all is in what we read is seen by the server's own figures") {
  Fixture f;
  f.run("create table figures_test.t (n int); insert into figures_test.t values (10), (20), (30)");
  auto reader = std::make_unique<test::SpoilingReader>(make_postgres_reader(f.connection),
                                                       [](const arrow::RecordBatch& rows) { return rows.Slice(0, 2); });
  const auto copied = test::certified_copy(std::move(reader), Fixture::completed({}));
  REQUIRE_FALSE(copied);
  CHECK(copied.error().kind == ErrorKind::data);
  INFO(copied.error().message);
  CHECK(copied.error().message.find("sum 60 there, 30 in the file") != std::string::npos);
}

}  // namespace udon::data
