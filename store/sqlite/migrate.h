#pragma once
// The schema of the database file and its steps. Each step is one transaction; `PRAGMA user_version` is the number of
// the last one. A step that has been shipped is never edited: what is wrong with it is put right by the next.
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "store/sqlite/database.h"

namespace udon::sqlite {

struct Migration {
  int number = 0;  // 1, 2, …
  std::string name;
  std::string sql;
};

std::span<const Migration> all_migrations();

// 0: an empty file. unsupported: a database of something else.
Result<int> schema_of(Database& database);

struct Migrated {
  int from = 0;
  int to = 0;
  std::optional<Path> backup;  // of the file as it was, if it had something in it
};
// Brings the file to the last of `migrations`; a copy of an existing database is made first. unsupported: the file is
// newer than these.
Result<Migrated> migrate(Database& database, std::span<const Migration> migrations);

// unsupported, with what to do, unless the file has exactly the schema of these.
Result<void> check_schema(Database& database, std::span<const Migration> migrations);

}  // namespace udon::sqlite
