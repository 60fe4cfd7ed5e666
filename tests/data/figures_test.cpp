// Level source: the figures of a file, and what happens where the database says otherwise.
#include "plugins/data/figures.h"

#include <arrow/api.h>

#include <catch2/catch.hpp>

#include "plugins/data/table_copy.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/arrays.h"
#include "tests/data/fake_reader.h"

namespace udon::data {
namespace {

template <class Builder, class T>
std::shared_ptr<arrow::Array> made(Builder&& builder, const std::vector<std::optional<T>>& values) {
  for (const auto& value : values) REQUIRE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  std::shared_ptr<arrow::Array> array;
  REQUIRE(builder.Finish(&array).ok());
  return array;
}

DatabaseFigures figures_of(const std::vector<std::shared_ptr<arrow::Array>>& arrays) {
  const auto schema = arrow::schema({arrow::field("c", arrays.front()->type())});
  FileFigures all(*schema);
  // Each array as a file of its own.
  for (const auto& array : arrays) {
    FileFigures one(*schema);
    REQUIRE(one.add(*arrow::RecordBatch::Make(schema, array->length(), {array})));
    all.add(one);
  }
  return all.figures().at(0);
}

TEST_CASE("numbers have a least, a greatest and a sum that no 128 bits hold") {
  const auto type = arrow::decimal128(38, 2);
  const arrow::Decimal128 large("999999999999999999999999999999999999.99");
  const DatabaseFigures large_ones =
      figures_of({made<arrow::Decimal128Builder, arrow::Decimal128>(arrow::Decimal128Builder(type), {large, large}),
                  made<arrow::Decimal128Builder, arrow::Decimal128>(
                      arrow::Decimal128Builder(type), {large, std::nullopt, arrow::Decimal128("-0.05")})});
  CHECK(large_ones.count == 4);
  CHECK(large_ones.nulls == 1);
  CHECK(large_ones.least == "-0.05");
  CHECK(large_ones.greatest == "999999999999999999999999999999999999.99");
  CHECK(large_ones.sum == "2999999999999999999999999999999999999.92");

  const DatabaseFigures small = figures_of(
      {test::ints({INT64_MIN, INT64_MIN, std::nullopt}), test::ints({std::nullopt}), test::ints({INT64_MAX})});
  CHECK(small.least == "-9223372036854775808");
  CHECK(small.greatest == "9223372036854775807");
  CHECK(small.sum == "-9223372036854775809");
  CHECK(figures_of({test::ints({std::nullopt})}).least == std::nullopt);
}

TEST_CASE("doubles: NaN is the greatest, there is one nought, and no sum") {
  const DatabaseFigures figures =
      figures_of({made<arrow::DoubleBuilder, double>(arrow::DoubleBuilder(), {std::nan(""), -0.0}),
                  made<arrow::DoubleBuilder, double>(arrow::DoubleBuilder(), {0.1})});
  CHECK(figures.least == "0");
  CHECK(figures.greatest == "NaN");
  CHECK_FALSE(figures.sum);
  CHECK(figures_of({made<arrow::FloatBuilder, float>(arrow::FloatBuilder(), {0.1F})}).least == "0.10000000149011612");
}

TEST_CASE("texts are counted by their bytes, also where a dictionary holds them") {
  CHECK(figures_of({test::texts({"우동", "", std::nullopt})}).bytes == 6);
  arrow::StringDictionary32Builder builder;
  for (const char* text : {"면", "면", "국물"}) REQUIRE(builder.Append(text).ok());
  std::shared_ptr<arrow::Array> array;
  REQUIRE(builder.Finish(&array).ok());
  CHECK(figures_of({array}).bytes == 12);
}

TEST_CASE("figures are written alike whoever prints the number") {
  CHECK(figure_of_digits("00042") == "42");
  CHECK(figure_of_digits("0") == "0");
  CHECK(figure_of_digits("0000") == "0");
  CHECK(figure_of_digits("-0.00") == "0.00");
  CHECK(figure_of_digits(".12345") == "0.12345");
  CHECK(figure_of_digits("-007.10") == "-7.10");
  CHECK(figure_of_day(-141'427) == "1582-10-15");
  CHECK(figure_of_moment(-1, true) == "1969-12-31 23:59:59.999999Z");
  CHECK(figure_of_moment(1'500'000, false) == "1970-01-01 00:00:01.5");
  CHECK(figure_of_day(106'751'991'167) == "day 106751991167 since 1970-01-01");
}

struct Fixture {
  TemporaryFolder folder;
  FakeClock clock{*parse_time("2026-01-31T00:00:00Z")};
  test::FakeReader reader;
  CopyRequest request;

  // Three rows: 1, 2, NULL; "a", NULL, "우동".
  Fixture() {
    for (const auto& [name, type] : {std::pair{"id", arrow::int64()}, std::pair{"이름", arrow::utf8()}})
      reader.columns.push_back({.request = {.source_name = name, .name = name}, .source_type = "test", .type = type});
    request.folder = folder.path();
    request.clock = &clock;
    request.source = "test";
    request.table.certify = CertifyLevel::source;
    reader.add(arrow::RecordBatch::Make(
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("이름", arrow::utf8())}), 3,
        arrow::ArrayVector{test::ints({1, 2, std::nullopt}), test::texts({"a", std::nullopt, "우동"})}));
    reader.database = {{.count = 2, .nulls = 1, .least = "1", .greatest = "2", .sum = "3"},
                       {.count = 2, .nulls = 1, .bytes = 7}};
  }
  // The figures are refused, for these words; nothing is left.
  void check_refused(const std::string& why) {
    const auto copied = copy_table(reader, request, {});
    REQUIRE_FALSE(copied);
    CHECK(copied.error().kind == ErrorKind::data);
    INFO(copied.error().message);
    CHECK(copied.error().message.find(why) != std::string::npos);
    CHECK(std::filesystem::is_empty(folder.path()));
  }
};

TEST_CASE("what the database counts itself is in the certificate, and survives its JSON") {
  Fixture f;
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE(copied);
  CHECK(copied->certificate.level == CertifyLevel::source);
  REQUIRE(copied->certificate.columns.at(0).database);
  CHECK(copied->certificate.columns[0].database->sum == "3");
  CHECK(copied->certificate.columns[1].database->bytes == 7);
  const auto again = parse_certificate(to_value(copied->certificate));
  REQUIRE(again);
  CHECK(*again == copied->certificate);
}

TEST_CASE("a row that our reader never saw, hashes and all, is missed by the database") {
  Fixture f;
  f.reader.database[0] = {.count = 3, .nulls = 1, .least = "1", .greatest = "7", .sum = "10"};
  f.reader.database[1] = {.count = 3, .nulls = 1, .bytes = 8};
  f.check_refused(
      "column `id`: values 3 there, 2 in the file, greatest 7 there, 2 in the file, sum 10 there, 3 in the file");
}

TEST_CASE("each figure alone is enough to refuse the file") {
  SECTION("NULLs") {
    Fixture f;
    f.reader.database[1].nulls = 0;
    f.check_refused("column `이름`: NULLs 0 there, 1 in the file");
  }
  SECTION("least") {
    Fixture f;
    f.reader.database[0].least = "0";
    f.check_refused("column `id`: least 0 there, 1 in the file");
  }
  SECTION("sum") {
    Fixture f;
    f.reader.database[0].sum = "4";
    f.check_refused("column `id`: sum 4 there, 3 in the file");
  }
  SECTION("bytes") {
    Fixture f;
    f.reader.database[1].bytes = 8;
    f.check_refused("column `이름`: bytes 8 there, 7 in the file");
  }
}

TEST_CASE("values of which a policy made NULLs are the database's values and the file's NULLs") {
  Fixture f;
  f.reader.database[1] = {.count = 3, .nulls = 0, .bytes = 9};
  f.check_refused("column `이름`");
  Fixture again;
  again.reader.database[1] = {.count = 3, .nulls = 0, .bytes = 9};
  again.reader.uses = {{"이름", "invalid_text=null", 1}};
  const auto copied = copy_table(again.reader, again.request, {});
  INFO((copied ? "" : copied.error().message));
  REQUIRE(copied);
  CHECK(copied->certificate.columns[1].database->nulled == 1);
  CHECK_FALSE(copied->certificate.columns[1].database->bytes);
  CHECK(copied->certificate.columns[1].database->left_out == "bytes: invalid_text=null changed values");
}

TEST_CASE("a masked column tells nothing but counts") {
  Fixture f;
  const auto key = MaskKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "mask");
  REQUIRE(key);
  f.request.mask_key = &*key;
  f.reader.columns[0].request.mask = "hmac_sha256";
  const auto copied = copy_table(f.reader, f.request, {});
  INFO((copied ? "" : copied.error().message));
  REQUIRE(copied);
  const ColumnCertificate& id = copied->certificate.columns[0];
  CHECK(id.mask == "hmac_sha256");
  CHECK(*id.database == DatabaseFigures{.count = 2, .nulls = 1, .left_out = "all but counts: masked"});
}

TEST_CASE("a source that is no database cannot be certified at level source") {
  Fixture f;
  f.reader.database.clear();
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().kind == ErrorKind::unsupported);
  CHECK(std::filesystem::is_empty(f.folder.path()));
}

}  // namespace
}  // namespace udon::data
