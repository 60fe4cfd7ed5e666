#pragma once
// Why task instances of a run have failed, told once for all that failed of the same.
#include <string>
#include <string_view>
#include <vector>

#include "cli/api.h"

namespace udon::cli {

struct FailureGroup {
  std::string cause;                   // of a single one its message; of several the message without what differs
  std::vector<std::string> instances;  // "export[3]"
};
// The largest first.
Result<std::vector<FailureGroup>> failure_groups(Api& api, const std::string& dag_id, const std::string& run_id);

// A message without what is one task instance's own: numbers, and what stands in quotes or after `table`.
std::string without_particulars(std::string_view message);

}  // namespace udon::cli
