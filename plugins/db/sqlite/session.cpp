#include "plugins/db/sqlite/session.h"

#include <filesystem>

#include "base/text.h"
#include "plugins/db/sqlite/impl.h"

namespace udon {
namespace {

ErrorKind kind_of(int code, std::string_view message) {
  switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: return ErrorKind::unavailable;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY: return ErrorKind::denied;
    case SQLITE_CANTOPEN: return ErrorKind::not_found;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM: return ErrorKind::io;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: return ErrorKind::data;
    case SQLITE_INTERRUPT: return ErrorKind::cancelled;
    default:
      return message.starts_with("no such table") || message.starts_with("no such column") ? ErrorKind::not_found
                                                                                           : ErrorKind::invalid;
  }
}

std::string advice(int code) {
  switch (code) {
    case SQLITE_BUSY: return "; another process holds its lock: try again, or let its transactions be shorter";
    case SQLITE_READONLY: return "; is mode=ro said, or may the file or its folder not be written?";
    case SQLITE_NOTADB: return "; is the path of the connection right?";
    case SQLITE_FULL: return "; the disk is full";
    default: return {};
  }
}

Result<int> flags_of(const Connection& connection) {
  const std::string mode = connection.option("mode", "rw");
  static const std::vector<std::string> modes{"ro", "rw", "rwc"};
  if (mode == "ro") return SQLITE_OPEN_READONLY;
  if (mode == "rw") return SQLITE_OPEN_READWRITE;
  if (mode == "rwc") return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  return Error{ErrorKind::invalid, "connection `" + connection.id + "`: mode=" + mode + " is not one of " +
                                       join(modes, ", ") + did_you_mean(mode, modes)};
}

}  // namespace

Error SqliteSession::Impl::error(std::string_view doing) const {
  const std::string what = path + ": " + std::string(doing) + ": ";
  if (stop.stop_requested()) return Error{ErrorKind::cancelled, what + "stopped"};
  const int code = sqlite3_errcode(db.get()) & 0xff;
  const std::string message = sqlite3_errmsg(db.get());
  return Error{kind_of(code, message), what + message + advice(code)};
}

SqliteSession::SqliteSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteSession::~SqliteSession() = default;

Result<std::unique_ptr<SqliteSession>> SqliteSession::open(const Connection& connection, const SqliteOptions& options,
                                                           std::stop_token stop) {
  TRY_ASSIGN(const int flags, flags_of(connection));
  if (!connection.host.empty() || !connection.schema.starts_with('/'))
    return Error{ErrorKind::invalid,
                 "connection `" + connection.id +
                     "` names no absolute path; write sqlite:////data/market.db, with four slashes"};
  auto impl = std::make_unique<Impl>();
  impl->path = connection.schema;
  impl->stop = stop;
  std::error_code ignored;
  if ((flags & SQLITE_OPEN_CREATE) == 0 && !std::filesystem::exists(impl->path, ignored))
    return Error{ErrorKind::not_found, "there is no " + impl->path + "; check the path of connection `" +
                                           connection.id + "`, or add ?mode=rwc to have it made"};
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(impl->path.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  impl->db.reset(db);
  if (db == nullptr) return Error{ErrorKind::io, "no memory for a SQLite session"};
  if (code != SQLITE_OK) return impl->error("open");
  sqlite3_extended_result_codes(db, 1);
  // A database file may come from anywhere: its schema must not call what it should not, nor load code.
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  // "no such column" is a mistake, not a text.
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_busy_timeout(db, static_cast<int>(options.busy_timeout.count()));
  // Asked between steps too: sqlite3_interrupt does nothing to a statement that has not begun.
  constexpr int instructions = 10'000;
  Impl* raw = impl.get();
  sqlite3_progress_handler(
      db, instructions, [](void* self) { return static_cast<Impl*>(self)->stop.stop_requested() ? 1 : 0; }, raw);
  impl->on_stop.emplace(stop, [db] { sqlite3_interrupt(db); });
  auto session = std::unique_ptr<SqliteSession>(new SqliteSession(std::move(impl)));
  TRY(session->execute("select count(*) from sqlite_schema"));  // reads the file's head: is it a database?
  return session;
}

Result<void> SqliteSession::execute(const std::string& sql) {
  if (impl_->stop.stop_requested()) return impl_->error("`" + sql.substr(0, 200) + "`");
  if (sqlite3_exec(impl_->db.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return impl_->error("`" + sql.substr(0, 200) + "`");
  return {};
}

int64_t SqliteSession::rows_changed() const { return sqlite3_total_changes64(impl_->db.get()); }
const std::string& SqliteSession::path() const { return impl_->path; }

}  // namespace udon
