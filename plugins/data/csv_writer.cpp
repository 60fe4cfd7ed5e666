#include "plugins/data/csv_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/text.h"
#include "plugins/data/canonical.h"
#include "plugins/data/cell_text.h"
#include "plugins/data/csv_tokenizer.h"

namespace udon::data {
namespace {

constexpr size_t buffer_bytes = 1 << 20;

// What was written or read back: an order-free sum over each column's fields, and one over whole rows, so that a field
// that slipped into its neighbour's row is seen too.
class FieldSums {
 public:
  explicit FieldSums(size_t columns) : columns_(columns), row_(columns) {}
  void add_null(size_t c) {
    ++columns_[c].nulls;
    row_[c] = null_hash;
  }
  void add(size_t c, std::string_view text) {
    row_[c] = hash_text(text);
    columns_[c].sum += row_[c];
  }
  void end_row() {
    ++rows_;
    row_sum_ += hash_bytes(row_.data(), row_.size() * sizeof(uint64_t));
  }

  std::string difference(const FieldSums& read_back, const arrow::Schema& schema) const {
    if (rows_ != read_back.rows_) return fmt::format("{} rows were written, the file holds {}", rows_, read_back.rows_);
    for (size_t c = 0; c < columns_.size(); ++c) {
      const std::string& name = schema.field(static_cast<int>(c))->name();
      if (columns_[c].nulls != read_back.columns_[c].nulls)
        return fmt::format("column `{}`: {} NULLs were written, the file holds {}", name, columns_[c].nulls,
                           read_back.columns_[c].nulls);
      if (columns_[c].sum != read_back.columns_[c].sum)
        return fmt::format("column `{}`: the checksum of its fields differs", name);
    }
    return row_sum_ == read_back.row_sum_ ? "" : "all fields are there, but some have moved to another row";
  }

 private:
  struct Column {
    uint64_t nulls = 0;
    uint64_t sum = 0;
  };
  std::vector<Column> columns_;
  std::vector<uint64_t> row_;
  uint64_t rows_ = 0;
  uint64_t row_sum_ = 0;
};

Error fault(const std::string& difference) {
  return {ErrorKind::data, "what was written is not what the file holds: " + difference +
                               ". Nothing was published; this is a fault of ours or of this machine"};
}

class StreamedCsvWriter final : public CsvWriter {
 public:
  StreamedCsvWriter(Path file, FileDescriptor out, std::shared_ptr<arrow::Schema> schema, CsvWriteOptions options)
      : file_(std::move(file)),
        out_(std::move(out)),
        schema_(std::move(schema)),
        options_(std::move(options)),
        sums_(static_cast<size_t>(schema_->num_fields())) {
    if (options_.header == CsvHeader::left_out) return;
    for (int c = 0; c < schema_->num_fields(); ++c) {
      if (c > 0) buffer_ += options_.delimiter;
      put(schema_->field(c)->name());
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
        append_cell_text(column, r, field_);
        sums_.add(static_cast<size_t>(c), field_);
        put(field_);
      }
      sums_.end_row();
      end_line();
      if (buffer_.size() >= buffer_bytes) TRY(flush());
    }
    return {};
  }

  int64_t expected_bytes() const override { return written_ + static_cast<int64_t>(buffer_.size()); }

  Result<int64_t> finish() override {
    TRY(flush());
    if (::fsync(out_.get()) != 0) return io_error("fsync", file_, errno);
    out_ = FileDescriptor();
    return written_;
  }

  Result<void> verify() const override {
    const size_t width = static_cast<size_t>(schema_->num_fields());
    TRY_ASSIGN(CsvTokenizer tokens, CsvTokenizer::open(file_, options_.delimiter, INT64_MAX));
    FieldSums read_back(width);
    for (bool is_header = options_.header == CsvHeader::written;; is_header = false) {
      TRY_ASSIGN(const auto fields, tokens.next());
      if (fields.empty()) break;
      if (fields.size() != width)
        return fault(fmt::format("line {} has {} fields, not {}", tokens.line(), fields.size(), width));
      if (is_header) continue;
      for (size_t c = 0; c < width; ++c) {
        if (!fields[c].quoted && fields[c].text == options_.null_text)
          read_back.add_null(c);
        else
          read_back.add(c, fields[c].text);
      }
      read_back.end_row();
    }
    if (const std::string difference = sums_.difference(read_back, *schema_); !difference.empty())
      return fault(difference);
    return {};
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
    return text.starts_with("\xef\xbb\xbf");  // at the start of the file it would be taken for a byte order mark
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

  Result<void> flush() {
    TRY(write_all(out_.get(), buffer_, file_));
    written_ += static_cast<int64_t>(buffer_.size());
    buffer_.clear();
    return {};
  }

  Path file_;
  FileDescriptor out_;
  std::shared_ptr<arrow::Schema> schema_;
  CsvWriteOptions options_;
  FieldSums sums_;
  std::string buffer_, field_;
  int64_t written_ = 0;
};

}  // namespace

TextFormat csv_format(const CsvWriteOptions& options) {
  return {.extension = options.delimiter == '\t' ? ".tsv" : ".csv",
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
  TRY_ASSIGN(FileDescriptor out, open_file(file, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  return std::unique_ptr<CsvWriter>(
      std::make_unique<StreamedCsvWriter>(file, std::move(out), std::move(schema), options));
}

}  // namespace udon::data
