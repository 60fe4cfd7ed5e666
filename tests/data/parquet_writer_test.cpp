#include "plugins/data/parquet_writer.h"

#include <parquet/file_reader.h>

#include <catch2/catch.hpp>

#include "plugins/data/certifier.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/arrays.h"

namespace udon::data {
namespace {

using test::ints;
using test::texts;

const auto id_and_status =
    arrow::schema({arrow::field("id", arrow::int64()), arrow::field("status.상태", arrow::utf8())});

std::shared_ptr<arrow::RecordBatch> orders(int64_t rows) {
  std::vector<std::optional<int64_t>> ids;
  std::vector<std::optional<std::string>> states;
  for (int64_t i = 0; i < rows; ++i) {
    ids.emplace_back(i * 7919);
    states.push_back(i % 3 == 0 ? std::nullopt : std::optional(std::string(i % 2 == 0 ? "paid" : "결제")));
  }
  return arrow::RecordBatch::Make(id_and_status, rows, arrow::ArrayVector{ints(ids), texts(states)});
}

Path written(const TemporaryFolder& folder, const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
             const ParquetOptions& options = {}) {
  const Path file = folder.path() / "orders.parquet";
  auto writer = ParquetWriter::create(file, id_and_status, options);
  REQUIRE(writer);
  for (const auto& batch : batches) REQUIRE((*writer)->write(*batch));
  REQUIRE((*writer)->finish());
  return file;
}

bool has_dictionary(const Path& file, int column) {
  const auto reader = parquet::ParquetFileReader::OpenFile(file.string());
  return reader->metadata()->RowGroup(0)->ColumnChunk(column)->has_dictionary_page();
}

Certifier counted(const std::shared_ptr<arrow::RecordBatch>& batch, CertifyLevel level) {
  Certifier certifier(level, 2);
  REQUIRE(certifier.add_hashing(*batch));
  return certifier;
}

TEST_CASE("a column of values that repeat gets a dictionary, one of values that don't gets none") {
  const TemporaryFolder folder;
  const Path file = written(folder, {orders(5000)});
  CHECK_FALSE(has_dictionary(file, 0));
  CHECK(has_dictionary(file, 1));
}

TEST_CASE("of a few rows nothing is concluded") {
  const TemporaryFolder folder;
  CHECK(has_dictionary(written(folder, {orders(100)}), 0));
}

TEST_CASE("at level rows the counts of the footer must be those of the source") {
  const TemporaryFolder folder;
  const auto rows = orders(3000);
  // Three row groups, so that counts are added up.
  const Path file =
      written(folder, {rows->Slice(0, 1000), rows->Slice(1000, 1000), rows->Slice(2000)}, {.row_group_rows = 1000});
  const std::vector<std::string> names{"id", "status.상태"};
  CHECK(verify_parquet(file, counted(rows, CertifyLevel::rows), CertifyLevel::rows, names));
  CHECK(verify_parquet(file, counted(rows, CertifyLevel::wire), CertifyLevel::wire, names));

  const auto fewer = verify_parquet(file, counted(rows->Slice(1), CertifyLevel::rows), CertifyLevel::rows, names);
  REQUIRE_FALSE(fewer);
  CHECK(fewer.error().message.find("2999 rows were read from the source, the file holds 3000") != std::string::npos);

  const auto no_null = arrow::RecordBatch::Make(
      id_and_status, 3000, {rows->column(0), texts(std::vector<std::optional<std::string>>(3000, "x"))});
  const auto nulls = verify_parquet(file, counted(no_null, CertifyLevel::rows), CertifyLevel::rows, names);
  REQUIRE_FALSE(nulls);
  CHECK(nulls.error().message.find("column `status.상태`: 0 NULLs in the source, 1000 in the file") !=
        std::string::npos);

  Certifier three(CertifyLevel::rows, 3);
  CHECK(verify_parquet(file, three, CertifyLevel::rows, {"a", "b", "c"}).error().kind == ErrorKind::data);
}

TEST_CASE("a file without rows is verified too") {
  const TemporaryFolder folder;
  const Path file = written(folder, {});
  for (const CertifyLevel level : {CertifyLevel::rows, CertifyLevel::wire})
    CHECK(verify_parquet(file, Certifier(level, 2), level, {"id", "status.상태"}));
}

}  // namespace
}  // namespace udon::data
