#pragma once
// CSV as RFC 4180 has it, and as files are: any one-byte delimiter, quotes doubled inside quotes, newlines inside
// quotes, LF, CRLF or CR, a byte order mark at the start, no newline at the end. Whether a field was quoted is told,
// because
// "" and nothing are not the same.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "plugins/data/byte_source.h"

namespace udon::data {

struct CsvField {
  std::string_view text;  // unquoted; valid until the next call of next()
  bool quoted = false;
};

class CsvTokenizer {
 public:
  // record_bytes_max: a longer record is an error (a quote that is never closed reads to the end of the file).
  static Result<CsvTokenizer> open(const Path& file, char delimiter, int64_t record_bytes_max);
  // `display`: the file's name in messages. first_line: of the bytes in the file, where they are a part of it that
  // begins with a record.
  static Result<CsvTokenizer> make(std::unique_ptr<ByteSource> bytes, std::string display, char delimiter,
                                   int64_t record_bytes_max, int64_t first_line = 1);
  // Of bytes that are in memory, and stay there: nothing of them is copied.
  static Result<CsvTokenizer> make(std::string_view bytes, std::string display, char delimiter,
                                   int64_t record_bytes_max, int64_t first_line = 1);

  // The next record's fields; empty: the end. An empty line is a record of one empty, unquoted field.
  // data: text behind a closing quote, an unclosed quote; names the line.
  Result<std::span<const CsvField>> next();
  int64_t line() const { return record_line_; }  // on which the record returned last begins, from 1
  std::string_view raw() const { return text().substr(begin_, raw_bytes_); }  // that record, without its line end

  // After text behind a closing quote: passes over the rest of its line. False: that is not what was wrong.
  Result<bool> recover();
  const std::string& trouble() const { return trouble_; }

 private:
  CsvTokenizer(std::unique_ptr<ByteSource> bytes, std::string display, char delimiter, int64_t record_bytes_max);
  Result<bool> fill();          // more bytes behind the record being read; false: end of file
  Result<bool> parse_record();  // false: the buffer ends in mid-record
  void unescape();              // the fields in which quotes are doubled
  Error at_line(std::string_view text) const;
  std::string_view text() const { return bytes_ ? std::string_view(buffer_) : in_memory_; }

  std::unique_ptr<ByteSource> bytes_;  // null: all is in memory
  std::string_view in_memory_;
  std::string display_;
  char delimiter_;
  int64_t record_bytes_max_;
  std::string buffer_;
  size_t begin_ = 0;  // of the record being read
  size_t next_ = 0;   // behind the record returned last
  size_t raw_bytes_ = 0;
  size_t trouble_at_ = 0;  // behind begin_; 0: none that can be passed over
  std::string trouble_;
  bool at_end_ = false;
  bool started_ = false;
  int64_t line_ = 1;
  int64_t record_line_ = 1;
  void add_field(std::string_view text, bool quoted) {
    if (width_ == fields_.size()) fields_.resize(width_ * 2 + 8);
    fields_[width_++] = {text, quoted};
  }
  std::vector<CsvField> fields_;  // the first width_ are the record's
  size_t width_ = 0;
  std::vector<size_t> doubled_;  // of the fields those that hold "" for one quote
  std::string unescaped_;
};

}  // namespace udon::data
