#pragma once
// What tries say that they wait for before and while they read a server: another try's reader, a replica that is
// behind. They alone know all of it, and say it with each ask (connections/source_grant.h).
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"

namespace udon::web {

// Thread-safe.
class SourceWaits {
 public:
  // `fence`: of the try. `text` empty: it waits for nothing. `until`: then it is forgotten, unless it is said again.
  void say(int64_t fence, std::string text, Duration now, Duration until);
  std::optional<std::string> of(int64_t fence, Duration now) const;

 private:
  struct Said {
    std::string text;
    Duration until;
  };
  mutable std::mutex mutex_;
  std::map<int64_t, Said> said_;
};

}  // namespace udon::web
