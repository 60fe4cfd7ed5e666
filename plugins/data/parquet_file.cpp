#include "plugins/data/parquet_file.h"

#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include <algorithm>

#include "plugins/data/arrow_result.h"

namespace udon::data {

Result<std::unique_ptr<parquet::arrow::FileReader>> open_parquet(const Path& file, int64_t batch_bytes,
                                                                 int64_t batch_rows) {
  TRY_ASSIGN(const auto input, from_arrow(arrow::io::ReadableFile::Open(file.string()), "open"));
  parquet::ReaderProperties pages;
  pages.enable_buffered_stream();  // pages as they are needed, not whole column chunks
  parquet::arrow::FileReaderBuilder builder;
  TRY(from_arrow(builder.Open(input, pages), "is no Parquet file"));
  const parquet::FileMetaData& footer = *builder.raw_reader()->metadata();
  int64_t bytes = 0;
  for (int g = 0; g < footer.num_row_groups(); ++g) bytes += footer.RowGroup(g)->total_byte_size();
  const int64_t row_bytes = footer.num_rows() > 0 ? bytes / footer.num_rows() + 1 : 1;
  parquet::ArrowReaderProperties properties;
  properties.set_batch_size(std::clamp<int64_t>(batch_bytes / row_bytes, 1, batch_rows));
  properties.set_use_threads(false);
  properties.set_pre_buffer(false);  // it keeps all that was read until the end: the whole file, in memory
  // Nanoseconds in 64 bits end in 2262.
  properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  builder.properties(properties);
  return from_arrow(builder.Build(), "read");
}

}  // namespace udon::data
