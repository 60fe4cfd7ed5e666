#include "plugins/data/json_reader.h"

#include <algorithm>
#include <utility>

#include "plugins/data/json_rows.h"
#include "plugins/data/line_blocks.h"
#include "plugins/data/parsed_blocks.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/text_file_reader.h"

namespace udon::data {
namespace {

// The elements of an array: where one ends is known only when all before it have been read.
class ArrayReader final : public TextFileReader {
 public:
  ArrayReader(Path file, JsonOptions options)
      : TextFileReader(options.rejects, options.display), file_(std::move(file)), options_(std::move(options)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    stop_ = std::move(stop);
    TRY_ASSIGN(JsonRows rows, JsonRows::make(options_, request));
    rows_.emplace(std::move(rows));
    TRY_ASSIGN(auto bytes, open_bytes(file_, options_.compression, options_.display));
    records_.emplace(std::move(bytes), options_.form, options_.display, request.value_bytes_max);
    return rows_->columns();
  }
  std::vector<PolicyUse> policy_uses() const override { return with_rejects(rows_->policy_uses()); }

 private:
  Result<std::optional<ReadRows>> read_more() override {
    if (at_end_) return std::optional<ReadRows>();
    TRY_ASSIGN(JsonRows::Read read, rows_->read_batch(*records_, stop_));
    at_end_ = read.at_end;
    return std::optional<ReadRows>(std::move(read.rows));
  }

  Path file_;
  const JsonOptions options_;
  std::stop_token stop_;
  bool at_end_ = false;
  std::optional<JsonRows> rows_;
  std::optional<JsonRecords> records_;
};

// Lines: blocks of them are read by several threads, and come in their order.
class LinesReader final : public TextFileReader {
 public:
  LinesReader(Path file, JsonOptions options)
      : TextFileReader(options.rejects, options.display), file_(std::move(file)), options_(std::move(options)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    stop_ = std::move(stop);
    rows_.reserve(ParsedBlocks::threads);
    std::vector<ParsedBlocks::Parse> parsers;
    for (size_t i = 0; i < ParsedBlocks::threads; ++i) {
      TRY_ASSIGN(JsonRows made, JsonRows::make(options_, request));
      rows_.push_back(std::move(made));
      parsers.push_back([this, &rows = rows_.back(), bytes_max = request.value_bytes_max](const LineBlock& block) {
        JsonRecords records(block.bytes(), options_.form, options_.display, bytes_max, block.first_line);
        return rows.read_all(records, stop_);
      });
    }
    TRY_ASSIGN(auto bytes, open_bytes(file_, options_.compression, options_.display));
    blocks_.emplace(LineBlocks(std::move(bytes), std::make_unique<LineEnds>(), options_.display,
                               ParsedBlocks::block_bytes(request.batch_bytes), request.value_bytes_max),
                    std::nullopt, std::move(parsers));
    return rows_.front().columns();
  }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses;
    for (const JsonRows& rows : rows_) add_uses(uses, rows.policy_uses());
    return with_rejects(std::move(uses));
  }

 private:
  Result<std::optional<ReadRows>> read_more() override { return blocks_->next(); }

  Path file_;
  const JsonOptions options_;
  std::stop_token stop_;
  std::vector<JsonRows> rows_;
  std::optional<ParsedBlocks> blocks_;  // last: its threads use the others
};

}  // namespace

std::unique_ptr<TableReader> make_json_reader(const Path& file, JsonOptions options) {
  if (options.form == JsonForm::array) return std::make_unique<ArrayReader>(file, std::move(options));
  return std::make_unique<LinesReader>(file, std::move(options));
}

}  // namespace udon::data
