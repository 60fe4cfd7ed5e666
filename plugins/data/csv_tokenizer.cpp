#include "plugins/data/csv_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "plugins/data/byte_scan.h"
#include "plugins/data/line_blocks.h"

namespace udon::data {
namespace {

constexpr size_t block_bytes = 1 << 20;

}  // namespace

CsvTokenizer::CsvTokenizer(std::unique_ptr<ByteSource> bytes, std::string display, char delimiter,
                           int64_t record_bytes_max)
    : bytes_(std::move(bytes)),
      display_(std::move(display)),
      delimiter_(delimiter),
      record_bytes_max_(record_bytes_max) {}

Result<CsvTokenizer> CsvTokenizer::make(std::unique_ptr<ByteSource> bytes, std::string display, char delimiter,
                                        int64_t record_bytes_max, int64_t first_line) {
  if (delimiter == '"' || delimiter == '\n' || delimiter == '\r')
    return Error{ErrorKind::invalid, "delimiter: a quote or a line end cannot stand between fields"};
  CsvTokenizer tokenizer(std::move(bytes), std::move(display), delimiter, record_bytes_max);
  tokenizer.line_ = first_line;
  return tokenizer;
}

Result<CsvTokenizer> CsvTokenizer::make(std::string_view bytes, std::string display, char delimiter,
                                        int64_t record_bytes_max, int64_t first_line) {
  TRY_ASSIGN(CsvTokenizer tokenizer,
             make(std::unique_ptr<ByteSource>(), std::move(display), delimiter, record_bytes_max, first_line));
  tokenizer.in_memory_ = bytes;
  tokenizer.at_end_ = true;
  return tokenizer;
}

Result<CsvTokenizer> CsvTokenizer::open(const Path& file, char delimiter, int64_t record_bytes_max) {
  TRY_ASSIGN(auto bytes, open_bytes(file, Compression::none, file.string()));
  return make(std::move(bytes), file.string(), delimiter, record_bytes_max);
}

Error CsvTokenizer::at_line(std::string_view text) const {
  return Error{ErrorKind::data, fmt::format("{}:{}: {}", display_, record_line_, text)};
}

Result<bool> CsvTokenizer::fill() {
  if (at_end_) return false;
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  if (buffer_.size() > static_cast<size_t>(record_bytes_max_))
    return at_line(fmt::format("a record longer than {} bytes begins here; is a quote not closed?", record_bytes_max_));
  const size_t old = buffer_.size();
  buffer_.resize(old + block_bytes);
  auto got = bytes_->read(buffer_.data() + old, block_bytes);
  buffer_.resize(old + (got ? *got : 0));
  if (!got) return got.error();
  at_end_ = *got == 0;
  return *got > 0;
}

// Reads from begin_; on success next_ is behind the record's line end, and line_ is the next record's.
Result<bool> CsvTokenizer::parse_record() {
  width_ = 0;
  doubled_.clear();
  const char* const data = text().data();
  const size_t end = text().size();
  size_t at = begin_;
  int64_t lines = 0;
  while (true) {
    if (at < end && data[at] == '"') {
      const size_t begin = ++at;
      while (true) {
        const auto* quote = static_cast<const char*>(std::memchr(data + at, '"', end - at));
        if (quote == nullptr) {
          if (at_end_) return at_line("a quote that opens in this record is never closed");
          return false;
        }
        const size_t position = static_cast<size_t>(quote - data);
        if (position + 1 == end && !at_end_) return false;  // a second quote may follow
        if (position + 1 < end && data[position + 1] == '"') {
          if (doubled_.empty() || doubled_.back() != width_) doubled_.push_back(width_);
          at = position + 2;
          continue;
        }
        at = position + 1;
        break;
      }
      const std::string_view inside(data + begin, at - 1 - begin);
      lines += count_line_ends(inside);
      add_field(inside, true);
    } else {
      const char* const begin = data + at;
      const char* const field_end = find_field_end(begin, data, data + end, delimiter_);
      add_field({begin, static_cast<size_t>(field_end - begin)}, false);
      at = static_cast<size_t>(field_end - data);
    }
    if (at == end) {
      if (!at_end_) return false;
      raw_bytes_ = at - begin_;
      break;
    }
    const char c = data[at];
    if (c == delimiter_) {
      ++at;
      continue;
    }
    if (c == '\r' && at + 1 == end && !at_end_) return false;  // is it CRLF?
    if (c == '\n' || c == '\r') {
      raw_bytes_ = at - begin_;
      at += c == '\r' && at + 1 < end && data[at + 1] == '\n' ? 2 : 1;
      ++lines;
      break;
    }
    trouble_ = "text behind a closing quote; a quote inside a quoted field is written twice (\"\")";
    trouble_at_ = at - begin_;
    line_ += lines;
    return at_line(trouble_);
  }
  next_ = at;
  line_ += lines;
  return true;
}

void CsvTokenizer::unescape() {
  unescaped_.clear();
  size_t bytes = 0;
  for (const size_t i : doubled_) bytes += fields_[i].text.size();
  unescaped_.reserve(bytes);  // so that views into it stay valid
  for (const size_t i : doubled_) {
    const std::string_view text = fields_[i].text;
    const size_t from = unescaped_.size();
    for (size_t c = 0; c < text.size(); ++c) {
      unescaped_.push_back(text[c]);
      if (text[c] == '"') ++c;
    }
    fields_[i].text = std::string_view(unescaped_).substr(from);
  }
}

Result<bool> CsvTokenizer::recover() {
  if (trouble_at_ == 0) return false;
  size_t at = trouble_at_;
  trouble_at_ = 0;
  while (true) {
    const size_t found = text().find_first_of("\r\n", begin_ + at);
    at = std::min(found, text().size()) - begin_;  // fill() moves what begins at begin_
    const bool is_cut = found != text().npos && found + 1 == text().size() && text()[found] == '\r';  // of a CRLF?
    if (found == text().npos || is_cut) {
      TRY_ASSIGN(const bool more, fill());
      if (more) continue;
    }
    raw_bytes_ = at;
    next_ = begin_ + raw_bytes_;
    if (next_ < text().size()) next_ += text().compare(next_, 2, "\r\n") == 0 ? 2 : 1;
    ++line_;
    return true;
  }
}

Result<std::span<const CsvField>> CsvTokenizer::next() {
  if (!started_) {
    started_ = true;
    TRY_ASSIGN(const bool more, fill());
    if ((more || !bytes_) && line_ == 1 && text().starts_with("\xEF\xBB\xBF")) next_ = 3;
  }
  begin_ = next_;
  record_line_ = line_;
  while (true) {
    if (begin_ == text().size()) {
      TRY_ASSIGN(const bool more, fill());
      if (!more) {
        next_ = begin_;
        return std::span<const CsvField>();
      }
    }
    TRY_ASSIGN(const bool whole, parse_record());
    if (whole) break;
    TRY_ASSIGN(const bool more, fill());
    static_cast<void>(more);  // at the end of the file the record is read as it stands
  }
  if (!doubled_.empty()) unescape();
  return std::span<const CsvField>(fields_.data(), width_);
}

}  // namespace udon::data
