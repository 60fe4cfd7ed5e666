// A backup in the place of a store: checked first, in one step, and nothing is lost.
#include "store/sqlite/migrate.h"
#include "store/sqlite/restore.h"
#include "tests/store/sqlite_world.h"

using namespace udon;
using namespace udon::test;
using sqlite::Database;

namespace {

void add_run(Store& store, RunNumber number) {
  const Epoch epoch = must(store.writer().acquire_epoch(t0));
  must(store.writer().commit(
      {.epoch = epoch,
       .at = t0,
       .changes = {InsertRun{make_run(number), {}}, InsertInstances{{make_instance(number * 10, number, "load")}}}}));
}

size_t files_in(const Path& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

std::unique_ptr<SqliteStore> open(const Path& file) {
  return must(open_sqlite_store(file, test_cipher(), OpenMode::existing));
}

}  // namespace

TEST_CASE("a restored store is the backup, and numbers go on from the one that it replaces") {
  SqliteWorld world;
  add_run(world.store(), 1);
  const Folder folder;
  const Path backup = folder.path / "backup.db";
  must(backup_sqlite_store(world.file(), backup));
  for (const RunNumber number : {2, 3, 7}) add_run(world.store(), number);
  const Epoch last = must(world.store().writer().acquire_epoch(t0));
  world.close();

  const RestoreReport report = must(restore_sqlite_store(backup, world.file(), t0));
  CHECK(report.from == report.to);
  REQUIRE(report.kept);
  {
    const auto store = open(world.file());
    CHECK(must(store->reader().run_by_number(1)));
    CHECK(!must(store->reader().run_by_number(2)));
    const Counters counters = must(store->writer().counters());
    CHECK(counters.last_run == 7);
    CHECK(counters.last_instance == 70);
    CHECK(must(store->writer().acquire_epoch(t0)) > last);
  }
  {
    const auto kept = open(*report.kept);
    CHECK(must(kept->reader().run_by_number(7)));
  }
  CHECK(must(check_sqlite_store(*report.kept)).problems.empty());
  CHECK(must(check_sqlite_store(backup)).problems.empty());
  // And back again; in the same second another name is found.
  const RestoreReport again = must(restore_sqlite_store(*report.kept, world.file(), t0));
  CHECK(*again.kept != *report.kept);
  CHECK(must(open(world.file())->reader().run_by_number(7)));
}

TEST_CASE("a file that is damaged, newer or not Udon's replaces nothing") {
  SqliteWorld world;
  add_run(world.store(), 1);
  world.close();
  const Folder folder;
  const Path damaged = folder.path / "damaged.db", newer = folder.path / "newer.db",
             foreign = folder.path / "foreign.db";
  for (const Path& file : {damaged, newer}) must(backup_sqlite_store(world.file(), file));
  const auto execute = [](const Path& file, const char* sql) {
    const auto database = must(Database::open(file, Database::Access::create, 5s));
    must(database->execute(sql));
  };
  execute(damaged, "UPDATE dag_run SET instances = 7");
  execute(newer, "PRAGMA user_version = 999");
  execute(foreign, "CREATE TABLE somebody (x)");
  const size_t files = files_in(world.file().parent_path());
  const std::string content = must(read_file(world.file(), 1 << 26));
  for (const Path& file : {damaged, newer, foreign, world.file(), folder.path / "nowhere.db"}) {
    const auto report = restore_sqlite_store(file, world.file(), t0);
    INFO(file);
    REQUIRE(!report);
    CHECK(!report.error().message.empty());
    CHECK(must(read_file(world.file(), 1 << 26)) == content);
    CHECK(files_in(world.file().parent_path()) == files);
  }
}

TEST_CASE("an older backup is brought up to date, and a store that cannot be read any more is replaced all the same") {
  const Folder folder;
  const Path backup = folder.path / "old.db", file = folder.path / "udon.db";
  {
    const auto database = must(Database::open(backup, Database::Access::create, 5s));
    must(database->text("PRAGMA journal_mode = WAL"));
    must(sqlite::migrate(*database, sqlite::all_migrations().first(1)));
  }
  must(write_file_atomically(file, std::string(20'000, 'x'), Durability::survives_kill));
  must(write_file_atomically(file.string() + "-wal", "of the other", Durability::survives_kill));
  const RestoreReport report = must(restore_sqlite_store(backup, file, t0));
  CHECK(report.from == 1);
  CHECK(report.to == sqlite::all_migrations().back().number);
  CHECK(must(read_file(*report.kept, 1 << 20)) == std::string(20'000, 'x'));
  CHECK(must(read_file(report.kept->string() + "-wal", 1 << 20)) == "of the other");
  CHECK(must(check_sqlite_store(file)).problems.empty());
  CHECK(must(open(file)->writer().counters()).last_fence >= 1'000'000);
}

TEST_CASE("where there is no store, a backup becomes one") {
  SqliteWorld world;
  add_run(world.store(), 1);
  world.close();
  const Folder folder;
  const RestoreReport report = must(restore_sqlite_store(world.file(), folder.path / "udon.db", t0));
  CHECK(!report.kept);
  CHECK(must(open(folder.path / "udon.db")->reader().run_by_number(1)));
}
