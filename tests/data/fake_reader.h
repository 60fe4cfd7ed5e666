#pragma once
// A reader over batches that a test has made; hashes are those of the values, unless the test spoils them.
#include <deque>

#include "plugins/data/array_hash.h"
#include "plugins/data/reader.h"

namespace udon::test {

class FakeReader final : public data::TableReader {
 public:
  std::vector<data::ColumnInfo> columns;
  std::deque<Result<data::SourceBatch>> batches;

  void add(std::shared_ptr<arrow::RecordBatch> rows) {
    data::SourceBatch batch;
    for (const auto& column : rows->columns()) batch.hashes.push_back(*data::hash_array(*column));
    batch.rows = std::move(rows);
    batches.emplace_back(std::move(batch));
  }

  Result<std::vector<data::ColumnInfo>> open(const data::TableRequest&, std::stop_token) override { return columns; }
  Result<std::optional<data::SourceBatch>> next() override {
    if (batches.empty()) return std::optional<data::SourceBatch>();
    auto batch = std::move(batches.front());
    batches.pop_front();
    if (!batch) return Error(batch.error());
    return std::optional<data::SourceBatch>(std::move(*batch));
  }
  std::string mechanism() const override { return "made by a test"; }
  std::string position() const override { return "here"; }
  std::vector<PolicyUse> policy_uses() const override { return {}; }
};

}  // namespace udon::test
