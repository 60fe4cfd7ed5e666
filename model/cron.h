#pragma once
// Finding times on a calendar without daylight saving: the part of cron that knows no zone. Used by schedule's own
// sources only.
#include <optional>

#include "base/timezone.h"
#include "model/schedule.h"

namespace udon {

bool matches_day(const CronExpression& cron, std::chrono::local_days day);
// The first matching minute in [from, before).
std::optional<WallTime> first_match(const CronExpression& cron, WallTime from, WallTime before);
// The last matching minute in [from, before).
std::optional<WallTime> last_match(const CronExpression& cron, WallTime from, WallTime before);

}  // namespace udon
