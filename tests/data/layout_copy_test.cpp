// A table whose rows belong to different places, copied: every row once, each place with files and sums of its own.
#include <catch2/catch.hpp>

#include <map>
#include <set>

#include "plugins/data/partition.h"
#include "plugins/data/table_copy.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/arrays.h"
#include "tests/data/fake_reader.h"

namespace udon::data {
namespace {

using Each = PartitionField::Each;

struct Fixture {
  TemporaryFolder folder;
  FakeClock clock{*parse_time("2026-01-31T00:00:00Z")};
  test::FakeReader reader;
  PartitionLayout layout{{{"가게", "shop", Each::value}}, ""};
  CopyRequest request;

  Fixture() {
    for (const auto& [name, type] : {std::pair{"id", arrow::int64()}, std::pair{"가게", arrow::utf8()}})
      reader.columns.push_back({.request = {.source_name = name, .name = name, .mask = "", .type = ""},
                                .source_type = "test",
                                .type = type});
    request.folder = folder.path();
    request.clock = &clock;
    request.source = "test";
    request.layout = &layout;
  }
  // Rows of so many shops, one after the other or all mixed.
  void add(int64_t rows, int64_t shops, bool is_sorted, size_t part = 0) {
    while (reader.parts.size() <= part) reader.parts.emplace_back();
    constexpr int64_t batch_rows = 1'000;
    for (int64_t begin = 0; begin < rows; begin += batch_rows) {
      std::vector<std::optional<int64_t>> ids;
      std::vector<std::optional<std::string>> names;
      for (int64_t i = begin; i < std::min(rows, begin + batch_rows); ++i) {
        ids.emplace_back(i * 10 + static_cast<int64_t>(part));
        names.emplace_back("가게 " + std::to_string(is_sorted ? i * shops / rows : i % shops));
      }
      reader.parts[part].add(arrow::RecordBatch::Make(
          arrow::schema({arrow::field("id", arrow::int64()), arrow::field("가게", arrow::utf8())}),
          static_cast<int64_t>(ids.size()), arrow::ArrayVector{test::ints(ids), test::texts(names)}));
    }
  }
};

void check_sums(const CopyResult& copied) {
  const Certificate& all = copied.certificate;
  uint64_t rows = 0, row_sum = 0;
  std::vector<uint64_t> sums(all.columns.size());
  std::set<Path> files;
  for (const CopyPart& part : copied.parts) {
    REQUIRE(part.files.size() == part.certificate.files.size());
    uint64_t in_files = 0;
    for (const FileCertificate& file : part.certificate.files) in_files += file.rows;
    CHECK(in_files == part.certificate.rows);
    CHECK(part.certificate.rows > 0);
    rows += part.certificate.rows;
    row_sum += part.certificate.row_sum.value_or(0);
    for (size_t c = 0; c < sums.size(); ++c) sums[c] += part.certificate.columns[c].sum.value_or(0);
    for (const Path& file : part.files) CHECK(files.insert(file).second);
  }
  CHECK(rows == all.rows);
  CHECK(row_sum == all.row_sum.value_or(0));
  for (size_t c = 0; c < sums.size(); ++c) CHECK(sums[c] == all.columns[c].sum.value_or(0));
  CHECK(files == std::set<Path>(copied.files.begin(), copied.files.end()));
}

TEST_CASE("rows told apart are all there, whether they come sorted or mixed, by one reader or several") {
  const bool is_sorted = GENERATE(true, false);
  const int64_t shops = GENERATE(1, 7, 150);  // more than files are open at once
  Fixture f;
  f.add(20'000, shops, is_sorted);
  f.add(3'000, shops, is_sorted, 1);
  const auto copied = copy_table(f.reader, f.request, {});
  if (!copied) FAIL(copied.error().message);
  CHECK(copied->certificate.rows == 23'000);
  CHECK(copied->parts.size() == static_cast<size_t>(shops));
  check_sums(*copied);
  CHECK(f.layout.folder(copied->parts[0].place).starts_with("shop=가게 "));
}

TEST_CASE("places end their files by size, and rows only counted are told apart as well") {
  Fixture f;
  f.request.target_file_bytes = 4'000;
  f.request.table.certify = GENERATE(CertifyLevel::wire, CertifyLevel::rows);
  f.add(20'000, 3, false);
  for (auto& batch : f.reader.batches)
    if (f.request.table.certify == CertifyLevel::rows) batch->hashes.clear();
  const auto copied = copy_table(f.reader, f.request, {});
  if (!copied) FAIL(copied.error().message);
  CHECK(copied->files.size() > 6);
  check_sums(*copied);
}

TEST_CASE("without rows there is a file for the columns, which belongs to no place") {
  Fixture f;
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE(copied);
  CHECK(copied->files.size() == 1);
  CHECK(copied->parts.empty());
}

TEST_CASE("a row that has no place stops the export, and leaves no file") {
  Fixture f;
  f.add(2'000, 5, true);
  f.reader.parts.front().add(
      arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64()), arrow::field("가게", arrow::utf8())}),
                               1, arrow::ArrayVector{test::ints({1}), test::texts({std::string(300, 'x')})}));
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK_THAT(copied.error().message, Catch::Contains("makes a folder's name of"));
  CHECK(std::filesystem::is_empty(f.folder.path()));
}

}  // namespace
}  // namespace udon::data
