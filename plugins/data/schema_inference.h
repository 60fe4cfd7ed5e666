#pragma once
// The types of a text file's columns, found by reading all of it: the narrowest that holds each value exactly, and
// never a floating one, as those would round what the file says. What has no common type is a string.
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/data/csv_reader.h"
#include "plugins/data/json_object.h"
#include "plugins/data/json_reader.h"

namespace udon::data {

// One column.
class TypeGuess {
 public:
  void add_null() { ++nulls_; }
  // `line`: for the note on what made it a string.
  void add_text(std::string_view text, int64_t line);     // of a CSV file, where everything is text
  void add_json(const JsonMember& member, int64_t line);  // not null
  std::string type() const;
  std::string note() const;  // "decimal(7,2): 1200 values, 3 NULL"

 private:
  unsigned number_kind(std::string_view text);  // and its digits counted
  void narrow(unsigned kinds, std::string_view text, int64_t line);

  unsigned kinds_ = ~0U;  // that hold all values so far
  int digits_before_ = 0, digits_behind_ = 0;
  bool fits_int64_ = true;
  int64_t values_ = 0, nulls_ = 0;
  int64_t spoiled_line_ = 0;  // where no kind was left
  std::string spoiled_by_;
};

struct InferredSchema {
  StatedSchema schema;
  std::vector<std::string> notes;  // a line a column
  int64_t rows = 0;
  std::string yaml() const;  // to be pasted into a DAG file: `schema:` and its columns
};

// `options` but for its schema. Rows that are no rows (another number of fields, no JSON) are passed over where the
// options keep rejects, as they will be met again; else they are an error. data: no columns at all.
Result<InferredSchema> infer_schema(const Path& file, const CsvOptions& options, int64_t record_bytes_max,
                                    const std::stop_token& stop);
Result<InferredSchema> infer_schema(const Path& file, const JsonOptions& options, int64_t record_bytes_max,
                                    const std::stop_token& stop);

}  // namespace udon::data
