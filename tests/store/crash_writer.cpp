// A child for the crash test: commits batch after batch to the store named by its argument and prints each number after
// its commit returned. It never ends by itself. With a number behind the file, it brings the store down to that schema.
#include <unistd.h>

#include <string>

#include "base/file.h"
#include "store/sqlite/downgrade.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/store/crash_plan.h"

using namespace udon;

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return 2;
  const auto fail = [](const Error& error) {
    (void)write_all(STDERR_FILENO, error.message + "\n", "stderr");
    return 1;
  };
  if (argc == 3) {
    const auto down = downgrade_sqlite_store(argv[1], std::stoi(argv[2]));
    return down ? 0 : fail(down.error());
  }
  const auto store = open_sqlite_store(argv[1], nullptr, OpenMode::create_or_migrate);
  if (!store) return fail(store.error());
  StoreWriter& writer = (*store)->writer();
  const auto epoch = writer.acquire_epoch(test::t0);
  if (!epoch) return fail(epoch.error());
  auto counters = writer.counters();
  if (!counters) return fail(counters.error());
  for (RunNumber n = counters->last_run + 1;; ++n) {
    const auto done = writer.commit({.epoch = *epoch,
                                     .at = test::t0,
                                     .changes = test::planned_batch(n, counters->last_instance, counters->last_fence)});
    if (!done) return fail(done.error());
    if (const auto told = write_all(STDOUT_FILENO, std::to_string(n) + "\n", "stdout"); !told) return 0;
  }
}
