// What is particular to the store in a SQLite file: that it lasts, how it is opened, what it answers when something is
// wrong with the file.
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "tests/store/sqlite_world.h"

using namespace udon;
using namespace udon::test;

namespace {

constexpr auto replace = StoreSettings::Existing::replace;

Error open_error(const Path& file, OpenMode mode, const SqliteOptions& options = {}) {
  const auto store = open_sqlite_store(file, test_cipher(), mode, options);
  if (store) FAIL(file.string() + " was opened");
  return store.error();
}

void write_file(const Path& file, const std::string& content) {
  must(write_file_atomically(file, content, Durability::survives_kill));
}

std::string content_of(const Path& file) { return must(read_file(file)); }

std::unique_ptr<sqlite::Database> raw(const Path& file, Duration wait = 1s) {
  return must(sqlite::Database::open(file, sqlite::Database::Access::create, wait));
}

}  // namespace

TEST_CASE("what was committed is there after the store is opened again") {
  SqliteWorld world;
  const Epoch first = must(world.store().writer().acquire_epoch(t0));
  must(world.store().writer().commit(
      {.epoch = first,
       .at = t0,
       .changes = {InsertRun{make_run(3), {}}, InsertInstances{{make_instance(8, 3, "a")}}}}));
  Connection connection;
  connection.id = "market";
  connection.type = "mysql";
  connection.password = "p";
  must(world.store().settings().put_connection(connection, replace));
  world.reopen();
  CHECK(must(world.store().reader().active_runs()) == std::vector{make_run(3)});
  CHECK(must(world.store().reader().instances_of(3)) == std::vector{make_instance(8, 3, "a")});
  CHECK(must(world.store().settings().connection("market")) == connection);
  CHECK(must(world.store().writer().counters()).last_instance == 8);
  CHECK(must(world.store().writer().acquire_epoch(t0)) == first + 1);
  CHECK(!world.store().writer().commit({.epoch = first, .at = t0, .changes = {}}));
}

TEST_CASE("a commit is on the disk when it returns: a write-ahead log, synced each time") {
  SqliteWorld world;
  CHECK(must(world.sqlite().pragma_of_writer("journal_mode")) == "wal");
  CHECK(must(world.sqlite().pragma_of_writer("synchronous")) == "2");  // FULL
  CHECK(must(world.sqlite().pragma_of_writer("foreign_keys")) == "1");
}

TEST_CASE("the file and its journal are readable by their owner only") {
  SqliteWorld world;
  must(world.store().writer().acquire_epoch(t0));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(world.file().parent_path())) {
    struct stat status {};
    REQUIRE(stat(entry.path().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    ++files;
  }
  CHECK(files == 3);
}

TEST_CASE("no secret is in the file") {
  SqliteWorld world;
  Connection connection;
  connection.id = "market";
  connection.type = "mysql";
  connection.login = "reader-in-the-open";
  connection.password = "hunter2-password";
  connection.extra = Value::Map{{"charset", "charset-in-the-open"}, {"token", "hunter2-token"}};
  must(world.store().settings().put_connection(connection, replace));
  must(world.store().settings().put_variable({.key = "slack", .value = "hunter2-variable"}, replace));
  must(world.store().settings().setting_or_set("jwt_key", "hunter2-setting"));
  std::string everything;
  for (const auto& entry : std::filesystem::directory_iterator(world.file().parent_path())) {
    everything += content_of(entry.path());
  }
  CHECK(everything.find("reader-in-the-open") != std::string::npos);
  CHECK(everything.find("charset-in-the-open") != std::string::npos);
  CHECK(everything.find("hunter2") == std::string::npos);
}

TEST_CASE("another key is a clear error; what it cannot read can be replaced and deleted") {
  SqliteWorld world;
  Connection connection;
  connection.id = "market";
  connection.type = "mysql";
  connection.password = "secret";
  must(world.store().settings().put_connection(connection, replace));
  must(world.store().settings().setting_or_set("jwt_key", "k"));
  world.close();

  const auto other = *make_cipher(make_cipher_key());
  const auto store = must(open_sqlite_store(world.file(), other, OpenMode::existing));
  const auto read = store->settings().connection("market");
  REQUIRE(!read);
  CHECK(read.error().kind == ErrorKind::denied);
  CHECK_THAT(read.error().message, Catch::Contains("connection market") && Catch::Contains(other->fingerprint()));
  CHECK(store->settings().connections({}).error().kind == ErrorKind::denied);
  CHECK(store->settings().setting_or_set("jwt_key", "new").error().kind == ErrorKind::denied);
  must(store->settings().put_connection(connection, replace));
  CHECK(must(store->settings().connection("market")) == connection);
  must(store->settings().delete_connection("market"));

  const auto keyless = must(open_sqlite_store(world.file(), nullptr, OpenMode::existing));
  CHECK(keyless->settings().put_connection(connection, replace).error().kind == ErrorKind::denied);
  connection.password.clear();
  must(keyless->settings().put_connection(connection, replace));
  CHECK(must(keyless->settings().connection("market")) == connection);
}

TEST_CASE("a secret copied into another row does not open there") {
  SqliteWorld world;
  must(world.store().settings().put_variable({.key = "a", .value = "secret"}, replace));
  must(world.store().settings().put_variable({.key = "b", .value = "x"}, replace));
  world.close();
  must(raw(world.file())->execute("UPDATE variable SET value = (SELECT value FROM variable WHERE key = 'a')"));
  world.reopen();
  CHECK(must(world.store().settings().variable("a"))->value == "secret");
  CHECK(world.store().settings().variable("b").error().kind == ErrorKind::data);
}

TEST_CASE("a file that is not there is made only when asked") {
  const Folder folder;
  const Path file = folder.path / "udon.db";
  CHECK(open_error(file, OpenMode::existing).kind == ErrorKind::not_found);
  CHECK(open_error(file, OpenMode::read_only).kind == ErrorKind::not_found);
  CHECK(check_sqlite_store(file).error().kind == ErrorKind::not_found);
  CHECK(backup_sqlite_store(file, folder.path / "copy").error().kind == ErrorKind::not_found);
  CHECK(std::filesystem::is_empty(folder.path));
  CHECK(open_error(folder.path / "no folder" / "udon.db", OpenMode::create_or_migrate).kind == ErrorKind::not_found);
  CHECK(must(migrate_sqlite_store(file)).from == 0);
  CHECK(must(migrate_sqlite_store(file)).from == must(check_sqlite_store(file)).schema);
  CHECK(open_sqlite_store(file, nullptr, OpenMode::existing));
}

TEST_CASE("a store opened for reading reads, and denies writing") {
  SqliteWorld world;
  const Epoch epoch = must(world.store().writer().acquire_epoch(t0));
  must(world.store().writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(1), {}}}}));
  must(world.store().settings().setting_or_set("installation", "a"));
  const auto store = must(open_sqlite_store(world.file(), test_cipher(), OpenMode::read_only));
  CHECK(must(store->reader().active_runs()).size() == 1);
  CHECK(store->writer().commit({.epoch = epoch, .at = t0, .changes = {}}).error().kind == ErrorKind::denied);
  CHECK(store->writer().acquire_epoch(t0).error().kind == ErrorKind::denied);
  CHECK(store->settings().put_pool({.name = "x"}, replace).error().kind == ErrorKind::denied);
  CHECK(must(store->settings().setting_or_set("installation", "b")) == "a");
  CHECK(store->settings().setting_or_set("other", "b").error().kind == ErrorKind::denied);
  // It sees what is committed after it was opened.
  must(world.store().writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(2), {}}}}));
  CHECK(must(store->reader().active_runs()).size() == 2);
}

TEST_CASE("somebody else's file is left as it is") {
  const Folder folder;
  const Path stranger = folder.path / "stranger.db";
  must(raw(stranger)->execute("CREATE TABLE theirs (x)"));
  const std::string before = content_of(stranger);
  for (const OpenMode mode : {OpenMode::create_or_migrate, OpenMode::existing, OpenMode::read_only}) {
    const Error error = open_error(stranger, mode);
    CHECK(error.kind == ErrorKind::unsupported);
    CHECK_THAT(error.message, Catch::Contains("stranger.db") && Catch::Contains("not one of Udon's"));
  }
  CHECK(content_of(stranger) == before);

  const Path text = folder.path / "notes.txt";
  write_file(text, std::string(5000, 'x'));
  const Error error = open_error(text, OpenMode::create_or_migrate);
  CHECK(error.kind == ErrorKind::data);
  CHECK_THAT(error.message, Catch::Contains("notes.txt is damaged or no database"));
  CHECK(content_of(text) == std::string(5000, 'x'));
}

TEST_CASE("a lock held by another process is waited for, then named") {
  SqliteWorld world;
  world.reopen({.busy_wait = 20ms});
  const Epoch epoch = must(world.store().writer().acquire_epoch(t0));
  {
    const auto other = raw(world.file());
    const auto lock = must(sqlite::Transaction::begin(*other, sqlite::Transaction::Kind::write));
    const auto commit =
        world.store().writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(1), {}}}});
    REQUIRE(!commit);
    CHECK(commit.error().kind == ErrorKind::unavailable);
    CHECK_THAT(commit.error().message, Catch::Contains("udon.db is locked by another process (waited 20ms)"));
    CHECK(must(world.store().reader().active_runs()).empty());  // readers do not wait
  }
  must(world.store().writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(1), {}}}}));
}

TEST_CASE("damage is found by check and told by whoever meets it") {
  SqliteWorld world;
  Epoch epoch = must(world.store().writer().acquire_epoch(t0));
  InsertInstances rows;
  for (int i = 1; i <= 2000; ++i) rows.rows.push_back(make_instance(i, 1, "task", i));
  must(world.store().writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(1), {}}, rows}}));
  world.close();
  const Folder folder;
  const Path damaged = folder.path / "damaged.db";
  std::string content = content_of(world.file());
  for (size_t at = 4096 * 60; at < 4096 * 90; ++at) content[at] = static_cast<char>(at * 31);
  write_file(damaged, content);

  const StoreCheck check = must(check_sqlite_store(damaged));
  CHECK(!check.problems.empty());
  const auto store = open_sqlite_store(damaged, nullptr, OpenMode::existing);
  REQUIRE(store);
  const auto read = (*store)->reader().instances_of(1);
  REQUIRE(!read);
  CHECK(read.error().kind == ErrorKind::data);
  CHECK_THAT(read.error().message, Catch::Contains("damaged.db is damaged") && Catch::Contains("udon db backup"));

  write_file(damaged, content_of(world.file()).substr(0, 4096 * 20));
  CHECK(!must(check_sqlite_store(damaged)).problems.empty());
  CHECK(must(check_sqlite_store(world.file())).problems.empty());
}

TEST_CASE("check finds rows that contradict each other") {
  SqliteWorld world;
  const Epoch epoch = must(world.store().writer().acquire_epoch(t0));
  must(world.store().writer().commit(
      {.epoch = epoch,
       .at = t0,
       .changes = {InsertRun{make_run(1), {}}, InsertInstances{{make_instance(5, 1, "a")}}}}));
  const std::vector<std::pair<const char*, const char*>> sabotages = {
      {"UPDATE dag_run SET instances = 7", "whose number of task instances is wrong"},
      {"UPDATE counters SET events = events + 3", "3 events too many or too few"},
      {"UPDATE counters SET last_run = 0", "dag runs beyond the counter"},
      {"UPDATE counters SET last_instance = 4", "task instances beyond the counter"},
      {"UPDATE counters SET last_event = 1", "events beyond the counter"},
      {"UPDATE task_instance SET fence = 9", "fences beyond the counter"},
      {"PRAGMA foreign_keys = OFF; INSERT INTO xcom VALUES (99, 'k', '1', 0)", "refers to a row of task_instance"},
  };
  const Folder folder;
  int copies = 0;
  for (const auto& [sql, problem] : sabotages) {
    const Path copy = folder.path / (std::to_string(copies++) + ".db");
    must(backup_sqlite_store(world.file(), copy));
    must(raw(copy)->execute(sql));
    const StoreCheck check = must(check_sqlite_store(copy));
    REQUIRE(check.problems.size() == 1);
    CHECK_THAT(check.problems[0], Catch::Contains(problem));
  }
}

TEST_CASE("a backup of a store in use is whole, and replaces nothing") {
  SqliteWorld world;
  const Folder folder;
  const Path copy = folder.path / "copy.db";
  const Epoch epoch = must(world.store().writer().acquire_epoch(t0));
  must(world.store().writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(1), {}}}}));
  must(world.store().settings().setting_or_set("installation", "a"));
  must(backup_sqlite_store(world.file(), copy));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
  must(world.store().writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(2), {}}}}));

  CHECK(must(check_sqlite_store(copy)).problems.empty());
  {
    const auto store = must(open_sqlite_store(copy, test_cipher(), OpenMode::existing));
    CHECK(must(store->reader().active_runs()).size() == 1);
    CHECK(must(store->settings().setting_or_set("installation", "b")) == "a");
  }
  const auto again = backup_sqlite_store(world.file(), copy);
  REQUIRE(!again);
  CHECK(again.error().kind == ErrorKind::conflict);
  CHECK(!backup_sqlite_store(world.file(), folder.path / "no folder" / "copy.db"));
}

TEST_CASE("readers in many threads and a writer do not get into each other's way") {
  SqliteWorld world;
  const Epoch epoch = must(world.store().writer().acquire_epoch(t0));
  std::atomic<int> failures = 0;
  std::atomic<int> reads = 0;
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 40; ++i) {  // more than there are connections
      readers.emplace_back([&](const std::stop_token& stop) {
        do {
          if (!world.store().reader().runs({}, {.limit = 10})) ++failures;
          ++reads;
        } while (!stop.stop_requested());
      });
    }
    for (int i = 1; i <= 30; ++i) {
      must(world.store().writer().commit({.epoch = epoch, .at = t0, .changes = {InsertRun{make_run(i), {}}}}));
      if (i % 10 == 0) must(world.store().settings().put_pool({.name = "p" + std::to_string(i)}, replace));
    }
  }
  CHECK(failures == 0);
  CHECK(reads >= 40);
  CHECK(must(world.store().reader().runs({}, {})).total == 30);
}
