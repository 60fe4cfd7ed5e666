// Power loss: a commit that returned is on the disk, one that did not is there whole or not at all.
#include <cstdlib>

#include "tests/store/crash_plan.h"
#include "tests/store/forgetful_disk.h"
#include "tests/store/sqlite_world.h"

using namespace udon;
using namespace udon::test;

namespace {

struct Outage {
  ForgetfulDisk::Image disk;
  RunNumber acknowledged = 0;
};

}  // namespace

TEST_CASE("whenever the power fails, the disk holds every acknowledged commit and none in part") {
  const uint64_t seed = std::strtoull(make_secret(8).c_str(), nullptr, 16);
  INFO("seed " << seed);
  Random random(seed);
  const Folder folder;
  std::vector<Outage> outages;
  RunNumber acknowledged = 0;
  {
    ForgetfulDisk disk;
    const auto store = must(open_sqlite_store(folder.path / "udon.db", nullptr, OpenMode::create_or_migrate));
    const Epoch epoch = must(store->writer().acquire_epoch(t0));
    disk.on_each_step([&] {
      if (random.one_in(60))
        outages.push_back({disk.image(ForgetfulDisk::Unsynced::kept_in_part, random), acknowledged});
    });
    InstanceNumber last_instance = 0;
    Fence last_fence = 0;
    for (RunNumber n = 1; n <= 42; ++n) {
      const int64_t syncs = disk.syncs();
      must(store->writer().commit({.epoch = epoch, .at = t0, .changes = planned_batch(n, last_instance, last_fence)}));
      acknowledged = n;
      CHECK(disk.syncs() > syncs);
      outages.push_back({disk.image(ForgetfulDisk::Unsynced::lost, random), acknowledged});
      // The log goes into the file, as it does by itself once it is long.
      if (n % 10 == 0) must(store->pragma_of_writer("wal_checkpoint(RESTART)"));
    }
    disk.on_each_step(nullptr);
  }

  REQUIRE(outages.size() > 60);
  int in_flight = 0;
  for (size_t i = 0; i < outages.size(); ++i) {
    const Path place = folder.path / std::to_string(i);
    write_image(outages[i].disk, place);
    {
      const auto store = must(open_sqlite_store(place / "udon.db", nullptr, OpenMode::existing));
      RunNumber found = 0;
      const std::string problem = problem_after_crash(*store, outages[i].acknowledged, found);
      REQUIRE(problem == "");
      if (found > outages[i].acknowledged) ++in_flight;
    }
    REQUIRE(must(check_sqlite_store(place / "udon.db")).problems == std::vector<std::string>());
    std::filesystem::remove_all(place);
  }
  INFO(in_flight << " of " << outages.size() << " outages after the log was synced, before the answer");
}
