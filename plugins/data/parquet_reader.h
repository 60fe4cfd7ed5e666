#pragma once
// A Parquet file of anybody's as a table: its own types as far as ours can hold them exactly (plain_arrays.h), one row
// group after the other.
#include <memory>
#include <string>

#include "base/file.h"
#include "plugins/data/reader.h"
#include "plugins/data/text_rows.h"

namespace udon::data {

enum class NotFinite {
  kept,       // NaN and infinities of floating columns, as they are
  by_policy,  // as `nan` and `infinity` say: the target has no form for them
};

struct ParquetSource {
  StatedSchema
      schema;  // these columns, in this order, in these types (to be recast: recast_reader.h); empty: all of the file
  NotFinite not_finite = NotFinite::kept;
  std::string display;  // the file's name in messages
};

std::unique_ptr<TableReader> make_parquet_reader(const Path& file, ParquetSource source);

}  // namespace udon::data
