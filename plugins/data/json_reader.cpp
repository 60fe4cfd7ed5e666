#include "plugins/data/json_reader.h"

#include <algorithm>
#include <deque>
#include <future>
#include <utility>

#include "plugins/data/json_rows.h"
#include "plugins/data/line_blocks.h"
#include "plugins/data/policy_counter.h"

namespace udon::data {
namespace {

// Threads that parse; one more encodes, and lags behind where these are quicker.
constexpr size_t parsers = 2;
constexpr size_t block_bytes_min = 256 << 10;

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
    record_bytes_max_ = request.value_bytes_max;
    for (size_t i = 0; i < parsers; ++i) {
      TRY_ASSIGN(JsonRows rows, JsonRows::make(options_, request));
      parsers_.push_back(std::make_unique<Parser>(Parser{.rows = std::move(rows), .block = {}, .read = {}}));
    }
    TRY_ASSIGN(auto bytes, open_bytes(file_, options_.compression, options_.display));
    // Text takes more room than values, and as many blocks are held as batches.
    const auto block_bytes = std::max(static_cast<size_t>(request.batch_bytes) / 2, block_bytes_min);
    blocks_.emplace(std::move(bytes), options_.display, block_bytes, record_bytes_max_);
    return parsers_.front()->rows.columns();
  }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses;
    for (const auto& parser : parsers_) add_uses(uses, parser->rows.policy_uses());
    return with_rejects(std::move(uses));
  }

 private:
  struct Parser {
    JsonRows rows;
    LineBlock block;
    std::future<Result<ReadRows>> read;  // last: it ends before what it uses
  };

  Result<ReadRows> read_more() override {
    while (has_more_ && busy_ < parsers) start();
    if (busy_ == 0) {
      if (trouble_) return *trouble_;  // of what comes behind all that was read
      at_end_ = true;
      return ReadRows();
    }
    Parser& oldest = *parsers_[(started_ - busy_) % parsers];
    --busy_;
    return oldest.read.get();
  }

  void start() {
    Parser& parser = *parsers_[started_ % parsers];
    const Result<bool> has_block = blocks_->next(parser.block);
    if (!has_block) trouble_ = has_block.error();
    has_more_ = has_block && *has_block;
    if (!has_more_) return;
    ++started_;
    ++busy_;
    parser.read = std::async(std::launch::async, [this, &parser]() -> Result<ReadRows> {
      JsonRecords records(bytes_of(parser.block), options_.form, options_.display, record_bytes_max_,
                          parser.block.first_line);
      return parser.rows.read_all(records, stop_);
    });
  }

  Path file_;
  int64_t record_bytes_max_ = 0;
  std::optional<LineBlocks> blocks_;
  std::vector<std::unique_ptr<Parser>> parsers_;
  size_t started_ = 0;  // blocks
  size_t busy_ = 0;     // of them not yet taken
  bool has_more_ = true;
  std::optional<Error> trouble_;
};

}  // namespace

std::unique_ptr<TableReader> make_json_reader(const Path& file, JsonOptions options) {
  if (options.form == JsonForm::array) return std::make_unique<ArrayReader>(file, std::move(options));
  return std::make_unique<LinesReader>(file, std::move(options));
}

}  // namespace udon::data
