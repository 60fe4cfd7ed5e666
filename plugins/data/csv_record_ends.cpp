#include "plugins/data/csv_record_ends.h"

#include <algorithm>

namespace udon::data {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// Behind the last line end in text[from, to); 0: there is none.
size_t behind_last_line_end(std::string_view text, size_t from, size_t to) {
  const std::string_view part = text.substr(from, to - from);
  const size_t at = part.find_last_of("\r\n");
  return at == part.npos ? 0 : from + at + 1;
}

}  // namespace

bool CsvRecordEnds::is_field_begin(std::string_view text, size_t at) const {
  if (at == 0) return true;
  const char before = text[at - 1];
  if (before == delimiter_ || before == '\n' || before == '\r') return true;
  return is_file_begin_ && at == byte_order_mark.size() && text.starts_with(byte_order_mark);
}

size_t CsvRecordEnds::last(std::string_view text, size_t known, bool at_end) {
  if (known == 0) {
    at_ = 0;
    is_quoted_ = false;
  }
  // A CR that comes last may be half of a line end, a quote half of two: they are looked at again.
  const size_t sure = at_end || text.empty() || text.back() != '\r' ? text.size() : text.size() - 1;
  size_t end = 0;
  while (at_ < text.size()) {
    const size_t quote = text.find('"', at_);
    if (!is_quoted_) {
      const size_t gap_end = std::min(quote, sure);
      if (at_ < gap_end) end = std::max(end, behind_last_line_end(text, at_, gap_end));
      if (quote == text.npos) {
        at_ = sure;
        break;
      }
      is_quoted_ = is_field_begin(text, quote);
      at_ = quote + 1;
      continue;
    }
    if (quote == text.npos) {
      at_ = text.size();
      break;
    }
    if (quote + 1 == text.size() && !at_end) {
      at_ = quote;
      break;
    }
    if (quote + 1 < text.size() && text[quote + 1] == '"') {
      at_ = quote + 2;
      continue;
    }
    const size_t next = quote + 1;
    if (next < text.size() && text[next] != delimiter_ && text[next] != '\n' && text[next] != '\r') {
      // Text behind a closing quote: the rest of the line is no part of any field.
      const size_t line_end = text.find_first_of("\r\n", next);
      if (line_end >= sure && !at_end) {
        at_ = quote;
        break;
      }
      at_ = std::min(line_end, text.size());
    } else {
      at_ = next;
    }
    is_quoted_ = false;
  }
  if (at_end) end = text.size();
  if (end > 0) is_file_begin_ = false;
  return end;
}

int64_t CsvRecordEnds::lines(std::string_view text) const { return count_line_ends(text); }

}  // namespace udon::data
