#include "plugins/data/table_copy.h"

#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "base/id.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/batch_queue.h"
#include "plugins/data/certifier.h"

namespace udon::data {
namespace {

constexpr size_t queued_batches_max = 2;
constexpr uint64_t progress_rows = 500'000;

// The encoding side: what the reader delivered → as it is to be in the file → counted → encoded.
class Encoder {
 public:
  Encoder(const std::vector<ColumnInfo>& columns, const CopyRequest& request)
      : columns_(columns), request_(request), certifier_(request.table.certify, columns.size()) {}

  Result<void> open() {
    arrow::FieldVector fields;
    for (const ColumnInfo& column : columns_) {
      if (!column.request.mask.empty() && request_.mask_key == nullptr)
        return Error{ErrorKind::invalid,
                     fmt::format("column `{}` has a mask but no key: say `mask_key: <connection>`; the connection's "
                                 "password is the key",
                                 column.request.source_name)};
      fields.push_back(arrow::field(column.request.name, column.request.mask.empty() ? column.type : arrow::utf8(),
                                    column.nullable));
    }
    schema_ = arrow::schema(std::move(fields));
    TRY_ASSIGN(writer_, ParquetWriter::create(request_.file, schema_, request_.parquet));
    return {};
  }

  Result<void> take(SourceBatch batch) {
    const bool hashed = request_.table.certify != CertifyLevel::rows;
    arrow::ArrayVector arrays = batch.rows->columns();
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (columns_[c].request.mask.empty()) continue;
      TRY_ASSIGN(arrays[c], request_.mask_key->mask(*arrays[c]));
      if (!hashed) continue;
      TRY_ASSIGN(batch.hashes[c], hash_array(*arrays[c]));
    }
    const auto rows = arrow::RecordBatch::Make(schema_, batch.rows->num_rows(), std::move(arrays));
    certifier_.add(*rows, batch.hashes);
    TRY(writer_->write(*rows));
    if (request_.on_progress && certifier_.rows() / progress_rows != reported_) {
      reported_ = certifier_.rows() / progress_rows;
      request_.on_progress(certifier_.rows());
    }
    return {};
  }

  Result<int64_t> finish() {
    TRY_ASSIGN(const int64_t bytes, writer_->finish());
    std::vector<std::string> names;
    for (const ColumnInfo& column : columns_) names.push_back(column.request.name);
    TRY(verify_parquet(request_.file, certifier_, request_.table.certify, names));
    return bytes;
  }

  const Certifier& certifier() const { return certifier_; }
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

 private:
  const std::vector<ColumnInfo>& columns_;
  const CopyRequest& request_;
  Certifier certifier_;
  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<ParquetWriter> writer_;
  uint64_t reported_ = 0;
};

Result<void> read_into(TableReader& reader, BatchQueue& queue, const std::stop_token& stop) {
  while (true) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
    TRY_ASSIGN(std::optional<SourceBatch> batch, reader.next());
    if (!batch) return {};
    if (batch->rows->num_rows() == 0) continue;
    if (!queue.push(std::move(*batch))) return {};  // the encoder has failed, and says why
  }
}

Result<int64_t> copy(TableReader& reader, Encoder& encoder, const std::stop_token& stop) {
  BatchQueue queue(queued_batches_max);
  Result<void> encoded;
  std::jthread encoding([&] {
    while (auto batch = queue.pop()) {
      encoded = encoder.take(std::move(*batch));
      if (!encoded) {
        queue.give_up();
        return;
      }
    }
  });
  const Result<void> was_read = read_into(reader, queue, stop);
  if (was_read)
    queue.end();
  else
    queue.give_up();
  encoding.join();
  TRY(encoded);
  TRY(was_read);
  return encoder.finish();
}

}  // namespace

Result<CopyResult> copy_table(TableReader& reader, CopyRequest request, std::stop_token stop) {
  // The budget: two batches queued, one being read, one being encoded; the row group being encoded is the largest part.
  request.table.batch_bytes = std::clamp<int64_t>(request.memory_bytes / 32, 1 << 20, 8 << 20);
  request.table.value_bytes_max = request.memory_bytes / 8;
  request.parquet.row_group_bytes = std::max<int64_t>(request.memory_bytes / 8 * 3, 4 << 20);

  TRY_ASSIGN(const std::vector<ColumnInfo> columns, reader.open(request.table, stop));
  CopyResult result;
  Certificate& certificate = result.certificate;
  certificate.id = make_uuid7(request.clock->now(), 0, 0);
  certificate.id = certificate.id.substr(0, 19) + make_secret(2) + "-" + make_secret(6);
  certificate.source = request.source;
  request.parquet.metadata.emplace_back("udon.certificate", certificate.id);

  Encoder encoder(columns, request);
  const auto copied = [&]() -> Result<int64_t> {
    TRY(encoder.open());
    return copy(reader, encoder, stop);
  }();
  if (!copied) {
    std::error_code ignored;
    std::filesystem::remove(request.file, ignored);
    return Error(copied.error());
  }

  for (size_t c = 0; c < columns.size(); ++c) {
    const auto& field = encoder.schema()->field(static_cast<int>(c));
    certificate.columns.push_back({.name = field->name(),
                                   .source_name = columns[c].request.source_name,
                                   .source_type = columns[c].source_type,
                                   .type = field->type()->ToString(),
                                   .after_transform = !columns[c].request.mask.empty()});
  }
  encoder.certifier().fill(certificate);
  certificate.mechanism = reader.mechanism();
  certificate.position = reader.position();
  certificate.policies = reader.policy_uses();
  if (request.mask_key != nullptr) certificate.mask_key_fingerprint = request.mask_key->fingerprint();
  certificate.made_at = format_time(request.clock->now());
  TRY_ASSIGN(std::string sha256, sha256_of_file(request.file));
  certificate.files.push_back(
      {.rows = certificate.rows, .bytes = static_cast<uint64_t>(*copied), .sha256 = std::move(sha256)});
  result.schema = encoder.schema();
  return result;
}

}  // namespace udon::data
