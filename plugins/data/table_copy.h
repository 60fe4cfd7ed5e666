#pragma once
// One table from a reader into staged, verified Parquet or CSV files. Each of the reader's sources has two threads: one
// reads; the other renames, masks, counts and encodes, with a short queue between them, so that neither the server nor
// the encoder waits for the other longer than it must. Each source has files of its own.
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "model/certificate.h"
#include "plugins/data/layout.h"
#include "plugins/data/mask.h"
#include "plugins/data/memory_shares.h"
#include "plugins/data/pace.h"
#include "plugins/data/parquet_writer.h"
#include "plugins/data/reader.h"
#include "plugins/data/text_writer.h"

namespace udon::data {

class KeptChunks;

// Where the rows go.
enum class Destination {
  files,    // of `folder`
  nowhere,  // they are counted and summed as for files, and forgotten: the certificate has none
};

struct CopyRequest {
  Destination destination = Destination::files;
  TableRequest table;
  std::string source;      // for the certificate: "mysql://host:3306/db table orders"
  std::string connection;  // for the certificate: its id; may be empty
  ParquetOptions parquet;
  std::optional<TextFormat> text;     // then the files are of text, which has no types: the certificate's level is rows
  const MaskKey* mask_key = nullptr;  // needed if a column asks for a mask
  Path folder;                        // the try's staging folder, in which the files are made
  int64_t target_file_bytes = 0;      // a file ends at about this size; 0: one file a source
  LargeValues large_values = LargeValues::error;
  bool may_stream_large = false;                   // whoever asks could choose the other
  int64_t memory_bytes = 256 << 20;                // of the whole try: batches, queues and row groups are sized by it
  std::function<void(uint64_t rows)> on_progress;  // called from time to time, on an encoding thread, one at a time
  const Clock* clock = nullptr;
  Pace* pace = nullptr;                             // what the readers keep to, where their server has bounds
  std::function<void()> on_start;                   // before the reader is opened, once it may be
  Layout* layout = nullptr;                         // where rows do not all belong together
  std::function<void(const std::string&)> on_note;  // what is worth a line in the log; called on any thread
  // Of a table in ranges: what was read of at least so many bytes, up to the end of a range, is a chunk, which is safe
  // from what happens to its reader later. It has files of its own.
  int64_t chunk_bytes = 64 << 20;
  KeptChunks* kept = nullptr;  // where chunks outlive the try, to be taken up by the next
};

// With a layout: the rows of one place, as if they were all.
struct CopyPart {
  uint32_t place = 0;
  Certificate certificate;  // at level source like wire: what the database counted is of all places together
  std::vector<Path> files;
};

struct CopyResult {
  Certificate certificate;  // complete but for the files' uri and etag
  std::vector<Path> files;  // in the order of the certificate's; at least one, which has no rows if the table has none
  std::shared_ptr<arrow::Schema> schema;
  std::vector<CopyPart> parts;  // with a layout: by place, those that have rows
};

// Errors are the reader's, or data (verification), io (disk full). The files are removed on error.
// With a pace the reader is not opened before it may read, and asked for as many sources as are granted then.
Result<CopyResult> copy_table(TableReader& reader, CopyRequest request, std::stop_token stop);

}  // namespace udon::data
