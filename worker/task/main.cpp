// udon-task <home> <try id> [<control group>]: runs one try. Started by an executor; everything else is in the try's
// folder. Links libc, libm, libgcc_s and libstdc++ only, so that it starts in 2 ms (a test holds it to that). With a
// mark instead of the id it is the template of runners.
#include <cstdio>
#include <optional>

#include "plugins/api/plugin_host.h"
#include "worker/task/task_runner.h"
#include "worker/task/template.h"

int main(int argc, char** argv) {
  udon::RunnerOptions options;
  if (argc >= 3) options.home = argv[1];
  if (argc == 4) options.cgroup = argv[3];
  std::optional<udon::TryId> id;
  if (argc == 3 && udon::is_template_mark(argv[2])) {
    const auto order = udon::serve_as_template(argv[2]);
    if (!order) return 0;
    id = order->id;
    options.cgroup = order->cgroup;
  } else if (argc == 3 || argc == 4) {
    id = udon::parse_try_id(argv[2]);
  }
  if (!id) {
    std::fputs("usage: udon-task <home> <try id> [<control group>]: started by udon, not by hand\n", stderr);
    return 2;
  }
  options.id = *id;
  options.plugins = udon::executable_folder() / "plugins";
  const udon::SystemClock clock;
  return udon::run_try(options, clock);
}
