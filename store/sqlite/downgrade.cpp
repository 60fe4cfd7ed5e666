#include "store/sqlite/downgrade.h"

#include "store/sqlite/migrate.h"

namespace udon {

using sqlite::Database;

namespace {

constexpr Duration busy_wait = std::chrono::seconds(5);

DowngradeReport told(const sqlite::Downgraded& done) {
  DowngradeReport report{.from = done.from, .to = done.to, .lost = {}, .backup = done.backup};
  for (const sqlite::Lost& lost : done.lost) report.lost.push_back({lost.what, lost.count});
  return report;
}

}  // namespace

Result<DowngradeReport> plan_sqlite_downgrade(const Path& file, std::optional<int> to) {
  TRY_ASSIGN(const auto database,
             Database::open(std::filesystem::absolute(file), Database::Access::read_only, busy_wait));
  TRY(sqlite::schema_of(*database));
  TRY_ASSIGN(const sqlite::Downgraded plan, sqlite::plan_downgrade(*database, sqlite::all_migrations(), to));
  return told(plan);
}

Result<DowngradeReport> downgrade_sqlite_store(const Path& file, int to) {
  TRY_ASSIGN(const auto database,
             Database::open(std::filesystem::absolute(file), Database::Access::read_write, busy_wait));
  // Before it says that it is done, it is on the disk; rows that refer to others go with them.
  TRY(database->execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"));
  TRY_ASSIGN(const sqlite::Downgraded done, sqlite::downgrade(*database, sqlite::all_migrations(), to));
  return told(done);
}

}  // namespace udon
