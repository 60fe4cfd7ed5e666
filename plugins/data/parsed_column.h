#pragma once
// One column of a text file (CSV, JSON): text to a value of its stated type, exactly, or not at all.
#include <arrow/api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace udon::data {

class ParsedColumn {
 public:
  virtual ~ParsedColumn() = default;
  // False: not taken; expected() says what was, e.g. "a whole number from -128 to 127". `hash`, where it is not null,
  // is set to that of the canonical bytes, made from the parsed value and not from what is kept of it. Of a `string`
  // column the text is UTF-8: the reader has seen to that.
  virtual bool append(std::string_view text, uint64_t* hash) = 0;
  virtual std::string expected(std::string_view text) const = 0;  // of one that was not taken
  virtual void append_null() = 0;
  virtual int64_t value_bytes() const { return 0; }  // of variable-length values since the last finish
  virtual Result<std::shared_ptr<arrow::Array>> finish() = 0;
};

// unsupported: a type that text has no form for.
Result<std::unique_ptr<ParsedColumn>> make_parsed_column(const std::shared_ptr<arrow::DataType>& type);

// Would a column of that type take the text? A timestamp with a time, unlike what a column takes.
bool is_date_text(std::string_view text);
bool is_timestamp_text(std::string_view text, bool has_zone);

}  // namespace udon::data
