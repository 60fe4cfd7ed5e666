#pragma once
// Counts and sums over what passes by, and the comparison of two such counts. An order-free sum per column, and one
// over whole rows so that a value that slipped into its neighbour's row is seen too.
#include <arrow/api.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "model/certificate.h"
#include "plugins/data/reader.h"

namespace parquet::arrow {
class FileReader;
}

namespace udon::data {

class FileFigures;

class Certifier {
 public:
  Certifier(CertifyLevel level, size_t columns);

  // Level rows looks at the batch only; level wire and up takes the hashes, one vector a column.
  void add(const arrow::RecordBatch& batch, const std::vector<std::vector<uint64_t>>& hashes);
  // Hashes the batch itself: for what is read back.
  Result<void> add_hashing(const arrow::RecordBatch& batch);

  // A file's counts, by its footer where that tells: for level rows, where no value is looked at.
  Result<void> add_counts(parquet::arrow::FileReader& file);

  // What another has counted of other rows of the same columns.
  void add(const Certifier& other);

  uint64_t rows() const { return rows_; }
  // Fills rows, row_sum and each column's count, nulls and sum.
  void fill(Certificate& certificate) const;

  // What differs between what was sent and what was read back, naming columns; empty: nothing.
  static std::string difference(const Certifier& sent, const Certifier& read_back,
                                const std::vector<std::string>& column_names);

 private:
  struct Column {
    uint64_t count = 0;
    uint64_t nulls = 0;
    uint64_t sum = 0;
  };
  CertifyLevel level_;
  uint64_t rows_ = 0;
  uint64_t row_sum_ = 0;
  std::vector<Column> columns_;
  std::vector<uint64_t> row_scratch_;
};

// Is what was decoded what the wire said? `column`: its name. data: no; a fault of ours. For columns that are hashed
// anew after a transform, which would hide it.
Result<void> check_decoded(const arrow::Array& decoded, const std::vector<uint64_t>& from_wire,
                           const std::string& column);

inline constexpr int64_t any_bytes = std::numeric_limits<int64_t>::max();

// What a file holds: at level rows by its footer, from wire up by every value; `figures`, if there, adds its own. data:
// it has another number of columns, or contradicts itself. `bytes_max`: what two threads may hold at once; where that
// is too little for so many columns, one reads.
Result<Certifier> count_parquet(const Path& file, CertifyLevel level, size_t columns, FileFigures* figures = nullptr,
                                int64_t bytes_max = any_bytes);

// Reads the file (at level rows its footer, from wire up every value) and compares it with what was sent. data: the
// file holds something else (says what); io: cannot be read. `figures`, from level wire up: adds those of the file.
Result<void> verify_parquet(const Path& file, const Certifier& sent, CertifyLevel level,
                            const std::vector<std::string>& column_names, FileFigures* figures = nullptr,
                            int64_t bytes_max = any_bytes);

// SHA-256 of a file, lower-case hex.
Result<std::string> sha256_of_file(const Path& file);

}  // namespace udon::data
