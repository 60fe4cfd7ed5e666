#pragma once
// Where parquet_convert reads: the file made local, and its reader, by the operator's parameters.
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "plugins/api/task_context.h"
#include "plugins/data/reader.h"

namespace udon {

// The file that `from` names; an object of a store is fetched into the staging folder first.
Result<Path> local_file(TaskContext& context, const std::string& from);

// `file`: what local_file gave. invalid: parameters that do not fit together.
Result<std::unique_ptr<data::TableReader>> make_source(const Value& parameters, const Path& file);

}  // namespace udon
