#include "web/source_door.h"

namespace udon::web {
namespace {

// Opening all connections each second would cost more than it is worth.
constexpr Duration looked_up_again = std::chrono::seconds(10);

}  // namespace

Result<SourceGrant> SourceDoor::ask(const TryRequest& request, const Connection& connection, const SourceAsk& ask) {
  const std::string source = source_of(connection);
  TRY_ASSIGN(const SourceBounds bounds, bounds_of(connection, source));
  const Duration now = world_.clock.monotonic();
  world_.source_waits.say(request.try_id.fence, ask.readers_wanted > 0 ? ask.waits : std::string(), now,
                          now + source_lease);
  const std::lock_guard lock(mutex_);
  return budgets_.ask({.source = source,
                       .bounds = bounds,
                       .fence = request.try_id.fence,
                       .holder = request.key.dag_id + "/" + request.key.task_id,
                       .ask = ask},
                      now);
}

Result<SourceBounds> SourceDoor::bounds_of(const Connection& connection, const std::string& source) {
  TRY_ASSIGN(const SourceBounds own, parse_source_bounds(connection));
  const Duration now = world_.clock.monotonic();
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(source);
    if (known != known_.end() && now < known->second.until) return strictest(own, known->second.bounds);
    std::erase_if(known_, [&](const auto& entry) { return entry.second.until <= now; });
  }
  const SourceBounds all = bounds_of_all(source);
  const std::lock_guard lock(mutex_);
  known_[source] = {all, now + looked_up_again};
  return strictest(own, all);
}

// One that cannot be opened, or has wrong bounds, is told of when it is used itself.
SourceBounds SourceDoor::bounds_of_all(const std::string& source) const {
  SourceBounds bounds;
  std::vector<std::string> ids = world_.connections.environment().connection_names();
  if (auto stored = world_.settings.connection_ids()) ids.insert(ids.end(), stored->begin(), stored->end());
  for (const std::string& id : ids) {
    const auto found = world_.connections.find(id);
    if (!found || source_of(*found) != source) continue;
    if (const auto its_own = parse_source_bounds(*found)) bounds = strictest(bounds, *its_own);
  }
  return bounds;
}

}  // namespace udon::web
