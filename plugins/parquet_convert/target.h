#pragma once
// What parquet_convert writes, by the operator's parameters.
#include <optional>

#include "base/result.h"
#include "base/value.h"
#include "plugins/data/text_writer.h"

namespace udon {

// Nothing: Parquet. invalid: parameters that do not fit together.
Result<std::optional<data::TextFormat>> target_format(const Value& parameters);

}  // namespace udon
