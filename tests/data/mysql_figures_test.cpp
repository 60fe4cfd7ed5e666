// `certify: source` against a real MariaDB: its own figures of every type are those of the file.
#include <catch2/catch.hpp>

#include "base/text.h"
#include "tests/data/arrays.h"
#include "tests/data/certified_copy.h"
#include "tests/data/scratch_table.h"

namespace udon::data {
namespace {

using test::ScratchTable;
using Strings = std::vector<std::string>;

Result<Certificate> certified(const ScratchTable& table, const TableRequest& request = {}) {
  return test::certified_copy(make_mysql_reader(table.connection()), table.completed(request));
}

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

TEST_CASE("the server's figures of every type are those of the file") {
  const std::vector<Column> columns{
      {"tinyint(1)", {"2", "127", "-128"}, "-128", "127", "1"},
      {"tinyint unsigned", {"0", "255"}, "0", "255", "255"},
      {"smallint", {"-32768", "32767"}, "-32768", "32767", "-1"},
      {"mediumint unsigned zerofill", {"16777215", "7"}, "7", "16777215", "16777222"},
      {"int", {"-2147483648", "2147483647"}, "-2147483648", "2147483647", "-1"},
      {"int(5) zerofill", {"42"}, "42", "42", "42"},
      {"bigint",
       {"9223372036854775807", "9223372036854775806"},
       "9223372036854775806",
       "9223372036854775807",
       "18446744073709551613"},
      {"bigint unsigned",
       {"18446744073709551615", "18446744073709551615"},
       "18446744073709551615",
       "18446744073709551615",
       "36893488147419103230"},
      {"year", {"2024", "0", "1901"}, "0", "2024", "3925"},
      {"bit(1)", {"b'1'", "b'0'", "b'1'"}, "0", "1", "2"},
      {"bit(10)", {"b'1000000001'", "0"}, "0", "513", "513"},
      {"bit(64)", {"18446744073709551615", "1"}, "1", "18446744073709551615", "18446744073709551616"},
      {"decimal(12,2)", {"9999999999.99", "-0.01", "-9999999999.99"}, "-9999999999.99", "9999999999.99", "-0.01"},
      {"decimal(5,5)", {"0.12345", "-0.12345"}, "-0.12345", "0.12345", "0.00000"},
      {"decimal(38,10)",
       {"9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"},
       "9999999999999999999999999999.9999999999",
       "9999999999999999999999999999.9999999999",
       "19999999999999999999999999999.9999999998"},
      {"decimal(65,30)", {"1.23", "-12"}, "", "", "", 32 + 34},
      {"float", {"3.14159274", "1e-45", "-3.4028235e38"}, "-3.4028234663852886e+38", "3.1415927410125732", ""},
      {"double", {"4.9e-324", "-1.7976931348623157e308", "0.1"}, "-1.7976931348623157e+308", "0.1", ""},
      {"date", {"'1582-10-15'", "'9999-12-31'"}, "1582-10-15", "9999-12-31", ""},
      {"datetime", {"'2024-01-01 12:34:56'"}, "2024-01-01 12:34:56", "2024-01-01 12:34:56", ""},
      {"datetime(6)",
       {"'1969-12-31 23:59:59.999999'", "'9999-12-31 23:59:59.9'"},
       "1969-12-31 23:59:59.999999",
       "9999-12-31 23:59:59.9",
       ""},
      {"timestamp(6) null",
       {"'2024-01-01 09:00:00.000001'", "'1970-01-01 09:00:01'"},
       "1970-01-01 00:00:01Z",
       "2024-01-01 00:00:00.000001Z",
       ""},
      {"time(6)", {"'-838:59:59'", "'100:00:00.5'"}, "", "", ""},
      {"enum('', '작다', 'x')", {"''", "'작다'"}, "", "", "", 6},
      {"set('x','y','z')", {"'z,x'", "'y'"}, "", "", "", 4},
      {"json", {"'{\"a\": [1, 2]}'"}, "", "", "", 13},
      {"char(5)", {"'ab'", "'우동'"}, "", "", "", 8},
      {"varchar(20) character set latin1", {"'café'"}, "", "", "", 5},
      {"varchar(20) character set euckr", {"'우동?'", "'a'"}, "", "", "", 8},
      {"longtext", {"repeat('국', 70000)"}, "", "", "", 210'000},
      {"text character set utf16", {"'😀a'"}, "", "", "", 5},
      {"inet6", {"'2001:db8::1'"}, "", "", "", 11},
      {"uuid", {"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"}, "", "", "", 36},
      {"binary(5)", {"'ab'"}, "", "", "", 5},
      {"longblob", {"unhex('00ff')", "''"}, "", "", "", 2},
      {"point", {"point(1, 2)"}, "", "", "", 21},
  };
  Strings definitions;
  size_t rows = 0;
  for (size_t c = 0; c < columns.size(); ++c) {
    definitions.push_back("c" + std::to_string(c) + " " + columns[c].type);
    rows = std::max(rows, columns[c].literals.size());
  }
  ScratchTable table("figures", join(definitions, ", "));
  for (size_t r = 0; r <= rows; ++r) {
    Strings values{std::to_string(r)};
    for (const Column& column : columns) values.push_back(r < column.literals.size() ? column.literals[r] : "null");
    table.insert({"(" + join(values, ", ") + ")"});
  }
  for (const int readers : {1, 2}) {
    const auto certificate = certified(table, {.split = {.into = readers}});
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
      const bool is_time = expected.type.starts_with("date") || expected.type.starts_with("timestamp");
      CHECK(found.left_out.empty() == (!expected.sum.empty() || is_time));
    }
    CHECK(certificate->mechanism.find("figures: computed by the server") != std::string::npos);
    CHECK(certificate->rows == rows + 1);
  }
}

TEST_CASE("figures are of the rows that the condition chooses, its values bound") {
  ScratchTable table("figures_where", "n int, 이름 varchar(20), t timestamp null");
  table.insert(
      {"(1, 10, '가', '2024-01-01 09:00:00')", "(2, 20, '나', null)", "(3, null, '다', '2024-02-01 09:00:00')"});
  TableRequest request;
  request.where = "이름 >= :from and id < :below -- to the end";
  request.where_parameters.set("from", "나");
  request.where_parameters.set("below", 4);
  request.timezone = "Asia/Seoul";
  const auto certificate = certified(table, request);
  CHECK(figures(certificate, "n").sum == "20");
  CHECK(figures(certificate, "n").nulls == 1);
  CHECK(figures(certificate, "id").least == "2");
  CHECK(figures(certificate, "t").least == "2024-02-01 00:00:00Z");
}

TEST_CASE("an empty table, and one with nothing but NULLs, have figures too") {
  ScratchTable table("figures_empty", "n int, s text");
  const auto empty = certified(table);
  CHECK(figures(empty, "n") == DatabaseFigures{});
  CHECK(figures(empty, "s").bytes == 0);
  table.insert({"(1, null, null)"});
  CHECK(figures(certified(table), "n").nulls == 1);
}

TEST_CASE("a declared zone turns the server's wall clocks into instants") {
  ScratchTable table("figures_zone", "t datetime(6), d date");
  table.insert({"(1, '2024-01-01 00:00:00.25', '2024-01-01')", "(2, '2024-07-01 08:59:59', '2024-07-01')"});
  const auto certificate = certified(table, {.timezone = "Asia/Seoul"});
  CHECK(figures(certificate, "t").least == "2023-12-31 15:00:00.25Z");
  CHECK(figures(certificate, "t").greatest == "2024-06-30 23:59:59Z");
  CHECK(figures(certificate, "d").least == "2024-01-01");
}

TEST_CASE("days that a policy made NULL count as such, and are neither least nor greatest") {
  ScratchTable table("figures_policies", "d date, t datetime, s varchar(10) character set binary");
  table.execute("set sql_mode = 'ALLOW_INVALID_DATES'");
  table.insert({"(1, '0000-00-00', '0000-00-00 00:00:00', 'x')", "(2, '2024-00-00', '2024-02-31 00:00:00', 'y')",
                "(3, '2024-02-31', '1000-01-01 00:00:00', 'z')", "(4, '2024-02-29', '2024-02-29 01:00:00', null)",
                "(5, '1500-01-01', null, null)", "(6, '2023-01-31', '2023-01-31 00:00:00', null)"});
  TableRequest request;
  request.policies.zero_dates = request.policies.ancient_dates = "null";
  const auto certificate = certified(table, request);
  const DatabaseFigures d = figures(certificate, "d");
  CHECK(d.count == 6);
  CHECK(d.nulled == 4);
  CHECK(d.least == "2023-01-31");
  CHECK(d.greatest == "2024-02-29");
  CHECK(figures(certificate, "t").nulled == 3);
  CHECK(figures(certificate, "t").least == "2023-01-31 00:00:00");
}

TEST_CASE("text that a policy changed has no number of bytes, and the certificate says why") {
  ScratchTable table("figures_text", "s varchar(10) character set euckr");
  table.execute("insert into " + table.name() + " values (1, unhex('c9a1')), (2, 'ok')");
  TableRequest request;
  request.policies.invalid_text = "null";
  const DatabaseFigures s = figures(certified(table, request), "s");
  CHECK(s.nulled == 1);
  CHECK_FALSE(s.bytes);
  CHECK(s.left_out.find("invalid_text=null") != std::string::npos);
}

TEST_CASE("masked columns tell counts only; recast ones counts, or the server's own text") {
  ScratchTable table("figures_masked", "email varchar(50), price varchar(20), day date, n int");
  table.insert({"(1, '김@우동.kr', '12.50', '2024-01-01', 5)", "(2, null, '1', '2024-01-02', 6)"});
  TableRequest request;
  request.columns = {{.source_name = "email", .name = "mail", .mask = "hmac_sha256"},
                     {.source_name = "price", .name = "price", .type = "decimal(12,2)"},
                     {.source_name = "day", .name = "day", .type = "string"},
                     {.source_name = "n", .name = "n", .type = "int32"},
                     {.source_name = "n", .name = "secret", .mask = "hmac_sha256"}};
  const auto certificate = certified(table, request);
  CHECK(figures(certificate, "mail") == DatabaseFigures{.count = 1, .nulls = 1, .left_out = "all but counts: masked"});
  CHECK(figures(certificate, "secret") == DatabaseFigures{.count = 2, .left_out = "all but counts: masked"});
  CHECK(figures(certificate, "price") ==
        DatabaseFigures{.count = 2, .left_out = "all but counts: recast to decimal(12,2)"});
  CHECK(figures(certificate, "day").bytes == 20);
  CHECK(figures(certificate, "n").sum == "11");
}

TEST_CASE("a fault that hashes and all is in what we read is seen by the server's own figures") {
  ScratchTable table("figures_fault", "n int");
  table.insert({"(1, 10)", "(2, 20)", "(3, 30)"});
  const auto spoiled = [&](test::SpoilingReader::Spoil spoil) {
    auto reader = std::make_unique<test::SpoilingReader>(make_mysql_reader(table.connection()), std::move(spoil));
    const auto copied = test::certified_copy(std::move(reader), table.completed({}));
    REQUIRE_FALSE(copied);
    CHECK(copied.error().kind == ErrorKind::data);
    return copied.error();
  };
  // A row lost.
  test::check_mentions(spoiled([](const arrow::RecordBatch& rows) { return rows.Slice(1); }),
                       {"column `n`", "values 3 there, 2 in the file", "least 10 there, 20 in the file",
                        "sum 60 there, 50 in the file"});
  // One row in the place of another.
  test::check_mentions(
      spoiled([](const arrow::RecordBatch& rows) {
        return arrow::RecordBatch::Make(
            rows.schema(), 3,
            {rows.column(0), *arrow::Concatenate({rows.column(1)->Slice(0, 1), rows.column(1)->Slice(0, 2)})});
      }),
      {"column `n`: greatest 30 there, 20 in the file, sum 60 there, 40 in the file"});
}

TEST_CASE("a table without snapshots cannot be certified at level source") {
  ScratchTable table("figures_myisam", "n int", "engine=MyISAM");
  const auto copied = certified(table, {.consistency = "none"});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().kind == ErrorKind::unsupported);
  test::check_mentions(copied.error(), {"figures_myisam", "MyISAM", "certify: wire"});
}

TEST_CASE("rows written while the export runs are in neither the file nor the figures") {
  ScratchTable table("figures_snapshot", "n int");
  table.insert({"(1, 10)", "(2, 20)"});
  bool has_written = false;
  auto reader = std::make_unique<test::SpoilingReader>(
      make_mysql_reader(table.connection()), [&](const arrow::RecordBatch& rows) {
        if (!std::exchange(has_written, true)) table.execute("insert into " + table.name() + " values (3, 30)");
        return rows.Slice(0);
      });
  const auto certificate = test::certified_copy(std::move(reader), table.completed({}));
  CHECK(has_written);
  CHECK(figures(certificate, "n").sum == "30");
}

}  // namespace udon::data
