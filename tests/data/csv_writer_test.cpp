#include "plugins/data/csv_writer.h"

#include <arrow/json/from_string.h>

#include <catch2/catch.hpp>

#include "plugins/data/cell_text.h"
#include "plugins/data/csv_reader.h"
#include "tests/base/temporary_folder.h"

namespace udon::data {
namespace {

std::shared_ptr<arrow::Array> array(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

class Written {
 public:
  explicit Written(std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> columns,
                   const CsvWriteOptions& options = {}, int batches = 1) {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (auto& [name, values] : columns) {
      fields.push_back(arrow::field(name, values->type()));
      arrays.push_back(values);
    }
    const auto schema = arrow::schema(fields);
    auto writer = CsvWriter::create(path(), schema, options);
    if (!writer) FAIL(writer.error().message);
    const auto batch = arrow::RecordBatch::Make(schema, arrays.empty() ? 0 : arrays[0]->length(), arrays);
    for (int i = 0; i < batches; ++i) REQUIRE((*writer)->write(*batch));
    const auto finished = (*writer)->finish();
    REQUIRE(finished);
    const auto verified = (*writer)->verify();
    INFO((verified ? "" : verified.error().message));
    CHECK(verified);
    text = read_file(path()).value();
    CHECK(static_cast<int64_t>(text.size()) == finished->bytes);
    writer_ = std::move(*writer);
  }
  Path path() const { return folder_.path() / "a.csv"; }
  // As if the disk had changed it.
  Result<void> verified_with(const std::string& content) const {
    REQUIRE(write_file_atomically(path(), content, Durability::survives_kill));
    return writer_->verify();
  }
  std::string text;

 private:
  TemporaryFolder folder_;
  std::unique_ptr<CsvWriter> writer_;
};

TEST_CASE("fields are quoted where they need it, and NULL is not an empty text") {
  const Written written(
      {{"이름, \"x\"", array(arrow::utf8(), R"(["우동", "a,b", "say \"hi\"", "두\n줄", "", null, " edge "])")},
       {"n", array(arrow::int32(), "[1, -2, null, 4, 5, 6, 7]")}});
  CHECK(written.text ==
        "\"이름, \"\"x\"\"\",n\n우동,1\n\"a,b\",-2\n\"say \"\"hi\"\"\",\n\"두\n줄\",4\n\"\",5\n,6\n\" edge \",7\n");
}

TEST_CASE("delimiter, header, NULL's text and line end can be chosen") {
  const CsvWriteOptions options{
      .delimiter = '\t', .header = CsvHeader::left_out, .null_text = "\\N", .line_end = CsvLineEnd::crlf};
  const Written written({{"a", array(arrow::utf8(), R"(["x,y", null, "\\N", "", "t\tt"])")},
                         {"b", array(arrow::boolean(), "[true, false, null, true, true]")}},
                        options);
  CHECK(written.text == "x,y\ttrue\r\n\\N\tfalse\r\n\"\\N\"\t\\N\r\n\"\"\ttrue\r\n\"t\tt\"\ttrue\r\n");
}

TEST_CASE("every type is written exactly") {
  const auto utc = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const Written written(
      {{"d", array(arrow::decimal128(38, 10), R"(["-1234567890123456789012345678.0000000001", "0.0000000000"])")},
       {"f", array(arrow::float64(), "[0.1, 1e308]")},
       {"g", array(arrow::float32(), "[0.1, -0.0]")},
       {"i", array(arrow::int64(), "[-9223372036854775808, 9223372036854775807]")},
       {"j", array(arrow::int8(), "[-128, 127]")},
       {"day", array(arrow::date32(), "[20484, -719162]")},
       {"wall", array(arrow::timestamp(arrow::TimeUnit::MICRO), "[1769850000000000, -1]")},
       {"at", array(utc, "[1769850000000000, 1769850000000001]")},
       {"list", array(arrow::list(arrow::utf8()), R"([["a,\"b", null], []])")}});
  CHECK(written.text ==
        "d,f,g,i,j,day,wall,at,list\n"
        "-1234567890123456789012345678.0000000001,0.1,0.1,-9223372036854775808,-128,2026-01-31,2026-01-31 09:00:00,"
        "2026-01-31 09:00:00Z,\"[\"\"a,\\\"\"b\"\",null]\"\n"
        "0.0000000000,1e+308,-0,9223372036854775807,127,0001-01-01,1969-12-31 23:59:59.999999,2026-01-31 "
        "09:00:00.000001Z,[]\n");
}

TEST_CASE("no rows are a header, no columns that differ are told, and large results stream") {
  CHECK(Written({{"a", array(arrow::utf8(), "[]")}, {"b", array(arrow::utf8(), "[]")}}).text == "a,b\n");
  const Written many({{"a", array(arrow::utf8(), R"(["x", "y"])")}, {"b", array(arrow::int32(), "[1, 2]")}}, {},
                     300'000);
  CHECK(many.text.size() == 4 + 300'000 * 8);
}

TEST_CASE("a NULL in the only column would be no line at all") {
  TemporaryFolder folder;
  const auto values = array(arrow::utf8(), R"(["a", null])");
  const auto schema = arrow::schema({arrow::field("a", arrow::utf8())});
  const auto writer = CsvWriter::create(folder.path() / "a.csv", schema, {});
  REQUIRE(writer);
  const auto refused = (*writer)->write(*arrow::RecordBatch::Make(schema, 2, {values}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::data);
  CHECK(Written({{"a", values}}, {.null_text = "\\N"}).text == "a\na\n\\N\n");
}

TEST_CASE("options that could not be read back are refused") {
  TemporaryFolder folder;
  const auto schema = arrow::schema({arrow::field("a", arrow::utf8())});
  for (const char delimiter : {'"', '\n', '\r', '\0', '\xec'})
    CHECK(CsvWriter::create(folder.path() / "a", schema, {.delimiter = delimiter}).error().kind == ErrorKind::invalid);
  for (const char* text : {"a,b", "a\"", "\n"})
    CHECK(CsvWriter::create(folder.path() / "a", schema, {.null_text = text}).error().kind == ErrorKind::invalid);
}

TEST_CASE("a file that is not what was written is seen") {
  const Written written({{"a", array(arrow::utf8(), R"(["x", null, ""])")}, {"b", array(arrow::int32(), "[1, 2, 3]")}});
  REQUIRE(written.text == "a,b\nx,1\n,2\n\"\",3\n");
  CHECK(written.verified_with(written.text));
  for (const char* other : {"a,b\nx,1\n,2\n", "a,b\nx,1\n\"\",2\n\"\",3\n", "a,b\nx,2\n,1\n\"\",3\n",
                            "a,b\ny,1\n,2\n\"\",3\n", "a,b\nx,1\n,2,\n\"\",3\n", "a,b\nx,1\n,2\n\"\",\"3\n"}) {
    INFO(other);
    const auto differs = written.verified_with(other);
    REQUIRE_FALSE(differs);
    CHECK(differs.error().kind == ErrorKind::data);
  }
}

TEST_CASE("our reader gets back what was written") {
  const Written written(
      {{"t", array(arrow::utf8(), R"(["우\n\"동\"", "", null, "NULL"])")},
       {"d", array(arrow::decimal128(12, 2), R"(["1.10", "-0.01", null, "9999999999.99"])")},
       {"f", array(arrow::float64(), "[0.1, 1e-300, null, -5]")},
       {"at", array(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[0, 1769850000000001, null, 1]")}});
  auto reader = make_csv_reader(
      written.path(), {.schema = {{"t", "string"}, {"d", "decimal(12,2)"}, {"f", "double"}, {"at", "timestamptz"}}});
  TableRequest request;
  request.all_columns = true;
  REQUIRE(reader->open(request, {}));
  const auto batch = reader->sources().at(0)->next();
  REQUIRE(batch);
  REQUIRE(*batch);
  std::string all;
  const arrow::RecordBatch& rows = *(*batch)->rows;
  for (int64_t r = 0; r < rows.num_rows(); ++r)
    for (int c = 0; c < rows.num_columns(); ++c) all += to_json(cell_value(*rows.column(c), r)) + " ";
  CHECK(
      all ==
      "\"우\\n\\\"동\\\"\" \"1.10\" 0.1 \"1970-01-01 00:00:00Z\" \"\" \"-0.01\" 1e-300 \"2026-01-31 09:00:00.000001Z\" "
      "null null null null \"NULL\" \"9999999999.99\" -5.0 \"1970-01-01 00:00:00.000001Z\" ");
}

}  // namespace
}  // namespace udon::data
