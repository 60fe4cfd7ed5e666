#include "model/report.h"

#include "base/ensure.h"

namespace udon {

std::string_view to_string(EndCause cause) {
  switch (cause) {
    case EndCause::finished: return "finished";
    case EndCause::exit_code: return "exit_code";
    case EndCause::signal: return "signal";
    case EndCause::out_of_memory: return "out_of_memory";
    case EndCause::timeout: return "timeout";
    case EndCause::killed: return "killed";
    case EndCause::lost: return "lost";
    case EndCause::start_failed: return "start_failed";
    case EndCause::error: return "error";
  }
  ENSURE(false, "an end cause outside its enum");
}

std::optional<EndCause> parse_end_cause(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(EndCause::error); ++i) {
    if (const auto cause = static_cast<EndCause>(i); to_string(cause) == text) return cause;
  }
  return std::nullopt;
}

}  // namespace udon
