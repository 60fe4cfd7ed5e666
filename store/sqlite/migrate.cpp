#include "store/sqlite/migrate.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/ensure.h"
#include "base/log.h"

namespace udon::sqlite {

namespace {

constexpr int64_t application_id = 0x55646f6e;  // "Udon": tells our files from other SQLite databases

Error too_new(const Path& file, int schema, int newest) {
  return {ErrorKind::unsupported, file.string() + " has schema " + std::to_string(schema) +
                                      ", written by a newer udon; this one knows up to " + std::to_string(newest) +
                                      ". Use the newer udon, or let it bring the store down: `udon db downgrade --to " +
                                      std::to_string(newest) + "`, or restore the backup that it made"};
}

// A name that is not taken, so that no backup ever replaces another.
Path name_of_backup(const Path& file, int schema) {
  const std::string base = file.string() + ".backup-schema-" + std::to_string(schema);
  Path name = base;
  for (int i = 2; std::filesystem::exists(name); ++i) name = base + "." + std::to_string(i);
  return name;
}

Result<void> check_references(Database& database) {
  Query broken = database.query("PRAGMA foreign_key_check");
  TRY_ASSIGN(const bool is_broken, broken.next());
  if (is_broken) return Error{ErrorKind::data, "rows of " + broken.text(0) + " refer to rows that are not there"};
  return {};
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
  TRY(check_references(database));
  return transaction.commit();
}

// Tables and indexes as they are written down. What SQLite makes for itself follows from them, or stays for ever
// (sqlite_sequence).
using Schema = std::vector<std::pair<std::string, std::string>>;
Result<Schema> read_schema(Database& database) {
  Query query = database.query(
      "SELECT type || ' ' || name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1");
  Schema schema;
  for (;;) {
    TRY_ASSIGN(const bool has_row, query.next());
    if (!has_row) return schema;
    schema.emplace_back(query.text(0), query.text(1));
  }
}

// What the steps up to a number alone would have made.
Result<Schema> schema_made_by(std::span<const Migration> migrations) {
  TRY_ASSIGN(const auto fresh, Database::open(":memory:", Database::Access::read_write, Duration{0}));
  for (const Migration& migration : migrations) TRY(fresh->execute(migration.sql));
  return read_schema(*fresh);
}

Result<void> check_made(Database& database, std::span<const Migration> migrations) {
  TRY(check_references(database));
  TRY_ASSIGN(const std::string problem, database.text("PRAGMA integrity_check(1)"));
  if (problem != "ok") return Error{ErrorKind::data, database.file().string() + " is damaged: " + problem};
  TRY_ASSIGN(const Schema made, read_schema(database));
  TRY_ASSIGN(const Schema wanted, schema_made_by(migrations));
  const auto [is, ought] = std::ranges::mismatch(made, wanted);
  if (is == made.end() && ought == wanted.end()) return {};
  return Error{ErrorKind::data, database.file().string() + " would not be what schema " +
                                    std::to_string(migrations.back().number) +
                                    " is: " + (is != made.end() ? is->first : ought->first) + " differs"};
}

Result<std::vector<Lost>> count_lost(Database& database, std::span<const Migration> undone) {
  std::vector<Lost> lost;
  for (const Migration& migration : undone) {
    for (const Loss& loss : migration.losses) {
      TRY_ASSIGN(const int64_t count, database.integer("SELECT count(*) FROM " + loss.rows));
      if (count > 0) lost.push_back({count == 1 ? loss.one : loss.many, count});
    }
  }
  return lost;
}

Result<void> undo(Database& database, const Migration& migration) {
  TRY(database.execute(migration.down));
  return database.query("DELETE FROM schema_migration WHERE number = ?").bind(migration.number).run();
}

}  // namespace

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

Result<Downgraded> plan_downgrade(Database& database, std::span<const Migration> migrations, std::optional<int> to) {
  const int newest = migrations.back().number;
  TRY_ASSIGN(const auto snapshot, Transaction::begin(database, Transaction::Kind::read));
  TRY_ASSIGN(const int64_t schema, database.integer("PRAGMA user_version"));
  if (schema > newest) return too_new(database.file(), static_cast<int>(schema), newest);
  const int from = static_cast<int>(schema), target = to.value_or(std::max(from - 1, 1));
  if (from == 0) return Error{ErrorKind::unsupported, database.file().string() + " is empty"};
  if (target < 1 || target > from)
    return Error{ErrorKind::invalid, database.file().string() + " has schema " + std::to_string(from) +
                                         "; it can be brought down to 1 to " + std::to_string(from) + ", not to " +
                                         std::to_string(target)};
  Downgraded plan{.from = from, .to = target, .lost = {}, .backup = std::nullopt};
  TRY_ASSIGN(plan.lost,
             count_lost(database, migrations.first(static_cast<size_t>(from)).subspan(static_cast<size_t>(target))));
  return plan;
}

Result<Downgraded> downgrade(Database& database, std::span<const Migration> migrations, int to) {
  TRY(schema_of(database));  // a stranger's database is left alone
  TRY_ASSIGN(Downgraded done, plan_downgrade(database, migrations, to));
  if (done.from == done.to) return done;
  done.backup = name_of_backup(database.file(), done.from);
  TRY(database.back_up(*done.backup));
  log_info("store", "bringing " + database.file().string() + " from schema " + std::to_string(done.from) + " down to " +
                        std::to_string(done.to) + "; as it was: " + done.backup->string());
  // All steps in one, and checked before it is committed: the file has the one schema or the other.
  TRY_ASSIGN(Transaction transaction, Transaction::begin(database, Transaction::Kind::write));
  TRY_ASSIGN(const int64_t schema, database.integer("PRAGMA user_version"));
  if (schema != done.from)
    return Error{ErrorKind::conflict,
                 database.file().string() + " was brought to schema " + std::to_string(schema) + " by somebody else"};
  const auto kept = migrations.first(static_cast<size_t>(to));
  const auto undone = migrations.first(static_cast<size_t>(done.from)).subspan(kept.size());
  TRY_ASSIGN(done.lost, count_lost(database, undone));
  for (size_t i = undone.size(); i > 0; --i) {
    if (const auto gone = undo(database, undone[i - 1]); !gone) {
      return gone.error().within("taking back migration " + std::to_string(undone[i - 1].number) + " (" +
                                 undone[i - 1].name + ") of " + database.file().string());
    }
  }
  TRY(database.execute("PRAGMA user_version = " + std::to_string(to)));
  TRY(check_made(database, kept));
  TRY(transaction.commit());
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
