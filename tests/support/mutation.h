#pragma once
// Bytes lost, doubled, exchanged and inserted: what fuzzers feed. One seed replays all; UDON_FUZZ_SEED and
// UDON_FUZZ_ROUNDS look elsewhere and further.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/random.h"

namespace udon::test {

inline uint64_t fuzz_number(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}
inline uint64_t fuzz_seed() { return fuzz_number("UDON_FUZZ_SEED", 7); }
inline uint64_t fuzz_rounds(uint64_t usual) { return fuzz_number("UDON_FUZZ_ROUNDS", usual); }

// `spice`: the bytes that mean something in that language.
inline std::string mutated(std::string text, Random& random, std::string_view spice) {
  for (uint64_t edits = 1 + random.below(4); edits > 0; --edits) {
    const size_t at = random.below(text.size() + 1);
    switch (random.below(6)) {
      case 0: text.erase(at, 1 + random.below(8)); break;
      case 1: text.insert(at, 1, spice[random.below(spice.size())]); break;
      case 2: text.insert(at, text.substr(random.below(text.size() + 1), random.below(40))); break;
      case 3:
        if (at < text.size()) text[at] = spice[random.below(spice.size())];
        break;
      case 4:
        if (at < text.size()) text[at] = static_cast<char>(random.below(256));
        break;
      default: text.insert(at, std::string(1 + random.below(150), spice[random.below(spice.size())]));
    }
  }
  return text;
}

}  // namespace udon::test
