#include "plugins/data/json_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "plugins/data/byte_scan.h"

namespace udon::data {
namespace {

constexpr size_t block_bytes = 1 << 20;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

std::string hint_at_form(std::string_view record, JsonForm form) {
  if (form != JsonForm::lines || record.empty()) return {};
  const bool is_array = record.front() == '[';
  const bool goes_on = (is_array && record.back() != ']') || (record.front() == '{' && record.back() != '}');
  if (is_array && !goes_on) return "; an array is `format: json`";
  if (is_array) return "; this is a JSON document over several lines: one array of objects is `format: json`";
  if (goes_on)
    return "; this is a JSON document over several lines, where one object a line was expected: make it so (`jq -c "
           ".`), "
           "or make one array of the objects, which is `format: json`";
  return {};
}

JsonRecords::JsonRecords(std::unique_ptr<ByteSource> bytes, JsonForm form, std::string display,
                         int64_t record_bytes_max, int64_t first_line)
    : bytes_(std::move(bytes)),
      form_(form),
      display_(std::move(display)),
      record_bytes_max_(record_bytes_max),
      started_(first_line > 1),
      line_(first_line) {}

JsonRecords::JsonRecords(std::string_view bytes, JsonForm form, std::string display, int64_t record_bytes_max,
                         int64_t first_line)
    : JsonRecords(std::unique_ptr<ByteSource>(), form, std::move(display), record_bytes_max, first_line) {
  in_memory_ = bytes.data();
  end_ = bytes.size();
  at_end_ = true;
}

Error JsonRecords::at_line(std::string_view text) const {
  return {ErrorKind::data, fmt::format("{}:{}: {}", display_, line_, text)};
}

Result<bool> JsonRecords::fill() {
  if (at_end_) return false;
  if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (end_ > static_cast<size_t>(record_bytes_max_))
    return at_line(fmt::format("a record longer than {} bytes begins here (an eighth of `memory`)", record_bytes_max_));
  if (buffer_.size() < end_ + block_bytes) buffer_.resize(end_ + block_bytes);
  TRY_ASSIGN(const size_t got, bytes_->read(buffer_.data() + end_, block_bytes));
  end_ += got;
  at_end_ = got == 0;
  return got > 0;
}

Result<std::optional<JsonRecord>> JsonRecords::next() {
  if (!started_) {
    started_ = true;
    while (end_ < 3) {
      TRY_ASSIGN(const bool more, fill());
      if (!more) break;
    }
    if (std::string_view(data(), end_).starts_with("\xEF\xBB\xBF")) begin_ = 3;
  }
  return form_ == JsonForm::lines ? next_line() : next_element();
}

Result<std::optional<JsonRecord>> JsonRecords::next_line() {
  size_t looked_at = 0;  // of the line that begins at begin_
  while (true) {
    const auto* newline =
        static_cast<const char*>(std::memchr(data() + begin_ + looked_at, '\n', end_ - begin_ - looked_at));
    if (newline == nullptr) {
      looked_at = end_ - begin_;
      TRY_ASSIGN(const bool more, fill());
      if (more) continue;
      if (begin_ == end_) return std::optional<JsonRecord>();
    }
    size_t stop = newline == nullptr ? end_ : static_cast<size_t>(newline - data());
    size_t start = begin_;
    begin_ = newline == nullptr ? end_ : stop + 1;
    looked_at = 0;
    const int64_t line = line_++;
    while (start < stop && is_blank(data()[start])) ++start;
    while (stop > start && is_blank(data()[stop - 1])) --stop;
    if (start == stop) continue;
    return std::optional(JsonRecord{.text = {data() + start, stop - start}, .line = line});
  }
}

Result<char> JsonRecords::next_byte() {
  while (true) {
    for (; begin_ < end_; ++begin_) {
      if (!is_blank(data()[begin_])) return data()[begin_];
      line_ += data()[begin_] == '\n';
    }
    TRY_ASSIGN(const bool more, fill());
    if (!more) return '\0';
  }
}

Result<size_t> JsonRecords::element_end() {
  size_t at = 0;
  int64_t depth = 0;
  bool in_text = false;
  while (true) {
    const char* const text = data() + begin_;
    const size_t size = end_ - begin_;
    while (at < size) {
      if (in_text) {
        at = static_cast<size_t>(find_in_json_text(text + at, text, text + size) - text);
        if (at == size) break;
        if (text[at] != '"' && text[at] != '\\') {
          ++at;  // what is wrong with it is not said here
          continue;
        }
        if (text[at] == '\\') {
          if (at + 1 == size) break;
          at += 2;
          continue;
        }
        ++at;
        in_text = false;
        if (depth == 0) return at;
        continue;
      }
      const char c = text[at];
      if (depth == 0 && at > 0 && (c == ',' || c == ']' || is_blank(c))) return at;
      ++at;
      if (c == '"') in_text = true;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth <= 0) return at;
    }
    TRY_ASSIGN(const bool more, fill());
    if (!more)
      return at_line(depth > 0 || in_text ? "the element that begins here never ends"
                                          : "the array never ends: `]` was expected");
  }
}

Result<std::optional<JsonRecord>> JsonRecords::next_element() {
  if (is_done_) return std::optional<JsonRecord>();
  TRY_ASSIGN(char c, next_byte());
  if (!is_open_) {
    if (c == '{') return at_line("an array was expected, here is an object; one object a line is `format: ndjson`");
    if (c != '[')
      return at_line(c == '\0' ? "an array was expected, the file has nothing" : "an array was expected: `[`");
    ++begin_;
    is_open_ = true;
    TRY_ASSIGN(c, next_byte());
    is_done_ = c == ']';
  } else if (c == ',') {
    ++begin_;
    TRY_ASSIGN(c, next_byte());
    if (c == ']' || c == ',') return at_line("an element was expected behind the comma");
  } else {
    if (c != ']')
      return at_line(c == '\0' ? "the array never ends: `]` was expected"
                               : "`,` or `]` was expected behind an element");
    is_done_ = true;
  }
  if (is_done_) {
    ++begin_;
    TRY_ASSIGN(c, next_byte());
    if (c != '\0') return at_line("something follows behind the array's end");
    return std::optional<JsonRecord>();
  }
  if (c == '\0') return at_line("the array never ends: `]` was expected");
  TRY_ASSIGN(const size_t length, element_end());
  const JsonRecord record{.text = {data() + begin_, length}, .line = line_};
  line_ += std::count(record.text.begin(), record.text.end(), '\n');
  begin_ += length;
  return std::optional(record);
}

}  // namespace udon::data
