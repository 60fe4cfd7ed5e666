// Chunks of an earlier reading: when they are as good as read now, and when all starts over.
#include "plugins/data/take_up.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "plugins/data/array_hash.h"
#include "tests/base/temporary_folder.h"

namespace udon::data {
namespace {

constexpr size_t ranges_count = 4;

// Range r holds the numbers from 100 r on, so many as a test says.
struct Source {
  std::vector<int64_t> rows = {3, 2, 4, 1};
  std::string state = "here";
  std::string type = "bigint";
  size_t fails_after = ranges_count;  // ranges

  int64_t all() const {
    int64_t sum = 0;
    for (const int64_t count : rows) sum += count;
    return sum;
  }
};

class RangedReader final : public TableReader, public BatchSource {
 public:
  RangedReader(const Source& source, std::vector<size_t>& read) : source_(source), read_(read) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token) override {
    for (size_t r = 0; r < ranges_count; ++r) ranges_.push_back("range " + std::to_string(r));
    if (!request.split.ranges.empty()) CHECK(request.split.ranges == ranges_);
    return std::vector<ColumnInfo>{
        {.request = {.source_name = "id", .name = "id"}, .source_type = source_.type, .type = arrow::int64()}};
  }
  std::vector<BatchSource*> sources() override { return {this}; }
  std::vector<std::string> ranges() const override { return ranges_; }
  void leave_out(const std::vector<size_t>& ranges) override { left_out_ = {ranges.begin(), ranges.end()}; }
  Result<uint64_t> count_rows(size_t range) override { return static_cast<uint64_t>(source_.rows.at(range)); }
  std::string state() const override { return source_.state; }
  std::string mechanism() const override { return "made by a test"; }
  std::string position() const override { return "position of " + source_.state; }
  std::vector<PolicyUse> policy_uses() const override { return {}; }

  Result<std::optional<SourceBatch>> next() override {
    while (left_out_.contains(range_)) ++range_;
    if (range_ == ranges_count) return std::optional<SourceBatch>();
    if (has_given_) {
      has_given_ = false;
      read_.push_back(range_);
      SourceBatch end{
          .rows = batch(0), .hashes = {}, .range_end = RangeEnd{.range = range_++, .uses = {{"id", "nan=null", 1}}}};
      return std::optional(std::move(end));
    }
    if (read_.size() == source_.fails_after) return Error{ErrorKind::io, "the machine is gone"};
    has_given_ = true;
    SourceBatch rows{.rows = batch(source_.rows[range_]), .hashes = {}, .range_end = {}};
    rows.hashes.push_back(*hash_array(*rows.rows->column(0)));
    return std::optional(std::move(rows));
  }

 private:
  std::shared_ptr<arrow::RecordBatch> batch(int64_t rows) const {
    arrow::Int64Builder builder;
    for (int64_t i = 0; i < rows; ++i) REQUIRE(builder.Append(static_cast<int64_t>(range_) * 100 + i).ok());
    return arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}), rows,
                                    arrow::ArrayVector{builder.Finish().ValueOrDie()});
  }

  const Source& source_;
  std::vector<size_t>& read_;
  std::vector<std::string> ranges_;
  std::set<size_t> left_out_;
  size_t range_ = 0;
  bool has_given_ = false;
};

struct Tries {
  TemporaryFolder folder;
  SystemClock clock;
  CopyRequest request;
  int number = 0;
  std::vector<size_t> read;  // by the last try
  std::vector<std::string> notes;

  Tries() {
    request.table.table = "t";
    request.table.all_columns = true;
    request.clock = &clock;
    request.chunk_bytes = 1;
    request.on_note = [this](const std::string& note) { notes.push_back(note); };
  }
  Path kept_folder() const { return folder.path() / "resume/abc"; }

  // A try of its own.
  Result<CopyResult> copy(const Source& source) {
    read.clear();
    notes.clear();
    const std::string try_id = "try-" + std::to_string(++number);
    request.folder = folder.path() / try_id;
    REQUIRE(make_directories(request.folder));
    KeptChunks kept(kept_folder(), try_id);
    request.kept = &kept;
    RangedReader reader(source, read);
    auto copied = copy_table(reader, request, {});
    request.kept = nullptr;
    CHECK(std::filesystem::is_empty(request.folder));
    return copied;
  }
  // A try that ends in the middle.
  void copy_half(Source source = {}) {
    source.fails_after = 2;
    REQUIRE_FALSE(copy(source));
    CHECK(read == std::vector<size_t>{0, 1});
  }
  void check(const Result<CopyResult>& copied, const Source& source) {
    INFO((copied ? copied->certificate.mechanism : copied.error().message));
    REQUIRE(copied);
    CHECK(copied->certificate.rows == static_cast<uint64_t>(source.all()));
    CHECK(copied->certificate.policies == std::vector<PolicyUse>{{"id", "nan=null", ranges_count}});
    // The same as if nothing had happened.
    std::vector<size_t> ignored;
    RangedReader reader(source, ignored);
    const TemporaryFolder elsewhere;
    CopyRequest once = request;
    once.folder = elsewhere.path();
    const auto whole = copy_table(reader, once, {});
    REQUIRE(whole);
    CHECK(copied->certificate.row_sum == whole->certificate.row_sum);
    CHECK(copied->certificate.columns == whole->certificate.columns);
    for (const Path& file : copied->files) CHECK(std::filesystem::exists(file));
  }
  bool noted(const std::string& text) const {
    for (const std::string& note : notes) UNSCOPED_INFO(note);
    return std::ranges::any_of(notes, [&](const std::string& note) { return note.find(text) != note.npos; });
  }
};

TEST_CASE("what was read is taken up where the source is proven to be where it was") {
  Tries tries;
  tries.copy_half();
  const auto copied = tries.copy({});
  CHECK(tries.read == std::vector<size_t>{2, 3});
  tries.check(copied, {});
  const std::string what =
      "2 of 4 ranges (5 rows) were read before at position of here, and the source is proven to be where it was";
  CHECK(tries.noted(what));
  CHECK(copied->certificate.mechanism == "made by a test; " + what);
  // And again: all of it, if only the publication failed.
  const auto again = tries.copy({});
  CHECK(tries.read.empty());
  tries.check(again, {});
}

TEST_CASE("a source that may have moved on is read from the beginning, unless its ranges are stable") {
  Tries tries;
  tries.copy_half();
  Source moved;
  moved.state = GENERATE("there", "");
  SECTION("not declared") {
    const auto copied = tries.copy(moved);
    CHECK(tries.read == std::vector<size_t>{0, 1, 2, 3});
    tries.check(copied, moved);
    CHECK(
        tries.noted("nothing that was read before is taken up: nothing proves that the source is where it was (then: "
                    "here; now: " +
                    (moved.state.empty() ? "not known" : moved.state) + "), and `split` does not say `stable: true`"));
    CHECK(copied->certificate.mechanism == "made by a test");
  }
  SECTION("declared") {
    tries.request.table.split.is_stable = true;
    const auto copied = tries.copy(moved);
    CHECK(tries.read == std::vector<size_t>{2, 3});
    tries.check(copied, moved);
    CHECK(tries.noted("are taken as unchanged (`split: stable`)"));
  }
}

TEST_CASE("of a stable source the last range may have grown; any other difference is no stability") {
  Tries tries;
  tries.request.table.split.is_stable = true;
  tries.request.table.certify = GENERATE(CertifyLevel::rows, CertifyLevel::wire);
  REQUIRE(tries.copy({}));  // and the publication fails
  Source now{.state = "there"};
  SECTION("grown behind all others") {
    now.rows[3] = 7;
    const auto copied = tries.copy(now);
    CHECK(tries.read == std::vector<size_t>{3});
    tries.check(copied, now);
    CHECK(tries.noted("the last range is read again (7 rows, were 1)"));
  }
  SECTION("grown elsewhere") { now.rows[1] = 3; }
  SECTION("shrunk at its end") { now.rows[3] = 0; }
  if (now.rows[3] != 7) {
    const auto copied = tries.copy(now);
    CHECK(tries.read == std::vector<size_t>{0, 1, 2, 3});
    tries.check(copied, now);
    CHECK(tries.noted("`split` says `stable: true`, but in ranges of which"));
  }
}

TEST_CASE("who asks for something else starts over, and is told what is another") {
  Tries tries;
  tries.copy_half();
  std::string name;
  SECTION("where") {
    tries.request.table.where = "id > 0";
    name = "`where`";
  }
  SECTION("a value of where") {
    tries.request.table.where_parameters.set("n", 1);
    name = "`where`";
  }
  SECTION("time zone") { tries.request.table.timezone = name = "timezone"; }
  SECTION("level") {
    tries.request.table.certify = CertifyLevel::rows;
    name = "`certify`";
  }
  SECTION("compression") {
    tries.request.parquet.compression = "zstd";
    name = "`compression`";
  }
  const auto copied = tries.copy({});
  CHECK(tries.read == std::vector<size_t>{0, 1, 2, 3});
  tries.check(copied, {});
  CHECK(tries.noted("nothing that was read before is taken up: "));
  CHECK(tries.noted(name));
}

TEST_CASE("a table that was altered is not read by the old ranges; the next reading cuts it anew") {
  Tries tries;
  tries.copy_half();
  const Source altered{.type = "varchar(20)"};
  const auto refused = tries.copy(altered);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::conflict);
  CHECK(tries.noted("the table's column 1: id is not what it was"));
  const auto copied = tries.copy(altered);
  CHECK(tries.read == std::vector<size_t>{0, 1, 2, 3});
  tries.check(copied, altered);
}

TEST_CASE("what is left of a kept chunk, damaged or half-written, is never part of a result") {
  Tries tries;
  tries.copy_half();
  std::vector<Path> jsons, files;
  for (const auto& entry : std::filesystem::directory_iterator(tries.kept_folder())) {
    if (entry.path().extension() == ".parquet") files.push_back(entry.path());
    if (entry.path().extension() == ".json" && entry.path().filename() != "plan.json") jsons.push_back(entry.path());
  }
  REQUIRE(files.size() == 2);
  REQUIRE(jsons.size() == 2);
  size_t read_again = 1;
  SECTION("a file is gone") { std::filesystem::remove(files[0]); }
  SECTION("a file has another content") { std::filesystem::resize_file(files[0], 10); }
  SECTION("a file lost its name") { std::filesystem::remove(jsons[0]); }
  SECTION("a description is cut") { std::filesystem::resize_file(jsons[0], 10); }
  SECTION("the plan is gone") {
    std::filesystem::remove(tries.kept_folder() / "plan.json");
    read_again = 2;
  }
  SECTION("the plan is cut") {
    std::filesystem::resize_file(tries.kept_folder() / "plan.json", 10);
    read_again = 2;
  }
  SECTION("another chunk has the same ranges") {
    std::filesystem::copy_file(jsons[0], tries.kept_folder() / "try-9-0.json");
    read_again = 0;
  }
  const auto copied = tries.copy({});
  CHECK(tries.read.size() == 2 + read_again);
  tries.check(copied, {});
}

TEST_CASE("what nobody has come back to for days is removed, but nothing of one's own") {
  Tries tries;
  tries.copy_half();
  const KeptChunks own(tries.kept_folder(), "try-9"), other(tries.folder.path() / "resume/def", "try-9");
  const TimePoint now = tries.clock.now();
  own.remove_old(now + std::chrono::hours(1000));
  CHECK(std::filesystem::exists(tries.kept_folder()));
  other.remove_old(now);
  CHECK(std::filesystem::exists(tries.kept_folder()));
  other.remove_old(now + std::chrono::hours(73));
  CHECK_FALSE(std::filesystem::exists(tries.kept_folder()));
}

}  // namespace
}  // namespace udon::data
