#include "store/sqlite/migrate.h"

#include <vector>

#include "base/ensure.h"
#include "base/log.h"

namespace udon {
extern const char migration_0001[];
extern const char migration_0002[];
extern const char migration_0003[];
extern const char migration_0004[];
extern const char migration_0005[];
extern const char migration_0006[];
extern const char migration_0007[];
}  // namespace udon

namespace udon::sqlite {

namespace {

constexpr int64_t application_id = 0x55646f6e;  // "Udon": tells our files from other SQLite databases

Error too_new(const Path& file, int schema, int newest) {
  return {ErrorKind::unsupported, file.string() + " has schema " + std::to_string(schema) +
                                      ", written by a newer udon; this one knows up to " + std::to_string(newest) +
                                      ". Use the newer udon, or restore the backup that it made"};
}

// A name that is not taken, so that no backup ever replaces another.
Path name_of_backup(const Path& file, int schema) {
  const std::string base = file.string() + ".backup-schema-" + std::to_string(schema);
  Path name = base;
  for (int i = 2; std::filesystem::exists(name); ++i) name = base + "." + std::to_string(i);
  return name;
}

Result<void> apply(Database& database, const Migration& migration) {
  TRY_ASSIGN(Transaction transaction, Transaction::begin(database, Transaction::Kind::write));
  // Another process may have been quicker.
  TRY_ASSIGN(const int64_t schema, database.integer("PRAGMA user_version"));
  if (schema >= migration.number) return {};
  ENSURE(schema == migration.number - 1, "migrations are numbered without gaps");
  TRY(database.execute(migration.sql));
  TRY(database.query("INSERT INTO schema_migration VALUES (?, ?, CAST(strftime('%s') AS INTEGER) * 1000000)")
          .bind(migration.number, migration.name)
          .run());
  TRY(database.execute("PRAGMA application_id = " + std::to_string(application_id) +
                       "; PRAGMA user_version = " + std::to_string(migration.number)));
  Query broken = database.query("PRAGMA foreign_key_check");
  TRY_ASSIGN(const bool is_broken, broken.next());
  if (is_broken) return Error{ErrorKind::data, "rows of " + broken.text(0) + " refer to rows that are not there"};
  return transaction.commit();
}

}  // namespace

std::span<const Migration> all_migrations() {
  static const std::vector<Migration> migrations = {{1, "store", migration_0001},     {2, "outbox", migration_0002},
                                                    {3, "assets", migration_0003},    {4, "backfill", migration_0004},
                                                    {5, "retention", migration_0005}, {6, "waits", migration_0006},
                                                    {7, "versions", migration_0007}};
  return migrations;
}

Result<int> schema_of(Database& database) {
  // One look at all three: somebody else may be making the file right now.
  TRY_ASSIGN(const auto snapshot, Transaction::begin(database, Transaction::Kind::read));
  TRY_ASSIGN(const int64_t schema, database.integer("PRAGMA user_version"));
  TRY_ASSIGN(const int64_t owner, database.integer("PRAGMA application_id"));
  if (owner == application_id) return static_cast<int>(schema);
  TRY_ASSIGN(const int64_t tables, database.integer("SELECT count(*) FROM sqlite_schema"));
  if (tables == 0 && schema == 0 && owner == 0) return 0;
  return Error{ErrorKind::unsupported, database.file().string() + " is a SQLite database, but not one of Udon's"};
}

Result<Migrated> migrate(Database& database, std::span<const Migration> migrations) {
  const int newest = migrations.back().number;
  TRY_ASSIGN(const int schema, schema_of(database));
  if (schema > newest) return too_new(database.file(), schema, newest);
  Migrated done{.from = schema, .to = newest, .backup = std::nullopt};
  if (schema == newest) return done;
  if (schema > 0) {
    done.backup = name_of_backup(database.file(), schema);
    TRY(database.back_up(*done.backup));
    log_info("store", "migrating " + database.file().string() + " from schema " + std::to_string(schema) + " to " +
                          std::to_string(newest) + "; as it was: " + done.backup->string());
  }
  for (const Migration& migration : migrations.subspan(static_cast<size_t>(schema))) {
    if (const auto applied = apply(database, migration); !applied) {
      return applied.error().within("migration " + std::to_string(migration.number) + " (" + migration.name + ") of " +
                                    database.file().string());
    }
  }
  return done;
}

Result<void> check_schema(Database& database, std::span<const Migration> migrations) {
  const int newest = migrations.back().number;
  TRY_ASSIGN(const int schema, schema_of(database));
  if (schema == newest) return {};
  if (schema > newest) return too_new(database.file(), schema, newest);
  if (schema == 0) {
    return Error{ErrorKind::unsupported, database.file().string() + " is empty: run `udon db migrate`"};
  }
  return Error{ErrorKind::unsupported, database.file().string() + " has schema " + std::to_string(schema) +
                                           ", this udon needs " + std::to_string(newest) + ": run `udon db migrate`"};
}

}  // namespace udon::sqlite
