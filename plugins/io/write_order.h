#pragma once
// Who writes an object, and which of two tries is the later one.
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "plugins/io/file_system.h"

namespace udon {

// User metadata of what a try writes: its id.
inline constexpr const char* written_by_key = "udon-try";
inline std::string written_by(const ObjectInfo& object) {
  for (const auto& [key, value] : object.metadata)
    if (key == written_by_key) return value;
  return {};
}

// Tries of one installation stand in the order of their fences; "<installation>-<fence>" is a try's id. Those of two
// installations, and other programs, have no order.
class WriteOrder {
 public:
  WriteOrder(std::string try_id, int64_t fence) : try_id_(std::move(try_id)), fence_(fence) {}
  const std::string& try_id() const { return try_id_; }
  bool is_later(std::string_view other) const { return fence_of(other).value_or(fence_) > fence_; }
  bool is_earlier(std::string_view other) const { return fence_of(other).value_or(fence_) < fence_; }

 private:
  std::optional<int64_t> fence_of(std::string_view other) const {
    const size_t dash = try_id_.rfind('-');
    if (dash == try_id_.npos || !other.starts_with(std::string_view(try_id_).substr(0, dash + 1))) return std::nullopt;
    const std::string_view digits = other.substr(dash + 1);
    int64_t fence = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), fence);
    if (code != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return fence;
  }

  std::string try_id_;
  int64_t fence_;
};

}  // namespace udon
