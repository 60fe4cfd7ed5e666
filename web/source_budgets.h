#pragma once
// Who may read how much of a server, over all DAGs: shares out readers and rows per second among the tries that ask.
// Arithmetic: no I/O, no clock. One thread at a time.
#include <cstdint>
#include <map>
#include <string>

#include "base/clock.h"
#include "connections/source_grant.h"

namespace udon::web {

// A try asks each second. One that has not asked for so long is dead, and what it had is free again.
inline constexpr Duration source_lease = std::chrono::seconds(15);
// After a start nobody knows who reads: for so long nothing is given but what tries say that they have. They ask each
// second, also while nobody answers.
inline constexpr Duration source_learning = std::chrono::seconds(5);

class SourceBudgets {
 public:
  explicit SourceBudgets(Duration now) : learning_until_(now + source_learning) {}

  struct Use {
    std::string source;   // source_of
    SourceBounds bounds;  // of it
    int64_t fence = 0;    // of the try: the smaller, the older
    std::string holder;   // "orders_daily/export", for the others
    SourceAsk ask;
  };
  // Readers: each try that reads or wants to gets one before any gets two, who reads before who waits, the older before
  // the younger. Rows per second: alike for all that read. What others may still be taking is never given away: it
  // comes free when they ask next, and see that they have less.
  SourceGrant ask(const Use& use, Duration now);

 private:
  struct Share {
    std::string holder;
    int wanted = 0;
    int taken = 0;          // what was given, or what it says it has if that is more
    double rows_taken = 0;  // a second
    Duration until{};       // of the lease
    bool is_given = false;  // readers, by this process or an earlier one
  };
  using Shares = std::map<int64_t, Share>;  // by fence
  static std::map<int64_t, int64_t> shared_out(const Shares& shares, int64_t readers);
  int readers_of(const Shares& shares, const Use& use, Duration now) const;
  std::string reason_of(const Shares& shares, const Use& use, Duration now) const;

  Duration learning_until_;
  std::map<std::string, Shares> sources_;
};

}  // namespace udon::web
