#include "store/sqlite/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/ensure.h"
#include "base/id.h"

namespace udon::sqlite {

namespace {

// Lists have many shapes of filters; past this many statements, all are prepared anew.
constexpr size_t statements_max = 256;

std::string activity_of(int io_code) {
  switch (io_code) {
    case SQLITE_IOERR_READ:
    case SQLITE_IOERR_SHORT_READ: return " while reading";
    case SQLITE_IOERR_WRITE: return " while writing";
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC: return " while syncing";
    case SQLITE_IOERR_TRUNCATE: return " while cutting it";
    default: return {};
  }
}

}  // namespace

StatementCost& StatementCost::operator+=(const StatementCost& other) {
  vm_steps += other.vm_steps;
  full_scan_steps += other.full_scan_steps;
  sorts += other.sorts;
  page_reads += other.page_reads;
  return *this;
}

Result<std::unique_ptr<Database>> Database::open(const Path& file, Access access, Duration busy_wait) {
  if (access == Access::create) {
    // SQLite would make it readable by all; its journal files take over this mode.
    TRY(open_file(file, O_RDWR | O_CREAT, 0600));
  }
  std::unique_ptr<Database> database(new Database(file, busy_wait));
  const int flags = SQLITE_OPEN_NOMUTEX | (access == Access::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
  const int code = sqlite3_open_v2(file.c_str(), &database->handle_, flags, nullptr);
  if (database->handle_ == nullptr) return Error{ErrorKind::io, "open " + file.string() + ": out of memory"};
  if (code != SQLITE_OK) {
    const int error_number = sqlite3_system_errno(database->handle_);
    if ((code & 0xff) == SQLITE_CANTOPEN && error_number != 0) return io_error("open", file, error_number);
    return database->error_of(code);
  }
  sqlite3_extended_result_codes(database->handle_, 1);
  sqlite3_busy_timeout(database->handle_,
                       static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(busy_wait).count()));
  return database;
}

Database::~Database() {
  forget_statements();
  sqlite3_close_v2(handle_);
}

Error Database::error_of(int code) const {
  const std::string file = file_.string();
  const std::string detail = handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return {ErrorKind::unavailable,
              file + " is locked by another process (waited " + format_duration(busy_wait_) + ")"};
    case SQLITE_FULL: return {ErrorKind::io, file + ": no space left; free some on its disk. Nothing was changed"};
    case SQLITE_IOERR:
      return {ErrorKind::io, file + ": disk I/O error" + activity_of(code) + " (SQLite code " + std::to_string(code) +
                                 "); see to its disk. Nothing was changed"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {
          ErrorKind::data,
          file + " is damaged or no database (" + detail +
              "); `udon db check` tells what is wrong. Stop the server, put a copy that `udon db backup` made in its "
              "place, and start it again"};
    case SQLITE_CANTOPEN: return {ErrorKind::io, file + ": cannot be opened (" + detail + ")"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return {ErrorKind::denied, file + " cannot be written: " + detail};
    case SQLITE_NOMEM: return {ErrorKind::io, file + ": out of memory. Nothing was changed"};
    case SQLITE_TOOBIG: return {ErrorKind::invalid, file + ": a value is too large for the store"};
    case SQLITE_CONSTRAINT: return {ErrorKind::conflict, file + ": " + detail};
    default: return {ErrorKind::data, file + ": " + detail + " (SQLite code " + std::to_string(code) + ")"};
  }
}

Query Database::query(std::string_view sql) {
  auto found = statements_.find(std::string(sql));
  if (found == statements_.end()) {
    if (statements_.size() >= statements_max) forget_statements();
    auto statement = std::make_unique<Statement>();
    const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                        &statement->handle, nullptr);
    if (code != SQLITE_OK) return {*this, nullptr, error_of(code)};
    found = statements_.emplace(std::string(sql), std::move(statement)).first;
  }
  Statement& statement = *found->second;
  ENSURE(!statement.is_used, "a statement is used while an earlier use of it goes on");
  statement.is_used = true;
  return {*this, &statement, std::nullopt};
}

Result<void> Database::execute(const std::string& script) {
  const int code = sqlite3_exec(handle_, script.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_of(code);
  return {};
}

Result<int64_t> Database::integer(std::string_view sql) {
  Query query = this->query(sql);
  TRY_ASSIGN(const bool has_row, query.next());
  ENSURE(has_row, "a query for one value gave none");
  return query.integer(0);
}

Result<std::string> Database::text(std::string_view sql) {
  Query query = this->query(sql);
  TRY_ASSIGN(const bool has_row, query.next());
  ENSURE(has_row, "a query for one value gave none");
  return query.text(0);
}

Result<void> Database::back_up(const Path& to) {
  const Path fresh = to.string() + ".new-" + make_secret(8);
  const auto copy = [&]() -> Result<void> {
    TRY_ASSIGN(const auto target, open(fresh, Access::create, busy_wait_));
    sqlite3_backup* backup = sqlite3_backup_init(target->handle_, "main", handle_, "main");
    if (backup == nullptr) return target->error_of(sqlite3_extended_errcode(target->handle_));
    int code = SQLITE_OK;
    do {
      code = sqlite3_backup_step(backup, -1);
    } while (code == SQLITE_OK);
    const int finished = sqlite3_backup_finish(backup);
    if (code != SQLITE_DONE) return target->error_of(code);
    if (finished != SQLITE_OK) return target->error_of(finished);
    // One file that can be carried away, without a journal beside it.
    return target->execute("PRAGMA journal_mode = DELETE");
  };
  const auto finish = [&]() -> Result<void> {
    TRY_ASSIGN(const FileDescriptor fd, open_file(fresh, O_RDWR));
    if (fsync(fd.get()) != 0) return io_error("fsync", fresh, errno);
    if (rename(fresh.c_str(), to.c_str()) != 0) return io_error("rename to", to, errno);
    return sync_directory(to.parent_path().empty() ? Path(".") : to.parent_path());
  };
  Result<void> done = copy();
  if (done) done = finish();
  if (!done) {
    unlink(fresh.c_str());
    return done.error().within("backup of " + file_.string() + " to " + to.string());
  }
  return {};
}

void Database::forget_statements() {
  for (auto it = statements_.begin(); it != statements_.end();) {
    if (it->second->is_used) {
      ++it;
      continue;
    }
    add_cost(it->second->handle);
    sqlite3_finalize(it->second->handle);
    it = statements_.erase(it);
  }
}

void Database::add_cost(sqlite3_stmt* handle) {
  cost_.vm_steps += sqlite3_stmt_status(handle, SQLITE_STMTSTATUS_VM_STEP, 1);
  cost_.full_scan_steps += sqlite3_stmt_status(handle, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
  cost_.sorts += sqlite3_stmt_status(handle, SQLITE_STMTSTATUS_SORT, 1);
}

StatementCost Database::take_cost() {
  for (const auto& [sql, statement] : statements_) add_cost(statement->handle);
  for (const int counter : {SQLITE_DBSTATUS_CACHE_HIT, SQLITE_DBSTATUS_CACHE_MISS}) {
    int now = 0, highest = 0;
    sqlite3_db_status(handle_, counter, &now, &highest, 1);
    cost_.page_reads += now;
  }
  return std::exchange(cost_, {});
}

int64_t Database::rows_changed() const { return sqlite3_changes64(handle_); }

Query::Query(Query&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      error_(std::move(other.error_)),
      bound_(other.bound_) {}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_->handle);
  sqlite3_clear_bindings(statement_->handle);
  statement_->is_used = false;
}

void Query::note(int code) {
  if (code != SQLITE_OK && !error_) error_ = database_->error_of(code);
}

Query& Query::add(std::nullopt_t) {
  if (!error_) note(sqlite3_bind_null(statement_->handle, ++bound_));
  return *this;
}

Query& Query::add(int64_t value) {
  if (!error_) note(sqlite3_bind_int64(statement_->handle, ++bound_, value));
  return *this;
}

Query& Query::add(std::string_view value) {
  if (error_) return *this;
  const char* data = value.data() == nullptr ? "" : value.data();  // a null pointer would bind NULL
  note(sqlite3_bind_text64(statement_->handle, ++bound_, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Result<bool> Query::next() {
  if (error_) return *error_;
  const int code = sqlite3_step(statement_->handle);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  error_ = database_->error_of(code);
  return *error_;
}

Result<void> Query::run() {
  for (;;) {
    TRY_ASSIGN(const bool has_row, next());
    if (!has_row) return {};
  }
}

Result<int64_t> Query::run_and_count() {
  TRY(run());
  return database_->rows_changed();
}

bool Query::is_null(int column) const { return sqlite3_column_type(statement_->handle, column) == SQLITE_NULL; }

int64_t Query::integer(int column) const { return sqlite3_column_int64(statement_->handle, column); }

std::string Query::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_->handle, column));
  if (data == nullptr) return {};
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_->handle, column))};
}

std::optional<TimePoint> Query::optional_time(int column) const {
  if (is_null(column)) return std::nullopt;
  return time(column);
}

Result<Transaction> Transaction::begin(Database& database, Kind kind) {
  // IMMEDIATE takes the lock at once: a transaction that reads first and writes later could be refused in its middle.
  TRY(database.query(kind == Kind::write ? "BEGIN IMMEDIATE" : "BEGIN").run());
  return Transaction(database);
}

Result<void> Transaction::commit() {
  TRY(database_->query("COMMIT").run());
  database_ = nullptr;
  return {};
}

Transaction::~Transaction() {
  // SQLite has rolled back by itself after some errors (a full disk); asking again would be one of its own.
  if (database_ == nullptr || sqlite3_get_autocommit(database_->handle_) != 0) return;
  (void)database_->query("ROLLBACK").run();
}

}  // namespace udon::sqlite
