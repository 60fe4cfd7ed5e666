#pragma once
#include <cstdint>
#include <string>

#include "base/clock.h"

namespace udon {

// `bytes` random bytes of the kernel as lower-case hex; for tokens and keys.
std::string make_secret(int bytes);

// RFC 9562 UUIDv7: the milliseconds of `time`, then 74 bits taken from `high` and `low`, so that an id that
// the API must show can be derived from our row numbers instead of being stored.
std::string make_uuid7(TimePoint time, uint64_t high, uint64_t low);

// The row number that make_uuid7 was given as `low` (its lowest 62 bits), or -1 if the text is no such id.
int64_t low_of_uuid7(const std::string& text);

}  // namespace udon
