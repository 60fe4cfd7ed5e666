#pragma once
// Whether a try that failed is worth another, by the kind of its failure. Asked by the scheduler, which decides, and by
// the try itself, whose log tells.
#include <string>
#include <vector>

#include "model/dag.h"
#include "model/report.h"

namespace udon {

// The words of retry_on and no_retry_on beside exit codes ("1" to "255"): causes of an end, kinds of an error.
const std::vector<std::string>& failure_words();

// Why there is no further try though the task has some left; empty: it is tried again.
//  - What is listed decides, the more exact word first: an exit code, then the kind of an error, then the cause.
//  - With retry_on, what is not listed is not tried again.
//  - Otherwise errors that would come again are not: invalid, denied, data, unsupported.
std::string why_no_retry(const RetryPolicy& policy, const TryEnded& ended);

// retry_delay and the jitter, which `name` (of the task instance, its run and try) spreads evenly: many that fail at
// once do not come back at once, and the same one waits equally long each time the story is told.
Duration retry_pause(const RetryPolicy& policy, int next_try, std::string_view name);

}  // namespace udon
