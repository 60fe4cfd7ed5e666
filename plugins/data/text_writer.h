#pragma once
// What makes a file of text of a table's batches. Text has no types: what was written is proven by reading it back.
#include <functional>
#include <memory>
#include <string>

#include "base/file.h"
#include "plugins/data/table_writer.h"

namespace udon::data {

class TextWriter : public TableWriter {
 public:
  // After finish: reads the file and compares rows, NULLs and every field with what was written. data: says what
  // differs.
  virtual Result<void> verify() const = 0;
};

// A format of text with all of its options.
struct TextFormat {
  std::string extension;  // of the files: ".csv"
  std::function<Result<std::unique_ptr<TextWriter>>(const Path& file, std::shared_ptr<arrow::Schema> schema)> create;
};

}  // namespace udon::data
