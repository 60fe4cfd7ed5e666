#include "plugins/data/json_writer.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>
#include <vector>

#include "base/value.h"
#include "plugins/data/byte_sink.h"
#include "plugins/data/field_sums.h"
#include "plugins/data/json_object.h"

namespace udon::data {
namespace {

constexpr size_t buffer_bytes = 1 << 20;

void append_quoted(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        else
          out += c;
    }
  }
  out += '"';
}

// How a column's values stand in JSON.
enum class Form { bare, real, quoted, timestamp };

Form form_of(const arrow::DataType& type, const JsonWriteOptions& options) {
  using arrow::Type;
  switch (type.id()) {
    case Type::FLOAT:
    case Type::DOUBLE: return Form::real;
    case Type::DECIMAL128: return options.decimals == DecimalText::number ? Form::bare : Form::quoted;
    case Type::BOOL:
    case Type::LIST: return Form::bare;
    case Type::TIMESTAMP: return Form::timestamp;
    default: return arrow::is_integer(type.id()) ? Form::bare : Form::quoted;
  }
}

bool is_finite(const arrow::Array& column, int64_t row) {
  return column.type_id() == arrow::Type::FLOAT
             ? std::isfinite(static_cast<const arrow::FloatArray&>(column).Value(row))
             : std::isfinite(static_cast<const arrow::DoubleArray&>(column).Value(row));
}

// What is read back, summed as it was when it was written.
class ReadBack final : public JsonMembers {
 public:
  explicit ReadBack(const arrow::Schema& schema) : sums(static_cast<size_t>(schema.num_fields())), schema_(schema) {}
  bool take(const JsonMember& member) override {
    if (column_ == static_cast<size_t>(schema_.num_fields()) ||
        schema_.field(static_cast<int>(column_))->name() != member.key)
      return false;
    if (member.kind == JsonMember::Kind::null)
      sums.add_null(column_);
    else
      sums.add(column_, member.text);
    ++column_;
    return true;
  }
  bool end_row() {
    sums.end_row();
    return std::exchange(column_, 0) == static_cast<size_t>(schema_.num_fields());
  }

  FieldSums sums;

 private:
  const arrow::Schema& schema_;
  size_t column_ = 0;
};

class JsonWriter final : public TextWriter {
 public:
  JsonWriter(Path file, std::unique_ptr<ByteSink> out, std::shared_ptr<arrow::Schema> schema, JsonWriteOptions options)
      : file_(std::move(file)),
        out_(std::move(out)),
        schema_(std::move(schema)),
        options_(options),
        sums_(static_cast<size_t>(schema_->num_fields())) {
    for (const auto& field : schema_->fields()) {
      std::string key = keys_.empty() ? "{" : ",";
      append_quoted(field->name(), key);
      keys_.push_back(key + ":");
      forms_.push_back(form_of(*field->type(), options_));
    }
    if (options_.form == JsonForm::array) buffer_ = "[";
  }

  Result<void> write(const arrow::RecordBatch& batch) override {
    for (int64_t r = 0; r < batch.num_rows(); ++r) {
      if (options_.form == JsonForm::array) buffer_ += is_first_ ? "\n" : ",\n";
      is_first_ = false;
      for (int c = 0; c < batch.num_columns(); ++c) {
        buffer_ += keys_[static_cast<size_t>(c)];
        TRY(put(static_cast<size_t>(c), *batch.column(c), r));
      }
      buffer_ += options_.form == JsonForm::array ? "}" : "}\n";
      sums_.end_row();
      if (buffer_.size() >= buffer_bytes) TRY(flush());
    }
    return {};
  }

  int64_t expected_bytes() const override { return out_->written() + static_cast<int64_t>(buffer_.size()); }

  Result<FinishedFile> finish() override {
    if (options_.form == JsonForm::array) buffer_ += is_first_ ? "]\n" : "\n]\n";
    TRY(flush());
    return out_->finish();
  }

  Result<void> verify() const override {
    TRY_ASSIGN(auto bytes, open_bytes(file_, options_.compression, file_.string()));
    JsonRecords records(std::move(bytes), options_.form, file_.string(), INT64_MAX);
    JsonObjectParser parser;
    ReadBack read_back(*schema_);
    while (true) {
      TRY_ASSIGN(const std::optional<JsonRecord> record, records.next());
      if (!record) break;
      const auto problem = parser.parse(record->text, read_back);
      if (problem == JsonObjectParser::Problem::no_object)
        return unlike_written(fmt::format("line {} {}", record->line, parser.problem()));
      if (problem == JsonObjectParser::Problem::given_up || !read_back.end_row())
        return unlike_written(fmt::format("line {} has other keys", record->line));
    }
    return sums_.check(read_back.sums, *schema_);
  }

 private:
  Result<void> put(size_t c, const arrow::Array& column, int64_t r) {
    if (column.IsNull(r)) {
      buffer_ += "null";
      sums_.add_null(c);
      return {};
    }
    field_.clear();
    append_cell_text(column, r, field_, options_.binary);
    switch (forms_[c]) {
      case Form::real:
        if (!is_finite(column, r))
          return Error{ErrorKind::data,
                       fmt::format("column `{}`: {} has no form in JSON; say `nan: null` (or `infinity: null`)",
                                   schema_->field(static_cast<int>(c))->name(), field_)};
        buffer_ += field_;
        break;
      case Form::bare: buffer_ += field_; break;
      case Form::timestamp:
        if (const size_t blank = field_.find(' '); blank != field_.npos) field_[blank] = 'T';
        append_quoted(field_, buffer_);
        break;
      case Form::quoted: append_quoted(field_, buffer_); break;
    }
    sums_.add(c, field_);
    return {};
  }

  Result<void> flush() {
    TRY(out_->write(buffer_));
    buffer_.clear();
    return {};
  }

  Path file_;
  std::unique_ptr<ByteSink> out_;
  std::shared_ptr<arrow::Schema> schema_;
  JsonWriteOptions options_;
  std::vector<std::string> keys_;  // with what stands before and behind
  std::vector<Form> forms_;
  FieldSums sums_;
  std::string buffer_, field_;
  bool is_first_ = true;
};

}  // namespace

TextFormat json_format(const JsonWriteOptions& options) {
  return {.extension = std::string(options.form == JsonForm::lines ? ".ndjson" : ".json") +
                       (options.compression == Compression::gzip ? ".gz" : ""),
          .create = [options](const Path& file,
                              std::shared_ptr<arrow::Schema> schema) -> Result<std::unique_ptr<TextWriter>> {
            TRY_ASSIGN(auto out, ByteSink::create(file, options.compression));
            return std::unique_ptr<TextWriter>(
                std::make_unique<JsonWriter>(file, std::move(out), std::move(schema), options));
          }};
}

}  // namespace udon::data
