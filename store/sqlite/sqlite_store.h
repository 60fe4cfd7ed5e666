#pragma once
// The store in one SQLite file: the default, and the one that a single machine needs. Durable when commit returns (WAL,
// synchronous=FULL: one fsync a commit); readers on connections of their own. Made by cli/main.cpp; used by the loop's
// thread (writer), web's threads (reader, settings) and the verbs of `udon db`.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "connections/secrets/cipher.h"
#include "store/clean_rows.h"
#include "store/outbox.h"
#include "store/reader.h"
#include "store/settings.h"
#include "store/sqlite/database.h"
#include "store/writer.h"

namespace udon {

enum class OpenMode {
  create_or_migrate,  // what a scheduler does at its start
  existing,           // as it is; an older schema is an error (unsupported) that says so
  read_only,          // writing is denied
};

struct SqliteOptions {
  // How long a lock held by another process (a backup tool, a shell) is waited for before the answer is `unavailable`.
  Duration busy_wait = std::chrono::seconds(5);
};

class SqliteStore final : public Store {
 public:
  ~SqliteStore() override;
  StoreReader& reader() override;
  StoreSettings& settings() override;
  StoreWriter& writer() override;
  StoreOutbox& outbox() override;

  // One step, in a transaction of its own, between two of the loop. Any thread.
  Result<RowsCleaned> clean_rows(const RowsStep& step);

  // What all statements have cost since the last call, those running now left out.
  sqlite::StatementCost take_statement_cost();
  // Journal mode, synchronous and the like as SQLite itself states them: "wal", "2".
  Result<std::string> pragma_of_writer(const std::string& name);

 private:
  friend Result<std::unique_ptr<SqliteStore>> open_sqlite_store(const Path&, std::shared_ptr<const Cipher>, OpenMode,
                                                                const SqliteOptions&);
  struct Impl;
  explicit SqliteStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// No cipher: secrets (connections with a password, variables, settings) can be neither read nor written (denied).
// Errors: not_found; unsupported (newer or older schema, not Udon's, a file system without WAL); data (damaged);
// unavailable (locked by another process); io.
Result<std::unique_ptr<SqliteStore>> open_sqlite_store(const Path& file, std::shared_ptr<const Cipher> cipher,
                                                       OpenMode mode, const SqliteOptions& options = {});

// `udon db migrate`: what open_sqlite_store(create_or_migrate) does, told.
struct MigrationReport {
  int from = 0;  // 0: the file was made
  int to = 0;
  std::optional<Path> backup;
};
Result<MigrationReport> migrate_sqlite_store(const Path& file);

// `udon db check`: reads everything. An empty list: sound.
struct StoreCheck {
  int schema = 0;
  std::vector<std::string> problems;
};
Result<StoreCheck> check_sqlite_store(const Path& file);

// `udon db backup`: one consistent file, while the store is in use or not. An existing `to` is an error (conflict).
Result<void> backup_sqlite_store(const Path& file, const Path& to);

}  // namespace udon
