#include "store/sqlite/restore.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "store/sqlite/sqlite_store.h"

namespace udon {

namespace {

using sqlite::Database;

constexpr Duration busy_wait = std::chrono::seconds(5);
// How far numbering goes on where the store that is replaced cannot be read any more.
constexpr int64_t unknown_gap = 1'000'000;
const std::vector<std::string> numbers = {"epoch", "last_run", "last_instance", "last_fence", "last_event"};

bool is_there(const Path& file) {
  std::error_code ignored;
  return std::filesystem::exists(file, ignored);
}

Path beside(const Path& file, const std::string& ending) { return file.string() + ending; }

// With what SQLite has put beside it.
Result<void> remove_database(const Path& file) {
  for (const char* ending : {"", "-wal", "-shm", "-journal"}) TRY(remove_tree(beside(file, ending)));
  return {};
}

// Read only first: opened to be written, a file that is no database any more would lose what lies beside it.
Result<std::vector<int64_t>> counters_of(const Path& file) {
  TRY_ASSIGN(const auto database, Database::open(file, Database::Access::read_only, busy_wait));
  std::vector<int64_t> found;
  for (const std::string& name : numbers) {
    TRY_ASSIGN(const int64_t number, database->integer("SELECT " + name + " FROM counters WHERE one = 1"));
    found.push_back(number);
  }
  return found;
}

// All that is committed into the one file: what is kept must not need another beside it.
Result<void> take_in_journal(const Path& file) {
  TRY_ASSIGN(const auto database, Database::open(file, Database::Access::read_write, busy_wait));
  TRY(database->text("PRAGMA wal_checkpoint(TRUNCATE)"));
  return {};
}

Result<void> go_on_numbering(const Path& made, const Path& replaced) {
  const auto before = counters_of(replaced);
  if (before) TRY(take_in_journal(replaced));
  TRY_ASSIGN(const auto database, Database::open(made, Database::Access::read_write, busy_wait));
  for (size_t i = 0; i < numbers.size(); ++i) {
    const std::string& name = numbers[i];
    const std::string at_least =
        before ? "max(" + name + ", " + std::to_string((*before)[i]) + ")" : name + " + " + std::to_string(unknown_gap);
    TRY(database->execute("UPDATE counters SET " + name + " = " + at_least + " WHERE one = 1"));
  }
  TRY(database->text("PRAGMA wal_checkpoint(TRUNCATE)"));
  return {};
}

Result<void> rename_file(const Path& from, const Path& to) {
  std::error_code problem;
  std::filesystem::rename(from, to, problem);
  if (problem) return Error{ErrorKind::io, "rename " + from.string() + " to " + to.string() + ": " + problem.message()};
  return {};
}

// A second name for what is there, so that at no moment there is nothing: a start would make an empty store.
Result<Path> keep(const Path& file, TimePoint now) {
  std::string stamp = format_time(std::chrono::floor<std::chrono::seconds>(now));
  std::erase(stamp, ':');
  Path kept = beside(file, ".replaced-" + stamp);
  for (int i = 2; is_there(kept); ++i) kept = beside(file, ".replaced-" + stamp + "." + std::to_string(i));
  std::error_code problem;
  std::filesystem::create_hard_link(file, kept, problem);
  if (problem) TRY(rename_file(file, kept));  // a file system without links
  // What was not taken over belongs to it, and must not be read into another.
  if (is_there(beside(file, "-wal"))) TRY(rename_file(beside(file, "-wal"), beside(kept, "-wal")));
  TRY(remove_tree(beside(file, "-shm")));
  return kept;
}

Result<RestoreReport> make_ready(const Path& backup, const Path& made) {
  // What a damaged store needs is no advice on a file that is to take its place.
  if (const auto copied = backup_sqlite_store(backup, made); !copied) {
    if (copied.error().kind != ErrorKind::data) return copied.error();
    return Error{ErrorKind::data,
                 backup.string() + " is damaged or no database that `udon db backup` made; nothing was changed"};
  }
  TRY_ASSIGN(const MigrationReport migrated, migrate_sqlite_store(made));
  if (migrated.backup) TRY(remove_database(*migrated.backup));
  TRY_ASSIGN(const StoreCheck check, check_sqlite_store(made));
  if (!check.problems.empty())
    return Error{ErrorKind::data, backup.string() + " is damaged: " + check.problems.front()};
  return RestoreReport{.from = migrated.from, .to = migrated.to, .kept = std::nullopt};
}

Result<void> sync(const Path& file) {
  TRY_ASSIGN(const FileDescriptor fd, open_file(file, O_RDWR));
  if (::fsync(fd.get()) != 0) return Error{ErrorKind::io, "fsync " + file.string() + " failed"};
  return sync_directory(file.parent_path());
}

}  // namespace

Result<RestoreReport> restore_sqlite_store(const Path& backup, const Path& given, TimePoint now) {
  const Path file = std::filesystem::absolute(given);
  const Path made = beside(file, ".restoring");
  std::error_code ignored;
  if (std::filesystem::equivalent(backup, file, ignored))
    return Error{ErrorKind::invalid, backup.string() + " is the store itself"};
  TRY(remove_database(made));  // of one that was interrupted
  auto ready = make_ready(backup, made);
  const bool replaces = is_there(file);
  if (ready && replaces) {
    if (auto numbered = go_on_numbering(made, file); !numbered) ready = numbered.error();
  }
  if (ready) {
    if (auto synced = sync(made); !synced) ready = synced.error();
  }
  if (!ready) {
    TRY(remove_database(made));
    return ready.error();
  }
  if (replaces) {
    TRY_ASSIGN(ready->kept, keep(file, now));
  }
  TRY(rename_file(made, file));
  TRY(sync_directory(file.parent_path()));
  TRY(remove_database(made));
  return ready;
}

}  // namespace udon
