#include "store/sqlite/sqlite_store.h"

#include "store/sqlite/clean_rows.h"
#include "store/sqlite/migrate.h"
#include "store/sqlite/parts.h"

namespace udon {

using sqlite::Database;

namespace {

constexpr Duration maintenance_wait = std::chrono::seconds(5);

// A connection that writes durably.
Result<void> configure(Database& database) {
  TRY_ASSIGN(const std::string mode, database.text("PRAGMA journal_mode = WAL"));
  if (mode != "wal") {
    return Error{ErrorKind::unsupported, database.file().string() +
                                             ": its file system cannot keep a write-ahead log (" + mode +
                                             "); put UDON_HOME on a local disk"};
  }
  // FULL: a commit is on the disk when it returns. The journal is cut after a burst; foreign keys remove what hangs on
  // a deleted run. 16 MB of cache keep the active rows and the tails of the indexes in memory.
  return database.execute(
      "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864; "
      "PRAGMA cache_size = -16384");
}

Result<std::unique_ptr<Database>> open_to_write(const Path& file, OpenMode mode, Duration wait,
                                                sqlite::Migrated* done = nullptr) {
  const bool creates = mode == OpenMode::create_or_migrate;
  TRY_ASSIGN(auto database,
             Database::open(file, creates ? Database::Access::create : Database::Access::read_write, wait));
  if (creates) {
    TRY(sqlite::schema_of(*database));  // a stranger's database is left alone
    TRY(configure(*database));
    TRY_ASSIGN(const auto migrated, sqlite::migrate(*database, sqlite::all_migrations()));
    if (migrated.from == 0) TRY(sync_directory(file.parent_path()));
    if (done != nullptr) *done = migrated;
  } else {
    TRY(sqlite::check_schema(*database, sqlite::all_migrations()));
    TRY(configure(*database));
  }
  return database;
}

}  // namespace

struct SqliteStore::Impl {
  Impl(const Path& file, std::unique_ptr<Database> database, std::shared_ptr<const Cipher> cipher, Duration wait)
      : connection(std::move(database)),
        readers(file, wait),
        reader(sqlite::make_reader(readers)),
        settings(sqlite::make_settings(readers, connection, std::move(cipher))),
        writer(sqlite::make_writer(connection)),
        outbox(sqlite::make_outbox(readers, connection)) {}

  sqlite::WriteConnection connection;  // first, so closed last: it then folds the log into the file
  sqlite::ReaderPool readers;
  std::unique_ptr<StoreReader> reader;
  std::unique_ptr<StoreSettings> settings;
  std::unique_ptr<StoreWriter> writer;
  std::unique_ptr<StoreOutbox> outbox;
};

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteStore::~SqliteStore() = default;

StoreReader& SqliteStore::reader() { return *impl_->reader; }
StoreSettings& SqliteStore::settings() { return *impl_->settings; }
StoreWriter& SqliteStore::writer() { return *impl_->writer; }
StoreOutbox& SqliteStore::outbox() { return *impl_->outbox; }

Result<RowsCleaned> SqliteStore::clean_rows(const RowsStep& step) {
  return impl_->connection.write<RowsCleaned>([&](Database& database) { return sqlite::clean_rows(database, step); });
}

sqlite::StatementCost SqliteStore::take_statement_cost() {
  sqlite::StatementCost cost = impl_->readers.take_cost();
  const auto of_writer =
      impl_->connection.use<sqlite::StatementCost>([](Database& database) { return database.take_cost(); });
  if (of_writer) cost += *of_writer;
  return cost;
}

Result<std::string> SqliteStore::pragma_of_writer(const std::string& name) {
  return impl_->connection.use<std::string>([&](Database& database) { return database.text("PRAGMA " + name); });
}

Result<std::unique_ptr<SqliteStore>> open_sqlite_store(const Path& file, std::shared_ptr<const Cipher> cipher,
                                                       OpenMode mode, const SqliteOptions& options) {
  const Path path = std::filesystem::absolute(file);
  std::unique_ptr<Database> database;
  if (mode == OpenMode::read_only) {
    TRY_ASSIGN(const auto look, Database::open(path, Database::Access::read_only, options.busy_wait));
    TRY(sqlite::check_schema(*look, sqlite::all_migrations()));
  } else {
    TRY_ASSIGN(database, open_to_write(path, mode, options.busy_wait));
  }
  return std::unique_ptr<SqliteStore>(new SqliteStore(
      std::make_unique<SqliteStore::Impl>(path, std::move(database), std::move(cipher), options.busy_wait)));
}

Result<MigrationReport> migrate_sqlite_store(const Path& file) {
  sqlite::Migrated done;
  TRY(open_to_write(std::filesystem::absolute(file), OpenMode::create_or_migrate, maintenance_wait, &done));
  return MigrationReport{.from = done.from, .to = done.to, .backup = done.backup};
}

Result<void> backup_sqlite_store(const Path& file, const Path& to) {
  std::error_code ignored;
  if (std::filesystem::exists(to, ignored)) {
    return Error{ErrorKind::conflict, to.string() + " exists already; a backup never replaces a file"};
  }
  TRY_ASSIGN(const auto database,
             Database::open(std::filesystem::absolute(file), Database::Access::read_only, maintenance_wait));
  TRY(sqlite::schema_of(*database));
  return database->back_up(std::filesystem::absolute(to));
}

namespace {

Result<void> look_for_problems(Database& database, StoreCheck& check) {
  TRY_ASSIGN(check.schema, sqlite::schema_of(database));
  {
    sqlite::Query query = database.query("PRAGMA integrity_check(50)");
    for (;;) {
      TRY_ASSIGN(const bool has_row, query.next());
      if (!has_row) break;
      if (query.text(0) != "ok") check.problems.push_back(query.text(0));
    }
  }
  {
    sqlite::Query query = database.query("PRAGMA foreign_key_check");
    for (;;) {
      TRY_ASSIGN(const bool has_row, query.next());
      if (!has_row) break;
      check.problems.push_back("row " + query.text(1) + " of " + query.text(0) + " refers to a row of " +
                               query.text(2) + " that is not there");
    }
  }
  if (const auto current = sqlite::check_schema(database, sqlite::all_migrations()); !current) {
    check.problems.push_back(current.error().message);
    return {};
  }
  // What the writer promises besides.
  struct Invariant {
    const char* sql;
    const char* problem;
  };
  const Invariant invariants[] = {
      {"SELECT count(*) FROM dag_run r WHERE r.instances != (SELECT count(*) FROM task_instance t WHERE t.run = "
       "r.number)",
       "dag runs whose number of task instances is wrong"},
      {"SELECT abs((SELECT count(*) FROM event) - events) FROM counters", "events too many or too few"},
      {"SELECT count(*) FROM dag_run WHERE number > (SELECT last_run FROM counters)", "dag runs beyond the counter"},
      {"SELECT count(*) FROM task_instance WHERE number > (SELECT last_instance FROM counters)",
       "task instances beyond the counter"},
      {"SELECT count(*) FROM task_instance WHERE fence > (SELECT last_fence FROM counters)",
       "fences beyond the counter"},
      {"SELECT count(*) FROM event WHERE number > (SELECT last_event FROM counters)", "events beyond the counter"},
  };
  for (const Invariant& invariant : invariants) {
    TRY_ASSIGN(const int64_t count, database.integer(invariant.sql));
    if (count != 0) check.problems.push_back(std::to_string(count) + " " + invariant.problem);
  }
  return {};
}

}  // namespace

Result<StoreCheck> check_sqlite_store(const Path& file) {
  TRY_ASSIGN(const auto database,
             Database::open(std::filesystem::absolute(file), Database::Access::read_only, maintenance_wait));
  StoreCheck check;
  const Result<void> looked = look_for_problems(*database, check);
  if (looked) return check;
  if (looked.error().kind != ErrorKind::data) return looked.error();
  check.problems.push_back(looked.error().message);  // damage that stops even the search for damage
  return check;
}

}  // namespace udon
