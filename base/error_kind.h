#pragma once
// Kinds of errors that come as text: from files, sockets and programs.
#include <optional>
#include <string_view>

#include "base/result.h"

namespace udon {

std::optional<ErrorKind> parse_error_kind(std::string_view text);  // as to_string writes it

}  // namespace udon
