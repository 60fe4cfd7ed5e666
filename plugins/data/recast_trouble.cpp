#include "plugins/data/recast_trouble.h"

#include <fmt/format.h>

namespace udon::data {

std::string reason_of(Trouble trouble, const std::string& type) {
  switch (trouble) {
    case Trouble::none: break;
    case Trouble::too_large: return fmt::format("does not fit into {}; choose a wider `type`", type);
    case Trouble::has_fraction:
      return fmt::format("has more digits behind the point than {}; choose a `type` with more", type);
    case Trouble::no_boolean: return "is neither 0 nor 1; leave `type: boolean` out";
    case Trouble::inexact:
      return fmt::format("is no {}: other digits would come back; choose decimal(p,s), string or no `type`", type);
    case Trouble::no_number:
      return "is no number written plainly (-12.5: no blanks, leading noughts or exponents); choose string";
    case Trouble::no_day: return "is no day written 2026-01-31; choose string";
    case Trouble::no_wall_clock: return "is no time written 2026-01-31 09:00:00 (at most microseconds); choose string";
    case Trouble::no_instant:
      return "is no time with offset, written 2026-01-31 09:00:00+09:00 (at most microseconds); choose string";
    case Trouble::no_time: return "is no time written 09:00:00 (at most microseconds); choose string";
    case Trouble::no_interval: return "is no length of time that microseconds in 64 bits can hold; choose string";
    case Trouble::no_uuid:
      return "is no UUID written a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 (lower case), or of 16 bytes; leave `type: uuid` "
             "out";
    case Trouble::has_days: return "holds days, months or years, whose length is not fixed; choose string";
    case Trouble::not_midnight: return "is not midnight; choose timestamp or no `type`";
    case Trouble::not_of_a_day:
      return "is no time of a day (00:00:00 to 23:59:59.999999); choose interval_us or string";
    case Trouble::zero_date: return "is no day of the calendar; choose `zero_dates: 'null'` or `type: string`";
    case Trouble::ancient_date:
      return "is before 1582-10-15, which Spark refuses or shifts; choose `ancient_dates: keep`, `ancient_dates: "
             "'null'` "
             "or `type: string`";
    case Trouble::infinity: return fmt::format("has no place in {}; choose `infinity: 'null'` or string", type);
    case Trouble::nan: return fmt::format("has no place in {}; choose `nan: 'null'` or string", type);
    case Trouble::invalid_text:
      return "is no valid UTF-8; choose `invalid_text: replace`, `invalid_text: 'null'` or binary";
  }
  return {};
}

}  // namespace udon::data
