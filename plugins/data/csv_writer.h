#pragma once
// Record batches into one CSV file as RFC 4180 has it: UTF-8 without a byte order mark, quotes where they are needed.
// NULL is an unquoted `null_text`; a text that is the same, also the empty one, is quoted: so a reader that looks at
// the quotes, as csv_reader.h does, gets back what was written. Values as cell_text.h has them.
#include <memory>
#include <string>

#include "base/file.h"
#include "plugins/data/byte_source.h"
#include "plugins/data/cell_text.h"
#include "plugins/data/text_writer.h"

namespace udon::data {

enum class CsvLineEnd { lf, crlf };
enum class CsvHeader { written, left_out };
// For people who open the file in a spreadsheet: a byte order mark, without which Excel in Korean takes the file for
// CP949; and a text that a spreadsheet would run as a formula (it begins with = + - @, a tab or a line end, or
// the full-width forms of the four) has an apostrophe put before it. So the file does not hold just what the table
// does.
enum class CsvReadBy { programs, spreadsheets };

struct CsvWriteOptions {
  char delimiter = ',';
  CsvHeader header = CsvHeader::written;
  std::string null_text;
  CsvLineEnd line_end = CsvLineEnd::lf;
  CsvReadBy read_by = CsvReadBy::programs;
  BinaryText binary = BinaryText::hex;
  Compression compression = Compression::none;
};

class CsvWriter : public TextWriter {
 public:
  // invalid: a delimiter that is a quote, a line end or no ASCII character, or a null_text that would need quotes.
  static Result<std::unique_ptr<CsvWriter>> create(const Path& file, std::shared_ptr<arrow::Schema> schema,
                                                   const CsvWriteOptions& options);
};

// Named by its delimiter: a tab makes it .tsv.
TextFormat csv_format(const CsvWriteOptions& options);

}  // namespace udon::data
