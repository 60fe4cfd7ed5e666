#pragma once
// The budgets of servers behind the door of tries: finds what bounds a server, and shares it out.
#include <map>
#include <mutex>

#include "model/wire.h"
#include "web/source_budgets.h"
#include "web/world.h"

namespace udon::web {

// Thread-safe.
class SourceDoor {
 public:
  explicit SourceDoor(World& world) : world_(world), budgets_(world.clock.monotonic()) {}
  // `connection`: what the ask names, which the try may open. invalid: its bounds cannot be read.
  Result<SourceGrant> ask(const TryRequest& request, const Connection& connection, const SourceAsk& ask);

 private:
  Result<SourceBounds> bounds_of(const Connection& connection, const std::string& source);
  SourceBounds bounds_of_all(const std::string& source) const;

  World& world_;
  std::mutex mutex_;  // what follows
  SourceBudgets budgets_;
  struct Known {
    SourceBounds bounds;
    Duration until;
  };
  std::map<std::string, Known> known_;  // by source
};

}  // namespace udon::web
