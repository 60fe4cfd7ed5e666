#pragma once
// A Parquet file opened for one pass through its rows, in bounded memory.
#include <cstdint>
#include <memory>

#include "base/file.h"
#include "base/result.h"

namespace parquet::arrow {
class FileReader;
}

namespace udon::data {

// Its batches have at most `batch_rows` rows, and about `batch_bytes` as encoded. INT96 comes as microseconds.
Result<std::unique_ptr<parquet::arrow::FileReader>> open_parquet(const Path& file, int64_t batch_bytes,
                                                                 int64_t batch_rows);

}  // namespace udon::data
