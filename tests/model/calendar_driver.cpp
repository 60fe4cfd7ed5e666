// Answers questions about the calendar, one a line on standard input, for calendar_differential.py.
//   next|previous <zone> <seconds> <cron>   -> seconds, or none, or error
//   offset <zone> <seconds>                 -> seconds east of UTC
#include <iostream>
#include <sstream>

#include "model/schedule.h"

using namespace udon;

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string verb, zone, cron_text;
    int64_t time = 0;
    words >> verb >> zone >> time >> std::ws;
    std::getline(words, cron_text);
    if (verb == "offset") {
      const auto found = TimeZone::find(zone);
      std::cout << (found ? std::to_string(
                                (*found)->at(std::chrono::sys_seconds(std::chrono::seconds(time))).offset.count())
                          : "error")
                << '\n';
      continue;
    }
    const Result<CronExpression> cron = parse_cron(cron_text);
    if (!cron) {
      std::cout << "error\n";
      continue;
    }
    const TimePoint at{std::chrono::seconds(time)};
    const auto found = verb == "next" ? next_match(*cron, zone, {}, at) : previous_match(*cron, zone, {}, at);
    if (found) {
      std::cout << std::chrono::floor<std::chrono::seconds>(*found).time_since_epoch().count() << '\n';
    } else {
      std::cout << "none\n";
    }
  }
}
