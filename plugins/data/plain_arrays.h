#pragma once
// Arrow arrays as files of others hold them, in the types that ours have (TYPES): unsigned numbers wider and signed,
// dictionaries as their values, times in microseconds. Exactly, or not at all.
#include <arrow/api.h>

#include <memory>

#include "base/result.h"

namespace udon::data {

// The type that values of `type` have with us; null: there is none.
std::shared_ptr<arrow::DataType> plain_type(const std::shared_ptr<arrow::DataType>& type);

// `values` in plain_type of their type. data: a value that it cannot hold exactly (nanoseconds), without naming the
// column.
Result<std::shared_ptr<arrow::Array>> plain_array(const std::shared_ptr<arrow::Array>& values);

}  // namespace udon::data
