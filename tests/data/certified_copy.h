#pragma once
// A table of a real server, copied at level source.
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/mask.h"
#include "plugins/data/reader.h"
#include "plugins/data/recast_reader.h"
#include "plugins/data/table_copy.h"
#include "tests/base/temporary_folder.h"

namespace udon::data::test {

inline Result<Certificate> certified_copy(std::unique_ptr<TableReader> reader, TableRequest request) {
  const TemporaryFolder folder;
  const SystemClock clock;
  static const Result<MaskKey> key = MaskKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "mask");
  CopyRequest copy;
  request.certify = CertifyLevel::source;
  copy.table = std::move(request);
  copy.source = "test";
  copy.mask_key = &*key;
  copy.folder = folder.path();
  copy.clock = &clock;
  reader = make_recast_reader(std::move(reader));
  TRY_ASSIGN(CopyResult copied, copy_table(*reader, std::move(copy), {}));
  return std::move(copied.certificate);
}

// A reader with a fault that no checksum off the wire can see: it spoils rows and hashes alike.
class SpoilingReader final : public TableReader, public BatchSource {
 public:
  using Spoil = std::function<std::shared_ptr<arrow::RecordBatch>(const arrow::RecordBatch&)>;
  SpoilingReader(std::unique_ptr<TableReader> reader, Spoil spoil)
      : reader_(std::move(reader)), spoil_(std::move(spoil)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    return reader_->open(request, stop);
  }
  std::vector<BatchSource*> sources() override { return {this}; }
  Result<std::optional<SourceBatch>> next() override {
    TRY_ASSIGN(std::optional<SourceBatch> batch, reader_->sources().at(0)->next());
    if (!batch) return batch;
    batch->rows = spoil_(*batch->rows);
    batch->hashes.clear();
    for (const auto& column : batch->rows->columns()) {
      TRY_ASSIGN(batch->hashes.emplace_back(), hash_array(*column));
    }
    return batch;
  }
  std::string mechanism() const override { return reader_->mechanism(); }
  std::string position() const override { return reader_->position(); }
  std::vector<PolicyUse> policy_uses() const override { return reader_->policy_uses(); }
  Result<std::vector<DatabaseFigures>> figures() override { return reader_->figures(); }

 private:
  std::unique_ptr<TableReader> reader_;
  Spoil spoil_;
};

}  // namespace udon::data::test
