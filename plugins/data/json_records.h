#pragma once
// A file of JSON cut into its records, one held at a time: the lines of NDJSON, or the elements of one array.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "plugins/data/byte_source.h"

namespace udon::data {

enum class JsonForm { lines, array };

struct JsonRecord {
  std::string_view text;  // without blanks around it; valid until the next call of next()
  int64_t line = 0;       // on which it begins, from 1
};

// Of a record that is no object: what to say if that is because the file is of the other form. Empty: nothing.
std::string hint_at_form(std::string_view record, JsonForm form);

class JsonRecords {
 public:
  // `first_line`: the number of the line with which the bytes begin.
  JsonRecords(std::unique_ptr<ByteSource> bytes, JsonForm form, std::string display, int64_t record_bytes_max,
              int64_t first_line = 1);
  // Of bytes that are in memory, and stay there: nothing of them is copied.
  JsonRecords(std::string_view bytes, JsonForm form, std::string display, int64_t record_bytes_max,
              int64_t first_line = 1);

  // Nothing: the end. data: an array that is none, or is not whole; a record longer than record_bytes_max.
  Result<std::optional<JsonRecord>> next();

 private:
  Result<std::optional<JsonRecord>> next_line();
  Result<std::optional<JsonRecord>> next_element();
  Result<bool> fill();           // keeps what begins at begin_; false: the end
  Result<char> next_byte();      // past blanks, not taken; 0: the end
  Result<size_t> element_end();  // of the one at begin_, behind begin_
  Error at_line(std::string_view text) const;

  const char* data() const { return bytes_ ? buffer_.data() : in_memory_; }

  std::unique_ptr<ByteSource> bytes_;  // null: all is in memory
  const char* in_memory_ = nullptr;
  JsonForm form_;
  std::string display_;
  int64_t record_bytes_max_;
  std::string buffer_;
  size_t begin_ = 0;  // of what is not taken yet
  size_t end_ = 0;    // of the bytes
  bool at_end_ = false;
  bool started_;  // past a byte order mark
  bool is_open_ = false, is_done_ = false;
  int64_t line_;
};

}  // namespace udon::data
