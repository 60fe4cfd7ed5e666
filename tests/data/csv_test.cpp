#include <catch2/catch.hpp>

#include "plugins/data/array_hash.h"
#include "plugins/data/csv_reader.h"
#include "plugins/data/type_name.h"
#include "tests/base/temporary_folder.h"

namespace udon::data {
namespace {

struct ReadResult {
  std::shared_ptr<arrow::RecordBatch> rows;  // of the first batch; null if there is none
  std::string error;
};

ReadResult read(const std::string& content, std::vector<std::pair<std::string, std::string>> schema,
                CsvOptions options = {}) {
  const TemporaryFolder folder;
  const Path file = folder.path() / "file.csv";
  REQUIRE(write_file_atomically(file, content, Durability::survives_kill));
  options.schema = std::move(schema);
  options.display = "가격.csv";
  const auto reader = make_csv_reader(file, options);
  if (const auto columns = reader->open({}, {}); !columns) return {nullptr, columns.error().message};
  const auto batch = reader->sources().front()->next();
  if (!batch) return {nullptr, batch.error().message};
  if (!*batch) return {};
  for (int c = 0; c < (*batch)->rows->num_columns(); ++c)
    CHECK(*hash_array(*(*batch)->rows->column(c)) == (*batch)->hashes[static_cast<size_t>(c)]);
  return {(*batch)->rows, ""};
}

std::string cell(const ReadResult& result, int column, int64_t row) {
  REQUIRE(result.error.empty());
  REQUIRE(result.rows);
  const auto scalar = result.rows->column(column)->GetScalar(row).ValueOrDie();
  return scalar->is_valid ? scalar->ToString() : "NULL";
}

TEST_CASE("nothing is NULL and a quoted nothing is the empty text") {
  const auto result = read("a,b\n,\"\"\n", {{"a", "string"}, {"b", "string"}});
  CHECK(cell(result, 0, 0) == "NULL");
  CHECK(cell(result, 1, 0).empty());
}

TEST_CASE("a NULL text of one's own leaves the empty text alone") {
  CsvOptions options;
  options.null_text = "NULL";
  const auto result = read("a,b\nNULL,\"NULL\"\n,x\n", {{"a", "string"}, {"b", "string"}}, options);
  CHECK(cell(result, 0, 0) == "NULL");
  CHECK(cell(result, 1, 0) == "NULL");
  CHECK(result.rows->column(1)->null_count() == 0);
  CHECK(result.rows->column(0)->null_count() == 1);
}

TEST_CASE("each type takes its edge values exactly") {
  const auto result = read(
      "i8,i64,d,f,b,day,at,tz\n"
      "-128,-9223372036854775808,-9999999999.99,-5e-324,TRUE,9999-12-31,2026-01-31 "
      "09:00:00.000001,2026-01-31T09:00:00+09:00\n"
      "+127,9223372036854775807,0.5,1.7976931348623157e308,0,1582-10-15,2026-01-31,1999-12-31 23:59:59.9Z\n",
      {{"i8", "int8"},
       {"i64", "int64"},
       {"d", "decimal(12,2)"},
       {"f", "double"},
       {"b", "boolean"},
       {"day", "date"},
       {"at", "timestamp"},
       {"tz", "timestamptz"}});
  CHECK(cell(result, 0, 0) == "-128");
  CHECK(cell(result, 0, 1) == "127");
  CHECK(cell(result, 1, 0) == "-9223372036854775808");
  CHECK(cell(result, 2, 0) == "-9999999999.99");
  CHECK(cell(result, 2, 1) == "0.50");
  CHECK(cell(result, 4, 0) == "true");
  CHECK(cell(result, 5, 0) == "9999-12-31");
  CHECK(cell(result, 6, 0) == "2026-01-31 09:00:00.000001");
  CHECK(cell(result, 6, 1) == "2026-01-31 00:00:00.000000");
  CHECK(cell(result, 7, 0) == "2026-01-31 00:00:00.000000Z");
}

TEST_CASE("a value that has no exact place is an error with file, line, column and what was expected") {
  const auto error = [](const std::string& value, const std::string& type) {
    return read("x\n1\n" + value + "\n", {{"x", type == "int8" ? "int8" : type}}).error;
  };
  CHECK(error("128", "int8") == "가격.csv:3: column `x`: '128' is not a whole number from -128 to 127");
  const auto refused = [](const std::string& value, const std::string& type) {
    const auto message = read("x\n" + value + "\n", {{"x", type}}).error;
    INFO(value << " as " << type << ": " << message);
    CHECK(message.starts_with("가격.csv:2: column `x`: "));
  };
  refused("1.0", "int64");
  refused(" 1", "int64");
  refused("0x10", "int64");
  refused("1e3", "decimal(12,2)");
  refused("1.005", "decimal(12,2)");
  refused("10000000000", "decimal(12,2)");
  refused(".", "decimal(12,2)");
  refused("--1", "decimal(12,2)");
  refused("nan", "double");
  refused("1e400", "double");
  refused("1e39", "float");
  refused("yes", "boolean");
  refused("2026-02-29", "date");
  refused("2026-1-1", "date");
  refused("1582-10-14", "date");
  refused("2026-01-01 24:00:00", "timestamp");
  refused("2026-01-01 00:00:00.0000001", "timestamp");
  refused("2026-01-01 00:00:00Z", "timestamp");
  refused("2026-01-01 00:00:00", "timestamptz");
  refused("\xff\xfe", "string");
}

TEST_CASE("digits behind the point that are nought may be more than the scale") {
  CHECK(cell(read("x\n1.2500\n", {{"x", "decimal(3,2)"}}), 0, 0) == "1.25");
  CHECK(cell(read("x\n000123.4\n", {{"x", "decimal(5,2)"}}), 0, 0) == "123.40");
}

TEST_CASE("the header may have another order, but no other columns") {
  const auto swapped = read("b,a\n1,2\n", {{"a", "int64"}, {"b", "int64"}});
  CHECK(cell(swapped, 0, 0) == "2");
  CHECK(read("a,prise\n", {{"a", "int64"}, {"price", "int64"}}).error ==
        "가격.csv:1: the header has no column `price`; did you mean `prise`?; it has a, prise");
  CHECK(read("a,b\n", {{"a", "int64"}}).error.find("the header has column `b`, which the schema does not state") !=
        std::string::npos);
  CHECK(read("a, price\n", {{"a", "int64"}, {"price", "int64"}}).error ==
        "가격.csv:1: the header has no column `price`, but ` price`: the blanks belong to the name; state it so");
  CHECK(cell(read("a, price\n1,2\n", {{"a", "int64"}, {" price", "int64"}}), 1, 0) == "2");
  CHECK(read("a,a\n", {{"a", "int64"}}).error.find("twice") != std::string::npos);
  CHECK(read("", {{"a", "int64"}}).error.find("is empty") != std::string::npos);
}

TEST_CASE("a record with too few or too many fields is an error that names its line, after lines inside quotes too") {
  CHECK(read("a,b\n\"1\n2\",x\n1\n", {{"a", "string"}, {"b", "string"}}).error ==
        "가격.csv:4: 1 fields where 2 columns were stated");
}

TEST_CASE("a header without rows is an empty table") {
  const auto result = read("a\n", {{"a", "int64"}});
  CHECK(result.error.empty());
  CHECK(result.rows == nullptr);
}

TEST_CASE("a quote that is never closed is found at its line") {
  CHECK(read("a\nok\n\"open\nand on", {{"a", "string"}}).error.find(":3: a quote") != std::string::npos);
}

TEST_CASE("a byte order mark is not part of the first name") {
  CHECK(cell(read("\xEF\xBB\xBF가격\r\n12\r\n", {{"가격", "int32"}}), 0, 0) == "12");
}

TEST_CASE("an unknown type is told with the nearest") {
  const auto type = parse_type_name("timestmap");
  REQUIRE_FALSE(type);
  CHECK(type.error().message.find("did you mean `timestamp`?") != std::string::npos);
  CHECK_FALSE(parse_type_name("decimal(39,2)"));
  CHECK_FALSE(parse_type_name("decimal(5,6)"));
  CHECK_FALSE(parse_type_name("time"));
  CHECK((*parse_type_name("decimal( 12 , 2 )"))->Equals(*arrow::decimal128(12, 2)));
}

}  // namespace
}  // namespace udon::data
