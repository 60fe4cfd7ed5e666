#include "plugins/data/text_rows.h"

#include <arrow/array/concatenate.h>
#include <fmt/format.h>

#include "base/text.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/canonical.h"
#include "plugins/data/type_name.h"

namespace udon::data {
namespace {

constexpr size_t shown_bytes_max = 60;

std::optional<std::string> from_hex(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

// The rows that are not bad, `bad` in order.
Result<std::shared_ptr<arrow::Array>> without(const std::shared_ptr<arrow::Array>& array,
                                              const std::vector<int64_t>& bad) {
  arrow::ArrayVector runs;
  int64_t from = 0;
  for (const int64_t row : bad) {
    if (row > from) runs.push_back(array->Slice(from, row - from));
    from = row + 1;
  }
  if (from < array->length()) runs.push_back(array->Slice(from));
  return from_arrow(arrow::Concatenate(runs), "leave out rows");
}

void leave_out(std::vector<uint64_t>& hashes, const std::vector<int64_t>& bad) {
  size_t kept = 0;
  size_t next = 0;
  for (size_t i = 0; i < hashes.size(); ++i) {
    if (next < bad.size() && bad[next] == static_cast<int64_t>(i)) {
      ++next;
      continue;
    }
    hashes[kept++] = hashes[i];
  }
  hashes.resize(kept);
}

}  // namespace

std::string shown_text(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, shown_bytes_max))
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  while (!out.empty() && !is_valid_utf8(out)) out.pop_back();
  return "'" + out + (text.size() > shown_bytes_max ? "…'" : "'");
}

Result<TextRows> TextRows::make(const StatedSchema& schema, const TableRequest& request, const std::string& display,
                                BinaryText binary, OnBadRow on_bad_row) {
  TextRows rows;
  arrow::FieldVector fields;
  for (const auto& [name, type_text] : schema) {
    const auto type = parse_type_name(type_text);
    if (!type) return type.error().within(fmt::format("schema: column `{}`", name));
    TRY_ASSIGN(auto column, make_parsed_column(*type));
    rows.columns_.push_back(std::move(column));
    rows.names_.push_back(name);
    rows.binary_.push_back((*type)->id() == arrow::Type::BINARY ? binary : BinaryText::as_it_is);
    rows.invalid_.emplace_back("invalid_text", request.policies.invalid_text);
    fields.push_back(arrow::field(name, *type));
  }
  rows.schema_ = arrow::schema(std::move(fields));
  rows.filled_.assign(rows.columns_.size(), 0);
  rows.is_hashed_ = request.certify != CertifyLevel::rows;
  if (rows.is_hashed_) rows.hashes_.resize(rows.columns_.size());
  rows.display_ = display;
  rows.on_bad_row_ = on_bad_row;
  rows.batch_rows_ = request.batch_rows;
  rows.batch_bytes_ = request.batch_bytes;
  return rows;
}

std::vector<ColumnInfo> TextRows::columns(const std::string& source_type) const {
  std::vector<ColumnInfo> columns;
  for (size_t c = 0; c < names_.size(); ++c)
    columns.push_back({.request = {.source_name = names_[c], .name = names_[c], .mask = "", .type = ""},
                       .source_type = source_type,
                       .type = schema_->field(static_cast<int>(c))->type()});
  return columns;
}

bool TextRows::is_full() const {
  if (rows_ >= batch_rows_) return true;
  if ((rows_ & 255) != 0) return false;
  int64_t bytes = kept_bytes_ + rows_ * 8 * static_cast<int64_t>(columns_.size());
  for (const auto& column : columns_) bytes += column->value_bytes();
  return bytes > batch_bytes_;
}

bool TextRows::append_parsed(size_t c, std::string_view text) {
  uint64_t hash = 0;
  if (!columns_[c]->append(text, is_hashed_ ? &hash : nullptr)) return refuse(c, text, columns_[c]->expected(text));
  filled_[c] = rows_ + 1;
  if (is_hashed_) hashes_[c].push_back(hash);
  return true;
}

bool TextRows::append_binary(size_t c, std::string_view text) {
  if (binary_[c] == BinaryText::hex) {
    if (const auto bytes = from_hex(text)) return append_parsed(c, *bytes);
    return refuse(c, text, "hexadecimal");
  }
  if (const auto bytes = from_base64(text))
    return append_parsed(c, {reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  return refuse(c, text, "base64");
}

bool TextRows::refuse(size_t c, std::string_view text, std::string_view expected) {
  return refuse(fmt::format("column `{}`: {} is not {}", names_[c], shown_text(text), expected));
}

bool TextRows::refuse(std::string reason) {
  reason_ = std::move(reason);
  return false;
}

bool TextRows::append_invalid(size_t c, std::string_view repaired) {
  PolicyCounter& counter = invalid_[c];
  if (counter.choice == "error") {
    reason_ = fmt::format(
        "column `{}`: {} holds bytes that are no text (shown as U+FFFD); is `encoding` right? Else say "
        "`invalid_text: replace` or `null`",
        names_[c], shown_text(repaired));
    return false;
  }
  if (counter.choice == "null")
    append_null(c);
  else if (!append(c, repaired))
    return false;
  invalid_in_row_.push_back(c);
  return true;
}

void TextRows::append_null(size_t c) {
  columns_[c]->append_null();
  filled_[c] = rows_ + 1;
  if (is_hashed_) hashes_[c].push_back(null_hash);
}

void TextRows::fill_row() {
  for (size_t c = 0; c < columns_.size(); ++c)
    if (filled_[c] <= rows_) append_null(c);
  ++rows_;
}

void TextRows::end_row() {
  fill_row();
  for (const size_t c : invalid_in_row_) ++invalid_[c].values;
  invalid_in_row_.clear();
}

Error TextRows::at_line(int64_t line, std::string_view text) const {
  return {ErrorKind::data, fmt::format("{}:{}: {}", display_, line, text)};
}

Result<void> TextRows::bad_row(int64_t line, std::string_view reason, std::string_view raw) {
  if (on_bad_row_ == OnBadRow::error) return at_line(line, reason);
  kept_.push_back({line, std::string(reason), std::string(raw)});
  kept_bytes_ += static_cast<int64_t>(raw.size());
  bad_rows_.push_back(rows_);
  fill_row();
  invalid_in_row_.clear();
  return {};
}

Result<std::optional<SourceBatch>> TextRows::finish_batch() {
  SourceBatch batch;
  arrow::ArrayVector arrays;
  const auto bad = static_cast<int64_t>(bad_rows_.size());
  for (size_t c = 0; c < columns_.size(); ++c) {
    TRY_ASSIGN(auto array, columns_[c]->finish());
    if (bad > 0 && bad < rows_) {
      TRY_ASSIGN(array, without(array, bad_rows_));
      if (is_hashed_) leave_out(hashes_[c], bad_rows_);
    }
    arrays.push_back(std::move(array));
    if (!is_hashed_) continue;
    const size_t size = hashes_[c].size();
    batch.hashes.push_back(std::exchange(hashes_[c], {}));
    hashes_[c].reserve(size);
  }
  const int64_t rows = rows_ - bad;
  rows_ = kept_bytes_ = 0;
  bad_rows_.clear();
  filled_.assign(columns_.size(), 0);
  if (rows == 0) return std::optional<SourceBatch>();
  batch.rows = arrow::RecordBatch::Make(schema_, rows, std::move(arrays));
  return std::optional<SourceBatch>(std::move(batch));
}

std::vector<PolicyUse> TextRows::policy_uses() const {
  std::vector<PolicyUse> uses;
  for (size_t c = 0; c < names_.size(); ++c) invalid_[c].report(names_[c], uses);
  return uses;
}

}  // namespace udon::data
