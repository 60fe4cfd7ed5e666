#pragma once
// How a source of ranges tells that one of them has ended.
#include <arrow/api.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "plugins/data/policy_counter.h"
#include "plugins/data/reader.h"

namespace udon::data {

// After its last row, without rows of its own. `uses`: what policies did in the range.
inline SourceBatch end_of_range(const std::shared_ptr<arrow::Schema>& schema, size_t range,
                                std::vector<PolicyUse> uses) {
  return {.rows = arrow::RecordBatch::MakeEmpty(schema).ValueOrDie(),
          .hashes = {},
          .range_end = RangeEnd{.range = range, .uses = std::move(uses)}};
}

}  // namespace udon::data
