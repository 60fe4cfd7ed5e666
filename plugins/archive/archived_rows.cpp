#include "plugins/archive/archived_rows.h"

#include <fmt/format.h>
#include <parquet/arrow/reader.h>

#include <limits>

#include "base/text.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/cell_text.h"
#include "plugins/data/parquet_file.h"

namespace udon {
namespace {

// Whatever the session's settings say of backslashes: PostgreSQL is told by E, and MySQL's sessions here have no mode.
std::string quoted(std::string_view text, SqlDialect dialect) {
  std::string literal = dialect == SqlDialect::postgresql ? "E'" : "'";
  for (const char c : text) {
    if (c == '\\' || c == '\'') literal += '\\';
    if (c == '\0')
      literal += "\\0";
    else
      literal += c;
  }
  return literal + "'";
}

std::string hex_of(std::string_view bytes) {
  return to_hex({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

// Nothing: the type has none.
std::optional<std::string> literal_of(const arrow::Array& array, int64_t row, SqlDialect dialect) {
  std::string text;
  switch (array.type_id()) {
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::DECIMAL128: data::append_cell_text(array, row, text); return text;
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::DATE32: data::append_cell_text(array, row, text); return quoted(text, dialect);
    case arrow::Type::TIMESTAMP:
      data::append_cell_text(array, row, text);
      // MySQL's sessions here are in UTC, and it would drop an offset without a word.
      if (dialect == SqlDialect::mysql && text.ends_with('Z')) text.pop_back();
      return quoted(text, dialect);
    case arrow::Type::BINARY: {
      const std::string_view bytes = static_cast<const arrow::BinaryArray&>(array).GetView(row);
      return dialect == SqlDialect::postgresql ? "'\\x" + hex_of(bytes) + "'::bytea" : "x'" + hex_of(bytes) + "'";
    }
    default: return std::nullopt;
  }
}

}  // namespace

Result<void> add_rows(const arrow::RecordBatch& batch, const std::vector<size_t>& key, SqlDialect dialect,
                      KnownRows& rows) {
  std::vector<std::vector<uint64_t>> hashes;
  for (const auto& column : batch.columns()) {
    TRY_ASSIGN(std::vector<uint64_t> of_column, data::hash_array(*column));
    hashes.push_back(std::move(of_column));
  }
  return add_rows(batch, hashes, key, dialect, rows);
}

Result<void> add_rows(const arrow::RecordBatch& batch, const std::vector<std::vector<uint64_t>>& hashes,
                      const std::vector<size_t>& key, SqlDialect dialect, KnownRows& rows) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  std::vector<std::vector<std::string>> bytes;
  for (const size_t c : key) {
    std::shared_ptr<arrow::Array> column = batch.column(static_cast<int>(c));
    if (column->type_id() == arrow::Type::DICTIONARY)
      return Error{ErrorKind::unsupported,
                   fmt::format("a primary key of ENUM or SET (column `{}`) cannot be archived by",
                               batch.column_name(static_cast<int>(c)))};
    TRY_ASSIGN(std::vector<std::string> of_column, data::canonical_bytes(*column));
    bytes.push_back(std::move(of_column));
    columns.push_back(std::move(column));
  }
  for (int64_t r = 0; r < batch.num_rows(); ++r) {
    KnownRow row;
    std::string name;
    for (size_t k = 0; k < key.size(); ++k) {
      const std::string& column_name = batch.column_name(static_cast<int>(key[k]));
      const auto literal = literal_of(*columns[k], r, dialect);
      if (!literal)
        return Error{ErrorKind::unsupported, fmt::format("a primary key of type {} (column `{}`) cannot be archived by",
                                                         columns[k]->type()->ToString(), column_name)};
      row.key.push_back(*literal);
      const std::string& part = bytes[k][static_cast<size_t>(r)];
      name += fmt::format("{}:{}", part.size(), part);
      row.shown += fmt::format("{}{}=", k > 0 ? ", " : "", column_name);
      data::append_cell_text(*columns[k], r, row.shown);
    }
    for (const auto& of_column : hashes) row.hashes.push_back(of_column[static_cast<size_t>(r)]);
    if (!rows.emplace(std::move(name), std::move(row)).second)
      return Error{ErrorKind::data, "the archive holds a key twice: it is not what this operator has written"};
  }
  return {};
}

Result<void> read_parquet(const Path& file, int64_t rows_max,
                          const std::function<Result<void>(const arrow::RecordBatch&)>& take) {
  constexpr int64_t any_bytes = std::numeric_limits<int64_t>::max();
  auto opened = data::open_parquet(file, any_bytes, rows_max);
  if (!opened) return opened.error().within("read the archive");
  TRY_ASSIGN(const auto batches, data::from_arrow((*opened)->GetRecordBatchReader(), "read the archive"));
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    TRY(data::from_arrow(batches->ReadNext(&batch), "read the archive"));
    if (!batch) return {};
    TRY(take(*batch));
  }
}

std::string predicate_of(const std::vector<const KnownRow*>& rows, const std::vector<std::string>& key,
                         SqlDialect dialect) {
  std::vector<std::string> parts;
  for (const KnownRow* row : rows) {
    if (key.size() == 1) {
      parts.push_back(row->key[0]);
      continue;
    }
    std::vector<std::string> equals;
    for (size_t k = 0; k < key.size(); ++k) equals.push_back(quote_identifier(key[k], dialect) + " = " + row->key[k]);
    parts.push_back("(" + join(equals, " and ") + ")");
  }
  if (key.size() > 1) return join(parts, " or ");
  return quote_identifier(key[0], dialect) + " in (" + join(parts, ", ") + ")";
}

}  // namespace udon
