#pragma once
// The types that people write in DAG files: "int64", "decimal(12,2)", "timestamp" …
#include <arrow/api.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace udon::data {

// string, binary, boolean, int8, int16, int32, int64, float, double, decimal(p,s), date, timestamp (without zone),
// timestamptz (an instant, stored as UTC). invalid: names the types there are, and the nearest.
Result<std::shared_ptr<arrow::DataType>> parse_type_name(std::string_view text);

}  // namespace udon::data
