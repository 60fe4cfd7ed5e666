#include "plugins/data/csv_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace udon::data {
namespace {
constexpr size_t block_bytes = 1 << 20;
}

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
  pieces_.clear();
  const char* const data = buffer_.data();
  const size_t end = buffer_.size();
  size_t at = begin_;
  int64_t lines = 0;
  while (true) {
    Piece piece{.begin = at, .length = 0, .quoted = false, .doubled = false};
    if (at < end && data[at] == '"') {
      piece.quoted = true;
      piece.begin = ++at;
      while (true) {
        const auto* quote = static_cast<const char*>(std::memchr(data + at, '"', end - at));
        if (quote == nullptr) {
          if (at_end_) return at_line("a quote that opens in this record is never closed");
          return false;
        }
        const size_t position = static_cast<size_t>(quote - data);
        if (position + 1 == end && !at_end_) return false;  // a second quote may follow
        if (position + 1 < end && data[position + 1] == '"') {
          piece.doubled = true;
          at = position + 2;
          continue;
        }
        piece.length = position - piece.begin;
        at = position + 1;
        break;
      }
      const std::string_view inside(data + piece.begin, piece.length);
      for (size_t i = 0; i < inside.size(); ++i)
        lines += inside[i] == '\n' || (inside[i] == '\r' && (i + 1 == inside.size() || inside[i + 1] != '\n'));
    } else {
      while (at < end && data[at] != delimiter_ && data[at] != '\n' && data[at] != '\r') ++at;
      piece.length = at - piece.begin;
    }
    if (at == end) {
      if (!at_end_) return false;
      pieces_.push_back(piece);
      raw_bytes_ = at - begin_;
      break;
    }
    const char c = data[at];
    if (c == delimiter_) {
      pieces_.push_back(piece);
      ++at;
      continue;
    }
    if (c == '\r' && at + 1 == end && !at_end_) return false;  // is it CRLF?
    if (c == '\n' || c == '\r') {
      pieces_.push_back(piece);
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

Result<bool> CsvTokenizer::recover() {
  if (trouble_at_ == 0) return false;
  size_t at = trouble_at_;
  trouble_at_ = 0;
  while (true) {
    const size_t found = buffer_.find_first_of("\r\n", begin_ + at);
    at = std::min(found, buffer_.size()) - begin_;  // fill() moves what begins at begin_
    const bool is_cut = found != buffer_.npos && found + 1 == buffer_.size() && buffer_[found] == '\r';  // of a CRLF?
    if (found == buffer_.npos || is_cut) {
      TRY_ASSIGN(const bool more, fill());
      if (more) continue;
    }
    raw_bytes_ = at;
    next_ = begin_ + raw_bytes_;
    if (next_ < buffer_.size()) next_ += buffer_.compare(next_, 2, "\r\n") == 0 ? 2 : 1;
    ++line_;
    return true;
  }
}

Result<std::span<const CsvField>> CsvTokenizer::next() {
  if (!started_) {
    started_ = true;
    TRY_ASSIGN(const bool more, fill());
    if (more && line_ == 1 && buffer_.starts_with("\xEF\xBB\xBF")) next_ = 3;
  }
  begin_ = next_;
  record_line_ = line_;
  while (true) {
    if (begin_ == buffer_.size()) {
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

  fields_.clear();
  unescaped_.clear();
  size_t escaped_bytes = 0;
  for (const Piece& piece : pieces_)
    if (piece.doubled) escaped_bytes += piece.length;
  unescaped_.reserve(escaped_bytes);  // so that views into it stay valid
  for (const Piece& piece : pieces_) {
    std::string_view text(buffer_.data() + piece.begin, piece.length);
    if (piece.doubled) {
      const size_t from = unescaped_.size();
      for (size_t i = 0; i < text.size(); ++i) {
        unescaped_.push_back(text[i]);
        if (text[i] == '"') ++i;
      }
      text = std::string_view(unescaped_).substr(from);
    }
    fields_.push_back({text, piece.quoted});
  }
  return std::span<const CsvField>(fields_);
}

}  // namespace udon::data
