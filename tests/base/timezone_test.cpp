#include "base/timezone.h"

#include <catch2/catch.hpp>
#include <set>

using namespace udon;
using namespace std::chrono_literals;
using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_seconds;

namespace {

const TimeZone& zone(const std::string& name) { return **TimeZone::find(name); }

sys_seconds utc(const char* text) { return floor<seconds>(*parse_time(text)); }
WallTime wall(const char* text) { return WallTime(utc((std::string(text) + "Z").c_str()).time_since_epoch()); }
std::string local(const char* time, const char* name) { return format_time(*parse_time(time), zone(name)); }

// A TZif file of version 2 with one type of local time per offset.
std::string make_tzif(const std::vector<std::pair<int64_t, int32_t>>& transitions, const std::string& footer) {
  const auto bytes = [](int64_t number, int width) {
    std::string text;
    for (int i = width - 1; i >= 0; --i) text += static_cast<char>(number >> (8 * i) & 0xff);
    return text;
  };
  const auto header = [&](int64_t times, int64_t types) {
    return "TZif2" + std::string(15, '\0') + bytes(0, 4) + bytes(0, 4) + bytes(0, 4) + bytes(times, 4) +
           bytes(types, 4) + bytes(1, 4);
  };
  const auto count = static_cast<int64_t>(transitions.size());
  std::string file = header(0, 1) + bytes(0, 6) + std::string(1, '\0');
  file += header(count, count + 1);
  for (const auto& [at, offset] : transitions) file += bytes(at, 8);
  for (int64_t i = 0; i < count; ++i) file += static_cast<char>(i + 1);
  file += bytes(0, 6);
  for (const auto& [at, offset] : transitions) file += bytes(offset, 4) + bytes(0, 2);
  return file + std::string(1, '\0') + "\n" + footer + "\n";
}

}  // namespace

TEST_CASE("an instant is shown on a zone's wall clock with its offset") {
  CHECK(local("2026-01-31T00:00:00Z", "Asia/Seoul") == "2026-01-31T09:00:00+09:00");
  CHECK(local("2026-01-31T00:00:00.25Z", "Asia/Seoul") == "2026-01-31T09:00:00.250000+09:00");
  CHECK(local("2026-07-01T00:00:00Z", "America/New_York") == "2026-06-30T20:00:00-04:00");
  CHECK(local("2026-01-01T00:00:00Z", "America/New_York") == "2025-12-31T19:00:00-05:00");
  CHECK(local("2026-01-01T00:00:00Z", "Asia/Kathmandu") == "2026-01-01T05:45:00+05:45");
  CHECK(local("2026-01-01T00:00:00Z", "UTC") == "2026-01-01T00:00:00+00:00");
  CHECK(local("1900-01-01T00:00:00Z", "Asia/Seoul") == "1900-01-01T08:27:52+08:27:52");
}

TEST_CASE("summer time goes on after the last transition that the file lists") {
  CHECK(local("2050-07-01T00:00:00Z", "America/New_York") == "2050-06-30T20:00:00-04:00");
  CHECK(local("2050-12-01T00:00:00Z", "America/New_York") == "2050-11-30T19:00:00-05:00");
  CHECK(local("2099-07-01T00:00:00Z", "Europe/Berlin") == "2099-07-01T02:00:00+02:00");
  CHECK(local("2099-01-01T00:00:00Z", "Australia/Sydney") == "2099-01-01T11:00:00+11:00");
  CHECK(local("2099-07-01T00:00:00Z", "Australia/Sydney") == "2099-07-01T10:00:00+10:00");
  // Ireland's winter time is the exception to its standard time, a summer of minus one hour.
  CHECK(local("2099-07-01T00:00:00Z", "Europe/Dublin") == "2099-07-01T01:00:00+01:00");
  CHECK(local("2099-01-01T00:00:00Z", "Europe/Dublin") == "2099-01-01T00:00:00+00:00");
  // Rules with hours beyond the day, and before it.
  CHECK(local("2060-07-01T00:00:00Z", "America/Nuuk") == "2060-06-30T23:00:00-01:00");
  CHECK(local("2060-01-01T00:00:00Z", "America/Nuuk") == "2059-12-31T22:00:00-02:00");
}

TEST_CASE("a wall clock time is skipped in spring and repeated in autumn") {
  const TimeZone& new_york = zone("America/New_York");
  CHECK(new_york.instants_of(wall("2026-03-08T01:59:59")).kind == TimeZone::Kind::unique);
  const auto skipped = new_york.instants_of(wall("2026-03-08T02:30:00"));
  CHECK(skipped.kind == TimeZone::Kind::skipped);
  CHECK(skipped.first == utc("2026-03-08T07:00:00Z"));
  CHECK(new_york.instants_of(wall("2026-03-08T03:00:00")).kind == TimeZone::Kind::unique);
  const auto repeated = new_york.instants_of(wall("2026-11-01T01:30:00"));
  CHECK(repeated.kind == TimeZone::Kind::repeated);
  CHECK(repeated.first == utc("2026-11-01T05:30:00Z"));
  CHECK(repeated.second == utc("2026-11-01T06:30:00Z"));
  CHECK(new_york.instants_of(wall("2026-11-01T02:00:00")).kind == TimeZone::Kind::unique);
  // Half an hour on Lord Howe.
  const TimeZone& lord_howe = zone("Australia/Lord_Howe");
  CHECK(lord_howe.instants_of(wall("2026-10-04T02:29:59")).kind == TimeZone::Kind::skipped);
  CHECK(lord_howe.instants_of(wall("2026-10-04T02:30:00")).kind == TimeZone::Kind::unique);
  CHECK(lord_howe.instants_of(wall("2026-04-05T01:29:59")).kind == TimeZone::Kind::unique);
  CHECK(lord_howe.instants_of(wall("2026-04-05T01:30:00")).kind == TimeZone::Kind::repeated);
  // A day that was not: Samoa went over the date line.
  CHECK(zone("Pacific/Apia").instants_of(wall("2011-12-30T12:00:00")).kind == TimeZone::Kind::skipped);
}

TEST_CASE("periods follow each other without a gap from the beginning of time to its end") {
  for (const char* name : {"UTC", "Asia/Seoul", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe"}) {
    INFO(name);
    TimeZone::Period period = zone(name).at(sys_seconds::min());
    CHECK(period.begin == sys_seconds::min());
    for (int i = 0; i < 1000 && period.end != sys_seconds::max(); ++i) {
      const TimeZone::Period next = zone(name).at(period.end);
      REQUIRE(next.begin == period.end);
      REQUIRE(next.end > next.begin);
      REQUIRE(zone(name).at(next.end - 1s) == next);
      period = next;
    }
    CHECK(zone(name).at(sys_seconds::max()).end == sys_seconds::max());
  }
}

TEST_CASE("the wall clock read back gives the instant") {
  for (const char* name : {"Asia/Seoul", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Pacific/Apia"}) {
    for (sys_seconds time = utc("2005-01-01T00:00:00Z"); time < utc("2045-01-01T00:00:00Z"); time += 12'345s * 7) {
      const auto instants = zone(name).instants_of(WallTime((time + zone(name).at(time).offset).time_since_epoch()));
      CHECK((instants.first == time || instants.second == time));
      CHECK(instants.kind != TimeZone::Kind::skipped);
    }
  }
}

TEST_CASE("only a zone's exact name is known, and none that is a path to elsewhere") {
  for (const char* name : {"UTC", "Asia/Seoul", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "US/Eastern"}) {
    INFO(name);
    CHECK(is_known_timezone(name));
  }
  for (const char* name :
       {"", "asia/seoul", "Asia", "Asia/", "/Asia/Seoul", "Asia//Seoul", "../zoneinfo/UTC", "./UTC", "Asia/../UTC",
        "localtime", "posixrules", "posix/UTC", "right/UTC", "zone.tab", "KST", "서울"}) {
    INFO(name);
    CHECK_FALSE(is_known_timezone(name));
  }
  const auto unknown = TimeZone::find("Asia/Soul");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().kind == ErrorKind::not_found);
  CHECK(unknown.error().message.starts_with("there is no time zone `Asia/Soul` in /"));
}

TEST_CASE("the list of zones has each once, sorted, and each can be read") {
  const std::vector<std::string> names = known_timezones();
  CHECK(names.size() > 300);
  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK(std::set(names.begin(), names.end()).size() == names.size());
  for (const std::string& name : names) {
    const auto found = TimeZone::find(name);
    INFO((found ? name : found.error().message));
    CHECK(found);
  }
}

TEST_CASE("a file that lists few transitions is as good as one that lists many") {
  // America/New_York as a "slim" database has it: nothing listed after 2007.
  const auto slim =
      TimeZone::parse(make_tzif({{1173596400, -4 * 3600}, {1194156000, -5 * 3600}}, "EST5EDT,M3.2.0,M11.1.0"));
  REQUIRE(slim);
  for (sys_seconds time = utc("2008-01-01T00:00:00Z"); time < utc("2037-01-01T00:00:00Z"); time += 9h) {
    REQUIRE(slim->at(time).offset == zone("America/New_York").at(time).offset);
  }
}

TEST_CASE("each form of a footer's rule is understood") {
  const auto offset = [](const std::string& footer, const char* time) {
    const auto parsed = TimeZone::parse(make_tzif({}, footer));
    INFO(footer);
    REQUIRE(parsed);
    return parsed->at(utc(time)).offset;
  };
  CHECK(offset("KST-9", "2026-01-01T00:00:00Z") == 9h);
  CHECK(offset("<+0330>-3:30", "2026-01-01T00:00:00Z") == 3h + 30min);
  CHECK(offset("<-03>3", "2026-01-01T00:00:00Z") == -3h);
  // Julian days with and without 29 February, both 1 March at 00:00 in 2028.
  CHECK(offset("AAA0BBB,J60/0,J300/0", "2028-02-29T23:59:59Z") == 0h);
  CHECK(offset("AAA0BBB,J60/0,J300/0", "2028-03-01T00:00:00Z") == 1h);
  CHECK(offset("AAA0BBB,60/0,300/0", "2028-02-29T23:59:59Z") == 0h);
  CHECK(offset("AAA0BBB,60/0,300/0", "2028-03-01T00:00:00Z") == 1h);
  CHECK(offset("AAA0BBB,59/0,300/0", "2027-03-01T00:00:00Z") == 1h);
  // Summer time all year.
  for (const char* time : {"2026-01-01T02:59:59Z", "2026-01-01T03:00:00Z", "2026-01-01T04:00:00Z",
                           "2026-07-01T00:00:00Z", "2026-12-31T23:59:59Z"}) {
    INFO(time);
    CHECK(offset("XXX3EDT4,0/0,J365/23", time) == -4h);
  }
  // An hour far from its day: Saturday's -1 is Friday 23:00.
  CHECK(offset("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z") == -2h);
  CHECK(offset("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z") == -1h);
  CHECK(offset("EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-28T00:00:00Z") == 3h);
}

TEST_CASE("a damaged file is refused, wherever it was cut or bent") {
  const std::string whole = make_tzif({{0, 3600}, {100, 7200}}, "AAA-2");
  REQUIRE(TimeZone::parse(whole));
  for (size_t length = 0; length < whole.size() - std::string("AAA-2\n").size(); ++length) {
    CHECK_FALSE(TimeZone::parse(whole.substr(0, length)));
  }
  CHECK_FALSE(TimeZone::parse("#!/bin/sh\n"));
  CHECK_FALSE(TimeZone::parse(make_tzif({{100, 3600}, {100, 7200}}, "AAA-2")));
  for (const char* footer :
       {"A", "AA1", "AAA", "AAA1BBB", "AAA1BBB,M13.1.0,M11.1.0", "AAA1BBB,M3.6.0,M11.1.0", "AAA1BBB,M3.2.0",
        "AAA1BBB,M3.2.0,M11.1.0,", "AAA1BBB,J0,J1", "<AAA1", "AAA1BBB,M3.2.0/,M11.1.0", "AAA-"}) {
    INFO(footer);
    CHECK_FALSE(TimeZone::parse(make_tzif({}, footer)));
  }
}
