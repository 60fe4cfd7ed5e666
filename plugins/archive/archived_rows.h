#pragma once
// Rows as they are known in an archive and in a table: by their key, with a hash of each value.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "plugins/data/reader.h"
#include "plugins/db/sql_text.h"

namespace udon {

struct KnownRow {
  std::vector<std::string> key;  // each column's value as the database's own literal
  std::vector<uint64_t> hashes;  // of all columns, in order
  std::string shown;             // "id=17", for messages
};
// By the canonical bytes of the key.
using KnownRows = std::map<std::string, KnownRow>;

// The rows of a batch, hashed. `key`: the places of the key's columns. unsupported: a key of a type that has no literal
// that means just this value (floats, times, lists).
Result<void> add_rows(const arrow::RecordBatch& batch, const std::vector<size_t>& key, SqlDialect dialect,
                      KnownRows& rows);
// The same with hashes off the wire.
Result<void> add_rows(const arrow::RecordBatch& batch, const std::vector<std::vector<uint64_t>>& hashes,
                      const std::vector<size_t>& key, SqlDialect dialect, KnownRows& rows);

// Calls `take` with the rows of a Parquet file, at most `rows_max` at once.
Result<void> read_parquet(const Path& file, int64_t rows_max,
                          const std::function<Result<void>(const arrow::RecordBatch&)>& take);

// "`id` in (1, 2)" or "(`a` = 1 and `b` = 'x') or (…)".
std::string predicate_of(const std::vector<const KnownRow*>& rows, const std::vector<std::string>& key,
                         SqlDialect dialect);

}  // namespace udon
