#include "base/id.h"

#include <sys/random.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <vector>

#include "base/ensure.h"
#include "base/text.h"

namespace udon {
namespace {

constexpr uint64_t low_62_bits = (uint64_t{1} << 62) - 1;

bool parse_hex(std::string_view text, uint64_t& number) {
  const char* end = text.data() + text.size();
  const auto [stopped_at, error] = std::from_chars(text.data(), end, number, 16);
  return error == std::errc() && stopped_at == end;
}

}  // namespace

std::string make_secret(int bytes) {
  std::vector<unsigned char> random(static_cast<size_t>(bytes));
  size_t have = 0;
  while (have < random.size()) {
    const ssize_t got = getrandom(random.data() + have, random.size() - have, 0);
    if (got < 0 && errno == EINTR) continue;
    // Without randomness every token would be guessable: nothing a caller could do instead.
    ENSURE(got > 0, "the kernel gives random bytes");
    have += static_cast<size_t>(got);
  }
  return to_hex(random);
}

std::string make_uuid7(TimePoint time, uint64_t high, uint64_t low) {
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const uint64_t first = (static_cast<uint64_t>(milliseconds) << 16) | 0x7000 | (high & 0xfff);
  const uint64_t second = (uint64_t{0b10} << 62) | (low & low_62_bits);
  char text[37];
  std::snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(first >> 32),
                static_cast<unsigned>(first >> 16 & 0xffff), static_cast<unsigned>(first & 0xffff),
                static_cast<unsigned>(second >> 48), static_cast<unsigned long long>(second & 0xffff'ffff'ffff));
  return text;
}

int64_t low_of_uuid7(const std::string& text) {
  if (text.size() != 36) return -1;
  std::string digits = text;
  for (size_t dash : {23, 18, 13, 8}) {
    if (digits[dash] != '-') return -1;
    digits.erase(dash, 1);
  }
  uint64_t first = 0, second = 0;
  const std::string_view all = digits;
  if (!parse_hex(all.substr(0, 16), first) || !parse_hex(all.substr(16), second)) return -1;
  if ((first >> 12 & 0xf) != 7 || second >> 62 != 0b10) return -1;
  return static_cast<int64_t>(second & low_62_bits);
}

}  // namespace udon
