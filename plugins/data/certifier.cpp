#include "plugins/data/certifier.h"

#include <arrow/io/file.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/statistics.h>

#include <fcntl.h>

#include <algorithm>
#include <future>
#include <memory>

#include "base/ensure.h"
#include "base/text.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/canonical.h"
#include "plugins/data/figures.h"
#include "plugins/data/parquet_file.h"
#include "plugins/io/file_digest.h"

namespace udon::data {
namespace {

constexpr int64_t read_back_batch_rows = 64 * 1024;
constexpr int64_t read_back_batch_bytes = 2 << 20;  // as encoded; few rows where values are large or columns many
// What reading takes of each column besides its values: buffers of the file and of a page, a decoder. Measured with
// 1,000 columns.
constexpr int64_t read_back_column_bytes = 24 << 10;

Error fault(const std::string& difference) {
  return {ErrorKind::data, "what was written is not what was read from the source: " + difference +
                               ". Nothing was published; this is a fault of ours or of this machine"};
}

}  // namespace

namespace {

// NULLs of a column in a row group. INT96 has no statistics, and a list's count the NULLs among its elements, too: of
// these the values are read.
Result<uint64_t> nulls_of(parquet::arrow::FileReader& file, int group, int column) {
  const parquet::FileMetaData& footer = *file.parquet_reader()->metadata();
  const auto statistics = footer.RowGroup(group)->ColumnChunk(column)->statistics();
  const bool is_list = footer.schema()->Column(column)->max_repetition_level() > 0;
  if (statistics && statistics->HasNullCount() && !is_list) return static_cast<uint64_t>(statistics->null_count());
  std::shared_ptr<arrow::ChunkedArray> values;
  TRY(from_arrow(file.RowGroup(group)->Column(column)->Read(&values), "read back"));
  return static_cast<uint64_t>(values->null_count());
}

}  // namespace

Certifier::Certifier(CertifyLevel level, size_t columns) : level_(level), columns_(columns) {}

void Certifier::add(const arrow::RecordBatch& batch, const std::vector<std::vector<uint64_t>>& hashes) {
  const auto length = static_cast<uint64_t>(batch.num_rows());
  ENSURE(static_cast<size_t>(batch.num_columns()) == columns_.size(), "a batch has the columns that were announced");
  rows_ += length;
  for (size_t c = 0; c < columns_.size(); ++c) {
    const auto nulls = static_cast<uint64_t>(batch.column(static_cast<int>(c))->null_count());
    columns_[c].nulls += nulls;
    columns_[c].count += length - nulls;
  }
  if (level_ == CertifyLevel::rows) return;

  ENSURE(hashes.size() == columns_.size(), "each column comes with its hashes");
  for (size_t c = 0; c < columns_.size(); ++c) {
    ENSURE(hashes[c].size() == length, "each value comes with its hash");
    uint64_t sum = 0;
    uint64_t nulls = 0;
    for (const uint64_t hash : hashes[c]) {
      sum += hash;
      nulls += hash == null_hash;
    }
    // NULLs are not part of a column's sum. A value whose hash happens to be null_hash is left out on both sides alike.
    columns_[c].sum += sum - nulls * null_hash;
  }
  row_scratch_.resize(columns_.size());
  for (uint64_t r = 0; r < length; ++r) {
    for (size_t c = 0; c < columns_.size(); ++c) row_scratch_[c] = hashes[c][r];
    row_sum_ += hash_bytes(row_scratch_.data(), row_scratch_.size() * sizeof(uint64_t));
  }
}

Result<void> Certifier::add_hashing(const arrow::RecordBatch& batch) {
  std::vector<std::vector<uint64_t>> hashes;
  if (level_ != CertifyLevel::rows) {
    hashes.reserve(static_cast<size_t>(batch.num_columns()));
    for (const auto& column : batch.columns()) {
      TRY_ASSIGN(auto column_hashes, hash_array(*column));
      hashes.push_back(std::move(column_hashes));
    }
  }
  add(batch, hashes);
  return {};
}

Result<void> Certifier::add_counts(parquet::arrow::FileReader& file) {
  const parquet::FileMetaData& footer = *file.parquet_reader()->metadata();
  rows_ += static_cast<uint64_t>(footer.num_rows());
  uint64_t in_groups = 0;
  for (int g = 0; g < footer.num_row_groups(); ++g) {
    const auto group = footer.RowGroup(g);
    in_groups += static_cast<uint64_t>(group->num_rows());
    for (size_t c = 0; c < columns_.size(); ++c) {
      TRY_ASSIGN(const uint64_t nulls, nulls_of(file, g, static_cast<int>(c)));
      columns_[c].nulls += nulls;
      columns_[c].count += static_cast<uint64_t>(group->num_rows()) - nulls;
    }
  }
  if (in_groups != rows_)
    return Error{ErrorKind::data, fmt::format("the footer says {} rows, its row groups {}", rows_, in_groups)};
  return {};
}

void Certifier::add(const Certifier& other) {
  ENSURE(other.level_ == level_ && other.columns_.size() == columns_.size(), "both count the same columns");
  rows_ += other.rows_;
  row_sum_ += other.row_sum_;
  for (size_t c = 0; c < columns_.size(); ++c) {
    columns_[c].count += other.columns_[c].count;
    columns_[c].nulls += other.columns_[c].nulls;
    columns_[c].sum += other.columns_[c].sum;
  }
}

void Certifier::fill(Certificate& certificate) const {
  certificate.level = level_;
  certificate.rows = rows_;
  if (level_ != CertifyLevel::rows) certificate.row_sum = row_sum_;
  ENSURE(certificate.columns.size() == columns_.size(), "the certificate lists the columns that were counted");
  for (size_t c = 0; c < columns_.size(); ++c) {
    certificate.columns[c].count = columns_[c].count;
    certificate.columns[c].nulls = columns_[c].nulls;
    if (level_ != CertifyLevel::rows) certificate.columns[c].sum = columns_[c].sum;
  }
}

std::string Certifier::difference(const Certifier& sent, const Certifier& read_back,
                                  const std::vector<std::string>& column_names) {
  if (sent.rows_ != read_back.rows_)
    return fmt::format("{} rows were read from the source, the file holds {}", sent.rows_, read_back.rows_);
  std::vector<std::string> wrong;
  for (size_t c = 0; c < sent.columns_.size() && c < read_back.columns_.size(); ++c) {
    const Column& a = sent.columns_[c];
    const Column& b = read_back.columns_[c];
    if (a.nulls != b.nulls)
      wrong.push_back(
          fmt::format("column `{}`: {} NULLs in the source, {} in the file", column_names[c], a.nulls, b.nulls));
    else if (a.sum != b.sum)
      wrong.push_back(fmt::format("column `{}`: the checksum of its values differs", column_names[c]));
  }
  if (!wrong.empty()) return join(wrong, "; ");
  if (sent.row_sum_ != read_back.row_sum_) return "all values are there, but some have moved to another row";
  return {};
}

Result<void> check_decoded(const arrow::Array& decoded, const std::vector<uint64_t>& from_wire,
                           const std::string& column) {
  TRY_ASSIGN(const std::vector<uint64_t> hashes, hash_array(decoded));
  if (hashes != from_wire)
    return Error{ErrorKind::data, fmt::format("what was decoded is not what the server sent: column `{}`: the checksum "
                                              "of a value differs. Nothing was published; this is a fault of ours or "
                                              "of this machine",
                                              column)};
  return {};
}

namespace {

struct Counted {
  Certifier certifier;
  FileFigures figures;
};

// Rows that are to be in memory one at a time.
bool has_large_rows(const parquet::FileMetaData& footer) {
  for (int g = 0; g < footer.num_row_groups(); ++g)
    if (footer.RowGroup(g)->total_byte_size() > footer.RowGroup(g)->num_rows() * read_back_batch_bytes) return true;
  return false;
}

// The rows of some row groups.
Result<Counted> count_groups(parquet::arrow::FileReader& file, const std::vector<int>& groups, CertifyLevel level,
                             bool has_figures) {
  std::shared_ptr<arrow::Schema> schema;
  TRY(from_arrow(file.GetSchema(&schema), "read back"));
  Counted counted{Certifier(level, static_cast<size_t>(schema->num_fields())), {}};
  if (has_figures) counted.figures = FileFigures(*schema);
  TRY_ASSIGN(const auto batches, from_arrow(file.GetRecordBatchReader(groups), "read back"));
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    TRY(from_arrow(batches->ReadNext(&batch), "read back"));
    if (!batch) return counted;
    TRY(counted.certifier.add_hashing(*batch));
    if (has_figures) TRY(counted.figures.add(*batch));
  }
}

}  // namespace

Result<Certifier> count_parquet(const Path& file, CertifyLevel level, size_t columns, FileFigures* figures,
                                int64_t bytes_max) {
  auto opened = open_parquet(file, read_back_batch_bytes, read_back_batch_rows);
  if (!opened) return opened.error().within("read back");
  parquet::arrow::FileReader* const reader = opened->get();
  const parquet::FileMetaData& footer = *reader->parquet_reader()->metadata();
  if (static_cast<size_t>(footer.num_columns()) != columns)
    return Error{ErrorKind::data,
                 fmt::format("{} columns were written, the file holds {}", columns, footer.num_columns())};
  Certifier counted(level, columns);
  if (level == CertifyLevel::rows) {
    TRY(counted.add_counts(*reader));
    return counted;
  }
  // The source waits for nothing any more: its processor is free for a second reader.
  const int64_t each_bytes = 2 * read_back_batch_bytes + static_cast<int64_t>(columns) * read_back_column_bytes;
  const bool is_alone = bytes_max / 2 < each_bytes || has_large_rows(footer);
  std::vector<int> first, second;
  for (int group = 0; group < footer.num_row_groups(); ++group)
    (is_alone || group % 2 == 0 ? first : second).push_back(group);
  std::future<Result<Counted>> others;
  if (!second.empty())
    others = std::async(std::launch::async, [&]() -> Result<Counted> {
      TRY_ASSIGN(const auto other, open_parquet(file, read_back_batch_bytes, read_back_batch_rows));
      return count_groups(*other, second, level, figures != nullptr);
    });
  const auto take = [&](const Counted& part) {
    counted.add(part.certifier);
    if (figures != nullptr) figures->add(part.figures);
  };
  TRY_ASSIGN(const Counted own, count_groups(*reader, first, level, figures != nullptr));
  take(own);
  if (!others.valid()) return counted;
  TRY_ASSIGN(const Counted rest, others.get());
  take(rest);
  return counted;
}

Result<void> verify_parquet(const Path& file, const Certifier& sent, CertifyLevel level,
                            const std::vector<std::string>& column_names, FileFigures* figures, int64_t bytes_max) {
  const auto read_back = count_parquet(file, level, column_names.size(), figures, bytes_max);
  if (!read_back && read_back.error().kind == ErrorKind::data) return fault(read_back.error().message);
  if (!read_back) return read_back.error();
  if (const std::string difference = Certifier::difference(sent, *read_back, column_names); !difference.empty())
    return fault(difference);
  return {};
}

Result<std::string> sha256_of_file(const Path& file) {
  TRY_ASSIGN(const FileDescriptor fd, open_file(file, O_RDONLY));
  TRY_ASSIGN(const int64_t bytes, size_of_file(fd, file));
  TRY_ASSIGN(const Sha256Digest digest, sha256_of({.fd = fd.get(), .offset = 0, .length = bytes, .path = file}, {}));
  return to_hex(digest);
}

}  // namespace udon::data
