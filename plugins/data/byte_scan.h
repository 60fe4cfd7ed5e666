#pragma once
// The first byte that matters, sixteen at a time where the processor is known to have instructions for it (each x86-64
// has), else one after the other. Nothing outside of the bytes given is read.
#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace udon::data {

#if defined(__x86_64__)

namespace byte_scan {

inline unsigned mask_of(__m128i found) { return static_cast<unsigned>(_mm_movemask_epi8(found)); }

inline __m128i load(const char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));  // NOLINT: any alignment
}

// `matches`: of sixteen bytes, 0xff for each that is looked for. The last are looked at together with those before
// them: `begin`, where the bytes begin that may be read.
template <class Matches>
const char* first(const char* at, const char* begin, const char* end, Matches matches, auto matches_one) {
  for (; end - at >= 16; at += 16)
    if (const unsigned found = mask_of(matches(load(at))); found != 0) return at + std::countr_zero(found);
  if (end - begin >= 16) {
    const unsigned found = mask_of(matches(load(end - 16))) >> (16 - (end - at));
    return found != 0 ? at + std::countr_zero(found) : end;
  }
  while (at < end && !matches_one(*at)) ++at;
  return at;
}

}  // namespace byte_scan

#endif

// How often the byte stands in [at, end).
inline int64_t count_bytes(const char* at, const char* end, char byte) {
  int64_t count = 0;
#if defined(__x86_64__)
  const __m128i wanted = _mm_set1_epi8(byte);
  while (end - at >= 16) {
    // A byte of `counts` holds up to 255.
    __m128i counts = _mm_setzero_si128();
    for (int i = 0; i < 255 && end - at >= 16; ++i, at += 16)
      counts = _mm_sub_epi8(counts, _mm_cmpeq_epi8(byte_scan::load(at), wanted));
    const __m128i sums = _mm_sad_epu8(counts, _mm_setzero_si128());
    count += _mm_cvtsi128_si64(sums) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums));
  }
#endif
  for (; at < end; ++at) count += *at == byte;
  return count;
}

// The delimiter or a line end in [at, end); `end`: there is none.
inline const char* find_field_end(const char* at, [[maybe_unused]] const char* begin, const char* end, char delimiter) {
  const auto is_end = [delimiter](char c) { return c == delimiter || c == '\n' || c == '\r'; };
#if defined(__x86_64__)
  const __m128i delimiters = _mm_set1_epi8(delimiter);
  const __m128i line_feeds = _mm_set1_epi8('\n');
  const __m128i returns = _mm_set1_epi8('\r');
  const auto ends = [=](__m128i bytes) {
    return _mm_or_si128(_mm_cmpeq_epi8(bytes, delimiters),
                        _mm_or_si128(_mm_cmpeq_epi8(bytes, line_feeds), _mm_cmpeq_epi8(bytes, returns)));
  };
  return byte_scan::first(at, begin, end, ends, is_end);
#else
  while (at < end && !is_end(*at)) ++at;
  return at;
#endif
}

// A quote, a backslash or a control character, which JSON's texts do not have, in [at, end); `end`: there is none.
inline const char* find_in_json_text(const char* at, [[maybe_unused]] const char* begin, const char* end) {
  const auto is_special = [](char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; };
#if defined(__x86_64__)
  const __m128i quotes = _mm_set1_epi8('"');
  const __m128i backslashes = _mm_set1_epi8('\\');
  const __m128i controls = _mm_set1_epi8(0x1f);
  const auto specials = [=](__m128i bytes) {
    return _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, controls), bytes),
                        _mm_or_si128(_mm_cmpeq_epi8(bytes, quotes), _mm_cmpeq_epi8(bytes, backslashes)));
  };
  return byte_scan::first(at, begin, end, specials, is_special);
#else
  while (at < end && !is_special(*at)) ++at;
  return at;
#endif
}

}  // namespace udon::data
