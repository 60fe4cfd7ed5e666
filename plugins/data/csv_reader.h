#pragma once
// A CSV or TSV file as a table, with stated types.
#include <memory>
#include <string>

#include "base/file.h"
#include "plugins/data/byte_source.h"
#include "plugins/data/reader.h"
#include "plugins/data/reject_log.h"
#include "plugins/data/text_encoding.h"
#include "plugins/data/text_rows.h"

namespace udon::data {

struct CsvOptions {
  char delimiter = ',';
  bool header = true;     // the first record names the columns: all of `schema`, in any order, and no others
  std::string null_text;  // an unquoted field of this text is NULL; a quoted one never is
  StatedSchema schema;
  Encoding encoding = Encoding::utf8;
  Compression compression = Compression::none;
  BinaryText binary = BinaryText::as_it_is;
  RejectLog* rejects = nullptr;  // where rows go that do not fit; null: such a row is an error
  std::string display;           // the file's name in messages
};

std::unique_ptr<TableReader> make_csv_reader(const Path& file, CsvOptions options);

}  // namespace udon::data
