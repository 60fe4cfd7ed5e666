// A CSV file in blocks is the same file: whatever its quotes and line ends, and wherever a block ends, the records, the
// lines on which they begin and what is wrong with them are those of the file read at once.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "base/random.h"
#include "plugins/data/csv_record_ends.h"
#include "plugins/data/csv_tokenizer.h"

namespace udon::data {
namespace {

constexpr int64_t record_bytes_max = 1 << 20;

// As much at once as is asked for, or one byte after the other.
class Bytes final : public ByteSource {
 public:
  Bytes(std::string text, size_t step) : text_(std::move(text)), step_(step) {}
  Result<size_t> read(char* out, size_t bytes_max) override {
    const size_t size = std::min({bytes_max, step_, text_.size() - at_});
    std::memcpy(out, text_.data() + at_, size);
    at_ += size;
    return size;
  }

 private:
  std::string text_;
  size_t step_;
  size_t at_ = 0;
};

// One line each: where it begins, its fields, or what is wrong.
void read_records(CsvTokenizer tokenizer, std::vector<std::string>& records) {
  while (true) {
    const auto fields = tokenizer.next();
    if (!fields) {
      records.push_back(fields.error().message);
      const auto passed = tokenizer.recover();
      REQUIRE(passed.has_value());
      if (!*passed) return;
      records.push_back(std::to_string(tokenizer.line()) + " bad: " + std::string(tokenizer.raw()));
      continue;
    }
    if (fields->empty()) return;
    std::string& record = records.emplace_back(std::to_string(tokenizer.line()) + ":");
    for (const CsvField& field : *fields) record += (field.quoted ? "Q[" : "[") + std::string(field.text) + "]";
  }
}

// Line ends and byte order marks can be seen.
std::string shown(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\r')
      out += "\\r";
    else if (c == '\n')
      out += "\\n";
    else
      out += c == '\xEF' ? '~' : c;
  }
  return out;
}

std::vector<std::string> at_once(const std::string& text) {
  std::vector<std::string> records;
  auto tokenizer = CsvTokenizer::make(std::make_unique<Bytes>(text, text.size() + 1), "f", ',', record_bytes_max);
  read_records(std::move(*tokenizer), records);
  for (std::string& record : records) record = shown(record);
  return records;
}

std::vector<std::string> in_blocks(const std::string& text, size_t block_bytes, size_t step, size_t& blocks_read) {
  std::vector<std::string> records;
  LineBlocks blocks(std::make_unique<Bytes>(text, step), std::make_unique<CsvRecordEnds>(','), "f", block_bytes,
                    record_bytes_max);
  std::string together;
  LineBlock block;
  for (blocks_read = 0;; ++blocks_read) {
    const auto more = blocks.next(block);
    REQUIRE(more.has_value());
    if (!*more) break;
    REQUIRE_FALSE(block.bytes().empty());
    together += block.bytes();
    auto tokenizer = CsvTokenizer::make(block.bytes(), "f", ',', record_bytes_max, block.first_line);
    read_records(std::move(*tokenizer), records);
  }
  REQUIRE(together == text);
  for (std::string& record : records) record = shown(record);
  return records;
}

TEST_CASE("a CSV file in blocks has the records of the file") {
  const std::vector<std::string> pieces = {"\"",           "\"",    "\"\"",      ",",   ",",    "\n",
                                           "\n",           "\r\n",  "\r",        "a",   "b c",  "우동",
                                           "\xEF\xBB\xBF", "\"x\"", "\"x\ny\",", ",\"", "\"\n", "5\" "};
  Random random(11);
  size_t many = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (uint64_t count = random.below(40); count > 0; --count) text += pieces[random.below(pieces.size())];
    const size_t block_bytes = 1 + random.below(20);
    INFO("round " << round << ", blocks of " << block_bytes << ":\n" << shown(text));
    size_t blocks = 0;
    const auto expected = at_once(text);
    CHECK(in_blocks(text, block_bytes, 1 + random.below(30), blocks) == expected);
    many += blocks > 2;
  }
  CHECK(many > 5'000);
}

TEST_CASE("a quote that is never closed is told by the block that is too long") {
  const std::string text = "a\nb\n\"c" + std::string(100, 'x') + "\n\n";
  LineBlocks blocks(std::make_unique<Bytes>(text, 8), std::make_unique<CsvRecordEnds>(','), "f.csv", 8, 50);
  LineBlock block;
  Result<bool> more = true;
  while (more && *more) more = blocks.next(block);
  REQUIRE_FALSE(more.has_value());
  CHECK(more.error().message == "f.csv:3: a record longer than 50 bytes begins here; is a quote not closed?");
}

}  // namespace
}  // namespace udon::data
