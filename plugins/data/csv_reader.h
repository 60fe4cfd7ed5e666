#pragma once
// A CSV file as a table, with stated types.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "plugins/data/reader.h"

namespace udon::data {

struct CsvOptions {
  char delimiter = ',';
  bool header = true;     // the first record names the columns: all of `schema`, in any order, and no others
  std::string null_text;  // an unquoted field of this text is NULL; a quoted one never is
  std::vector<std::pair<std::string, std::string>> schema;  // name → type_name.h
  std::string display;                                      // the file's name in messages
};

std::unique_ptr<TableReader> make_csv_reader(const Path& file, CsvOptions options);

}  // namespace udon::data
