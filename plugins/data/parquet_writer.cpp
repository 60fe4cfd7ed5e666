#include "plugins/data/parquet_writer.h"

#include <arrow/io/interfaces.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/arrow/writer.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/canonical.h"
#include "plugins/data/memory_pool.h"

namespace udon::data {
namespace {

constexpr int64_t distinct_sample_rows = 4096;
constexpr size_t distinct_sample_min = 512;
// A dictionary's hash table takes this much when it is empty, and for each byte of values (of 4 to 8 bytes each) so
// many.
constexpr int64_t dictionary_table_bytes = 24 << 10;
constexpr int64_t dictionary_bytes_per_byte = 12;
constexpr int64_t dictionary_page_bytes_min = 1 << 10;
constexpr int64_t dictionary_page_bytes_max = 1 << 20;

Result<parquet::Compression::type> compression_of(const std::string& name) {
  static const std::map<std::string, parquet::Compression::type> known = {{"snappy", parquet::Compression::SNAPPY},
                                                                          {"zstd", parquet::Compression::ZSTD},
                                                                          {"gzip", parquet::Compression::GZIP},
                                                                          {"lz4", parquet::Compression::LZ4_HADOOP},
                                                                          {"none", parquet::Compression::UNCOMPRESSED}};
  if (const auto it = known.find(name); it != known.end()) return it->second;
  std::vector<std::string> names;
  for (const auto& [key, unused] : known) names.push_back(key);
  return Error{ErrorKind::invalid, fmt::format("compression `{}` is not known (it is one of {}){}", name,
                                               join(names, ", "), did_you_mean(name, names))};
}

Result<void> check_names(const arrow::Schema& schema) {
  std::map<std::string, std::string> seen;
  for (const auto& field : schema.fields()) {
    const auto [it, is_new] = seen.emplace(lower_ascii(field->name()), field->name());
    if (!is_new)
      return Error{ErrorKind::data,
                   fmt::format("columns `{}` and `{}` differ only in case, which Hive, Trino and Spark fold: rename "
                               "one (in `columns` with `as`, of a CSV file in its header and in `schema`)",
                               it->second, field->name())};
  }
  return {};
}

Result<void> check_types(const arrow::Schema& schema, Compat compat) {
  if (compat != Compat::hive3) return {};
  for (const auto& field : schema.fields()) {
    if (field->type()->id() == arrow::Type::EXTENSION)
      return Error{
          ErrorKind::unsupported,
          fmt::format("column `{}`: Hive knows no UUID (`compat: hive3`); choose `type: string`", field->name())};
    if (field->type()->id() == arrow::Type::TIME64)
      return Error{ErrorKind::unsupported,
                   fmt::format("column `{}`: Hive knows no TIME (`compat: hive3`); choose `type: string` or `type: "
                               "interval_us`",
                               field->name())};
  }
  return {};
}

// Whether a dictionary of the column would be nearly as long as the column: building one costs more than all else in
// the encoding, to be thrown away when it is full. The first rows tell.
Result<bool> is_mostly_distinct(const arrow::Array& column) {
  const auto sample = column.Slice(0, distinct_sample_rows);
  TRY_ASSIGN(std::vector<uint64_t> hashes, hash_array(*sample));
  std::erase(hashes, null_hash);
  if (hashes.size() < distinct_sample_min) return false;
  const size_t values = hashes.size();
  std::ranges::sort(hashes);
  const auto repeated = std::ranges::unique(hashes);
  return (values - repeated.size()) * 4 > values * 3;
}

// As Arrow writes into it. What went wrong is kept: a status has no kind, and its text is Arrow's.
class ParquetOutput final : public arrow::io::OutputStream {
 public:
  explicit ParquetOutput(HashedFile file) : file_(std::move(file)) {}

  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, int64_t bytes) override {
    auto written = file_.write({static_cast<const char*>(data), static_cast<size_t>(bytes)});
    if (written) return arrow::Status::OK();
    failure_ = std::move(written.error());
    return arrow::Status::IOError(failure_->message);
  }
  arrow::Result<int64_t> Tell() const override { return file_.written(); }
  // The file is ended by finish(): it is not good without that.
  arrow::Status Close() override {
    is_closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return is_closed_; }

  HashedFile& file() { return file_; }
  const std::optional<Error>& failure() const { return failure_; }

 private:
  HashedFile file_;
  std::optional<Error> failure_;
  bool is_closed_ = false;
};

class ArrowParquetWriter final : public ParquetWriter {
 public:
  ArrowParquetWriter(Path file, std::shared_ptr<arrow::Schema> schema, std::shared_ptr<ParquetOutput> out,
                     parquet::Compression::type compression, const ParquetOptions& options)
      : file_(std::move(file)),
        schema_(std::move(schema)),
        out_(std::move(out)),
        compression_(compression),
        options_(options) {}

  Result<void> write(const arrow::RecordBatch& batch) override {
    if (batch.num_rows() == 0) return {};
    if (!writer_) TRY(open(&batch));
    const int64_t bytes = arrow::util::TotalBufferSize(batch);
    if (bytes > options_.large_bytes) return write_large(batch, bytes);
    if (!in_group_ || group_rows_ + batch.num_rows() > options_.row_group_rows ||
        (group_rows_ > 0 && group_bytes_ + bytes > options_.row_group_bytes)) {
      TRY(told(writer_->NewBufferedRowGroup()));
      if (in_group_) {
        trim_memory();
        out_->file().begin_sync();
      }
      in_group_ = true;
      group_rows_ = group_bytes_ = 0;
    }
    TRY(told(writer_->WriteRecordBatch(batch)));
    group_rows_ += batch.num_rows();
    group_bytes_ += bytes;
    raw_bytes_ += bytes;
    return {};
  }

  int64_t expected_bytes() const override {
    const int64_t encoded = out_->file().written();
    const int64_t ended_raw = raw_bytes_ - group_bytes_;
    // Nothing of the first group is written before it ends.
    const double shrinks_to =
        ended_raw > 0 ? static_cast<double>(encoded) / static_cast<double>(ended_raw) : options_.expected_ratio;
    return encoded + static_cast<int64_t>(static_cast<double>(group_bytes_) * shrinks_to);
  }

  int64_t buffered_bytes() const override { return group_bytes_; }
  void limit_buffer(int64_t bytes) override { options_.row_group_bytes = bytes; }

  Result<FinishedFile> finish() override {
    if (!writer_) TRY(open(nullptr));
    TRY(told(writer_->Close()));
    return out_->file().finish();
  }

 private:
  Result<void> told(const arrow::Status& status) const {
    if (!status.ok() && out_->failure()) return *out_->failure();
    return from_arrow(status, "write " + file_.string());
  }

  // `first`: rows to judge the columns by, if there are any.
  Result<void> open(const arrow::RecordBatch* first) {
    parquet::WriterProperties::Builder properties;
    properties.version(parquet::ParquetVersion::PARQUET_2_6)
        ->data_page_version(parquet::ParquetDataPageVersion::V1)
        ->compression(compression_)
        ->max_row_group_length(options_.row_group_rows)
        ->enable_statistics()
        ->enable_write_page_index()
        ->created_by("udon");
    properties.memory_pool(memory_pool())->data_pagesize(options_.page_bytes);
    TRY(choose_dictionaries(first, properties));
    parquet::ArrowWriterProperties::Builder arrow_properties;
    arrow_properties.coerce_timestamps(arrow::TimeUnit::MICRO)->disallow_truncated_timestamps();
    arrow_properties.set_use_threads(false);
    if (options_.compat == Compat::hive3) arrow_properties.enable_deprecated_int96_timestamps();
    TRY_ASSIGN(writer_, from_arrow(parquet::arrow::FileWriter::Open(*schema_, memory_pool(), out_, properties.build(),
                                                                    arrow_properties.build()),
                                   "create " + file_.string()));
    auto metadata = std::make_shared<arrow::KeyValueMetadata>();
    // By this key Spark tells the calendar of a file's days and times (DataSourceUtils.datetimeRebaseSpec): without it,
    // it refuses times before 1900; from 3.0 on it is the calendar that everybody has.
    metadata->Append("org.apache.spark.version", "3.5.0");
    for (const auto& [key, value] : options_.metadata) metadata->Append(key, value);
    return from_arrow(writer_->AddKeyValueMetadata(metadata), "create " + file_.string());
  }

  // Each column where one is of use has an equal part of what they may take; where that is too little, none has one.
  Result<void> choose_dictionaries(const arrow::RecordBatch* first, parquet::WriterProperties::Builder& properties) {
    int64_t columns = 0;
    for (int c = 0; first != nullptr && c < first->num_columns(); ++c) {
      const arrow::Type::type type = first->column(c)->type_id();
      if (options_.has_large_values && arrow::is_binary_like(type)) {
        properties.disable_statistics(schema_->field(c)->name())->disable_dictionary(schema_->field(c)->name());
        continue;
      }
      TRY_ASSIGN(const bool is_distinct, is_mostly_distinct(*first->column(c)));
      if (is_distinct)
        properties.disable_dictionary(schema_->field(c)->name());
      else
        ++columns;
    }
    if (columns == 0) return {};
    const int64_t page = (options_.dictionary_bytes / columns - dictionary_table_bytes) / dictionary_bytes_per_byte;
    if (page < dictionary_page_bytes_min)
      properties.disable_dictionary();
    else
      properties.dictionary_pagesize_limit(std::min(page, dictionary_page_bytes_max));
    return {};
  }

  // Column by column into the file: nothing of it is kept.
  Result<void> write_large(const arrow::RecordBatch& batch, int64_t bytes) {
    in_group_ = false;
    group_rows_ = group_bytes_ = 0;
    TRY(told(writer_->NewRowGroup()));
    for (const auto& column : batch.columns()) TRY(told(writer_->WriteColumnChunk(*column)));
    raw_bytes_ += bytes;
    return {};
  }

  Path file_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<ParquetOutput> out_;
  parquet::Compression::type compression_;
  ParquetOptions options_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;  // from the first rows on
  bool in_group_ = false;
  int64_t group_rows_ = 0;
  int64_t group_bytes_ = 0;
  int64_t raw_bytes_ = 0;  // of all batches
};

}  // namespace

std::optional<Compat> parse_compat(std::string_view text) {
  if (text.empty()) return Compat::none;
  return text == "hive3" ? std::optional(Compat::hive3) : std::nullopt;
}

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::create(const Path& file, std::shared_ptr<arrow::Schema> schema,
                                                             const ParquetOptions& options) {
  TRY(check_names(*schema));
  TRY(check_types(*schema, options.compat));
  TRY_ASSIGN(const parquet::Compression::type compression, compression_of(options.compression));
  TRY_ASSIGN(HashedFile created, HashedFile::create(file));
  auto out = std::make_shared<ParquetOutput>(std::move(created));
  return std::unique_ptr<ParquetWriter>(
      std::make_unique<ArrowParquetWriter>(file, std::move(schema), std::move(out), compression, options));
}

}  // namespace udon::data
