// Schema steps: a copy first, all or nothing each, never backwards.
#include <thread>

#include "store/sqlite/migrate.h"
#include "tests/store/sqlite_world.h"

using namespace udon;
using namespace udon::test;
using sqlite::Database;
using sqlite::Migration;

namespace {

std::unique_ptr<Database> raw(const Path& file) {
  auto database = must(Database::open(file, Database::Access::create, 5s));
  must(database->text("PRAGMA journal_mode = WAL"));
  return database;
}

std::vector<Migration> with(std::vector<Migration> more) {
  std::vector<Migration> migrations(sqlite::all_migrations().begin(), sqlite::all_migrations().end());
  migrations.insert(migrations.end(), more.begin(), more.end());
  return migrations;
}

const int newest = sqlite::all_migrations().back().number;
const Migration next{newest + 1, "next", "ALTER TABLE pool ADD COLUMN colour TEXT NOT NULL DEFAULT 'udon';"};

}  // namespace

TEST_CASE("migrations are numbered from 1 without gaps") {
  int number = 0;
  for (const Migration& migration : sqlite::all_migrations()) CHECK(migration.number == ++number);
  CHECK(number > 0);
}

TEST_CASE("a new file needs no backup, and a second run changes nothing") {
  const Folder folder;
  const auto database = raw(folder.path / "udon.db");
  const auto first = must(sqlite::migrate(*database, sqlite::all_migrations()));
  CHECK(first.from == 0);
  CHECK(first.to == newest);
  CHECK(!first.backup);
  const auto second = must(sqlite::migrate(*database, sqlite::all_migrations()));
  CHECK(second.from == newest);
  CHECK(!second.backup);
  CHECK(must(database->integer("SELECT count(*) FROM schema_migration")) == newest);
}

TEST_CASE("an existing database is copied before it is migrated") {
  SqliteWorld world;
  const Epoch epoch = must(world.store().writer().acquire_epoch(t0));
  must(world.store().writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(1), {}}}}));
  world.close();
  const Folder folder;
  const Path file = folder.path / "udon.db";
  must(backup_sqlite_store(world.file(), file));

  {
    const auto database = raw(file);
    const auto done = must(sqlite::migrate(*database, with({next})));
    CHECK(done.from == newest);
    CHECK(done.to == newest + 1);
    REQUIRE(done.backup);
    CHECK(*done.backup == Path(file.string() + ".backup-schema-" + std::to_string(newest)));
    CHECK(must(database->text("SELECT colour FROM pool")) == "udon");
    CHECK(must(check_sqlite_store(*done.backup)).problems.empty());
    const auto old = must(open_sqlite_store(*done.backup, test_cipher(), OpenMode::existing));
    CHECK(must(old->reader().active_runs()).size() == 1);
  }

  // This udon is now the older one.
  for (const OpenMode mode : {OpenMode::create_or_migrate, OpenMode::existing, OpenMode::read_only}) {
    const auto store = open_sqlite_store(file, test_cipher(), mode);
    REQUIRE(!store);
    CHECK(store.error().kind == ErrorKind::unsupported);
    CHECK_THAT(store.error().message,
               Catch::Contains("written by a newer udon") && Catch::Contains("schema " + std::to_string(newest + 1)));
  }
  CHECK_THAT(must(check_sqlite_store(file)).problems.at(0), Catch::Contains("newer udon"));
}

TEST_CASE("a database from before there were backfills keeps its runs, and takes backfills from then on") {
  const Folder folder;
  const Path file = folder.path / "udon.db";
  {
    const auto database = raw(file);
    must(sqlite::migrate(*database, sqlite::all_migrations().first(2)));
    must(database->execute(
        "INSERT INTO dag_run (number, dag_id, run_id, type, state, logical_date, interval_begin, interval_end, "
        "run_after, queued_at, start_date, end_date, conf, triggered_by, triggering_user, dag_version, note) VALUES "
        "(4, 'orders', 'old', 'manual', 'running', 0, 0, 0, 0, 0, 0, NULL, '{}', '', 'ada', 'v1', '');"
        "UPDATE counters SET last_run = 4"));
    must(sqlite::migrate(*database, sqlite::all_migrations()));
  }
  const auto store = must(open_sqlite_store(file, test_cipher(), OpenMode::existing));
  const auto old = must(store->reader().run_by_number(4));
  REQUIRE(old);
  CHECK(old->run_id == "old");
  CHECK(!old->backfill);
  const Epoch epoch = must(store->writer().acquire_epoch(t0));
  CHECK(must(store->writer().counters()).last_backfill == 0);
  Backfill backfill{.number = 1, .dag_id = "orders"};
  DagRun run = make_run(5);
  run.backfill = 1;
  must(store->writer().commit({.epoch = epoch, .at = t0, .changes = {PutBackfill{backfill}, InsertRun{run, {}}}}));
  CHECK(must(store->reader().backfill_runs(1)).queued == 1);
  CHECK(must(store->writer().counters()).last_backfill == 1);
}

TEST_CASE("an older or empty database is opened only by whoever may migrate it") {
  const Folder folder;
  const Path file = folder.path / "udon.db";
  const auto database = raw(file);
  const auto empty = sqlite::check_schema(*database, sqlite::all_migrations());
  REQUIRE(!empty);
  CHECK_THAT(empty.error().message, Catch::Contains("is empty: run `udon db migrate`"));
  must(sqlite::migrate(*database, sqlite::all_migrations()));
  must(sqlite::check_schema(*database, sqlite::all_migrations()));
  const auto older = sqlite::check_schema(*database, with({next}));
  REQUIRE(!older);
  CHECK(older.error().kind == ErrorKind::unsupported);
  CHECK_THAT(older.error().message,
             Catch::Contains("this udon needs " + std::to_string(newest + 1) + ": run `udon db migrate`"));
}

TEST_CASE("a migration that fails leaves the schema before it, and a second backup takes another name") {
  const Folder folder;
  const Path file = folder.path / "udon.db";
  const auto database = raw(file);
  must(sqlite::migrate(*database, sqlite::all_migrations()));
  const Migration broken{newest + 2, "broken", "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);"};
  const Migration orphan{newest + 2, "orphan", "INSERT INTO xcom VALUES (99, 'k', '1', 0);"};
  for (const Migration& bad : {broken, orphan}) {
    const auto failed = sqlite::migrate(*database, with({next, bad}));
    REQUIRE(!failed);
    CHECK_THAT(failed.error().message,
               Catch::Contains("migration " + std::to_string(newest + 2) + " (" + bad.name + ")"));
    CHECK(must(database->integer("PRAGMA user_version")) == newest + 1);
    CHECK(must(database->integer("SELECT count(*) FROM sqlite_schema WHERE name = 'half'")) == 0);
    CHECK(must(database->integer("SELECT count(*) FROM xcom")) == 0);
  }
  CHECK(std::filesystem::exists(file.string() + ".backup-schema-" + std::to_string(newest)));
  const std::string second = file.string() + ".backup-schema-" + std::to_string(newest + 1);
  CHECK(std::filesystem::exists(second));
  must(sqlite::migrate(*database, with({next, {newest + 2, "good", "CREATE TABLE whole (x);"}})));
  CHECK(std::filesystem::exists(second + ".2"));
}

TEST_CASE("two that start at once migrate once") {
  const Folder folder;
  std::vector<std::string> errors(6);
  {
    std::vector<std::jthread> starters;
    for (std::string& error : errors) {
      starters.emplace_back([&] {
        const auto store = open_sqlite_store(folder.path / "udon.db", test_cipher(), OpenMode::create_or_migrate);
        if (!store) error = store.error().message;
      });
    }
  }
  for (const std::string& error : errors) CHECK(error == "");
  CHECK(must(check_sqlite_store(folder.path / "udon.db")).problems.empty());
}
