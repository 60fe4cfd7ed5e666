// `udon prober` of the tests: <home>
#include "plugins/api/plugin_host.h"
#include "worker/prober.h"

int main(int, char** argv) {
  const udon::SystemClock clock;
  return udon::prober_main({.home = argv[1], .plugins = udon::executable_folder() / "plugins", .threads = 4}, clock);
}
