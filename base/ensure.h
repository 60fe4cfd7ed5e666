#pragma once
// A broken promise of ours stops the process, in release too: a scheduler that stops is better than one that
// runs a task twice. Never for input: a caller's or a user's mistake is an Error.
#include <source_location>
#include <string_view>

namespace udon {
[[noreturn]] void ensure_failed(std::string_view condition, std::string_view why,
                                std::source_location where = std::source_location::current());
}  // namespace udon

#define ENSURE(condition, why)                                \
  do {                                                        \
    if (!(condition)) ::udon::ensure_failed(#condition, why); \
  } while (false)
