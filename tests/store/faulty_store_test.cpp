#include "store/faulty_store.h"

#include "store/memory_store.h"
#include "tests/store/scene.h"

using namespace udon;
using namespace udon::test;
using When = FaultyStore::When;

namespace {

Batch batch_of(Epoch epoch, RunNumber run) {
  return Batch{.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(run), {}}}};
}

}  // namespace

TEST_CASE("the nth commit fails once, before or after it took effect") {
  MemoryStore memory;
  FaultyStore store(memory);
  const Epoch epoch = must(store.writer().acquire_epoch(t0));
  store.fail_commit(2, When::before_effect);
  must(store.writer().commit(batch_of(epoch, 1)));
  CHECK(!store.has_failed());
  const auto failed = store.writer().commit(batch_of(epoch, 2));
  REQUIRE(!failed);
  CHECK(failed.error().kind == ErrorKind::io);
  CHECK(store.has_failed());
  CHECK(!must(store.reader().run_by_number(2)));
  must(store.writer().commit(batch_of(epoch, 2)));

  store.fail_commit(1, When::after_effect, {ErrorKind::unavailable, "gone"});
  CHECK(store.writer().commit(batch_of(epoch, 3)).error() == Error{ErrorKind::unavailable, "gone"});
  CHECK(must(store.reader().run_by_number(3)));
  must(store.writer().commit(batch_of(epoch, 4)));
  CHECK(store.commits() == 6);
}

TEST_CASE("a refused commit keeps its own error, whatever was to fail after it") {
  MemoryStore memory;
  FaultyStore store(memory);
  must(store.writer().acquire_epoch(t0));
  store.fail_commit(1, When::after_effect);
  CHECK(store.writer().commit(batch_of(99, 1)).error().kind == ErrorKind::conflict);
  CHECK(!store.has_failed());
}

TEST_CASE("a full disk fails every commit until it is healed, and reads go on") {
  MemoryStore memory;
  FaultyStore store(memory);
  const Epoch epoch = must(store.writer().acquire_epoch(t0));
  store.fail_all_commits();
  for (int i = 0; i < 3; ++i) CHECK(store.writer().commit(batch_of(epoch, 1)).error().kind == ErrorKind::io);
  CHECK(store.writer().acquire_epoch(t0).error().kind == ErrorKind::io);
  CHECK(must(store.reader().active_runs()).empty());
  store.heal();
  must(store.writer().commit(batch_of(epoch, 1)));
}

TEST_CASE("a fault loop reaches every call, then none is left to fail") {
  int64_t failures = 0;
  for (int64_t nth = 1;; ++nth) {
    MemoryStore memory;
    FaultyStore store(memory);
    store.fail_call(nth);
    const auto script = [&]() -> Result<void> {
      TRY_ASSIGN(const Epoch epoch, store.writer().acquire_epoch(t0));
      TRY(store.writer().counters());
      TRY(store.writer().commit(batch_of(epoch, 1)));
      TRY(store.reader().active_runs());
      TRY(store.settings().pools());
      TRY(store.settings().setting_or_set("a", "b"));
      return {};
    };
    const Result<void> done = script();
    CHECK(done.has_value() == !store.has_failed());
    if (done) break;
    CHECK(done.error().kind == ErrorKind::unavailable);
    CHECK(store.calls() == nth);
    ++failures;
  }
  CHECK(failures == 6);
}
