#include "plugins/data/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "plugins/data/csv_tokenizer.h"

namespace udon::data {
namespace {

class CsvReader final : public TableReader, public BatchSource {
 public:
  CsvReader(Path file, CsvOptions options) : file_(std::move(file)), options_(std::move(options)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    stop_ = std::move(stop);
    TRY_ASSIGN(TextRows rows, TextRows::make(options_.schema, request, options_.display, options_.binary,
                                             options_.rejects == nullptr ? OnBadRow::error : OnBadRow::keep));
    rows_.emplace(std::move(rows));
    TRY_ASSIGN(decoder_, TextDecoder::make(options_.encoding));
    TRY_ASSIGN(auto bytes, open_bytes(file_, options_.compression, options_.display));
    TRY_ASSIGN(auto tokenizer,
               CsvTokenizer::make(std::move(bytes), options_.display, options_.delimiter, request.value_bytes_max));
    tokenizer_.emplace(std::move(tokenizer));
    for (size_t c = 0; c < rows_->width(); ++c) {
      is_text_.push_back(rows_->type(c).id() == arrow::Type::STRING);
      field_of_.push_back(c);
    }
    is_null_text_plain_ = options_.encoding == Encoding::utf8 || is_ascii(options_.null_text);
    if (options_.header) TRY(read_header());
    return rows_->columns(options_.delimiter == '\t' ? "tsv" : "csv");
  }

  Result<std::optional<SourceBatch>> next() override {
    while (true) {
      TRY(fill_batch());
      TRY_ASSIGN(auto batch, rows_->finish_batch());
      if (options_.rejects != nullptr) TRY(options_.rejects->add(rows_->take_bad_rows(), options_.display));
      if (batch || at_end_) return batch;
    }
  }

  std::vector<BatchSource*> sources() override { return {this}; }
  std::string mechanism() const override { return "one file, read once"; }
  std::string position() const override { return {}; }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses = rows_->policy_uses();
    if (options_.rejects != nullptr) options_.rejects->report(uses);
    return uses;
  }

 private:
  Result<void> fill_batch() {
    for (int64_t records = 0; !at_end_ && !rows_->is_full(); ++records) {
      if ((records & 4095) == 0 && stop_.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
      const auto fields = tokenizer_->next();
      if (!fields) {
        if (options_.rejects == nullptr) return fields.error();
        TRY_ASSIGN(const bool is_passed, tokenizer_->recover());
        if (!is_passed) return fields.error();
        TRY(rows_->bad_row(tokenizer_->line(), tokenizer_->trouble(), tokenizer_->raw()));
      } else if (fields->empty()) {
        at_end_ = true;
      } else if (fields->size() == 1 && rows_->width() != 1 && fields->front().text.empty() &&
                 !fields->front().quoted) {
        continue;  // an empty line is no row, unless a row may be one empty field
      } else if (const std::string problem = add_row(*fields); !problem.empty()) {
        TRY(rows_->bad_row(tokenizer_->line(), problem, tokenizer_->raw()));
      } else {
        rows_->end_row();
      }
    }
    return {};
  }

  // What is wrong with it, or nothing.
  std::string add_row(std::span<const CsvField> fields) {
    if (fields.size() != rows_->width())
      return fmt::format("{} fields where {} columns were stated", fields.size(), rows_->width());
    for (size_t c = 0; c < fields.size(); ++c) {
      const CsvField& field = fields[field_of_[c]];
      if (!field.quoted && is_null(field.text)) {
        rows_->append_null(c);
        continue;
      }
      std::string_view text = field.text;
      if (is_text_[c]) {
        const auto decoded = decoder_.decode(text, scratch_);
        if (!decoded) {
          if (!rows_->append_invalid(c, scratch_)) return rows_->reason();
          continue;
        }
        text = *decoded;
      }
      if (!rows_->append(c, text)) return rows_->reason();
    }
    return {};
  }

  bool is_null(std::string_view text) {
    if (is_null_text_plain_) return text == options_.null_text;
    const auto decoded = decoder_.decode(text, scratch_);
    return decoded && *decoded == options_.null_text;
  }

  Error at_line(const std::string& text) const { return rows_->at_line(tokenizer_->line(), text); }

  Result<void> read_header() {
    TRY_ASSIGN(const auto fields, tokenizer_->next());
    if (fields.empty())
      return Error{ErrorKind::data, fmt::format("{} is empty; a header line was expected (without one: header: false)",
                                                options_.display)};
    std::vector<std::string> names;
    for (const CsvField& field : fields) {
      const auto name = decoder_.decode(field.text, scratch_);
      if (!name)
        return at_line(fmt::format("the header's field {} holds bytes that are no {}: {}", names.size() + 1,
                                   to_string(options_.encoding), shown_text(scratch_)));
      names.emplace_back(*name);
    }
    std::vector<std::string> stated;
    for (size_t c = 0; c < rows_->width(); ++c) {
      const std::string& name = rows_->name(c);
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
  std::stop_token stop_;
  std::optional<TextRows> rows_;
  TextDecoder decoder_;
  std::string scratch_;
  bool is_null_text_plain_ = true;  // the same bytes in the file
  std::vector<bool> is_text_;
  std::vector<size_t> field_of_;  // column → field of a record
  std::optional<CsvTokenizer> tokenizer_;
  bool at_end_ = false;
};

}  // namespace

std::unique_ptr<TableReader> make_csv_reader(const Path& file, CsvOptions options) {
  return std::make_unique<CsvReader>(file, std::move(options));
}

}  // namespace udon::data
