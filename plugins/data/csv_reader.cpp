#include "plugins/data/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "plugins/data/canonical.h"
#include "plugins/data/csv_column.h"
#include "plugins/data/csv_tokenizer.h"
#include "plugins/data/type_name.h"

namespace udon::data {
namespace {

constexpr size_t shown_bytes_max = 60;

// A value in a message: short, and safe to print on one line.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, shown_bytes_max)) out += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  while (!out.empty() && !is_valid_utf8(out)) out.pop_back();
  return "'" + out + (text.size() > shown_bytes_max ? "…'" : "'");
}

class CsvReader final : public TableReader, public BatchSource {
 public:
  CsvReader(Path file, CsvOptions options) : file_(std::move(file)), options_(std::move(options)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    request_ = request;
    stop_ = std::move(stop);
    arrow::FieldVector fields;
    std::vector<ColumnInfo> columns;
    for (const auto& [name, type_text] : options_.schema) {
      const auto type = parse_type_name(type_text);
      if (!type) return type.error().within(fmt::format("schema: column `{}`", name));
      TRY_ASSIGN(auto column, make_csv_column(*type));
      columns_.push_back(std::move(column));
      columns.push_back({.request = {.source_name = name, .name = name, .mask = "", .type = ""},
                         .source_type = "csv",
                         .type = *type});
      fields.push_back(arrow::field(name, *type));
    }
    schema_ = arrow::schema(fields);
    TRY_ASSIGN(auto tokenizer, CsvTokenizer::open(file_, options_.delimiter, request.value_bytes_max));
    tokenizer_.emplace(std::move(tokenizer));
    for (size_t i = 0; i < columns_.size(); ++i) field_of_.push_back(i);
    if (options_.header) TRY(read_header());
    return columns;
  }

  Result<std::optional<SourceBatch>> next() override {
    if (at_end_) return std::optional<SourceBatch>();
    const bool hashed = request_.certify != CertifyLevel::rows;
    SourceBatch batch;
    if (hashed) {
      batch.hashes.resize(columns_.size());
      for (auto& hashes : batch.hashes) hashes.reserve(static_cast<size_t>(request_.batch_rows));
    }
    int64_t rows = 0;
    while (rows < request_.batch_rows) {
      if ((rows & 4095) == 0 && stop_.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
      if ((rows & 255) == 0 && bytes_of_batch(rows) > request_.batch_bytes) break;
      TRY_ASSIGN(const auto fields, tokenizer_->next());
      if (fields.empty()) {
        at_end_ = true;
        break;
      }
      // An empty line is no row, unless a row may be one empty field.
      if (fields.size() == 1 && columns_.size() != 1 && fields[0].text.empty() && !fields[0].quoted) continue;
      if (fields.size() != columns_.size())
        return at_line(fmt::format("{} fields where {} columns were stated", fields.size(), columns_.size()));
      for (size_t c = 0; c < columns_.size(); ++c) {
        const CsvField& field = fields[field_of_[c]];
        uint64_t hash = null_hash;
        if (!field.quoted && field.text == options_.null_text) {
          columns_[c]->append_null();
        } else if (const std::string expected = columns_[c]->append(field.text, hash); !expected.empty()) {
          return at_line(
              fmt::format("column `{}`: {} is not {}", options_.schema[c].first, shown(field.text), expected));
        }
        if (hashed) batch.hashes[c].push_back(hash);
      }
      ++rows;
    }
    if (rows == 0) return std::optional<SourceBatch>();
    arrow::ArrayVector arrays;
    for (const auto& column : columns_) {
      TRY_ASSIGN(auto array, column->finish());
      arrays.push_back(std::move(array));
    }
    batch.rows = arrow::RecordBatch::Make(schema_, rows, std::move(arrays));
    return std::optional<SourceBatch>(std::move(batch));
  }

  std::vector<BatchSource*> sources() override { return {this}; }
  std::string mechanism() const override { return "one file, read once"; }
  std::string position() const override { return {}; }
  std::vector<PolicyUse> policy_uses() const override { return {}; }

 private:
  Error at_line(const std::string& text) const {
    return Error{ErrorKind::data, fmt::format("{}:{}: {}", options_.display, tokenizer_->line(), text)};
  }

  int64_t bytes_of_batch(int64_t rows) const {
    int64_t bytes = rows * 8 * static_cast<int64_t>(columns_.size());
    for (const auto& column : columns_) bytes += column->value_bytes();
    return bytes;
  }

  Result<void> read_header() {
    TRY_ASSIGN(const auto fields, tokenizer_->next());
    if (fields.empty())
      return Error{ErrorKind::data, fmt::format("{} is empty; a header line was expected (without one: header: false)",
                                                options_.display)};
    std::vector<std::string> names;
    for (const CsvField& field : fields) names.emplace_back(field.text);
    std::vector<std::string> stated;
    for (size_t c = 0; c < options_.schema.size(); ++c) {
      const std::string& name = options_.schema[c].first;
      stated.push_back(name);
      const auto it = std::find(names.begin(), names.end(), name);
      if (it == names.end())
        return at_line(fmt::format("the header has no column `{}`{}; it has {}", name, did_you_mean(name, names),
                                   join(names, ", ")));
      field_of_[c] = static_cast<size_t>(it - names.begin());
      if (std::count(names.begin(), names.end(), name) > 1)
        return at_line(fmt::format("the header has `{}` twice", name));
    }
    for (const std::string& name : names)
      if (std::find(stated.begin(), stated.end(), name) == stated.end())
        return at_line(fmt::format("the header has column `{}`, which the schema does not state{}: add `{}: string`",
                                   name, did_you_mean(name, stated), name));
    return {};
  }

  Path file_;
  CsvOptions options_;
  TableRequest request_;
  std::stop_token stop_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<CsvColumn>> columns_;
  std::vector<size_t> field_of_;  // column → field of a record
  std::optional<CsvTokenizer> tokenizer_;
  bool at_end_ = false;
};

}  // namespace

std::unique_ptr<TableReader> make_csv_reader(const Path& file, CsvOptions options) {
  return std::make_unique<CsvReader>(file, std::move(options));
}

}  // namespace udon::data
