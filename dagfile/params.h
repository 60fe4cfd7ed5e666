#pragma once
// A DAG's params: JSON Schema, as far as DAG files use it.
#include <string>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace udon {

// The keys that a param's schema may have.
const std::vector<std::string>& param_schema_keys();
// What is wrong with the schema itself (an unknown key or type, bounds that are no numbers), or nothing.
Result<void> check_param_schema(const Value& schema);
// The value against the schema. The error says where: "tables[2]: expected string, got integer"; `where` begins it.
Result<void> check_param(const Value& value, const Value& schema, const std::string& where);

}  // namespace udon
