#include "plugins/data/parquet_file.h"

#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include <algorithm>

#include "plugins/data/arrow_result.h"
#include "plugins/data/memory_pool.h"

namespace udon::data {
namespace {

constexpr int64_t column_buffer_bytes = 8 << 10;
constexpr int64_t decoded_bytes_min = 8;

}  // namespace

Result<std::unique_ptr<parquet::arrow::FileReader>> open_parquet(const Path& file, int64_t batch_bytes,
                                                                 int64_t batch_rows) {
  TRY_ASSIGN(const auto input, from_arrow(arrow::io::ReadableFile::Open(file.string()), "open"));
  parquet::ReaderProperties pages(memory_pool());
  pages.enable_buffered_stream();  // pages as they are needed, not whole column chunks
  pages.set_buffer_size(column_buffer_bytes);
  parquet::arrow::FileReaderBuilder builder;
  TRY(from_arrow(builder.Open(input, pages), "is no Parquet file"));
  builder.memory_pool(memory_pool());
  const parquet::FileMetaData& footer = *builder.raw_reader()->metadata();
  int64_t bytes = 0;
  for (int g = 0; g < footer.num_row_groups(); ++g) bytes += footer.RowGroup(g)->total_byte_size();
  // A value in a list's or a text's column takes an offset, too, however little of the file it takes.
  const int64_t row_bytes =
      std::max(footer.num_rows() > 0 ? bytes / footer.num_rows() + 1 : 1, footer.num_columns() * decoded_bytes_min);
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
