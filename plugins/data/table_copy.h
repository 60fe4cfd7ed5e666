#pragma once
// One table from a reader into one staged, verified Parquet file. Reading runs on the caller's thread; renaming,
// masking, counting and encoding on another, with a short queue between them, so that neither the server nor the
// encoder waits for the other longer than it must.
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "model/certificate.h"
#include "plugins/data/mask.h"
#include "plugins/data/parquet_writer.h"
#include "plugins/data/reader.h"

namespace udon::data {

struct CopyRequest {
  TableRequest table;
  std::string source;  // for the certificate: "mysql://host:3306/db table orders"
  ParquetOptions parquet;
  const MaskKey* mask_key = nullptr;               // needed if a column asks for a mask
  Path file;                                       // to be written, in the try's staging folder
  int64_t memory_bytes = 256 << 20;                // of the whole try: batches, queue and row groups are sized by it
  std::function<void(uint64_t rows)> on_progress;  // called from time to time, on the encoding thread
  const Clock* clock = nullptr;
};

struct CopyResult {
  Certificate certificate;  // complete but for the files' uri and etag
  std::shared_ptr<arrow::Schema> schema;
};

// Errors are the reader's, or data (verification), io (disk full). The file is removed on error.
Result<CopyResult> copy_table(TableReader& reader, CopyRequest request, std::stop_token stop);

}  // namespace udon::data
