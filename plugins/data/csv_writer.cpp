#include "plugins/data/csv_writer.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/text.h"
#include "plugins/data/byte_sink.h"
#include "plugins/data/cell_text.h"
#include "plugins/data/csv_tokenizer.h"
#include "plugins/data/field_sums.h"

namespace udon::data {
namespace {

constexpr size_t buffer_bytes = 1 << 20;
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

bool is_formula(std::string_view text) {
  if (text.empty()) return false;
  if (std::string_view("=+-@\t\r\n").find(text[0]) != std::string_view::npos) return true;
  for (const std::string_view wide : {"＝", "＋", "－", "＠"})
    if (text.starts_with(wide)) return true;
  return false;
}

class StreamedCsvWriter final : public CsvWriter {
 public:
  StreamedCsvWriter(Path file, std::unique_ptr<ByteSink> out, std::shared_ptr<arrow::Schema> schema,
                    CsvWriteOptions options)
      : file_(std::move(file)),
        out_(std::move(out)),
        schema_(std::move(schema)),
        options_(std::move(options)),
        sums_(static_cast<size_t>(schema_->num_fields())) {
    if (options_.read_by == CsvReadBy::spreadsheets) buffer_ = byte_order_mark;
    if (options_.header == CsvHeader::left_out) return;
    for (int c = 0; c < schema_->num_fields(); ++c) {
      if (c > 0) buffer_ += options_.delimiter;
      field_ = schema_->field(c)->name();
      guard_formula();
      put(field_);
    }
    end_line();
  }

  Result<void> write(const arrow::RecordBatch& batch) override {
    for (int64_t r = 0; r < batch.num_rows(); ++r) {
      for (int c = 0; c < batch.num_columns(); ++c) {
        if (c > 0) buffer_ += options_.delimiter;
        const arrow::Array& column = *batch.column(c);
        if (column.IsNull(r)) {
          if (batch.num_columns() == 1 && options_.null_text.empty()) return blank_line();
          buffer_ += options_.null_text;
          sums_.add_null(static_cast<size_t>(c));
          continue;
        }
        field_.clear();
        append_cell_text(column, r, field_, options_.binary);
        if (column.type_id() == arrow::Type::STRING || column.type_id() == arrow::Type::DICTIONARY ||
            column.type_id() == arrow::Type::BINARY)
          guard_formula();
        sums_.add(static_cast<size_t>(c), field_);
        put(field_);
      }
      sums_.end_row();
      end_line();
      if (buffer_.size() >= buffer_bytes) TRY(flush());
    }
    return {};
  }

  int64_t expected_bytes() const override { return out_->written() + static_cast<int64_t>(buffer_.size()); }

  Result<FinishedFile> finish() override {
    TRY(flush());
    return out_->finish();
  }

  Result<void> verify() const override {
    const size_t width = static_cast<size_t>(schema_->num_fields());
    TRY_ASSIGN(auto bytes, open_bytes(file_, options_.compression, file_.string()));
    TRY_ASSIGN(CsvTokenizer tokens,
               CsvTokenizer::make(std::move(bytes), file_.string(), options_.delimiter, INT64_MAX));
    FieldSums read_back(width);
    for (bool is_header = options_.header == CsvHeader::written;; is_header = false) {
      TRY_ASSIGN(const auto fields, tokens.next());
      if (fields.empty()) break;
      if (fields.size() != width)
        return unlike_written(fmt::format("line {} has {} fields, not {}", tokens.line(), fields.size(), width));
      if (is_header) continue;
      for (size_t c = 0; c < width; ++c) {
        if (!fields[c].quoted && fields[c].text == options_.null_text)
          read_back.add_null(c);
        else
          read_back.add(c, fields[c].text);
      }
      read_back.end_row();
    }
    return sums_.check(read_back, *schema_);
  }

 private:
  Error blank_line() const {
    return {ErrorKind::data,
            fmt::format("column `{}`: NULL in the only column would be a blank line, which readers of CSV "
                        "pass over; choose a text for it, such as `null_text: \\N`",
                        schema_->field(0)->name())};
  }

  bool needs_quotes(std::string_view text) const {
    if (text == options_.null_text || text.empty()) return true;
    // Spaces at the edges are part of the field, but not to every reader.
    if (text.front() == ' ' || text.back() == ' ') return true;
    for (const char c : text)
      if (c == '"' || c == '\n' || c == '\r' || c == options_.delimiter) return true;
    return text.starts_with(byte_order_mark);  // at the start of the file it would be taken for a byte order mark
  }

  void put(std::string_view text) {
    if (!needs_quotes(text)) {
      buffer_ += text;
      return;
    }
    buffer_ += '"';
    for (const char c : text) {
      if (c == '"') buffer_ += '"';
      buffer_ += c;
    }
    buffer_ += '"';
  }

  void end_line() { buffer_ += options_.line_end == CsvLineEnd::crlf ? "\r\n" : "\n"; }

  void guard_formula() {
    if (options_.read_by == CsvReadBy::spreadsheets && is_formula(field_)) field_.insert(0, 1, '\'');
  }

  Result<void> flush() {
    TRY(out_->write(buffer_));
    buffer_.clear();
    return {};
  }

  Path file_;
  std::unique_ptr<ByteSink> out_;
  std::shared_ptr<arrow::Schema> schema_;
  CsvWriteOptions options_;
  FieldSums sums_;
  std::string buffer_, field_;
};

}  // namespace

TextFormat csv_format(const CsvWriteOptions& options) {
  return {.extension = std::string(options.delimiter == '\t' ? ".tsv" : ".csv") +
                       (options.compression == Compression::gzip ? ".gz" : ""),
          .create = [options](const Path& file,
                              std::shared_ptr<arrow::Schema> schema) -> Result<std::unique_ptr<TextWriter>> {
            TRY_ASSIGN(auto writer, CsvWriter::create(file, std::move(schema), options));
            return std::unique_ptr<TextWriter>(std::move(writer));
          }};
}

Result<std::unique_ptr<CsvWriter>> CsvWriter::create(const Path& file, std::shared_ptr<arrow::Schema> schema,
                                                     const CsvWriteOptions& options) {
  const char d = options.delimiter;
  if (d == '"' || d == '\n' || d == '\r' || d == '\0' || static_cast<unsigned char>(d) >= 0x80)
    return Error{ErrorKind::invalid, "delimiter: a quote, a line end or a character beyond ASCII cannot be one"};
  for (const char c : options.null_text)
    if (c == '"' || c == '\n' || c == '\r' || c == d)
      return Error{ErrorKind::invalid,
                   fmt::format("null_text: `{}` holds a quote, a line end or the delimiter, and would "
                               "not be read back as NULL",
                               options.null_text)};
  TRY_ASSIGN(auto out, ByteSink::create(file, options.compression));
  return std::unique_ptr<CsvWriter>(
      std::make_unique<StreamedCsvWriter>(file, std::move(out), std::move(schema), options));
}

}  // namespace udon::data
