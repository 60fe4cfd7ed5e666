#pragma once
// A reader that tells a test of each batch before it is handed on: "in the middle" is a place then, not a time.
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugins/data/reader.h"

namespace udon::data::test {

class HookedReader final : public TableReader {
 public:
  // Called on the reading threads.
  using OnBatch = std::function<void(size_t source, const SourceBatch& batch)>;
  HookedReader(std::unique_ptr<TableReader> reader, OnBatch on_batch)
      : reader_(std::move(reader)), on_batch_(std::move(on_batch)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    auto columns = reader_->open(request, stop);
    for (BatchSource* source : reader_->sources()) sources_.emplace_back(*source, sources_.size(), on_batch_);
    return columns;
  }
  std::vector<BatchSource*> sources() override {
    std::vector<BatchSource*> all;
    for (Source& source : sources_) all.push_back(&source);
    return all;
  }
  std::vector<std::string> ranges() const override { return reader_->ranges(); }
  void leave_out(const std::vector<size_t>& ranges) override { reader_->leave_out(ranges); }
  Result<uint64_t> count_rows(size_t range) override { return reader_->count_rows(range); }
  std::string state() const override { return reader_->state(); }
  std::string mechanism() const override { return reader_->mechanism(); }
  std::string position() const override { return reader_->position(); }
  std::vector<PolicyUse> policy_uses() const override { return reader_->policy_uses(); }
  Result<std::vector<DatabaseFigures>> figures() override { return reader_->figures(); }
  std::vector<size_t> key_columns() const override { return reader_->key_columns(); }

 private:
  class Source final : public BatchSource {
   public:
    Source(BatchSource& source, size_t number, const OnBatch& on_batch)
        : source_(source), number_(number), on_batch_(on_batch) {}
    Result<std::optional<SourceBatch>> next() override {
      auto batch = source_.next();
      if (batch && *batch) on_batch_(number_, **batch);
      return batch;
    }
    Result<void> rejoin(const std::vector<size_t>& kept) override { return source_.rejoin(kept); }

   private:
    BatchSource& source_;
    const size_t number_;
    const OnBatch& on_batch_;
  };

  std::unique_ptr<TableReader> reader_;
  const OnBatch on_batch_;
  std::deque<Source> sources_;
};

}  // namespace udon::data::test
