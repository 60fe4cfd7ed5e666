#pragma once
// The door of a server's bounds, as a test plays it for one try of an operator.
#include <mutex>
#include <string>
#include <vector>

#include "tests/sql/databases.h"

namespace udon::test {

class BoundsDoor {
 public:
  // `waits`: so many asks are answered by "others read"; then it may read, within `bounds`.
  BoundsDoor(FakeTaskContext& context, int waits, SourceBounds bounds = {}) {
    context.on_ask = [this, waits, bounds](const SourceAsk& ask) -> Result<SourceGrant> {
      const std::lock_guard lock(mutex_);
      asks_.push_back(ask);
      SourceGrant grant{.bounds = bounds, .readers = ask.readers_wanted};
      if (static_cast<int>(asks_.size()) <= waits) grant.readers = 0, grant.reason = "`주문/내보내기` reads it too";
      return grant;
    };
  }
  // Of connections that were read, the reader was given back each time.
  void check_given_back(const std::vector<std::string>& connections) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> given;
    for (const SourceAsk& ask : asks_)
      if (ask.readers_wanted == 0) given.push_back(ask.connection);
    CHECK(given == connections);
    REQUIRE_FALSE(asks_.empty());
    CHECK(asks_.back().readers_wanted == 0);
  }
  size_t asks() const {
    const std::lock_guard lock(mutex_);
    return asks_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<SourceAsk> asks_;
};

inline void check_waited(const FakeTaskContext& context) {
  const std::vector<std::string> lines = context.lines_so_far();
  CHECK(std::ranges::any_of(lines, [](const std::string& line) {
    return line.starts_with("waiting to read ") && line.ends_with(": `주문/내보내기` reads it too");
  }));
}

}  // namespace udon::test
