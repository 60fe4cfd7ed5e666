#pragma once
// The types of columns as people write them in DAG files: one grammar for the check of a DAG file and for the operators
// that make such columns. What is stored for each says docs of the operator; plugins/data/type_name.h maps them to
// Arrow.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace udon {

struct DataType {
  enum class Kind {
    string,
    binary,
    boolean,
    int8,
    int16,
    int32,
    int64,
    float32,  // `float`
    float64,  // `double`
    decimal,
    date,
    timestamp,    // without zone
    timestamptz,  // an instant, stored as UTC
    time,         // of a day
    interval_us,  // a length of time in microseconds
    uuid,
  };
  Kind kind = Kind::string;
  int precision = 0;  // of a decimal: digits, 1 to 38
  int scale = 0;      // … of them behind the point
  bool operator==(const DataType&) const = default;
};

// "int64", "decimal(12,2)" (blanks inside are fine). invalid: names the types there are, and the nearest.
Result<DataType> parse_data_type(std::string_view text);
std::string to_string(const DataType& type);
// "string", …, "decimal(p,s)": all there are, for messages.
const std::vector<std::string>& data_type_names();
// The grammar as a regular expression, for editors.
const std::string& data_type_pattern();

}  // namespace udon
