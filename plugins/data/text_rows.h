#pragma once
// What the readers of text files (CSV, JSON) share: rows that are put together value by value, each text parsed to its
// column's stated type, and what becomes of a row that does not fit.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "plugins/data/cell_text.h"
#include "plugins/data/parsed_column.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/reader.h"
#include "plugins/data/reject_log.h"
#include "plugins/data/text_encoding.h"

namespace udon::data {

using StatedSchema = std::vector<std::pair<std::string, std::string>>;  // name → type_name.h

// A value in a message: short, and safe to print on one line.
std::string shown_text(std::string_view text);

enum class OnBadRow { error, keep };

// What became of some records.
struct ReadRows {
  std::vector<SourceBatch> batches;
  std::vector<BadRow> bad_rows;
};

// Used by one thread.
class TextRows {
 public:
  static Result<TextRows> make(const StatedSchema& schema, const TableRequest& request, const std::string& display,
                               BinaryText binary, OnBadRow on_bad_row);

  std::vector<ColumnInfo> columns(const std::string& source_type) const;
  size_t width() const { return columns_.size(); }
  const std::string& name(size_t c) const { return names_[c]; }
  const arrow::DataType& type(size_t c) const { return *schema_->field(static_cast<int>(c))->type(); }
  bool is_full() const;  // the batch

  // One value of the row that is being put together. False: it does not fit, reason() says why; then the row is to be
  // given up by bad_row().
  bool append(size_t c, std::string_view text) {
    return binary_[c] == BinaryText::as_it_is ? append_parsed(c, text) : append_binary(c, text);
  }
  bool append_invalid(size_t c, std::string_view repaired);  // by policy invalid_text
  void append_null(size_t c);
  bool has(size_t c) const { return filled_[c] > rows_; }  // in this row already
  bool refuse(std::string reason);                         // of the row as a whole; false
  const std::string& reason() const { return reason_; }

  // Columns that have no value are NULL.
  void end_row();
  // data: where rows that do not fit are errors.
  Result<void> bad_row(int64_t line, std::string_view reason, std::string_view raw);
  Error at_line(int64_t line, std::string_view text) const;

  // The batch; nothing if it has no rows.
  Result<std::optional<SourceBatch>> finish_batch();
  // Rows that do not fit, since the last call.
  std::vector<BadRow> take_bad_rows() { return std::exchange(kept_, {}); }
  std::vector<PolicyUse> policy_uses() const;

 private:
  bool append_parsed(size_t c, std::string_view text);
  bool append_binary(size_t c, std::string_view text);
  bool refuse(size_t c, std::string_view text, std::string_view expected);
  void fill_row();

  std::vector<std::string> names_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<ParsedColumn>> columns_;
  std::vector<BinaryText> binary_;             // of each column; as_it_is for all others
  std::vector<int64_t> filled_;                // values of each column in this batch
  std::vector<std::vector<uint64_t>> hashes_;  // none if none are asked for
  std::vector<PolicyCounter> invalid_;
  std::vector<size_t> invalid_in_row_;
  std::vector<int64_t> bad_rows_;  // of this batch, in order
  std::string reason_, scratch_;
  std::string display_;
  OnBadRow on_bad_row_ = OnBadRow::error;
  std::vector<BadRow> kept_;
  int64_t kept_bytes_ = 0;  // in this batch
  int64_t rows_ = 0;        // in the batch, bad ones too
  int64_t batch_rows_ = 0, batch_bytes_ = 0;
  bool is_hashed_ = false;
};

}  // namespace udon::data
