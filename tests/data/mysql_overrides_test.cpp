// `type:` on columns of a real MariaDB: what the server sends, recast or asked for as its own text.
#include <arrow/api.h>

#include <catch2/catch.hpp>

#include "tests/data/scratch_table.h"

using namespace udon;
using namespace udon::data;
using udon::data::test::check_mentions;
using udon::data::test::ReadTable;
using udon::data::test::ScratchTable;
using Strings = std::vector<std::string>;

namespace {

TableRequest request_with(const std::string& type, const std::string& mask = "") {
  TableRequest request;
  request.columns = {{.source_name = "id", .name = "id"},
                     {.source_name = "v", .name = "v", .mask = mask, .type = type}};
  return request;
}

// One column of a type with values written as SQL and NULL, in another type: Arrow's type, and the values.
void check(const std::string& sql_type, const Strings& literals, const std::string& type, const std::string& arrow_type,
           Strings values, const std::string& timezone = "") {
  INFO(sql_type << " as " << type);
  ScratchTable table("overrides", "v " + sql_type);
  int id = 0;
  for (const std::string& literal : literals) table.insert({"(" + std::to_string(++id) + ", " + literal + ")"});
  table.insert({"(" + std::to_string(++id) + ", null)"});
  TableRequest request = request_with(type);
  request.timezone = timezone;
  const ReadTable read = table.read(request);
  CHECK(read.columns[1].type->ToString() == arrow_type);
  CHECK(read.columns[1].is_recast);
  values.emplace_back("null");
  CHECK(read.texts(1) == values);
}

}  // namespace

TEST_CASE("an override to string is the server's own text, zero dates and noughts included") {
  check("int(5) zerofill", {"42"}, "string", "string", {"00042"});
  check("bigint unsigned", {"18446744073709551615"}, "string", "string", {"18446744073709551615"});
  check("year", {"0", "2024"}, "string", "string", {"0000", "2024"});
  check("decimal(12,2)", {"-0.5"}, "string", "string", {"-0.50"});
  check("float", {"3.14159274", "-1e-30", "0.1"}, "string", "string",
        {"3.1415927410125732", "-1.0000000031710769e-30", "0.10000000149011612"});
  check("double", {"0.1", "1.7976931348623157e308", "5e-324"}, "string", "string",
        {"0.1", "1.7976931348623157e308", "5e-324"});
  check("date", {"'0000-00-00'", "'2024-02-00'", "'0001-01-01'"}, "string", "string",
        {"0000-00-00", "2024-02-00", "0001-01-01"});
  check("datetime(3)", {"'0000-00-00'", "'2024-01-01 09:00:00.5'"}, "string", "string",
        {"0000-00-00 00:00:00.000", "2024-01-01 09:00:00.500"}, "Asia/Seoul");
  check("timestamp(6) null", {"'2024-01-01 09:00:00.000001'"}, "string", "string", {"2024-01-01 00:00:00.000001+00"});
  check("bit(1)", {"1"}, "string", "string", {"1"});
  check("bit(10)", {"5"}, "string", "string", {"0000000101"});
  check("bit(64)", {"18446744073709551615"}, "string", "string", {std::string(64, '1')});
  check("blob", {"'우동'"}, "string", "string", {"우동"});
}

TEST_CASE("overrides are recast from what the server sent") {
  check("tinyint(1)", {"0", "1"}, "boolean", "bool", {"false", "true"});
  check("bigint unsigned", {"9223372036854775807"}, "int64", "int64", {"9223372036854775807"});
  check("int", {"7"}, "decimal(12,2)", "decimal128(12, 2)", {"7.00"});
  check("decimal(65,30)", {"1.23", "-99999999999999999999999999999.999999999"}, "decimal(38,9)", "decimal128(38, 9)",
        {"1.230000000", "-99999999999999999999999999999.999999999"});
  check("decimal(12,2)", {"0.10"}, "double", "double", {"0.1"});
  check("double", {"12.34"}, "decimal(12,2)", "decimal128(12, 2)", {"12.34"});
  check("float", {"0.5"}, "double", "double", {"0.5"});
  check("varchar(20)", {"'-12.5'"}, "decimal(5,2)", "decimal128(5, 2)", {"-12.50"});
  check("varchar(20)", {"'2024-02-29'"}, "date", "date32[day]", {"2024-02-29"});
  check("enum('1','20')", {"'20'"}, "int8", "int8", {"20"});
  check("date", {"'2024-02-29'"}, "timestamp", "timestamp[us]", {"2024-02-29 00:00:00.000000"});
  check("datetime", {"'2024-02-29'"}, "date", "date32[day]", {"2024-02-29"}, "Asia/Seoul");
  check("time(6)", {"'23:59:59.999999'"}, "time", "time64[us]", {"23:59:59.999999"});
  check("time", {"'-838:59:59'", "'838:59:59'"}, "interval_us", "int64", {"-3020399000000", "3020399000000"});
  check("bit(10)", {"5"}, "int16", "int16", {"5"});
  check("year", {"2024"}, "int32", "int32", {"2024"});
}

TEST_CASE("a zone is declared for the table, and an override leaves one column on its wall clock") {
  ScratchTable table("zones", "v datetime, w datetime");
  table.insert({"(1, '2024-01-01 09:00:00', '2024-01-01 09:00:00')"});
  TableRequest request = request_with("timestamp");
  request.columns.push_back({.source_name = "w", .name = "w"});
  request.timezone = "Asia/Seoul";
  const ReadTable read = table.read(request);
  CHECK(read.columns[1].type->ToString() == "timestamp[us]");
  CHECK(read.texts(1) == Strings{"2024-01-01 09:00:00.000000"});
  CHECK(read.texts(2) == Strings{"2024-01-01 00:00:00.000000Z"});
  request.columns[1].type = "timestamptz";
  CHECK_FALSE(table.read(request).columns[1].is_recast);
  request.timezone.clear();
  const Error error = table.failure(request);
  CHECK(error.kind == ErrorKind::unsupported);
  check_mentions(error, {"`v` (datetime)", "`timezone: Asia/Seoul`"});
}

TEST_CASE(
    "an override that could lose something is refused before the first row, a value that does not fit by its key") {
  ScratchTable table("refused", "v timestamp null, t tinyint(1), p decimal(12,2), g point");
  table.insert({"(41, null, 1, 1.5, null)", "(42, null, 2, 1.25, null)"});
  const Error error = table.failure(request_with("timestamp"));
  CHECK(error.kind == ErrorKind::unsupported);
  check_mentions(error,
                 {"reader_test.refused", "`v` (timestamp)", "`type: timestamp`", "it can be string, timestamptz"});
  const auto failure = [&](const std::string& column, const std::string& type, const std::string& mask = "") {
    TableRequest request = request_with(type, mask);
    request.columns[1].source_name = column;
    return table.failure(request);
  };
  check_mentions(failure("t", "boolean"), {"`t` (tinyint(1)), id = 42: 2 is neither 0 nor 1"});
  check_mentions(failure("p", "decimal(12,1)"), {"id = 42: 1.25 has more digits behind the point than decimal(12,1)"});
  const Error masked = failure("p", "decimal(12,1)", "hmac_sha256");
  check_mentions(masked, {"id = 42: the value has more digits"});
  CHECK(masked.message.find("1.25") == std::string::npos);
  check_mentions(failure("g", "string"), {"`g` (point)", "it can be binary"});
}

TEST_CASE("a column that cannot be NULL stays so, whatever policies say of others") {
  ScratchTable table("nullable", "v int not null, d date not null, s varchar(5) not null");
  table.insert({"(1, 1, '2024-01-01', 'x')"});
  TableRequest request;
  request.policies.zero_dates = "null";
  ReadTable read = table.read(request);
  CHECK_FALSE(read.columns[1].nullable);
  CHECK(read.columns[2].nullable);
  CHECK_FALSE(read.columns[3].nullable);
  request.policies = {.invalid_text = "null"};
  read = table.read(request);
  CHECK_FALSE(read.columns[2].nullable);
  CHECK(read.columns[3].nullable);
}
