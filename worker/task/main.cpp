// udon-task <home> <try id> [<control group>]: runs one try. Started by an executor; everything else is in the try's
// folder. Links libc, libm, libgcc_s and libstdc++ only, so that it starts in 2 ms (a test holds it to that).
#include <cstdio>

#include "plugins/api/plugin_host.h"
#include "worker/task/task_runner.h"

int main(int argc, char** argv) {
  const auto id = argc >= 3 ? udon::parse_try_id(argv[2]) : std::nullopt;
  if (argc < 3 || argc > 4 || !id) {
    std::fputs("usage: udon-task <home> <try id> [<control group>]: started by udon, not by hand\n", stderr);
    return 2;
  }
  const udon::SystemClock clock;
  return udon::run_try({.home = argv[1],
                        .id = *id,
                        .cgroup = argc == 4 ? argv[3] : "",
                        .plugins = udon::executable_folder() / "plugins"},
                       clock);
}
