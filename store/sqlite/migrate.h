#pragma once
// The schema of the database file and its steps, up and down. Each step up is one transaction; `PRAGMA user_version` is
// the number of the last one. A step that has been shipped is never edited: what is wrong with it is put right by the
// next.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/sqlite/database.h"

namespace udon::sqlite {

// What taking a step back loses, to be counted: "open question", "open questions", what stands behind FROM.
struct Loss {
  std::string one, many;
  std::string rows;
};

struct Migration {
  int number = 0;  // 1, 2, …
  std::string name;
  std::string sql;
  std::string down = {};  // takes it back: the schema is then, to the letter, what the steps before it make
  std::vector<Loss> losses = {};
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

struct Lost {
  std::string what;  // "open questions"
  int64_t count = 0;
  bool operator==(const Lost&) const = default;
};
struct Downgraded {
  int from = 0;
  int to = 0;
  std::vector<Lost> lost;
  std::optional<Path> backup;  // of the file as it was
};
// What `downgrade` would do, and nothing is done. Without `to`: one step. Errors as there.
Result<Downgraded> plan_downgrade(Database& database, std::span<const Migration> migrations, std::optional<int> to);
// Takes back the steps behind `to`, all in one transaction, after a copy of the file. What is left is checked before it
// is committed: sound, and of the schema that the steps up to `to` make. invalid: there is no such way down;
// unsupported: the file is newer than these.
Result<Downgraded> downgrade(Database& database, std::span<const Migration> migrations, int to);

// unsupported, with what to do, unless the file has exactly the schema of these.
Result<void> check_schema(Database& database, std::span<const Migration> migrations);

}  // namespace udon::sqlite
