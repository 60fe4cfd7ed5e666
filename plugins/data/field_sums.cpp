#include "plugins/data/field_sums.h"

#include <fmt/format.h>

#include "plugins/data/canonical.h"

namespace udon::data {

void FieldSums::add_null(size_t c) {
  ++columns_[c].nulls;
  row_[c] = null_hash;
}

void FieldSums::add(size_t c, std::string_view text) {
  row_[c] = hash_text(text);
  columns_[c].sum += row_[c];
}

void FieldSums::end_row() {
  ++rows_;
  row_sum_ += hash_bytes(row_.data(), row_.size() * sizeof(uint64_t));
}

std::string FieldSums::difference(const FieldSums& read_back, const arrow::Schema& schema) const {
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

Result<void> FieldSums::check(const FieldSums& read_back, const arrow::Schema& schema) const {
  if (const std::string found = difference(read_back, schema); !found.empty()) return unlike_written(found);
  return {};
}

Error unlike_written(const std::string& difference) {
  return {ErrorKind::data, "what was written is not what the file holds: " + difference +
                               ". Nothing was published; this is a fault of ours or of this machine"};
}

}  // namespace udon::data
