#include "plugins/data/table_copy.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>

#include "base/subprocess.h"
#include "plugins/data/certifier.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/arrays.h"
#include "tests/data/fake_reader.h"

namespace udon::data {
namespace {

using test::FakeReader;

ColumnInfo column(const std::string& name, std::shared_ptr<arrow::DataType> type) {
  return {.request = {.source_name = name, .name = name, .mask = "", .type = ""},
          .source_type = "test",
          .type = std::move(type)};
}

struct Fixture {
  TemporaryFolder folder;
  FakeClock clock{*parse_time("2026-01-31T00:00:00Z")};
  FakeReader reader;
  CopyRequest request;

  Fixture() {
    reader.columns = {column("id", arrow::int64()), column("이름", arrow::utf8())};
    request.folder = folder.path();
    request.clock = &clock;
    request.source = "test";
  }
  Path file() const { return folder.path() / "0-0.parquet"; }
  void add(const std::vector<std::optional<int64_t>>& ids, const std::vector<std::optional<std::string>>& names,
           size_t part = 0) {
    while (reader.parts.size() <= part) reader.parts.emplace_back();
    reader.parts[part].add(arrow::RecordBatch::Make(
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("이름", arrow::utf8())}),
        static_cast<int64_t>(ids.size()), arrow::ArrayVector{test::ints(ids), test::texts(names)}));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      found.push_back(entry.path().filename().string());
    std::ranges::sort(found);
    return found;
  }
};

// What pyarrow and DuckDB read, as text: tools that are not ours.
std::string read_by_others(const Path& file) {
  const char* source = std::getenv("UDON_SOURCE");
  REQUIRE(source != nullptr);
  SpawnRequest python;
  python.argv = {Path(source) / ".deps/venv/bin/python", "-c",
                 "import sys, duckdb, pyarrow.parquet as pq\n"
                 "rows = pq.read_table(sys.argv[1]).to_pylist()\n"
                 "again = duckdb.sql(f\"select * from read_parquet('{sys.argv[1]}')\").fetchall()\n"
                 "assert [tuple(r.values()) for r in rows] == again, (rows, again)\n"
                 "print(rows)",
                 file};
  python.environment = current_environment();
  const auto output = run_command(python, std::chrono::seconds(60));
  REQUIRE(output);
  INFO(output->standard_error);
  REQUIRE(output->status.succeeded());
  return output->standard_output;
}

TEST_CASE("what was read is in the file, and pyarrow and DuckDB agree") {
  Fixture f;
  f.add({1, 2}, {"우동", std::nullopt});
  f.add({3}, {""});
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE(copied);
  CHECK(read_by_others(f.file()) == "[{'id': 1, '이름': '우동'}, {'id': 2, '이름': None}, {'id': 3, '이름': ''}]\n");
  const Certificate& certificate = copied->certificate;
  CHECK(certificate.rows == 3);
  CHECK(certificate.columns.at(1).nulls == 1);
  CHECK(certificate.columns.at(1).sum);
  CHECK(certificate.row_sum);
  CHECK(certificate.mechanism == "made by a test");
  CHECK(certificate.made_at == "2026-01-31T00:00:00Z");
  CHECK(certificate.files.at(0).bytes == std::filesystem::file_size(f.file()));
}

TEST_CASE("an empty table is a file with its columns and no rows") {
  Fixture f;
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE(copied);
  CHECK(copied->certificate.rows == 0);
  CHECK(read_by_others(f.file()) == "[]\n");
}

TEST_CASE("a value that differs from what came over the wire stops the export before anything is published") {
  Fixture f;
  f.add({1, 2}, {"a", "b"});
  f.reader.batches.front()->hashes[0][1] ^= 1;
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().kind == ErrorKind::data);
  CHECK(copied.error().message.find("column `id`") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(f.file()));
}

TEST_CASE("rows whose hashes were swapped against each other are caught by the sum over rows") {
  Fixture f;
  f.add({1, 2}, {"a", "b"});
  std::swap(f.reader.batches.front()->hashes[0][0], f.reader.batches.front()->hashes[0][1]);
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().message.find("moved to another row") != std::string::npos);
}

TEST_CASE("a connection that drops in mid-export leaves no file") {
  Fixture f;
  f.add({1}, {"a"});
  f.reader.batches.emplace_back(Error{ErrorKind::unavailable, "connection lost after 1 row"});
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error() == Error{ErrorKind::unavailable, "connection lost after 1 row"});
  CHECK_FALSE(std::filesystem::exists(f.file()));
}

TEST_CASE("a stop request ends the copy as cancelled") {
  Fixture f;
  f.add({1}, {"a"});
  std::stop_source stop;
  stop.request_stop();
  const auto copied = copy_table(f.reader, f.request, stop.get_token());
  REQUIRE_FALSE(copied);
  CHECK(copied.error().kind == ErrorKind::cancelled);
}

TEST_CASE("a masked column holds hashes of its values, and the certificate says so") {
  Fixture f;
  const auto key = MaskKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "lake_mask");
  REQUIRE(key);
  f.reader.columns[0].request.mask = "hmac_sha256";
  f.reader.columns[0].request.name = "user";
  f.request.mask_key = &*key;
  f.add({-5, std::nullopt}, {"a", "b"});
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE(copied);
  const std::string text = read_by_others(f.file());
  CHECK(text.find("'user': None") != std::string::npos);
  CHECK(text.find("-5") == std::string::npos);
  CHECK(copied->certificate.columns.at(0).after_transform);
  CHECK(copied->certificate.columns.at(0).type == "string");
  CHECK(copied->certificate.mask_key_fingerprint == key->fingerprint());
}

TEST_CASE("the certificate says which rows were asked for, but not what a mask hides") {
  const auto where = [](const std::string& sql, const std::string& mask) {
    Fixture f;
    const auto key = MaskKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "lake_mask");
    f.request.mask_key = &*key;
    f.reader.columns[0].request.mask = mask;
    f.request.table.where = sql;
    f.request.table.where_parameters.set("x", Value("2026-01-10"));
    f.add({1}, {"a"});
    const auto copied = copy_table(f.reader, f.request, {});
    REQUIRE(copied);
    return to_json(copied->certificate.where);
  };
  CHECK(where("at >= :x", "") == R"({"sql":"at >= :x","values":{"x":"2026-01-10"}})");
  CHECK(where("at >= :x", "hmac_sha256") == R"({"sql":"at >= :x","values":{"x":"2026-01-10"}})");
  CHECK(where("`ID` = :x", "hmac_sha256") == R"({"sql":"`ID` = :x","values":null})");
  CHECK(where("", "") == "null");
}

TEST_CASE("a mask without a key is an error that says where the key comes from") {
  Fixture f;
  f.reader.columns[0].request.mask = "hmac_sha256";
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().message.find("mask_key") != std::string::npos);
}

TEST_CASE("columns that differ only in case are refused before anything is read") {
  Fixture f;
  f.reader.columns[1].request.name = "ID";
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().message.find("differ only in case") != std::string::npos);
}

TEST_CASE("a disk that cannot be written to is an io error naming the file") {
  Fixture f;
  f.request.folder = f.folder.path() / "missing";
  f.add({1}, {"a"});
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().kind == ErrorKind::io);
  CHECK(copied.error().message.find("missing/0-0.parquet") != std::string::npos);
}

TEST_CASE("row groups end at the rows and bytes that the budget allows") {
  Fixture f;
  f.request.memory_bytes = 32 << 20;  // 12 MiB of batches a row group
  const std::string long_text(1 << 20, 'u');
  for (int i = 0; i < 30; ++i) f.add({i}, {long_text});
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE(copied);
  CHECK(copied->certificate.rows == 30);
  SpawnRequest python;
  python.argv = {Path(std::getenv("UDON_SOURCE")) / ".deps/venv/bin/python", "-c",
                 "import sys, pyarrow.parquet as pq\nprint(pq.ParquetFile(sys.argv[1]).num_row_groups)", f.file()};
  python.environment = current_environment();
  const auto groups = run_command(python, std::chrono::seconds(60));
  REQUIRE(groups);
  CHECK(std::stoi(groups->standard_output) >= 3);
}

namespace {

// What a program of Python prints about a file.
std::string told_by_python(const std::string& program, const Path& file) {
  SpawnRequest python;
  python.argv = {Path(std::getenv("UDON_SOURCE")) / ".deps/venv/bin/python", "-c", program, file};
  python.environment = current_environment();
  const auto output = run_command(python, std::chrono::seconds(60));
  REQUIRE(output);
  INFO(output->standard_error);
  REQUIRE(output->status.succeeded());
  return output->standard_output;
}

// Columns `wall`, `instant`, `day` and `list`, NULLs among them.
void add_times(Fixture& f) {
  const auto wall = arrow::timestamp(arrow::TimeUnit::MICRO), utc = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto list = arrow::list(arrow::int64());
  f.reader.columns = {column("wall", wall), column("instant", utc), column("day", arrow::date32()),
                      column("list", list)};
  // 2026-01-31 09:00:00.123456, 1969-12-31 23:59:59.999999, 1582-10-15, 9999-12-31 23:59:59.999999, NULL
  const std::vector<std::optional<int64_t>> times{1'769'850'000'123'456, -1, -12'219'292'800'000'000,
                                                  253'402'300'799'999'999, std::nullopt};
  const auto of = [&](const std::shared_ptr<arrow::DataType>& type) {
    return test::array_of<arrow::TimestampBuilder, int64_t>(
        times, arrow::TimestampBuilder(type, arrow::default_memory_pool()));
  };
  const auto days = test::array_of<arrow::Date32Builder, int32_t>({0, -1, -141'427, 2'932'896, std::nullopt});
  auto values = std::make_shared<arrow::Int64Builder>();
  arrow::ListBuilder lists(arrow::default_memory_pool(), values, list);
  for (const int length : {0, 1, 2, 3}) {
    REQUIRE(lists.Append().ok());
    for (int i = 0; i < length; ++i) REQUIRE((i == 1 ? values->AppendNull() : values->Append(i)).ok());
  }
  REQUIRE(lists.AppendNull().ok());
  const arrow::ArrayVector arrays{of(wall), of(utc), days, lists.Finish().ValueOrDie()};
  arrow::FieldVector fields;
  for (size_t c = 0; c < arrays.size(); ++c)
    fields.push_back(arrow::field(f.reader.columns[c].request.name, arrays[c]->type()));
  f.reader.add(arrow::RecordBatch::Make(arrow::schema(fields), 5, arrays));
}

constexpr const char* types_and_values =
    "import sys, duckdb, datetime as d, pyarrow as pa, pyarrow.parquet as pq\n"
    "file = pq.ParquetFile(sys.argv[1])\n"
    "print([file.schema.column(c).physical_type for c in range(4)])\n"
    "rows = pq.read_table(sys.argv[1], coerce_int96_timestamp_unit='us').to_pydict()\n"
    "print(rows['wall'], rows['day'], rows['list'])\n"
    "assert [t and t.replace(tzinfo=None) for t in rows['instant']] == rows['wall']\n"
    "db = duckdb.connect()\n"
    "db.execute(\"set timezone = 'UTC'\")\n"
    "again = db.execute(f\"select wall, cast(instant as timestamp), day, list from '{sys.argv[1]}'\").fetchall()\n"
    "assert [r[0] for r in again] == [r[1] for r in again] == rows['wall'], again\n"
    "assert [r[2] for r in again] == rows['day'] and [r[3] for r in again] == rows['list'], again\n";
constexpr const char* times_told =
    "[datetime.datetime(2026, 1, 31, 9, 0, 0, 123456), datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), "
    "datetime.datetime(1582, 10, 15, 0, 0), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999), None] "
    "[datetime.date(1970, 1, 1), datetime.date(1969, 12, 31), datetime.date(1582, 10, 15), datetime.date(9999, 12, "
    "31), "
    "None] [[], [0], [0, None], [0, None, 2], None]\n";

}  // namespace

TEST_CASE("compat hive3 writes timestamps as INT96, verified at every level; without it they are INT64") {
  for (const Compat compat : {Compat::none, Compat::hive3}) {
    for (const CertifyLevel level : {CertifyLevel::rows, CertifyLevel::wire}) {
      INFO(to_string(level));
      Fixture f;
      add_times(f);
      f.request.parquet.compat = compat;
      f.request.table.certify = level;
      const auto copied = copy_table(f.reader, f.request, {});
      INFO((copied ? "" : copied.error().message));
      REQUIRE(copied);
      const std::string time = compat == Compat::hive3 ? "'INT96'" : "'INT64'";
      CHECK(told_by_python(types_and_values, f.file()) ==
            "[" + time + ", " + time + ", 'INT32', 'INT64']\n" + times_told);
      for (const ColumnCertificate& told : copied->certificate.columns) CHECK(told.nulls == 1);
    }
  }
}

TEST_CASE("compat hive3 has no place for a TIME, and says what to choose") {
  Fixture f;
  f.reader.columns[1] = column("opens", arrow::time64(arrow::TimeUnit::MICRO));
  f.request.parquet.compat = Compat::hive3;
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().kind == ErrorKind::unsupported);
  CHECK(copied.error().message.find("column `opens`: Hive knows no TIME") == 0);
}

TEST_CASE("several sources are read at once, each into a file of its own, and certified together") {
  Fixture f;
  f.add({1, 2}, {"a", std::nullopt});
  f.add({3}, {"우동"}, 1);
  f.add({4, std::nullopt}, {"d", "e"}, 2);
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE(copied);
  REQUIRE(copied->files.size() == 3);
  CHECK(read_by_others(copied->files[0]) == "[{'id': 1, '이름': 'a'}, {'id': 2, '이름': None}]\n");
  CHECK(read_by_others(copied->files[1]) == "[{'id': 3, '이름': '우동'}]\n");
  CHECK(read_by_others(copied->files[2]) == "[{'id': 4, '이름': 'd'}, {'id': None, '이름': 'e'}]\n");
  CHECK(copied->certificate.files.at(1).rows == 1);
  CHECK(copied->certificate.files.at(1).sha256 == *sha256_of_file(copied->files[1]));

  // The sums are those of the same rows from one source, in whatever order.
  Fixture one;
  one.add({4, 3, 1}, {"d", "우동", "a"});
  one.add({std::nullopt, 2}, {"e", std::nullopt});
  const auto copied_by_one = copy_table(one.reader, one.request, {});
  REQUIRE(copied_by_one);
  CHECK(copied->certificate.rows == 5);
  CHECK(copied->certificate.row_sum == copied_by_one->certificate.row_sum);
  CHECK(copied->certificate.columns == copied_by_one->certificate.columns);
}

TEST_CASE("a source without rows leaves no file, unless none has any") {
  Fixture f;
  f.add({1}, {"a"}, 1);
  f.reader.parts.emplace_back();
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE(copied);
  CHECK(copied->files == std::vector<Path>{f.folder.path() / "1-0.parquet"});
  CHECK(f.names() == std::vector<std::string>{"1-0.parquet"});

  Fixture empty;
  empty.reader.parts.resize(3);
  const auto nothing = copy_table(empty.reader, empty.request, {});
  REQUIRE(nothing);
  CHECK(nothing->files == std::vector<Path>{empty.file()});
  CHECK(empty.names() == std::vector<std::string>{"0-0.parquet"});
}

TEST_CASE("one source that fails stops the others, and its error is the one that is told") {
  const size_t failing = GENERATE(0, 1, 2);
  Fixture f;
  f.reader.waits_to_be_stopped = true;
  for (size_t part = 0; part < 3; ++part) f.add({1}, {"a"}, part);
  f.reader.parts[failing].batches.emplace_back(Error{ErrorKind::unavailable, "connection lost after 1 row"});
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error() == Error{ErrorKind::unavailable, "connection lost after 1 row"});
  CHECK(f.names().empty());
}

TEST_CASE("a wrong value in one of several files is found") {
  Fixture f;
  f.add({1, 2}, {"a", "b"});
  f.add({3, 4}, {"c", "d"}, 1);
  f.reader.parts[1].batches.front()->hashes[0][1] ^= 1;
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().message.find("column `id`") != std::string::npos);
  CHECK(f.names().empty());
}

TEST_CASE("a file ends at about the size that was asked for") {
  Fixture f;
  f.request.target_file_bytes = 1 << 20;
  f.request.parquet.compression = "none";
  f.request.memory_bytes = 32 << 20;
  for (int i = 0; i < 400; ++i) {
    std::string text(32 << 10, 'u');
    text += std::to_string(i);  // distinct: no dictionary makes them small
    f.add({i}, {text});
  }
  const auto copied = copy_table(f.reader, f.request, {});
  REQUIRE(copied);
  CHECK(copied->certificate.rows == 400);
  REQUIRE(copied->files.size() >= 8);
  uint64_t rows = 0;
  for (size_t i = 0; i < copied->files.size(); ++i) {
    const FileCertificate& file = copied->certificate.files[i];
    rows += file.rows;
    CHECK(file.bytes == std::filesystem::file_size(copied->files[i]));
    CHECK(file.bytes < 3 << 20);
    // The first is sized by a guess, the last by what was left.
    if (i > 0 && i + 1 < copied->files.size()) CHECK(file.bytes > (1 << 20) / 2);
  }
  CHECK(rows == 400);
}

}  // namespace
}  // namespace udon::data
