#include "base/ensure.h"

#include <cstdio>
#include <cstdlib>

namespace udon {

void ensure_failed(std::string_view condition, std::string_view why, std::source_location where) {
  std::fprintf(stderr, "%s:%u: promise broken: %.*s (%.*s)\n", where.file_name(), where.line(),
               static_cast<int>(why.size()), why.data(), static_cast<int>(condition.size()), condition.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace udon
