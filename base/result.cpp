#include "base/result.h"

#include "base/error_kind.h"

namespace udon {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return "invalid";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::denied: return "denied";
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::timeout: return "timeout";
    case ErrorKind::cancelled: return "cancelled";
    case ErrorKind::io: return "io";
    case ErrorKind::data: return "data";
    case ErrorKind::unsupported: return "unsupported";
  }
  return "invalid";
}

std::optional<ErrorKind> parse_error_kind(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(ErrorKind::unsupported); ++i) {
    if (const auto kind = static_cast<ErrorKind>(i); to_string(kind) == text) return kind;
  }
  return std::nullopt;
}

Error Error::within(std::string_view what) const { return {kind, std::string(what) + ": " + message}; }

bool is_transient(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::unavailable:
    case ErrorKind::timeout:
    case ErrorKind::io: return true;
    case ErrorKind::invalid:
    case ErrorKind::not_found:
    case ErrorKind::conflict:
    case ErrorKind::denied:
    case ErrorKind::cancelled:
    case ErrorKind::data:
    case ErrorKind::unsupported: return false;
  }
  return false;
}

}  // namespace udon
