#pragma once
// Canonical bytes of values and their hashes: the common ground on which the wire, the Parquet file and the
// database are compared. Written down per type; changing anything here makes old certificates incomparable,
// so the version goes up.
//
//   boolean            1 byte, 0 or 1
//   integers           int64, 8 bytes little-endian, whatever the column's width
//   decimal(p,s)       unscaled int128, 16 bytes little-endian, at the declared scale
//   float, double      IEEE 754 double, 8 bytes little-endian (a float is widened exactly); -0.0 is 0.0;
//                      one NaN, 0x7ff8000000000000
//   text               its UTF-8 bytes (enum, set, json, uuid, time as text … too)
//   binary             its bytes
//   date               days since 1970-01-01, int64, 8 bytes little-endian
//   timestamp          microseconds since 1970-01-01 00:00:00 (wall clock if without zone), int64, 8 bytes
//                      little-endian
//   uuid               its 16 bytes
//   time               microseconds since midnight, int64, 8 bytes little-endian
//   list               for each element: 1 byte (0 NULL, 1 value), int64 length of its canonical bytes, the
//                      bytes
//
// hash = XXH3-64 of the bytes, seed 0. NULL hashes to null_hash. A column's sum is the sum of the hashes of
// its values that are not NULL, mod 2^64. A row's hash is XXH3-64 over its column hashes in order, 8 bytes
// little-endian each.
#include <cstdint>
#include <span>
#include <string_view>

namespace udon::data {

__extension__ typedef __int128 Int128;  // g++ calls it pedantically by this word only

inline constexpr int canonical_version = 1;
inline constexpr uint64_t null_hash = 0x9ae16a3b2f90404fULL;

uint64_t hash_bytes(const void* bytes, size_t length);
inline uint64_t hash_text(std::string_view text) { return hash_bytes(text.data(), text.size()); }
uint64_t hash_int(int64_t value);  // integers, dates, timestamps, times
uint64_t hash_bool(bool value);    // NOLINT
uint64_t hash_double(double value);
uint64_t hash_decimal(Int128 unscaled);

}  // namespace udon::data
