#pragma once
// A reader over batches that a test has made; hashes are those of the values, unless the test spoils them.
#include <deque>
#include <thread>

#include "plugins/data/array_hash.h"
#include "plugins/data/reader.h"

namespace udon::test {

class FakeSource final : public data::BatchSource {
 public:
  std::deque<Result<data::SourceBatch>> batches;
  std::stop_token ends_with;  // if it can be stopped: goes on waiting, as a server would, until it is

  void add(std::shared_ptr<arrow::RecordBatch> rows) {
    data::SourceBatch batch;
    for (const auto& column : rows->columns()) batch.hashes.push_back(*data::hash_array(*column));
    batch.rows = std::move(rows);
    batches.emplace_back(std::move(batch));
  }

  Result<std::optional<data::SourceBatch>> next() override {
    if (batches.empty() && ends_with.stop_possible()) {
      while (!ends_with.stop_requested()) std::this_thread::yield();
      return Error{ErrorKind::cancelled, "asked to stop"};
    }
    if (batches.empty()) return std::optional<data::SourceBatch>();
    auto batch = std::move(batches.front());
    batches.pop_front();
    if (!batch) return Error(batch.error());
    return std::optional<data::SourceBatch>(std::move(*batch));
  }
};

class FakeReader final : public data::TableReader {
 public:
  std::vector<data::ColumnInfo> columns;
  std::deque<FakeSource> parts = std::deque<FakeSource>(1);
  std::deque<Result<data::SourceBatch>>& batches = parts.front().batches;
  bool waits_to_be_stopped = false;  // all but the first of its parts
  std::vector<size_t> key;
  std::vector<DatabaseFigures> database;  // its figures; empty: it is no database
  std::vector<PolicyUse> uses;

  void add(std::shared_ptr<arrow::RecordBatch> rows) { parts.front().add(std::move(rows)); }

  Result<std::vector<data::ColumnInfo>> open(const data::TableRequest&, std::stop_token stop) override {
    for (size_t i = 1; waits_to_be_stopped && i < parts.size(); ++i) parts[i].ends_with = stop;
    return columns;
  }
  std::vector<data::BatchSource*> sources() override {
    std::vector<data::BatchSource*> all;
    for (FakeSource& part : parts) all.push_back(&part);
    return all;
  }
  std::string mechanism() const override { return "made by a test"; }
  std::string position() const override { return "here"; }
  std::vector<size_t> key_columns() const override { return key; }
  std::vector<PolicyUse> policy_uses() const override { return uses; }
  Result<std::vector<DatabaseFigures>> figures() override {
    if (database.empty()) return TableReader::figures();
    return database;
  }
};

}  // namespace udon::test
