#include "base/random.h"

namespace udon {

uint64_t Random::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

uint64_t Random::below(uint64_t bound) {
  __extension__ using Wide = unsigned __int128;  // not ISO C++, but the only 128-bit product there is
  return static_cast<uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
}

}  // namespace udon
