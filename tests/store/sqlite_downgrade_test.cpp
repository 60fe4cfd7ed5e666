// The way down: to the letter the schema of the steps that are left, with all the data that they know; or nothing.
#include <signal.h>

#include <cstdlib>
#include <map>

#include "base/random.h"
#include "base/subprocess.h"
#include "store/sqlite/downgrade.h"
#include "store/sqlite/migrate.h"
#include "tests/store/sqlite_world.h"

using namespace udon;
using namespace udon::test;
using sqlite::Database;
using sqlite::Lost;
using sqlite::Migration;
using sqlite::Query;

namespace {

const int newest = sqlite::all_migrations().back().number;

using Rows = std::vector<std::string>;

Rows rows_of(Database& database, const std::string& sql) {
  Query query = database.query(sql);
  Rows rows;
  while (must(query.next())) rows.push_back(query.text(0));
  return rows;
}

Rows shape_of(Database& database) {
  return rows_of(database,
                 "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema "
                 "WHERE name != 'sqlite_sequence' ORDER BY 1");
}

using Columns = std::map<std::string, std::vector<std::string>>;
Columns columns_of(Database& database) {
  Columns columns;
  for (const std::string& table : rows_of(database,
                                          "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                                          "'sqlite_%' AND name != 'schema_migration'"))
    columns[table] = rows_of(database, "SELECT name FROM pragma_table_info('" + table + "')");
  return columns;
}

// All values of these columns.
Rows content_of(Database& database, const Columns& columns) {
  Rows content;
  for (const auto& [table, names] : columns) {
    std::string row = "'" + table + "'";
    for (const std::string& name : names) row += " || ' ' || quote(\"" + name + "\")";
    const Rows rows = rows_of(database, "SELECT " + row + " FROM \"" + table + "\" ORDER BY 1");
    content.insert(content.end(), rows.begin(), rows.end());
  }
  return content;
}

std::unique_ptr<Database> raw(const Path& file) {
  auto database = must(Database::open(file, Database::Access::create, 5s));
  must(database->text("PRAGMA journal_mode = WAL"));
  must(database->execute("PRAGMA foreign_keys = ON"));
  return database;
}

// Something of everything: a run that asks, one that waits without a process, assets, backfills, versions, what is
// told.
void fill(Store& store, int instances = 3) {
  const Epoch epoch = must(store.writer().acquire_epoch(t0));
  DagRun run = make_run(1);
  run.earlier_versions = {{.version = "v0", .until = t0}};
  run.backfill = 1;
  InsertInstances rows;
  for (int i = 1; i <= instances; ++i) rows.rows.push_back(make_instance(i, 1, "load", i));
  std::vector<Change> changes{
      PutDag{DagRecord{.dag_id = "orders", .version = "v1", .assets = {"s3://lake/a"}}},
      PutDagVersion{{.dag_id = "orders", .version = "v0", .bundle = "etl", .bundle_version = "c0ffee"}},
      PutDagVersion{{.dag_id = "orders", .version = "v1"}},
      PutBackfill{Backfill{.number = 1, .dag_id = "orders", .on_latest_version = true}},
      PutBackfill{Backfill{.number = 2, .dag_id = "items", .completed_at = t0}},
      InsertRun{run, "ada"},
      rows,
      PutXCom{{.instance = 1, .key = "return_value", .value = Value("여기"), .at = t0}},
      InsertAssetEvent{.row = {.number = 1, .asset = "s3://lake/a", .at = t0}, .consumers = {"orders"}},
      InsertAssetEvent{.row = {.number = 2, .asset = "s3://lake/a", .at = t0}, .consumers = {"items"}},
      TakeAssetEvents{.dag_id = "orders", .events = {1}, .run = 1}};
  for (const InstanceNumber number : {1, 2}) {
    TaskInstance row = rows.rows.at(static_cast<size_t>(number) - 1);
    ChangeInstance start = start_try(row, number);
    changes.push_back(start);
    row = start.row;
    for (const TaskState state : {TaskState::running, TaskState::deferred}) {
      changes.push_back(move_to(row, state, MoveCause::report));
      row.state = state;
    }
  }
  changes.push_back(PutTry{{.instance = 1, .try_number = 1, .fence = 1, .state = TaskState::deferred}});
  changes.push_back(PutDeferral{{.instance = 2, .try_number = 1, .fence = 2, .started_at = t0, .since = t0}});
  changes.push_back(PutQuestion{{.instance = 1, .try_number = 1, .asked_at = t0}});
  changes.push_back(PutQuestion{{.instance = 3, .try_number = 1, .asked_at = t0, .answer = Answer{}}});
  changes.push_back(PutQuestion{{.instance = 3, .try_number = 2, .asked_at = t0}});
  for (const NoticeEvent event : {NoticeEvent::failure, NoticeEvent::asked, NoticeEvent::paused}) {
    Notification told{.key = {.run = 1, .instance = 1, .try_number = 1, .event = event, .at = t0},
                      .dag_id = "orders",
                      .run_id = "run1",
                      .next_at = t0};
    changes.push_back(QueueNotification{told});
  }
  must(store.writer().commit({.epoch = epoch, .at = t0, .changes = std::move(changes)}));
  must(store.settings().put_variable({.key = "lake", .value = "s3://lake"}, StoreSettings::Existing::replace));
}

// A file that holds it.
struct Filled {
  explicit Filled(int instances = 3) {
    const auto store = must(open_sqlite_store(file(), test_cipher(), OpenMode::create_or_migrate));
    fill(*store, instances);
  }
  Path file() const { return folder.path / "udon.db"; }
  Folder folder;
};

}  // namespace

TEST_CASE("down to each schema, the file is what its migrations alone make, with all that they know; and up again") {
  for (int to = newest; to >= 1; --to) {
    INFO("down to " << to);
    const Filled filled;
    const auto kept = sqlite::all_migrations().first(static_cast<size_t>(to));
    const Folder folder;
    const auto fresh = raw(folder.path / "fresh.db");
    must(sqlite::migrate(*fresh, kept));
    const Columns known = columns_of(*fresh);

    const auto database = raw(filled.file());
    if (to < 7) must(database->execute("DELETE FROM notification WHERE event = 'paused'"));
    if (to < 6) must(database->execute("DELETE FROM notification WHERE event = 'asked'"));
    const Rows before = content_of(*database, known);
    const auto done = must(sqlite::downgrade(*database, sqlite::all_migrations(), to));
    CHECK(done.from == newest);
    CHECK(done.to == to);
    CHECK(done.backup.has_value() == (to < newest));
    CHECK(shape_of(*database) == shape_of(*fresh));
    CHECK(must(database->integer("PRAGMA user_version")) == to);
    CHECK(must(database->integer("SELECT max(number) FROM schema_migration")) == to);
    CHECK(must(database->text("PRAGMA integrity_check")) == "ok");
    CHECK(content_of(*database, known) == before);
    // What an older udon does at its start.
    must(sqlite::check_schema(*database, kept));

    must(sqlite::migrate(*database, sqlite::all_migrations()));
    CHECK(content_of(*database, known) == before);
    const auto whole = raw(folder.path / "whole.db");
    must(sqlite::migrate(*whole, sqlite::all_migrations()));
    CHECK(shape_of(*database) == shape_of(*whole));
    CHECK(must(check_sqlite_store(filled.file())).problems == std::vector<std::string>());
    if (done.backup) CHECK(must(check_sqlite_store(*done.backup)).problems == std::vector<std::string>());
  }
}

TEST_CASE("what is lost on the way down is counted, step by step, before anything is done") {
  const Filled filled;
  const auto lost = [&](int to) {
    std::map<std::string, int64_t> counts;
    for (const auto& [what, count] : must(plan_sqlite_downgrade(filled.file(), to)).lost) counts[what] = count;
    return counts;
  };
  using Counts = std::map<std::string, int64_t>;
  CHECK(lost(newest) == Counts());
  Counts expected{{"notification of a pause", 1},
                  {"run's earlier versions", 1},
                  {"version's commit", 1},
                  {"backfill's wish for the newest version", 1}};
  CHECK(lost(6) == expected);
  expected.merge(Counts{{"open question", 1},
                        {"question that nobody answered in time", 1},
                        {"answer to a question", 1},
                        {"try that waits without a process", 1},
                        {"notification of a question", 1}});
  CHECK(lost(5) == expected);
  CHECK(lost(4) == expected);
  expected.merge(Counts{{"backfill that goes on", 1}, {"backfill that is over", 1}});
  CHECK(lost(3) == expected);
  expected.merge(Counts{{"asset", 1}, {"asset events", 2}, {"event that a DAG waits to run for", 1}});
  CHECK(lost(2) == expected);
  expected.merge(Counts{{"notifications that are not sent yet", 3}});
  CHECK(lost(1) == expected);
  // Nothing was done; without a number it is one step.
  CHECK(must(plan_sqlite_downgrade(filled.file(), std::nullopt)).to == newest - 1);
  CHECK(must(check_sqlite_store(filled.file())).schema == newest);
  const DowngradeReport done = must(downgrade_sqlite_store(filled.file(), 6));
  CHECK(done.lost.size() == 4);
  CHECK(done.backup == Path(filled.file().string() + ".backup-schema-" + std::to_string(newest)));
}

TEST_CASE("there is no way down to nowhere, up, or of a newer store; that one says which program has it") {
  const Filled filled;
  for (const int to : {0, -1, newest + 1}) {
    const auto refused = downgrade_sqlite_store(filled.file(), to);
    REQUIRE(!refused);
    CHECK(refused.error().kind == ErrorKind::invalid);
  }
  const auto older = sqlite::all_migrations().first(5);
  const auto database = raw(filled.file());
  const std::string way = "let it bring the store down: `udon db downgrade --to 5`";
  CHECK_THAT(sqlite::check_schema(*database, older).error().message, Catch::Contains(way));
  CHECK_THAT(sqlite::migrate(*database, older).error().message, Catch::Contains(way));
  CHECK_THAT(sqlite::downgrade(*database, older, 4).error().message, Catch::Contains(way));
  CHECK(must(database->integer("PRAGMA user_version")) == newest);
}

TEST_CASE("a way down that fails, or leads somewhere else, changes nothing") {
  const Filled filled;
  const auto database = raw(filled.file());
  std::vector<Migration> migrations(sqlite::all_migrations().begin(), sqlite::all_migrations().end());
  const Rows before = content_of(*database, columns_of(*database));
  const auto refused = [&](const std::string& words) {
    const auto failed = sqlite::downgrade(*database, migrations, 5);
    REQUIRE(!failed);
    CHECK_THAT(failed.error().message, Catch::Contains(words));
    CHECK(must(database->integer("PRAGMA user_version")) == newest);
    CHECK(content_of(*database, columns_of(*database)) == before);
  };
  const std::string right = migrations[5].down;
  migrations[5].down = right + "DROP TABLE nowhere;";
  refused("taking back migration 6 (waits)");
  migrations[5].down = "DROP TABLE question;";
  refused("would not be what schema 5 is: table deferral differs");
  migrations[5].down = right + "CREATE INDEX zz ON dag_run (note);";
  refused("would not be what schema 5 is: index zz differs");
  migrations[5].down = right;
  must(sqlite::downgrade(*database, migrations, 5));
}

TEST_CASE("killed at any moment on the way down, the file has the one schema or the other, whole") {
  const Filled filled(20'000);
  const Folder folder;
  const Path file = folder.path / "udon.db";
  const uint64_t seed = std::strtoull(make_secret(8).c_str(), nullptr, 16);
  INFO("seed " << seed);
  Random random(seed);
  int down = 0, killed = 0;
  const char* build = std::getenv("UDON_BUILD");
  REQUIRE(build != nullptr);
  SpawnRequest request;
  request.argv = {std::string(build) + "/tests/store_crash_writer", file.string(), "1"};
  request.environment = current_environment();
  const SystemClock clock;
  Duration takes{0};
  for (int round = 0; round < 16; ++round) {
    for (const auto& old : std::filesystem::directory_iterator(folder.path)) std::filesystem::remove(old.path());
    must(backup_sqlite_store(filled.file(), file));
    must(must(Database::open(file, Database::Access::read_write, 5s))->text("PRAGMA journal_mode = WAL"));
    const Duration begun = clock.monotonic();
    const pid_t child = must(spawn(request));
    // The first shows how long it takes.
    if (round > 0) {
      const Duration end = begun + Duration(static_cast<int64_t>(random.below(static_cast<uint64_t>(takes.count()))));
      while (clock.monotonic() < end) asm volatile("");
      ::kill(child, SIGKILL);
    }
    const ExitStatus status = must(wait_child(child));
    if (round == 0) takes = clock.monotonic() - begun;
    if (status.signal == SIGKILL) ++killed;
    REQUIRE((status.signal == SIGKILL || status.exit_code == 0));
    const auto database = raw(file);
    const int schema = must(sqlite::schema_of(*database));
    REQUIRE((schema == 1 || schema == newest));
    if (schema == 1) ++down;
    const Folder other;
    const auto fresh = raw(other.path / "fresh.db");
    must(sqlite::migrate(*fresh, sqlite::all_migrations().first(static_cast<size_t>(schema))));
    CHECK(shape_of(*database) == shape_of(*fresh));
    CHECK(must(database->text("PRAGMA integrity_check")) == "ok");
    CHECK(must(database->integer("SELECT count(*) FROM task_instance")) == 20'000);
  }
  CHECK(down >= 1);
  CHECK(killed >= 1);
}
