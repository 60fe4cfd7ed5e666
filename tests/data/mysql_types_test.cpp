// Every row of the MySQL table of types, with its edge values, against a real server: exact Arrow type, exact values,
// and hashes of the wire that equal those of the arrays.
#include <arrow/api.h>

#include <catch2/catch.hpp>

#include "plugins/data/array_hash.h"
#include "tests/data/scratch_table.h"

using namespace udon::data;
using namespace udon;
using Strings = std::vector<std::string>;

namespace {

struct Case {
  std::string sql_type;
  Strings literals;  // NULL is added to each
  std::string type;  // Arrow's
  Strings values;
  bool dictionary = false;
};

void check(const Case& test) {
  INFO(test.sql_type);
  data::test::ScratchTable table("types", "v " + test.sql_type);
  Strings rows;
  for (size_t i = 0; i < test.literals.size(); ++i)
    rows.push_back("(" + std::to_string(i + 1) + ", " + test.literals[i] + ")");
  rows.push_back("(" + std::to_string(rows.size() + 1) + ", null)");
  table.insert(rows);
  const data::test::ReadTable read = table.read({});
  REQUIRE(read.columns.size() == 2);
  CHECK(read.columns[1].type->ToString() == test.type);
  CHECK(read.columns[1].dictionary == test.dictionary);
  CHECK(read.columns[1].nullable);
  CHECK(!read.columns[0].nullable);
  Strings expected = test.values;
  expected.push_back("null");
  CHECK(read.texts(1) == expected);
}

}  // namespace

TEST_CASE("integers keep every value, unsigned ones in the next wider signed type") {
  check({"tinyint(1)", {"2", "127", "-128", "0"}, "int8", {"2", "127", "-128", "0"}});
  check({"tinyint unsigned", {"0", "255"}, "int16", {"0", "255"}});
  check({"smallint", {"-32768", "32767"}, "int16", {"-32768", "32767"}});
  check({"smallint unsigned", {"65535"}, "int32", {"65535"}});
  check({"mediumint", {"-8388608", "8388607"}, "int32", {"-8388608", "8388607"}});
  check({"mediumint unsigned", {"16777215"}, "int32", {"16777215"}});
  check({"int", {"-2147483648", "2147483647"}, "int32", {"-2147483648", "2147483647"}});
  check({"int unsigned", {"0", "4294967295"}, "int64", {"0", "4294967295"}});
  check({"int(5) zerofill", {"42"}, "int64", {"42"}});
  check({"bigint",
         {"-9223372036854775808", "9223372036854775807"},
         "int64",
         {"-9223372036854775808", "9223372036854775807"}});
  check({"bigint unsigned", {"0", "18446744073709551615"}, "decimal128(20, 0)", {"0", "18446744073709551615"}});
  check({"year", {"2024", "0", "2155", "1901"}, "int16", {"2024", "0", "2155", "1901"}});
}

TEST_CASE("bits are a boolean, a number, or a decimal for all 64") {
  check({"bit(1)", {"b'1'", "b'0'"}, "bool", {"true", "false"}});
  check({"bit(10)", {"b'1000000001'", "0"}, "int64", {"513", "0"}});
  check({"bit(63)", {"9223372036854775807"}, "int64", {"9223372036854775807"}});
  check({"bit(64)", {"18446744073709551615", "1"}, "decimal128(20, 0)", {"18446744073709551615", "1"}});
}

TEST_CASE("decimals keep every digit: as decimal up to 38, beyond as text") {
  check({"decimal(12,2)",
         {"9999999999.99", "-9999999999.99", "0.01", "-0.01", "1"},
         "decimal128(12, 2)",
         {"9999999999.99", "-9999999999.99", "0.01", "-0.01", "1.00"}});
  check({"decimal(38,10)",
         {"9999999999999999999999999999.9999999999", "-0.0000000001"},
         "decimal128(38, 10)",
         {"9999999999999999999999999999.9999999999", "-1E-10"}});
  check({"decimal(38,0)",
         {"-99999999999999999999999999999999999999"},
         "decimal128(38, 0)",
         {"-99999999999999999999999999999999999999"}});
  check({"decimal(5,5) unsigned", {"0.12345"}, "decimal128(5, 5)", {"0.12345"}});
  check({"decimal(65,30)",
         {"1.23", "-99999999999999999999999999999999999.999999999999999999999999999999"},
         "string",
         {"1.230000000000000000000000000000", "-99999999999999999999999999999999999.999999999999999999999999999999"}});
}

TEST_CASE("floating numbers keep every bit") {
  check({"float", {"3.14159274", "1e-45", "-3.4028235e38"}, "float", {"3.1415927", "1e-45", "-3.4028235e+38"}});
  check({"double",
         {"1e308", "4.9e-324", "0.1", "-1.7976931348623157e308"},
         "double",
         {"1e+308", "5e-324", "0.1", "-1.7976931348623157e+308"}});
  check({"double(10,2)", {"1.25"}, "double", {"1.25"}});
}

TEST_CASE("days and clocks keep every microsecond, and TIMESTAMP is an instant whatever the server's zone") {
  check({"date",
         {"'1582-10-15'", "'9999-12-31'", "'2024-02-29'", "'1969-12-31'"},
         "date32[day]",
         {"1582-10-15", "9999-12-31", "2024-02-29", "1969-12-31"}});
  check({"datetime",
         {"'2024-01-01'", "'2024-01-01 12:34:56'"},
         "timestamp[us]",
         {"2024-01-01 00:00:00.000000", "2024-01-01 12:34:56.000000"}});
  check({"datetime(6)",
         {"'1582-10-15 00:00:00.000001'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'"},
         "timestamp[us]",
         {"1582-10-15 00:00:00.000001", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"}});
  // Written by a session in Korea, so nine hours earlier in UTC.
  check({"timestamp(6) null",
         {"'2024-01-01 09:00:00.000001'", "'1970-01-01 09:00:01'", "'2038-01-19 12:14:07.999999'"},
         "timestamp[us, tz=UTC]",
         {"2024-01-01 00:00:00.000001Z", "1970-01-01 00:00:01.000000Z", "2038-01-19 03:14:07.999999Z"}});
}

TEST_CASE("a time is text, as it can be longer than a day and negative") {
  check({"time",
         {"'-838:59:59'", "'100:00:00'", "'00:00:00'", "'838:59:59'"},
         "string",
         {"-838:59:59.000000", "100:00:00.000000", "00:00:00.000000", "838:59:59.000000"}});
  check({"time(6)", {"'-00:00:00.000001'", "'23:59:59.999999'"}, "string", {"-00:00:00.000001", "23:59:59.999999"}});
}

TEST_CASE("text is UTF-8, whatever the column's character set") {
  check({"varchar(20)", {"'우동 🍜'", "''", "'NULL'"}, "string", {"우동 🍜", "", "NULL"}});
  check({"varchar(20) character set latin1", {"'café €'", "'Ÿ'"}, "string", {"café €", "Ÿ"}});
  check({"varchar(20) character set euckr", {"'우동'", "'?'", "'가?나?'"}, "string", {"우동", "?", "가?나?"}});
  check({"varchar(20) character set sjis", {"'うどん'"}, "string", {"うどん"}});
  check({"text character set ucs2", {"'우동'"}, "string", {"우동"}});
  check({"char(5)", {"'ab'", "'가나다라마'"}, "string", {"ab", "가나다라마"}});
  check({"longtext", {"repeat('가', 100000)"}, "string", {[] {
           std::string text;
           for (int i = 0; i < 100000; ++i) text += "가";
           return text;
         }()}});
  check({"json", {"'{\"b\": 1.0, \"a\":[1, 2]}'", "'null'"}, "string", {"{\"b\": 1.0, \"a\":[1, 2]}", "null"}});
  check({"enum('a','우동','')", {"'a'", "'우동'", "''"}, "string", {"a", "우동", ""}, true});
  check({"set('x','y','z')", {"'z,x'", "''"}, "string", {"x,z", ""}, true});
  check({"inet6", {"'2001:db8:0:0:0:0:0:1'", "'::ffff:1.2.3.4'"}, "string", {"2001:db8::1", "::ffff:1.2.3.4"}});
  check({"inet4", {"'1.2.3.4'"}, "string", {"1.2.3.4"}});
  check({"uuid", {"'123E4567-E89B-12D3-A456-426655440000'"}, "string", {"123e4567-e89b-12d3-a456-426655440000"}});
}

TEST_CASE("bytes stay bytes, and geometry is WKB") {
  check({"varbinary(5)", {"0x00ff", "''"}, "binary", {"00FF", ""}});
  check({"binary(4)", {"0x01"}, "binary", {"01000000"}});
  check({"blob", {"0xC0FFEE"}, "binary", {"C0FFEE"}});
  check(
      {"geometry", {"st_geomfromtext('POINT(1 2)', 4326)"}, "binary", {"0101000000000000000000F03F0000000000000040"}});
  check({"point", {"point(1, 2)"}, "binary", {"0101000000000000000000F03F0000000000000040"}});
}

TEST_CASE("a wall clock becomes an instant if its zone is declared") {
  data::test::ScratchTable table("zoned", "v datetime(6), d date, s timestamp null");
  table.insert(
      {"(1, '2024-01-01 09:00:00.5', '2024-01-01', '2024-01-01 09:00:00')", "(2, '1988-07-01 00:00:00', null, null)"});
  TableRequest request;
  request.timezone = "Asia/Seoul";
  const data::test::ReadTable read = table.read(request);
  CHECK(read.columns[1].type->ToString() == "timestamp[us, tz=UTC]");
  // Korea had summer time in 1988.
  CHECK(read.texts(1) == Strings{"2024-01-01 00:00:00.500000Z", "1988-06-30 14:00:00.000000Z"});
  CHECK(read.texts(2) == Strings{"2024-01-01", "null"});
  CHECK(read.texts(3) == Strings{"2024-01-01 00:00:00.000000Z", "null"});
}

TEST_CASE("a wall clock that its zone skipped or had twice is an error, not a guess") {
  data::test::ScratchTable table("gaps", "v datetime");
  TableRequest request;
  request.timezone = "America/New_York";
  table.insert({"(7, '2024-03-10 02:30:00')"});
  const Error skipped = table.failure(request);
  CHECK(skipped.kind == ErrorKind::data);
  data::test::check_mentions(skipped, {"`v`", "id = 7", "'2024-03-10 02:30:00'", "never was", "`type: timestamp`"});
  table.run("update {} set id = 8, v = '2024-11-03 01:30:00'");
  data::test::check_mentions(table.failure(request), {"id = 8", "was twice"});
  request.timezone = "Asia/Soul";
  const Error unknown = table.failure(request);
  CHECK(unknown.kind == ErrorKind::invalid);
  data::test::check_mentions(unknown, {"did you mean `Asia/Seoul`?"});
}

TEST_CASE("zero dates are an error by default, and NULL and counted if so chosen") {
  for (const std::string type : {"date", "datetime", "timestamp"}) {
    INFO(type);
    data::test::ScratchTable table("zero", "v " + type + " not null default '2020-01-01'");
    table.insert({"(1, '0000-00-00')"});
    const Error error = table.failure({});
    CHECK(error.kind == ErrorKind::data);
    data::test::check_mentions(error, {table.name(), "`v` (" + type, "id = 1", "'0000-00-00", "`zero_dates: 'null'`"});
    TableRequest request;
    request.policies.zero_dates = "null";
    const data::test::ReadTable read = table.read(request);
    CHECK(read.columns[1].nullable);
    CHECK(read.texts(1) == Strings{"null"});
    CHECK(read.uses == std::vector<PolicyUse>{{"v", "zero_dates=null", 1}});
  }
  data::test::ScratchTable table("partial", "v date");
  table.insert({"(1, '2024-00-00')"});
  data::test::check_mentions(table.failure({}), {"'2024-00-00' is no day of the calendar"});
  table.run("set statement sql_mode='ALLOW_INVALID_DATES' for update {} set v = '2024-02-31'");
  data::test::check_mentions(table.failure({}), {"'2024-02-31' is no day of the calendar"});
}

TEST_CASE("days before 1582-10-15 are an error by default, and kept or NULL if so chosen") {
  data::test::ScratchTable table("ancient", "v date, w datetime");
  table.insert({"(1, '1582-10-14', '0001-01-01 00:00:00')"});
  const Error error = table.failure({});
  CHECK(error.kind == ErrorKind::data);
  data::test::check_mentions(error,
                             {"`v`", "id = 1", "'1582-10-14'", "`ancient_dates: keep`", "`ancient_dates: 'null'`"});
  TableRequest request;
  request.policies.ancient_dates = "keep";
  data::test::ReadTable read = table.read(request);
  CHECK(read.texts(1) == Strings{"1582-10-14"});
  CHECK(read.texts(2) == Strings{"0001-01-01 00:00:00.000000"});
  CHECK(read.uses == std::vector<PolicyUse>{{"v", "ancient_dates=keep", 1}, {"w", "ancient_dates=keep", 1}});
  request.policies.ancient_dates = "null";
  read = table.read(request);
  CHECK(read.texts(1) == Strings{"null"});
  CHECK(read.texts(2) == Strings{"null"});
}

TEST_CASE("text that is no valid Unicode is an error by default, and replaced or NULL if so chosen") {
  data::test::ScratchTable table("invalid", "v varchar(10) character set ucs2");
  table.insert({"(1, concat(_ucs2 0xD800, 'a'))"});  // half of a surrogate pair
  const Error error = table.failure({});
  CHECK(error.kind == ErrorKind::data);
  data::test::check_mentions(error,
                             {"`v`", "id = 1", "no valid UTF-8", "`invalid_text: replace`", "`invalid_text: 'null'`"});
  TableRequest request;
  request.policies.invalid_text = "replace";
  data::test::ReadTable read = table.read(request);
  CHECK(read.texts(1) == Strings{"\uFFFD\uFFFD\uFFFDa"});
  CHECK(read.uses == std::vector<PolicyUse>{{"v", "invalid_text=replace", 1}});
  request.policies.invalid_text = "null";
  read = table.read(request);
  CHECK(read.texts(1) == Strings{"null"});
}

TEST_CASE("a character that the server turns into a question mark is not taken for one") {
  data::test::ScratchTable table("unmapped", "v varchar(10) character set euckr");
  table.insert({"(1, '정말?')", "(2, concat(_euckr 0xC9A1, '?'))"});  // a user-defined character
  const Error error = table.failure({});
  CHECK(error.kind == ErrorKind::data);
  data::test::check_mentions(error, {"`v`", "id = 2", "cannot convert", "`invalid_text: 'null'`"});
  TableRequest request;
  request.policies.invalid_text = "null";
  CHECK(table.read(request).texts(1) == Strings{"정말?", "null"});
  request.policies.invalid_text = "replace";
  const data::test::ReadTable read = table.read(request);
  CHECK(read.texts(1) == Strings{"정말?", "??"});
  CHECK(read.uses == std::vector<PolicyUse>{{"v", "invalid_text=replace", 1}});
}

TEST_CASE("a value over the limit is an error, and one at the limit is none") {
  data::test::ScratchTable table("large", "v longtext, b longblob");
  table.insert({"(1, repeat('x', 1000), repeat(0x00, 1000))"});
  TableRequest request;
  request.value_bytes_max = 1000;
  CHECK(table.read(request).texts(1) == Strings{std::string(1000, 'x')});
  table.run("update {} set b = repeat(0x00, 1001)");
  const Error error = table.failure(request);
  CHECK(error.kind == ErrorKind::data);
  data::test::check_mentions(error, {"`b`", "id = 1", "1000 bytes", "leave the column out"});
  table.run("update {} set b = null, v = repeat('가', 334)");
  data::test::check_mentions(table.failure(request), {"`v`", "1000 bytes"});
}
