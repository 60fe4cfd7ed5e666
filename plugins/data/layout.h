#pragma once
// Where the rows of an export belong when they do not all belong together: in a partition's folder, or to one of the
// windows that a result is made of. Also what looks at each row on its way, to know how far a cursor has come.
#include <arrow/api.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/data/reader.h"

namespace udon::data {

class Layout {
 public:
  virtual ~Layout() = default;
  // Once, before any row: the columns as they come, before masks. invalid: one that it goes by is not among them, is
  // masked, or of a type that it cannot go by.
  virtual Result<void> open(const std::vector<ColumnInfo>& columns) = 0;
  // The place of each row. Called by several threads at once. data: a row that has none.
  virtual Result<std::vector<uint32_t>> places_of(const arrow::RecordBatch& rows) = 0;
};

// The column of that name in the source. invalid as above; `what`: the parameter that names it.
Result<size_t> layout_column(const std::vector<ColumnInfo>& columns, const std::string& source_name,
                             const std::string& what);

}  // namespace udon::data
