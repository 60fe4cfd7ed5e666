#pragma once
// One look at an external job: submits it, asks how it is, or cancels it. What is known of the job stands in the try's
// folder, `job.json`, written before and after the submission, so that whoever comes after a crash knows which it was.
#include "base/file.h"
#include "executor/local/probe_messages.h"
#include "plugins/api/operator.h"

namespace udon {

PokeAnswer tend_job(ExternalJob& job, TaskContext& context, const Path& folder, PokeOrder::Purpose purpose);

}  // namespace udon
