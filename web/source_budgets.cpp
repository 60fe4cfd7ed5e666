#include "web/source_budgets.h"

#include <algorithm>
#include <vector>

namespace udon::web {

SourceGrant SourceBudgets::ask(const Use& use, Duration now) {
  for (auto source = sources_.begin(); source != sources_.end();) {
    std::erase_if(source->second, [&](const auto& entry) { return entry.second.until <= now; });
    source = source->second.empty() ? sources_.erase(source) : std::next(source);
  }
  SourceGrant grant{.bounds = use.bounds, .readers = 0};
  if (use.ask.readers_wanted == 0) {
    const auto found = sources_.find(use.source);
    if (found != sources_.end()) found->second.erase(use.fence);
    return grant;
  }
  Shares& shares = sources_[use.source];
  Share& own = shares[use.fence];
  own.holder = use.holder;
  own.wanted = use.ask.readers_wanted;
  own.until = now + source_lease;
  own.taken = use.ask.readers_held;
  own.is_given = own.taken > 0;

  grant.readers = readers_of(shares, use, now);
  own.taken = std::max(grant.readers, use.ask.readers_held);
  own.is_given = own.taken > 0;
  int64_t reading = 0;
  double rows_of_others = 0;
  for (const auto& [fence, share] : shares) {
    if (share.is_given) reading += 1;
    if (fence == use.fence) continue;
    grant.readers_elsewhere += share.taken;
    rows_of_others += share.rows_taken;
  }
  own.rows_taken = 0;
  if (use.bounds.max_rows_per_second && grant.readers > 0) {
    const auto all = static_cast<double>(*use.bounds.max_rows_per_second);
    double rows = std::clamp(all - rows_of_others, 0.0, all / static_cast<double>(reading));
    if (now < learning_until_) rows = std::min(rows, use.ask.rows_per_second_held);
    grant.rows_per_second = rows;
    own.rows_taken = rows;
  }
  own.rows_taken = std::max(own.rows_taken, use.ask.rows_per_second_held);
  if (grant.readers < own.wanted || grant.rows_per_second == 0.0) grant.reason = reason_of(shares, use, now);
  return grant;
}

// What each would have if all were free. Who reads keeps one, as far as the bound allows: its snapshot grows old.
std::map<int64_t, int64_t> SourceBudgets::shared_out(const Shares& shares, int64_t readers) {
  std::vector<int64_t> order;
  for (const bool reads : {true, false})
    for (const auto& [fence, share] : shares)
      if (share.is_given == reads) order.push_back(fence);
  std::map<int64_t, int64_t> fair;
  bool is_more = true;
  while (readers > 0 && is_more) {
    is_more = false;
    for (const int64_t fence : order) {
      if (readers == 0) break;
      if (fair[fence] == shares.at(fence).wanted) continue;
      fair[fence] += 1;
      readers -= 1;
      is_more = true;
    }
  }
  return fair;
}

int SourceBudgets::readers_of(const Shares& shares, const Use& use, Duration now) const {
  if (!use.bounds.max_readers) return use.ask.readers_wanted;
  int64_t free = *use.bounds.max_readers;
  for (const auto& [fence, share] : shares)
    if (fence != use.fence) free -= share.taken;
  const int64_t fair = shared_out(shares, *use.bounds.max_readers)[use.fence];
  int64_t readers = std::clamp<int64_t>(free, 0, fair);
  if (now < learning_until_) readers = std::min<int64_t>(readers, use.ask.readers_held);
  return static_cast<int>(readers);
}

std::string SourceBudgets::reason_of(const Shares& shares, const Use& use, Duration now) const {
  if (now < learning_until_ && (use.ask.readers_held == 0 || use.ask.rows_per_second_held == 0))
    return "the scheduler has just started, and first learns who reads " + use.source;
  if (shares.at(use.fence).taken >= use.ask.readers_wanted)
    return "others still have all rows per second of " + use.source;
  std::string others;
  int64_t count = 0;
  for (const auto& [fence, share] : shares) {
    if (fence == use.fence || share.taken == 0) continue;
    if (count++ == 0) others = "`" + share.holder + "`";
  }
  const std::string all = "max_readers=" + std::to_string(*use.bounds.max_readers);
  if (count == 0) return use.source + " has " + all;
  if (count > 1) others += " and " + std::to_string(count - 1) + (count == 2 ? " other" : " others");
  return others + (count == 1 ? " reads " : " read ") + use.source + " too, which has " + all;
}

}  // namespace udon::web
