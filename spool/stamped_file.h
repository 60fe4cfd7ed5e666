#pragma once
// A file of a try that is written in place, over what an earlier try has left there: a line of JSON, and a line with
// the try's id and the XXH3 of the first. Without the second line, or with another id or sum in it, the file says
// nothing of this try: it is the earlier one's, half written, or what a power loss has mixed.
#include <optional>

#include "base/file.h"
#include "base/result.h"
#include "base/value.h"
#include "model/run.h"

namespace udon {

std::string stamped(const TryId& id, const Value& value);
Result<void> write_in_place(const Path& path, const std::string& stamped);
// Nothing: not there, or not wholly of this try. data: longer than bytes_max.
Result<std::optional<Value>> read_stamped(const Path& path, const TryId& id, int64_t bytes_max);

}  // namespace udon
