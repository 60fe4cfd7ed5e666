#pragma once
// Seeded, so that a simulation's one seed replays everything. Not for secrets: those come from base/id's
// make_secret, which asks the kernel.
#include <cstdint>

namespace udon {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  // splitmix64 (Steele, Lea, Flood 2014).
  uint64_t next();
  // Uniform in [0, bound); bound > 0.
  uint64_t below(uint64_t bound);
  // True once in `n` times on average.
  bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

}  // namespace udon
