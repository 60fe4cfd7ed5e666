#include "plugins/data/encoder.h"

#include <arrow/compute/api_vector.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/limits.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/kept_chunks.h"
#include "plugins/data/memory_pool.h"

namespace udon::data {
namespace {

constexpr uint64_t progress_rows = 500'000;
constexpr int64_t row_group_bytes_min = 1 << 20;

// Some rows of a batch, with their hashes.
struct Chosen {
  std::shared_ptr<arrow::RecordBatch> rows;
  std::vector<std::vector<uint64_t>> hashes;
};

Result<Chosen> choose(const arrow::RecordBatch& rows, const std::vector<std::vector<uint64_t>>& hashes,
                      const std::vector<int32_t>& which) {
  arrow::Int32Builder builder;
  TRY(from_arrow(builder.AppendValues(which), "tell rows apart"));
  TRY_ASSIGN(const auto indices, from_arrow(builder.Finish(), "tell rows apart"));
  Chosen chosen;
  arrow::ArrayVector arrays;
  for (const auto& column : rows.columns()) {
    TRY_ASSIGN(auto taken, from_arrow(arrow::compute::Take(*column, *indices), "tell rows apart"));
    arrays.push_back(std::move(taken));
  }
  chosen.rows = arrow::RecordBatch::Make(rows.schema(), static_cast<int64_t>(which.size()), std::move(arrays));
  for (const std::vector<uint64_t>& column : hashes) {
    std::vector<uint64_t>& taken = chosen.hashes.emplace_back();
    taken.reserve(which.size());
    for (const int32_t row : which) taken.push_back(column[static_cast<size_t>(row)]);
  }
  return chosen;
}

}  // namespace

void Progress::add(uint64_t rows) {
  if (!on_progress_) return;
  const std::lock_guard lock(mutex_);
  rows_ += rows;
  if (rows_ / progress_rows <= reported_) return;
  reported_ = rows_ / progress_rows;
  on_progress_(rows_);
}

void Progress::take_back(uint64_t rows) {
  const std::lock_guard lock(mutex_);
  rows_ -= std::min(rows, rows_);
}

Result<std::shared_ptr<arrow::Schema>> schema_of_files(const std::vector<ColumnInfo>& columns,
                                                       const CopyRequest& request) {
  arrow::FieldVector fields;
  for (const ColumnInfo& column : columns) {
    if (!column.request.mask.empty() && request.mask_key == nullptr)
      return Error{ErrorKind::invalid,
                   fmt::format("column `{}` has a mask but no key: say `mask_key: <connection>`; the connection's "
                               "password is the key",
                               column.request.source_name)};
    fields.push_back(
        arrow::field(column.request.name, column.request.mask.empty() ? column.type : arrow::utf8(), column.nullable));
  }
  return arrow::schema(std::move(fields));
}

ReadChunk::ReadChunk(const Encoding& encoding)
    : sent(encoding.request.table.certify, encoding.columns.size()),
      in_all(encoding.request.table.certify, encoding.columns.size()),
      figures(*encoding.schema) {}

void ReadChunk::add(ReadChunk&& other) {
  ranges.insert(ranges.end(), other.ranges.begin(), other.ranges.end());
  add_uses(uses, other.uses);
  rows += other.rows;
  sent.add(other.sent);
  in_all.add(other.in_all);
  for (const auto& [place, certifier] : other.in_places)
    if (const auto [it, is_new] = in_places.try_emplace(place, certifier); !is_new) it->second.add(certifier);
  figures.add(other.figures);
  files.insert(files.end(), std::move_iterator(other.files.begin()), std::move_iterator(other.files.end()));
}

// The file that is being written.
class PlaceFiles {
 public:
  PlaceFiles(uint32_t number, CertifyLevel level, size_t columns) : place(number), certifier(level, columns) {}

  const uint32_t place;
  Certifier certifier;
  size_t file = 0;  // which of the encoder's
  int64_t raw_bytes = 0;
  int64_t dictionary_bytes = 0;  // that its writer may have
  std::unique_ptr<TableWriter> writer;
  TextWriter* text = nullptr;  // the writer, where it is one of text
};

Encoder::Encoder(size_t number, const Encoding& encoding)
    : number_(number),
      encoding_(encoding),
      ratio_(encoding.request.parquet.expected_ratio),
      chunk_(encoding),
      kept_(encoding) {}

Encoder::~Encoder() = default;

Result<void> Encoder::open() {
  if (encoding_.request.layout != nullptr || encoding_.request.destination == Destination::nowhere) return {};
  TRY(open_place(0));
  return {};
}

Result<PlaceFiles*> Encoder::open_place(uint32_t place) {
  if (const auto it = open_.find(place); it != open_.end()) return it->second.get();
  if (open_.size() == encoding_.open_files_max) TRY(end_largest());
  const CopyRequest& request = encoding_.request;
  if (kept_.files.size() + chunk_.files.size() >= limits::files_per_result_max)
    return Error{
        ErrorKind::invalid,
        fmt::format("the table would become more than {} files; say a larger `target_file_bytes` or `memory`, or "
                    "coarser partitions",
                    limits::files_per_result_max)};
  auto open = std::make_unique<PlaceFiles>(place, request.table.certify, encoding_.columns.size());
  open->file = chunk_.files.size();
  // Half of what the others have left.
  int64_t dictionary_bytes = encoding_.request.parquet.dictionary_bytes;
  for (const auto& [unused, other] : open_) dictionary_bytes -= other->dictionary_bytes;
  if (request.layout != nullptr) dictionary_bytes /= 2;
  open->dictionary_bytes = dictionary_bytes;
  Path path = request.folder /
              fmt::format("{}-{}{}", number_, files_made_++, request.text ? request.text->extension : ".parquet");
  chunk_.files.push_back({.path = std::move(path), .place = place, .certificate = {}});
  if (request.text) {
    TRY_ASSIGN(std::unique_ptr<TextWriter> text, request.text->create(chunk_.files.back().path, encoding_.schema));
    open->text = text.get();
    open->writer = std::move(text);
  } else {
    ParquetOptions options = request.parquet;
    options.expected_ratio = ratio_;
    options.dictionary_bytes = dictionary_bytes;
    TRY_ASSIGN(open->writer, ParquetWriter::create(chunk_.files.back().path, encoding_.schema, options));
  }
  return (open_[place] = std::move(open)).get();
}

Result<void> Encoder::mask(SourceBatch& batch) {
  const bool hashed = encoding_.request.table.certify != CertifyLevel::rows;
  arrow::ArrayVector arrays = batch.rows->columns();
  for (size_t c = 0; c < encoding_.columns.size(); ++c) {
    const ColumnRequest& column = encoding_.columns[c].request;
    if (column.mask.empty()) continue;
    if (hashed) TRY(check_decoded(*arrays[c], batch.hashes[c], column.name));
    TRY_ASSIGN(arrays[c], encoding_.request.mask_key->mask(*arrays[c]));
    if (!hashed) continue;
    TRY_ASSIGN(batch.hashes[c], hash_array(*arrays[c]));
  }
  batch.rows = arrow::RecordBatch::Make(encoding_.schema, batch.rows->num_rows(), std::move(arrays));
  return {};
}

Result<void> Encoder::take(SourceBatch batch) {
  if (batch.range_end) return end_range(*batch.range_end);
  Layout* const layout = encoding_.request.layout;
  std::vector<uint32_t> places;
  if (layout != nullptr) {
    TRY_ASSIGN(places, layout->places_of(*batch.rows));
  }
  TRY(mask(batch));
  const auto rows = static_cast<uint64_t>(batch.rows->num_rows());
  chunk_.rows += rows;
  if (encoding_.request.destination == Destination::nowhere) {
    chunk_.in_all.add(*batch.rows, batch.hashes);
    encoding_.progress.add(rows);
    return {};
  }
  if (layout != nullptr) chunk_.sent.add(*batch.rows, batch.hashes);
  if (std::ranges::adjacent_find(places, std::ranges::not_equal_to()) == places.end()) {
    TRY(write(places.empty() ? 0 : places.front(), batch.rows, batch.hashes));
  } else {
    std::map<uint32_t, std::vector<int32_t>> of_place;
    for (size_t row = 0; row < places.size(); ++row) of_place[places[row]].push_back(static_cast<int32_t>(row));
    for (const auto& [place, which] : of_place) {
      TRY_ASSIGN(const Chosen chosen, choose(*batch.rows, batch.hashes, which));
      TRY(write(place, chosen.rows, chosen.hashes));
    }
  }
  encoding_.progress.add(rows);
  return {};
}

Result<void> Encoder::write(uint32_t place, const std::shared_ptr<arrow::RecordBatch>& rows,
                            const std::vector<std::vector<uint64_t>>& hashes) {
  TRY_ASSIGN(PlaceFiles * open, open_place(place));
  const int64_t file_bytes_max = encoding_.request.target_file_bytes;
  if (file_bytes_max > 0 && open->certifier.rows() > 0 && open->writer->expected_bytes() >= file_bytes_max) {
    TRY(end_file(*open));
    open_.erase(place);
    TRY_ASSIGN(open, open_place(place));
  }
  // Each open file has its share; one that rows do not come to any more, and that holds more, is ended when it is in
  // the way of the others.
  open->writer->limit_buffer(
      std::max(encoding_.buffered_bytes_max / static_cast<int64_t>(open_.size()), row_group_bytes_min));
  open->certifier.add(*rows, hashes);
  open->raw_bytes += arrow::util::TotalBufferSize(*rows);
  TRY(open->writer->write(*rows));
  if (open_.size() > 1 && buffered_bytes() > encoding_.buffered_bytes_max) TRY(end_largest());
  return {};
}

int64_t Encoder::buffered_bytes() const {
  int64_t bytes = 0;
  for (const auto& [place, file] : open_)
    if (file->writer) bytes += file->writer->buffered_bytes();
  return bytes;
}

Result<void> Encoder::end_largest() {
  const auto largest =
      std::ranges::max_element(open_, {}, [](const auto& entry) { return entry.second->writer->buffered_bytes(); });
  TRY(end_file(*largest->second));
  open_.erase(largest);
  return {};
}

Result<void> Encoder::finish() {
  // Of a table without rows there is a file for its columns.
  if (kept_.files.empty() && chunk_.files.empty() && encoding_.request.destination == Destination::files)
    TRY(open_place(0));
  return keep();
}

Result<void> Encoder::end_range(const RangeEnd& end) {
  chunk_.ranges.push_back(end.range);
  add_uses(chunk_.uses, end.uses);
  // Of many places each chunk would make a small file each.
  if (encoding_.request.layout != nullptr || chunk_bytes() < encoding_.request.chunk_bytes) return {};
  return keep();
}

int64_t Encoder::chunk_bytes() const {
  int64_t bytes = 0;
  for (const StagedFile& file : chunk_.files) bytes += static_cast<int64_t>(file.certificate.bytes);
  for (const auto& [place, file] : open_) bytes += file->writer->expected_bytes();
  return bytes;
}

Result<void> Encoder::keep() {
  for (const auto& [place, open] : open_) TRY(end_file(*open));
  open_.clear();
  if (encoding_.request.layout != nullptr) {
    const std::string difference = Certifier::difference(chunk_.sent, chunk_.in_all, encoding_.schema->field_names());
    if (!difference.empty())
      return Error{ErrorKind::data, "the partitions together are not what was read from the source: " + difference +
                                        ". Nothing was published; this is a fault of ours or of this machine"};
  }
  TRY(keep_for_next_try());
  kept_.add(std::exchange(chunk_, ReadChunk(encoding_)));
  return {};
}

Result<void> Encoder::keep_for_next_try() {
  const CopyRequest& request = encoding_.request;
  if (request.kept == nullptr || chunk_.ranges.empty() || chunk_.rows == 0 || chunk_.files.empty()) return {};
  KeptChunk chunk{.ranges = chunk_.ranges, .state = {}, .certificate = {}, .files = {}, .path = {}};
  for (const auto& field : encoding_.schema->fields())
    chunk.certificate.columns.push_back({.name = field->name(), .type = field->type()->ToString()});
  chunk_.in_all.fill(chunk.certificate);
  chunk.certificate.policies = chunk_.uses;
  for (const StagedFile& file : chunk_.files) {
    chunk.certificate.files.push_back(file.certificate);
    chunk.files.push_back(file.path);
  }
  TRY(request.kept->keep(chunk));
  for (size_t i = 0; i < chunk.files.size(); ++i) chunk_.files[i].path = chunk.files[i];
  return {};
}

Result<void> Encoder::end_file(PlaceFiles& open) {
  const CopyRequest& request = encoding_.request;
  StagedFile& file = chunk_.files[open.file];
  TRY_ASSIGN(FinishedFile finished, open.writer->finish());
  if (open.text != nullptr) TRY(open.text->verify());
  open.writer.reset();
  trim_memory();
  const bool has_figures = request.table.certify == CertifyLevel::source;
  if (!request.text)
    TRY(verify_parquet(file.path, open.certifier, request.table.certify, encoding_.schema->field_names(),
                       has_figures ? &chunk_.figures : nullptr, encoding_.buffered_bytes_max - buffered_bytes()));
  file.certificate = {.uri = {},
                      .rows = open.certifier.rows(),
                      .bytes = static_cast<uint64_t>(finished.bytes),
                      .sha256 = std::move(finished.sha256),
                      .etag = {}};
  if (open.raw_bytes > 0) ratio_ = static_cast<double>(finished.bytes) / static_cast<double>(open.raw_bytes);
  chunk_.in_all.add(open.certifier);
  if (request.layout != nullptr)
    chunk_.in_places.try_emplace(open.place, request.table.certify, encoding_.columns.size())
        .first->second.add(open.certifier);
  return {};
}

void Encoder::forget() {
  open_.clear();
  std::error_code ignored;
  for (const StagedFile& file : chunk_.files) std::filesystem::remove(file.path, ignored);
  encoding_.progress.take_back(chunk_.rows);
  chunk_ = ReadChunk(encoding_);
}

void Encoder::remove_files() {
  forget();
  std::error_code ignored;
  // Those that were kept for a next try have gone from here.
  for (const StagedFile& file : kept_.files)
    if (file.path.parent_path() == encoding_.request.folder) std::filesystem::remove(file.path, ignored);
}

}  // namespace udon::data
