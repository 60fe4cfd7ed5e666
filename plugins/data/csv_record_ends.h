#pragma once
// Where the records of a CSV file end, found without reading their fields: only quotes are looked at, and what they
// enclose is passed over. Says the same as CsvTokenizer.
#include <cstdint>
#include <string_view>

#include "plugins/data/line_blocks.h"

namespace udon::data {

class CsvRecordEnds final : public RecordEnds {
 public:
  explicit CsvRecordEnds(char delimiter) : delimiter_(delimiter) {}
  size_t last(std::string_view text, size_t known, bool at_end) override;
  int64_t lines(std::string_view text) const override;
  std::string_view hint() const override { return "; is a quote not closed?"; }

 private:
  bool is_field_begin(std::string_view text, size_t at) const;

  char delimiter_;
  bool is_file_begin_ = true;
  // As far as the text was looked at: outside of quotes, or in those that opened there.
  size_t at_ = 0;
  bool is_quoted_ = false;
};

}  // namespace udon::data
