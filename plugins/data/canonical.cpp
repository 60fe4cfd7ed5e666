#include "plugins/data/canonical.h"

#include <cmath>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

// Little-endian bytes are what these machines have in memory.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

namespace udon::data {

uint64_t hash_bytes(const void* bytes, size_t length) { return XXH3_64bits(bytes, length); }

uint64_t hash_int(int64_t value) { return XXH3_64bits(&value, sizeof value); }

uint64_t hash_bool(bool value) {
  const unsigned char byte = value ? 1 : 0;
  return XXH3_64bits(&byte, 1);
}

uint64_t hash_double(double value) {
  uint64_t bits = 0x7ff8000000000000ULL;
  if (value == 0) value = 0.0;
  if (!std::isnan(value)) std::memcpy(&bits, &value, sizeof bits);
  return XXH3_64bits(&bits, sizeof bits);
}

uint64_t hash_decimal(Int128 unscaled) { return XXH3_64bits(&unscaled, sizeof unscaled); }

}  // namespace udon::data
