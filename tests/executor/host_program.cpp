// A scheduler's process in miniature: starts the tries whose requests it reads from standard input, one JSON a line,
// and waits to be killed. <home> <udon-task> <cgroups: 0 or 1>
#include <iostream>
#include <string>

#include "executor/local/environment.h"
#include "executor/local/local_executor.h"

int main(int, char** argv) {
  const udon::SystemClock clock;
  const udon::Spool spool(argv[1]);
  udon::LocalExecutor executor(
      spool,
      {.runner = argv[2],
       .environment = udon::environment_of_tries(udon::current_environment()),
       .cgroups = std::string(argv[3]) == "1" ? udon::UseOfCgroups::where_possible : udon::UseOfCgroups::never},
      clock, [] {});
  for (std::string line; std::getline(std::cin, line);) {
    const auto value = udon::parse_json(line);
    const auto request = value ? udon::parse_try_request(*value) : udon::Result<udon::TryRequest>(value.error());
    if (!request || !executor.start(*request)) return 1;
  }
  return 0;
}
