#pragma once
// Where parquet_convert reads: the file made local, and its reader, by the operator's parameters.
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "plugins/api/task_context.h"
#include "plugins/data/reader.h"
#include "plugins/data/reject_log.h"

namespace udon {

// The file that `from` names; an object of a store is fetched into the staging folder first.
Result<Path> local_file(TaskContext& context, const std::string& from);

// `file`: what local_file gave. `rejects`: where rows go that do not fit; null: such a row is an error. Where the
// schema is to be inferred, the whole file is read for it here. invalid: parameters that do not fit together.
Result<std::unique_ptr<data::TableReader>> make_source(TaskContext& context, const Path& file,
                                                       data::RejectLog* rejects);

}  // namespace udon
