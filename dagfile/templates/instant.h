#pragma once
// Moments and spans of time as templates show and change them: Python's strftime, isoformat and timedelta.
#include <optional>
#include <string>
#include <string_view>

#include "dagfile/templates/datum.h"

namespace udon::templates {

// RFC 3339 with its offset kept. Nothing if the text is no such moment.
std::optional<Instant> parse_instant(std::string_view text);
// A text or instant as an instant; an error says what was expected.
Result<Instant> require_instant(const Datum& datum);

struct CivilTime {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, microsecond = 0;
  int weekday = 0;  // 0 = Monday
  int day_of_year = 1;
};
CivilTime civil(const Instant& instant);
// Wall-clock parts in an offset as an instant; out-of-range days are an error.
Result<Instant> from_civil(const CivilTime& time, int offset_seconds);

std::string iso_format(const Instant& instant, char separator);  // 2026-01-31T00:00:00+00:00
Result<std::string> strftime(const Instant& instant, std::string_view format);
Result<CivilTime> strptime(std::string_view text, std::string_view format);
std::string text_of(const Span& span);  // str(timedelta): "1 day, 2:00:00"
// Never out of the range that Python knows: years 1 to 9999.
Result<Instant> shifted(const Instant& instant, Duration by);

Result<Datum> attribute_of(const Instant& instant, std::string_view name);

}  // namespace udon::templates
