#pragma once
// The encoding side of one source: what the reader delivered → as it is to be in the file → counted → encoded → read
// back. Not for others than table_copy.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "plugins/data/certifier.h"
#include "plugins/data/figures.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/table_copy.h"
#include "plugins/data/table_writer.h"

namespace udon::data {

// Rows of all sources together.
class Progress {
 public:
  explicit Progress(const std::function<void(uint64_t)>& on_progress) : on_progress_(on_progress) {}
  void add(uint64_t rows);
  void take_back(uint64_t rows);

 private:
  const std::function<void(uint64_t)>& on_progress_;
  std::mutex mutex_;
  uint64_t rows_ = 0;
  uint64_t reported_ = 0;
};

struct StagedFile {
  Path path;
  uint32_t place = 0;
  FileCertificate certificate;
};

// What all encoders of a table share.
struct Encoding {
  const std::vector<ColumnInfo>& columns;
  const CopyRequest& request;
  Progress& progress;
  std::shared_ptr<arrow::Schema> schema;  // of the files
  int64_t buffered_bytes_max = 0;         // of an encoder's open files together, before encoding
  size_t open_files_max = 64;             // of an encoder: each has its share of the memory
};
Result<std::shared_ptr<arrow::Schema>> schema_of_files(const std::vector<ColumnInfo>& columns,
                                                       const CopyRequest& request);

// What was read and encoded of some ranges of the table, all of it and nothing else; or of the whole table.
struct ReadChunk {
  explicit ReadChunk(const Encoding& encoding);
  void add(ReadChunk&& other);

  std::vector<size_t> ranges;
  std::vector<PolicyUse> uses;  // of a table in ranges
  uint64_t rows = 0;            // taken, written or not
  Certifier sent;               // with a layout: before the rows were told apart
  Certifier in_all;             // of all files, and of those of each place
  std::map<uint32_t, Certifier> in_places;
  FileFigures figures;  // of all files, read back; level source
  std::vector<StagedFile> files;
};

// The files of one place, one after the other.
class PlaceFiles;

class Encoder {
 public:
  Encoder(size_t number, const Encoding& encoding);
  ~Encoder();

  Result<void> open();
  Result<void> take(SourceBatch batch);
  // A source without rows has a file without rows.
  Result<void> finish();

  // All chunks that are done.
  const ReadChunk& kept() const { return kept_; }
  // What an earlier try has read.
  void add(ReadChunk&& chunk) { kept_.add(std::move(chunk)); }
  // The rest as if it had not come.
  void forget();
  void remove_files();

 private:
  Result<void> end_range(const RangeEnd& end);
  int64_t chunk_bytes() const;
  int64_t buffered_bytes() const;
  Result<void> keep();
  Result<void> keep_for_next_try();
  Result<void> mask(SourceBatch& batch);
  Result<void> write(uint32_t place, const std::shared_ptr<arrow::RecordBatch>& rows,
                     const std::vector<std::vector<uint64_t>>& hashes);
  Result<PlaceFiles*> open_place(uint32_t place);
  Result<void> end_largest();
  Result<void> end_file(PlaceFiles& open);

  const size_t number_;
  const Encoding& encoding_;
  double ratio_;           // of encoded bytes to the batches', as far as is known
  size_t files_made_ = 0;  // for their names
  std::map<uint32_t, std::unique_ptr<PlaceFiles>> open_;
  ReadChunk chunk_;  // the one that is being made
  ReadChunk kept_;
};

}  // namespace udon::data
