#pragma once
// The types that people write in DAG files ("int64", "decimal(12,2)", "timestamp" …) as Arrow's.
#include <arrow/api.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "plugins/spec/data_type.h"

namespace udon::data {

// int64 for interval_us, 64-bit microseconds for time, Arrow's extension type for uuid.
std::shared_ptr<arrow::DataType> arrow_type_of(const DataType& type);

// A column of a text file: all types but time, interval_us and uuid. invalid: names the types there are, and the
// nearest.
Result<std::shared_ptr<arrow::DataType>> parse_type_name(std::string_view text);

}  // namespace udon::data
