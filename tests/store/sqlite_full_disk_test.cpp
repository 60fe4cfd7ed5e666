// A full disk: the commit is refused with what to do, nothing has changed, and once there is room it goes on without a
// restart.
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "tests/store/sqlite_world.h"

using namespace udon;
using namespace udon::test;

namespace {

// Commits until one is refused; gives the refusal and what must be in the store.
Error fill(Store& store, Epoch epoch, RunNumber& last_run, InstanceNumber& last_instance) {
  for (int i = 0; i < 10'000; ++i) {
    InsertInstances rows;
    for (int j = 0; j < 50; ++j) {
      rows.rows.push_back(make_instance(last_instance + 1 + j, last_run + 1, std::string(200, 'x'), j));
    }
    const auto done =
        store.writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(last_run + 1), {}}, rows}});
    if (!done) return done.error();
    last_run += 1;
    last_instance += 50;
  }
  FAIL("the disk never filled");
  return {};
}

void check_whole(Store& store, RunNumber last_run, InstanceNumber last_instance) {
  const Counters counters = must(store.writer().counters());
  CHECK(counters.last_run == last_run);
  CHECK(counters.last_instance == last_instance);
  CHECK(static_cast<RunNumber>(must(store.reader().active_runs()).size()) == last_run);
  CHECK(must(store.reader().instances({}, {.limit = 1})).total == last_instance);
}

}  // namespace

TEST_CASE("no commit is lost or halved when the disk is full, and there is no restart needed after") {
  const Folder folder;
  if (mount("tmpfs", folder.path.c_str(), "tmpfs", 0, "size=3m") != 0) {
    WARN("no right to mount a small file system: the limit of file sizes is tested instead");
    return;
  }
  struct Unmount {
    Path path;
    ~Unmount() { umount2(path.c_str(), MNT_DETACH); }
  } unmount{folder.path};

  auto store = must(open_sqlite_store(folder.path / "udon.db", nullptr, OpenMode::create_or_migrate));
  const Epoch epoch = must(store->writer().acquire_epoch(t0));
  const Path ballast = folder.path / "ballast";
  must(write_file_atomically(ballast, std::string(1 << 20, 'b'), Durability::survives_kill));
  RunNumber last_run = 0;
  InstanceNumber last_instance = 0;
  const Error refusal = fill(*store, epoch, last_run, last_instance);
  CHECK(refusal.kind == ErrorKind::io);
  CHECK_THAT(refusal.message, Catch::Contains("udon.db: no space left; free some on its disk. Nothing was changed"));
  CHECK(last_run > 0);
  check_whole(*store, last_run, last_instance);

  REQUIRE(std::filesystem::remove(ballast));
  const RunNumber before = last_run;
  CHECK(fill(*store, epoch, last_run, last_instance).kind == ErrorKind::io);
  CHECK(last_run > before);
  check_whole(*store, last_run, last_instance);
  CHECK(must(check_sqlite_store(folder.path / "udon.db")).problems.empty());
  store.reset();
  const auto again = open_sqlite_store(folder.path / "udon.db", nullptr, OpenMode::read_only);
  REQUIRE(again);
  CHECK(static_cast<RunNumber>(must((*again)->reader().active_runs()).size()) == last_run);
}

TEST_CASE("a write that the system refuses is an io error that names the file, and nothing has changed") {
  SqliteWorld world;
  const Epoch epoch = must(world.store().writer().acquire_epoch(t0));
  signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
  const rlimit small{.rlim_cur = 1 << 20, .rlim_max = old.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  RunNumber last_run = 0;
  InstanceNumber last_instance = 0;
  const Error refusal = fill(world.store(), epoch, last_run, last_instance);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
  CHECK(refusal.kind == ErrorKind::io);
  CHECK_THAT(refusal.message, Catch::Contains("udon.db: ") && Catch::Contains("disk I/O error while writing"));
  check_whole(world.store(), last_run, last_instance);
  must(world.store().writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(last_run + 1), {}}}}));
  CHECK(must(world.store().writer().counters()).last_run == last_run + 1);
}
