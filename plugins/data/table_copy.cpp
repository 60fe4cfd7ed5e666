#include "plugins/data/table_copy.h"

#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <thread>

#include "base/ensure.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/text.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/batch_queue.h"
#include "plugins/data/certifier.h"
#include "plugins/data/figures.h"

namespace udon::data {
namespace {

constexpr size_t queued_batches_max = 2;
constexpr uint64_t progress_rows = 500'000;

// Rows of all sources together.
class Progress {
 public:
  explicit Progress(const std::function<void(uint64_t)>& on_progress) : on_progress_(on_progress) {}
  void add(uint64_t rows) {
    if (!on_progress_) return;
    const std::lock_guard lock(mutex_);
    rows_ += rows;
    if (rows_ / progress_rows == reported_) return;
    reported_ = rows_ / progress_rows;
    on_progress_(rows_);
  }

 private:
  const std::function<void(uint64_t)>& on_progress_;
  std::mutex mutex_;
  uint64_t rows_ = 0;
  uint64_t reported_ = 0;
};

struct StagedFile {
  Path path;
  FileCertificate certificate;
};

// The encoding side of one source: what the reader delivered → as it is to be in the file → counted → encoded.
class Encoder {
 public:
  Encoder(size_t number, const std::vector<ColumnInfo>& columns, const CopyRequest& request, Progress& progress)
      : number_(number),
        columns_(columns),
        request_(request),
        progress_(progress),
        parquet_(request.parquet),
        in_file_(request.table.certify, columns.size()),
        in_all_(request.table.certify, columns.size()) {}

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
    figures_ = FileFigures(*schema_);
    return begin_file();
  }

  Result<void> take(SourceBatch batch) {
    if (writer_ && request_.target_file_bytes > 0 && in_file_.rows() > 0 &&
        writer_->expected_bytes() >= request_.target_file_bytes) {
      TRY(end_file());
      TRY(begin_file());
    }
    const bool hashed = request_.table.certify != CertifyLevel::rows;
    arrow::ArrayVector arrays = batch.rows->columns();
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (columns_[c].request.mask.empty()) continue;
      if (hashed) TRY(check_decoded(*arrays[c], batch.hashes[c], columns_[c].request.name));
      TRY_ASSIGN(arrays[c], request_.mask_key->mask(*arrays[c]));
      if (!hashed) continue;
      TRY_ASSIGN(batch.hashes[c], hash_array(*arrays[c]));
    }
    const auto rows = arrow::RecordBatch::Make(schema_, batch.rows->num_rows(), std::move(arrays));
    in_file_.add(*rows, batch.hashes);
    raw_bytes_ += arrow::util::TotalBufferSize(*rows);
    if (writer_) TRY(writer_->write(*rows));
    progress_.add(static_cast<uint64_t>(rows->num_rows()));
    return {};
  }

  // A source without rows has a file without rows.
  Result<void> finish() { return end_file(); }

  const Certifier& certifier() const { return in_all_; }
  const FileFigures& figures() const { return figures_; }
  const std::vector<StagedFile>& files() const { return files_; }
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

  void remove_files() {
    writer_.reset();
    std::error_code ignored;
    for (const StagedFile& file : files_) std::filesystem::remove(file.path, ignored);
  }

 private:
  Result<void> begin_file() {
    if (request_.destination == Destination::nowhere) return {};
    if (files_.size() == limits::files_per_result_max)
      return Error{ErrorKind::invalid,
                   fmt::format("`target_file_bytes` cuts the table into more than {} files; say a larger size",
                               limits::files_per_result_max)};
    Path path = request_.folder /
                fmt::format("{}-{}{}", number_, files_.size(), request_.text ? request_.text->extension : ".parquet");
    files_.push_back({.path = std::move(path), .certificate = {}});
    text_ = nullptr;
    if (!request_.text) {
      TRY_ASSIGN(writer_, ParquetWriter::create(files_.back().path, schema_, parquet_));
      return {};
    }
    TRY_ASSIGN(std::unique_ptr<TextWriter> text, request_.text->create(files_.back().path, schema_));
    text_ = text.get();
    writer_ = std::move(text);
    return {};
  }

  Result<void> end_file() {
    if (request_.destination == Destination::nowhere) {
      in_all_.add(in_file_);
      return {};
    }
    StagedFile& file = files_.back();
    TRY_ASSIGN(const int64_t bytes, writer_->finish());
    if (text_ != nullptr) TRY(text_->verify());
    writer_.reset();
    std::vector<std::string> names;
    for (const ColumnInfo& column : columns_) names.push_back(column.request.name);
    const bool has_figures = request_.table.certify == CertifyLevel::source;
    if (!request_.text)
      TRY(verify_parquet(file.path, in_file_, request_.table.certify, names, has_figures ? &figures_ : nullptr));
    TRY_ASSIGN(std::string sha256, sha256_of_file(file.path));
    file.certificate = {.uri = {},
                        .rows = in_file_.rows(),
                        .bytes = static_cast<uint64_t>(bytes),
                        .sha256 = std::move(sha256),
                        .etag = {}};
    if (raw_bytes_ > 0) parquet_.expected_ratio = static_cast<double>(bytes) / static_cast<double>(raw_bytes_);
    raw_bytes_ = 0;
    in_all_.add(in_file_);
    in_file_ = Certifier(request_.table.certify, columns_.size());
    return {};
  }

  const size_t number_;
  const std::vector<ColumnInfo>& columns_;
  const CopyRequest& request_;
  Progress& progress_;
  ParquetOptions parquet_;
  Certifier in_file_, in_all_;
  FileFigures figures_;    // of all files, read back; level source
  int64_t raw_bytes_ = 0;  // of the file's batches
  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<TableWriter> writer_;
  TextWriter* text_ = nullptr;  // the writer, where it is one of text
  std::vector<StagedFile> files_;
};

Result<void> read_into(BatchSource& source, BatchQueue& queue, const std::stop_token& stop) {
  while (true) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
    TRY_ASSIGN(std::optional<SourceBatch> batch, source.next());
    if (!batch) return {};
    if (batch->rows->num_rows() == 0) continue;
    if (!queue.push(std::move(*batch))) return {};  // the encoder has failed, and says why
  }
}

// One source to its end.
Result<void> copy(BatchSource& source, Encoder& encoder, const std::stop_token& stop) {
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
  const Result<void> was_read = read_into(source, queue, stop);
  if (was_read)
    queue.end();
  else
    queue.give_up();
  encoding.join();
  TRY(encoded);
  TRY(was_read);
  return encoder.finish();
}

// All sources at once. One that fails stops the others; its error is told, not theirs.
Result<void> copy_all(const std::vector<BatchSource*>& sources, std::vector<std::unique_ptr<Encoder>>& encoders,
                      std::stop_source& stop) {
  std::mutex mutex;
  std::optional<Error> failure;
  const auto run = [&](size_t i) {
    const Result<void> copied = copy(*sources[i], *encoders[i], stop.get_token());
    if (copied) return;
    {
      const std::lock_guard lock(mutex);
      if (!failure) failure = copied.error();
    }
    stop.request_stop();
  };
  {
    std::vector<std::jthread> others;
    for (size_t i = 1; i < sources.size(); ++i) others.emplace_back([&run, i] { run(i); });
    run(0);
  }
  if (failure) return *failure;
  return {};
}

// Those with rows; of a table without rows one, for its schema. The others are removed.
std::vector<StagedFile> files_of(const std::vector<std::unique_ptr<Encoder>>& encoders, bool has_rows) {
  std::vector<StagedFile> kept;
  std::error_code ignored;
  for (const auto& encoder : encoders) {
    for (const StagedFile& file : encoder->files()) {
      if (file.certificate.rows > 0 || (!has_rows && kept.empty()))
        kept.push_back(file);
      else
        std::filesystem::remove(file.path, ignored);
    }
  }
  return kept;
}

// Level source: the database's own figures of each column, which are those of the files.
Result<std::vector<DatabaseFigures>> compared_figures(TableReader& reader, const std::vector<ColumnInfo>& columns,
                                                      const std::vector<std::unique_ptr<Encoder>>& encoders) {
  FileFigures files = encoders.front()->figures();
  for (size_t i = 1; i < encoders.size(); ++i) files.add(encoders[i]->figures());
  TRY_ASSIGN(std::vector<DatabaseFigures> database, reader.figures());
  ENSURE(database.size() == columns.size(), "the database has figures of each column");
  const arrow::Schema& schema = *encoders.front()->schema();
  for (size_t c = 0; c < columns.size(); ++c)
    if (!columns[c].request.mask.empty()) keep_counts_only(database[c], "all but counts: masked");
  account_for_policies(database, schema, reader.policy_uses());
  if (const std::string difference = figures_difference(schema, database, files.figures()); !difference.empty())
    return Error{ErrorKind::data,
                 "what was written is not what the database itself counts in the same snapshot: " + difference +
                     ". Nothing was published; this is a fault of ours, of the server or of this machine"};
  return database;
}

// For whoever reads the certificate: which rows. A value that is compared with a masked column would tell what the mask
// hides.
Value described_condition(const TableRequest& request, const std::vector<ColumnInfo>& columns) {
  if (request.where.empty()) return {};
  const std::string sql = lower_ascii(request.where);
  const bool is_masked = std::ranges::any_of(columns, [&](const ColumnInfo& column) {
    return !column.request.mask.empty() && sql.find(lower_ascii(column.request.source_name)) != sql.npos;
  });
  Value condition = Value::map();
  condition.set("sql", request.where);
  condition.set("values", is_masked ? Value() : request.where_parameters);
  return condition;
}

}  // namespace

Result<CopyResult> copy_table(TableReader& reader, CopyRequest request, std::stop_token stop) {
  // The budget, in equal shares: of each two batches are queued, one is being read, one encoded; the row group being
  // encoded is the largest part.
  const int64_t share = request.memory_bytes / std::max(1, request.table.split.into);
  request.table.batch_bytes = std::clamp<int64_t>(share / 32, 1 << 20, 8 << 20);
  request.table.value_bytes_max = share / 8;
  if (request.text) request.table.certify = CertifyLevel::rows;
  request.parquet.row_group_bytes = std::max<int64_t>(share / 8 * 3, 4 << 20);

  std::stop_source stop_all;
  const std::stop_callback passed_on(stop, [&stop_all] { stop_all.request_stop(); });
  TRY_ASSIGN(const std::vector<ColumnInfo> columns, reader.open(request.table, stop_all.get_token()));
  CopyResult result;
  Certificate& certificate = result.certificate;
  certificate.id = make_uuid7(request.clock->now(), 0, 0);
  certificate.id = certificate.id.substr(0, 19) + make_secret(2) + "-" + make_secret(6);
  certificate.source = request.source;
  certificate.connection = request.connection;
  certificate.table = request.table.table;
  certificate.timezone = request.table.timezone;
  request.parquet.metadata.emplace_back("udon.certificate", certificate.id);

  const std::vector<BatchSource*> sources = reader.sources();
  Progress progress(request.on_progress);
  std::vector<std::unique_ptr<Encoder>> encoders;
  for (size_t i = 0; i < sources.size(); ++i)
    encoders.push_back(std::make_unique<Encoder>(i, columns, request, progress));
  std::vector<DatabaseFigures> figures;
  const auto copied = [&]() -> Result<void> {
    for (const auto& encoder : encoders) TRY(encoder->open());
    TRY(copy_all(sources, encoders, stop_all));
    if (request.table.certify == CertifyLevel::source) {
      TRY_ASSIGN(figures, compared_figures(reader, columns, encoders));
    }
    return {};
  }();
  if (!copied) {
    for (const auto& encoder : encoders) encoder->remove_files();
    return Error(copied.error());
  }

  result.schema = encoders.front()->schema();
  for (size_t c = 0; c < columns.size(); ++c) {
    const auto& field = result.schema->field(static_cast<int>(c));
    certificate.columns.push_back({.name = field->name(),
                                   .source_name = columns[c].request.source_name,
                                   .source_type = columns[c].source_type,
                                   .type = field->type()->ToString(),
                                   .after_transform = columns[c].is_recast || !columns[c].request.mask.empty(),
                                   .recast = columns[c].is_recast ? columns[c].request.type : "",
                                   .mask = columns[c].request.mask});
    if (!figures.empty()) certificate.columns.back().database = std::move(figures[c]);
  }
  Certifier all(request.table.certify, columns.size());
  for (const auto& encoder : encoders) all.add(encoder->certifier());
  all.fill(certificate);
  certificate.where = described_condition(request.table, columns);
  certificate.mechanism = reader.mechanism();
  certificate.position = reader.position();
  certificate.policies = reader.policy_uses();
  if (request.mask_key != nullptr) certificate.mask_key_fingerprint = request.mask_key->fingerprint();
  certificate.made_at = format_time(request.clock->now());
  for (StagedFile& file : files_of(encoders, all.rows() > 0)) {
    certificate.files.push_back(std::move(file.certificate));
    result.files.push_back(std::move(file.path));
  }
  return result;
}

}  // namespace udon::data
