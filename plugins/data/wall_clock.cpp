#include "plugins/data/wall_clock.h"

#include "base/text.h"

namespace udon::data {
namespace {

constexpr int64_t microseconds = 1'000'000;
constexpr int64_t day = 86'400;

int64_t floor_seconds(int64_t us) { return us >= 0 ? us / microseconds : -((-us + microseconds - 1) / microseconds); }

}  // namespace

Result<WallClock> WallClock::of_zone(const std::string& name) {
  auto zone = TimeZone::find(name);
  if (zone) return WallClock(std::move(*zone));
  if (zone.error().kind != ErrorKind::not_found) return Error(zone.error());
  return Error{ErrorKind::invalid, "timezone `" + name + "` is not known" + did_you_mean(name, known_timezones())};
}

TimeZone::Kind WallClock::to_instant(int64_t wall_us, int64_t& instant_us) {
  const int64_t wall = floor_seconds(wall_us);
  if (wall < sure_from_ || wall >= sure_until_) {
    const TimeZone::Instants instants = zone_->instants_of(WallTime(std::chrono::seconds(wall)));
    if (instants.kind != TimeZone::Kind::unique) return instants.kind;
    const TimeZone::Period period = zone_->at(instants.first);
    offset_ = period.offset.count();
    // A day from a change of the clock, only this offset fits: no zone is further from another's. Nearer to one, this
    // wall clock only. The first and the last period have extreme bounds, on which arithmetic would overflow.
    constexpr int64_t far = int64_t{1} << 50;
    sure_from_ = std::max(period.begin.time_since_epoch().count(), -far) + offset_ + day;
    sure_until_ = std::min(period.end.time_since_epoch().count(), far) + offset_ - day;
    if (wall < sure_from_ || wall >= sure_until_) sure_from_ = wall, sure_until_ = wall + 1;
  }
  instant_us = wall_us - offset_ * microseconds;
  return TimeZone::Kind::unique;
}

int64_t WallClock::to_wall(int64_t instant_us) const {
  const std::chrono::sys_seconds instant{std::chrono::seconds(floor_seconds(instant_us))};
  return instant_us + zone_->at(instant).offset.count() * microseconds;
}

}  // namespace udon::data
