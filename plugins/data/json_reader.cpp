#include "plugins/data/json_reader.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "plugins/data/json_rows.h"
#include "plugins/data/line_blocks.h"
#include "plugins/data/parsed_blocks.h"
#include "plugins/data/policy_counter.h"

namespace udon::data {
namespace {

class JsonReader : public TableReader, public BatchSource {
 public:
  explicit JsonReader(JsonOptions options) : options_(std::move(options)) {}

  std::vector<BatchSource*> sources() override { return {this}; }
  std::string mechanism() const override { return "one file, read once"; }
  std::string position() const override { return {}; }

  Result<std::optional<SourceBatch>> next() override {
    while (ready_.empty() && !at_end_) {
      TRY_ASSIGN(ReadRows read, read_more());
      if (options_.rejects != nullptr) TRY(options_.rejects->add(read.bad_rows, options_.display));
      std::ranges::move(read.batches, std::back_inserter(ready_));
    }
    if (ready_.empty()) return std::optional<SourceBatch>();
    std::optional<SourceBatch> batch = std::move(ready_.front());
    ready_.pop_front();
    return batch;
  }

 protected:
  // Rows in the file's order; sets at_end_ behind the last.
  virtual Result<ReadRows> read_more() = 0;

  std::vector<PolicyUse> with_rejects(std::vector<PolicyUse> uses) const {
    if (options_.rejects != nullptr) options_.rejects->report(uses);
    return uses;
  }

  const JsonOptions options_;
  std::stop_token stop_;
  bool at_end_ = false;

 private:
  std::deque<SourceBatch> ready_;
};

// The elements of an array: where one ends is known only when all before it have been read.
class ArrayReader final : public JsonReader {
 public:
  ArrayReader(Path file, JsonOptions options) : JsonReader(std::move(options)), file_(std::move(file)) {}

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
  Result<ReadRows> read_more() override {
    TRY_ASSIGN(JsonRows::Read read, rows_->read_batch(*records_, stop_));
    at_end_ = read.at_end;
    return std::move(read.rows);
  }

  Path file_;
  std::optional<JsonRows> rows_;
  std::optional<JsonRecords> records_;
};

// Lines: blocks of them are read by several threads, and come in their order.
class LinesReader final : public JsonReader {
 public:
  LinesReader(Path file, JsonOptions options) : JsonReader(std::move(options)), file_(std::move(file)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    stop_ = std::move(stop);
    rows_.reserve(ParsedBlocks::threads);
    std::vector<ParsedBlocks::Parse> parsers;
    for (size_t i = 0; i < ParsedBlocks::threads; ++i) {
      TRY_ASSIGN(JsonRows made, JsonRows::make(options_, request));
      rows_.push_back(std::move(made));
      parsers.push_back([this, &rows = rows_.back(), bytes_max = request.value_bytes_max](const LineBlock& block) {
        JsonRecords records(bytes_of(block), options_.form, options_.display, bytes_max, block.first_line);
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
  Result<ReadRows> read_more() override {
    TRY_ASSIGN(auto read, blocks_->next());
    at_end_ = !read;
    return read ? std::move(*read) : ReadRows();
  }

  Path file_;
  std::vector<JsonRows> rows_;
  std::optional<ParsedBlocks> blocks_;  // last: its threads use the others
};

}  // namespace

std::unique_ptr<TableReader> make_json_reader(const Path& file, JsonOptions options) {
  if (options.form == JsonForm::array) return std::make_unique<ArrayReader>(file, std::move(options));
  return std::make_unique<LinesReader>(file, std::move(options));
}

}  // namespace udon::data
