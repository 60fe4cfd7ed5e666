#pragma once
// Record batches into one CSV file as RFC 4180 has it: UTF-8 without a byte order mark, quotes where they are needed.
// NULL is an unquoted `null_text`; a text that is the same, also the empty one, is quoted: so a reader that looks at
// the quotes, as csv_reader.h does, gets back what was written. Values as cell_text.h has them.
#include <memory>
#include <string>

#include "base/file.h"
#include "plugins/data/text_writer.h"

namespace udon::data {

enum class CsvLineEnd { lf, crlf };
enum class CsvHeader { written, left_out };

struct CsvWriteOptions {
  char delimiter = ',';
  CsvHeader header = CsvHeader::written;
  std::string null_text;
  CsvLineEnd line_end = CsvLineEnd::lf;
};

class CsvWriter : public TextWriter {
 public:
  // invalid: a delimiter that is a quote, a line end or no ASCII character, or a null_text that would need quotes.
  static Result<std::unique_ptr<CsvWriter>> create(const Path& file, std::shared_ptr<arrow::Schema> schema,
                                                   const CsvWriteOptions& options);
};

TextFormat csv_format(const CsvWriteOptions& options);

}  // namespace udon::data
