#pragma once
// Record batches into one Parquet file, in the form that Spark 3.5, Trino, Hive, DuckDB and pyarrow read alike:
// format 2.6, data pages v1, microseconds, Snappy, dictionaries while they pay, statistics and page index.
#include <arrow/api.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "plugins/data/table_writer.h"

namespace udon::data {

// For readers that do not know what all the others know.
enum class Compat {
  none,
  hive3,  // Hive before version 4: timestamps as INT96, no TIME
};
std::optional<Compat> parse_compat(std::string_view text);  // empty: none

struct ParquetOptions {
  Compat compat = Compat::none;
  std::string compression = "snappy";  // snappy, zstd, gzip, lz4, none
  int64_t row_group_rows = 1'000'000;
  int64_t row_group_bytes = 96 << 20;  // of the batches before encoding; keeps the writer within its budget
  int64_t large_bytes = 32 << 20;      // a larger batch is written at once, in a row group of its own
  // Texts and bytes may be larger than that one by one: their columns have neither dictionaries nor statistics, which
  // hold values four times more.
  bool has_large_values = false;
  int64_t page_bytes = 1 << 20;         // of each column
  int64_t dictionary_bytes = 32 << 20;  // of all columns' dictionaries together, with their hash tables
  double expected_ratio = 0.5;          // of the encoded bytes to the batches', before the first group has told
  std::vector<std::pair<std::string, std::string>> metadata;  // key-value metadata of the file
};

class ParquetWriter : public TableWriter {
 public:
  // Columns' names must differ also when case is folded (Hive, Trino, Spark fold it): data, naming the two.
  // unsupported: a type that `compat` rules out.
  static Result<std::unique_ptr<ParquetWriter>> create(const Path& file, std::shared_ptr<arrow::Schema> schema,
                                                       const ParquetOptions& options);
};

}  // namespace udon::data
