#include "web/source_waits.h"

#include <utility>

namespace udon::web {

void SourceWaits::say(int64_t fence, std::string text, Duration now, Duration until) {
  const std::lock_guard lock(mutex_);
  std::erase_if(said_, [&](const auto& entry) { return entry.second.until <= now; });
  if (text.empty())
    said_.erase(fence);
  else
    said_[fence] = {std::move(text), until};
}

std::optional<std::string> SourceWaits::of(int64_t fence, Duration now) const {
  const std::lock_guard lock(mutex_);
  const auto found = said_.find(fence);
  if (found == said_.end() || found->second.until <= now) return std::nullopt;
  return found->second.text;
}

}  // namespace udon::web
