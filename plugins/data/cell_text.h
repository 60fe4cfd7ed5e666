#pragma once
// One value of an Arrow array as text, exactly: for CSV files, messages and XComs. Decimals with all their digits,
// doubles with the fewest that mean the same number, instants with Z, lists as JSON.
#include <arrow/api.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/value.h"

namespace udon::data {

// How `binary` values stand in text.
enum class BinaryText { as_it_is, base64, hex };

// Appends; the value is not NULL. Only of types that readers yield.
void append_cell_text(const arrow::Array& array, int64_t row, std::string& out, BinaryText binary = BinaryText::hex);

// null, true and false, integers and finite doubles as such; everything else as its text, so also decimals: a reader of
// JSON would round them.
Value cell_value(const arrow::Array& array, int64_t row);

// A number whatever its form: integers, doubles, decimals.
bool is_numeric(const arrow::DataType& type);

}  // namespace udon::data
