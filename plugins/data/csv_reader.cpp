#include "plugins/data/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/text.h"
#include "plugins/data/csv_record_ends.h"
#include "plugins/data/csv_tokenizer.h"
#include "plugins/data/parsed_blocks.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/text_file_reader.h"

namespace udon::data {
namespace {

// Records as the rows of a table with stated types. Used by one thread.
class CsvRows {
 public:
  // `options` outlives this.
  static Result<CsvRows> make(const CsvOptions& options, const TableRequest& request) {
    const OnBadRow on_bad_row = options.rejects == nullptr ? OnBadRow::error : OnBadRow::keep;
    TRY_ASSIGN(TextRows rows, TextRows::make(options.schema, request, options.display, options.binary, on_bad_row));
    TRY_ASSIGN(TextDecoder decoder, TextDecoder::make(options.encoding));
    return CsvRows(options, std::move(rows), std::move(decoder));
  }

  const TextRows& rows() const { return rows_; }
  void set_fields(std::vector<size_t> field_of) { field_of_ = std::move(field_of); }

  // Column → field, by the first record.
  Result<std::vector<size_t>> read_header(CsvTokenizer& tokenizer) {
    TRY_ASSIGN(const auto fields, tokenizer.next());
    if (fields.empty()) return no_header(options_->display);
    const auto at_line = [&](const std::string& text) { return rows_.at_line(tokenizer.line(), text); };
    std::vector<std::string> names;
    for (const CsvField& field : fields) {
      const auto name = decoder_.decode(field.text, scratch_);
      if (!name)
        return at_line(fmt::format("the header's field {} holds bytes that are no {}: {}", names.size() + 1,
                                   to_string(options_->encoding), shown_text(scratch_)));
      names.emplace_back(*name);
    }
    std::vector<std::string> stated;
    std::vector<size_t> field_of;
    for (size_t c = 0; c < rows_.width(); ++c) {
      const std::string& name = rows_.name(c);
      stated.push_back(name);
      const auto it = std::find(names.begin(), names.end(), name);
      const auto blank =
          std::ranges::find_if(names, [&](const std::string& found) { return trim(found) == trim(name); });
      if (it == names.end() && blank != names.end())
        return at_line(fmt::format(
            "the header has no column `{}`, but `{}`: the blanks belong to the name; state it so", name, *blank));
      if (it == names.end())
        return at_line(fmt::format("the header has no column `{}`{}; it has {}", name, did_you_mean(name, names),
                                   join(names, ", ")));
      field_of.push_back(static_cast<size_t>(it - names.begin()));
      if (std::count(names.begin(), names.end(), name) > 1)
        return at_line(fmt::format("the header has `{}` twice", name));
    }
    for (const std::string& name : names)
      if (std::find(stated.begin(), stated.end(), name) == stated.end())
        return at_line(fmt::format("the header has column `{}`, which the schema does not state{}: add `{}: string`",
                                   name, did_you_mean(name, stated), name));
    return field_of;
  }

  static Error no_header(const std::string& display) {
    return {ErrorKind::data,
            fmt::format("{} is empty; a header line was expected (without one: header: false)", display)};
  }

  Result<ReadRows> read_all(CsvTokenizer& tokenizer, const std::stop_token& stop) {
    ReadRows all;
    for (bool at_end = false; !at_end;) {
      TRY_ASSIGN(at_end, fill_batch(tokenizer, stop));
      TRY_ASSIGN(auto batch, rows_.finish_batch());
      if (batch) all.batches.push_back(std::move(*batch));
      std::ranges::move(rows_.take_bad_rows(), std::back_inserter(all.bad_rows));
    }
    return all;
  }

 private:
  CsvRows(const CsvOptions& options, TextRows rows, TextDecoder decoder)
      : options_(&options), rows_(std::move(rows)), decoder_(std::move(decoder)) {
    for (size_t c = 0; c < rows_.width(); ++c) {
      is_text_.push_back(rows_.type(c).id() == arrow::Type::STRING);
      field_of_.push_back(c);
    }
    is_null_text_plain_ = options.encoding == Encoding::utf8 || is_ascii(options.null_text);
  }

  // Whether that was the end.
  Result<bool> fill_batch(CsvTokenizer& tokenizer, const std::stop_token& stop) {
    for (int64_t records = 0; !rows_.is_full(); ++records) {
      if ((records & 4095) == 0 && stop.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
      const auto fields = tokenizer.next();
      if (!fields) {
        if (options_->rejects == nullptr) return fields.error();
        TRY_ASSIGN(const bool is_passed, tokenizer.recover());
        if (!is_passed) return fields.error();
        TRY(rows_.bad_row(tokenizer.line(), tokenizer.trouble(), tokenizer.raw()));
      } else if (fields->empty()) {
        return true;
      } else if (fields->size() == 1 && rows_.width() != 1 && fields->front().text.empty() && !fields->front().quoted) {
        continue;  // an empty line is no row, unless a row may be one empty field
      } else if (add_row(*fields)) {
        rows_.end_row();
      } else {
        TRY(rows_.bad_row(tokenizer.line(), rows_.reason(), tokenizer.raw()));
      }
    }
    return false;
  }

  // False: it does not fit, for the rows' reason.
  bool add_row(std::span<const CsvField> fields) {
    if (fields.size() != rows_.width())
      return rows_.refuse(fmt::format("{} fields where {} columns were stated", fields.size(), rows_.width()));
    for (size_t c = 0; c < fields.size(); ++c) {
      const CsvField& field = fields[field_of_[c]];
      if (!field.quoted && is_null(field.text)) {
        rows_.append_null(c);
        continue;
      }
      std::string_view text = field.text;
      if (is_text_[c]) {
        const auto decoded = decoder_.decode(text, scratch_);
        if (!decoded) {
          if (!rows_.append_invalid(c, scratch_)) return false;
          continue;
        }
        text = *decoded;
      }
      if (!rows_.append(c, text)) return false;
    }
    return true;
  }

  bool is_null(std::string_view text) {
    if (is_null_text_plain_) return text == options_->null_text;
    const auto decoded = decoder_.decode(text, scratch_);
    return decoded && *decoded == options_->null_text;
  }

  const CsvOptions* options_;
  TextRows rows_;
  TextDecoder decoder_;
  std::string scratch_;
  bool is_null_text_plain_ = true;  // the same bytes in the file
  std::vector<char> is_text_;       // of each column
  std::vector<size_t> field_of_;    // column → field of a record
};

class CsvReader final : public TextFileReader {
 public:
  CsvReader(Path file, CsvOptions options)
      : TextFileReader(options.rejects, options.display), file_(std::move(file)), options_(std::move(options)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    stop_ = std::move(stop);
    record_bytes_max_ = request.value_bytes_max;
    for (size_t i = 0; i < ParsedBlocks::threads; ++i) {
      TRY_ASSIGN(CsvRows made, CsvRows::make(options_, request));
      rows_.push_back(std::move(made));
    }
    TRY_ASSIGN(auto bytes, open_bytes(file_, options_.compression, options_.display));
    LineBlocks blocks(std::move(bytes), std::make_unique<CsvRecordEnds>(options_.delimiter), options_.display,
                      ParsedBlocks::block_bytes(request.batch_bytes), record_bytes_max_);
    std::optional<LineBlock> first;
    if (options_.header) {
      first.emplace();
      TRY_ASSIGN(const bool has_block, blocks.next(*first));
      if (!has_block) return CsvRows::no_header(options_.display);
      TRY_ASSIGN(CsvTokenizer tokenizer, tokens_of(*first));
      TRY_ASSIGN(const auto field_of, rows_.front().read_header(tokenizer));
      for (CsvRows& rows : rows_) rows.set_fields(field_of);
    }
    std::vector<ParsedBlocks::Parse> parsers;
    for (CsvRows& rows : rows_) parsers.push_back([this, &rows](const LineBlock& block) { return parse(rows, block); });
    blocks_.emplace(std::move(blocks), std::move(first), std::move(parsers));
    return rows_.front().rows().columns(options_.delimiter == '\t' ? "tsv" : "csv");
  }

  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses;
    for (const CsvRows& rows : rows_) add_uses(uses, rows.rows().policy_uses());
    return with_rejects(std::move(uses));
  }

 private:
  Result<std::optional<ReadRows>> read_more() override { return blocks_->next(); }

  Result<CsvTokenizer> tokens_of(const LineBlock& block) const {
    return CsvTokenizer::make(block.bytes(), options_.display, options_.delimiter, record_bytes_max_, block.first_line);
  }

  Result<ReadRows> parse(CsvRows& rows, const LineBlock& block) const {
    TRY_ASSIGN(CsvTokenizer tokenizer, tokens_of(block));
    if (options_.header && block.first_line == 1) TRY(tokenizer.next());
    return rows.read_all(tokenizer, stop_);
  }

  const Path file_;
  const CsvOptions options_;
  std::stop_token stop_;
  int64_t record_bytes_max_ = 0;
  std::vector<CsvRows> rows_;
  std::optional<ParsedBlocks> blocks_;  // last: its threads use the others
};

}  // namespace

std::unique_ptr<TableReader> make_csv_reader(const Path& file, CsvOptions options) {
  return std::make_unique<CsvReader>(file, std::move(options));
}

}  // namespace udon::data
