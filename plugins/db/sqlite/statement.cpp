#include "plugins/db/sqlite/statement.h"

#include "plugins/db/sqlite/impl.h"

namespace udon {

struct SqliteStatement::Impl {
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  SqliteSession::Impl* session = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalize> statement;
  std::vector<SqliteColumn> columns;
  uint64_t rows = 0;
};

namespace {

Result<int> bind(sqlite3_stmt* statement, int place, const Value& value) {
  if (value.is_null()) return sqlite3_bind_null(statement, place);
  if (value.is_bool()) return sqlite3_bind_int(statement, place, value.as_bool() ? 1 : 0);
  if (value.is_int()) return sqlite3_bind_int64(statement, place, value.as_int());
  if (value.is_double()) return sqlite3_bind_double(statement, place, value.as_double());
  if (value.is_string())
    return sqlite3_bind_text64(statement, place, value.as_string().data(), value.as_string().size(), SQLITE_TRANSIENT,
                               SQLITE_UTF8);
  return Error{ErrorKind::invalid,
               "a parameter of a query is text, a number, true, false or null, not " + std::string(value.type_name())};
}

}  // namespace

SqliteStatement::SqliteStatement(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteStatement::~SqliteStatement() = default;

Result<std::unique_ptr<SqliteStatement>> SqliteStatement::prepare(SqliteSession& session, const std::string& sql,
                                                                  const std::vector<Value>& values) {
  auto impl = std::make_unique<Impl>();
  impl->session = &session.impl();
  sqlite3* db = session.impl().db.get();
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  impl->statement.reset(statement);
  if (code != SQLITE_OK) return session.impl().error("prepare `" + sql.substr(0, 200) + "`");
  if (statement == nullptr) return Error{ErrorKind::invalid, session.path() + ": a statement that says nothing"};
  if (static_cast<size_t>(sqlite3_bind_parameter_count(statement)) != values.size())
    return Error{ErrorKind::invalid,
                 session.path() + ": the statement has " + std::to_string(sqlite3_bind_parameter_count(statement)) +
                     " places for values, but " + std::to_string(values.size()) + " values were given"};
  for (size_t i = 0; i < values.size(); ++i) {
    TRY_ASSIGN(const int bound, bind(statement, static_cast<int>(i) + 1, values[i]));
    if (bound != SQLITE_OK) return session.impl().error("bind a value");
  }
  for (int c = 0; c < sqlite3_column_count(statement); ++c) {
    const char* declared = sqlite3_column_decltype(statement, c);
    impl->columns.push_back({.name = sqlite3_column_name(statement, c), .declared_type = declared ? declared : ""});
  }
  return std::unique_ptr<SqliteStatement>(new SqliteStatement(std::move(impl)));
}

const std::vector<SqliteColumn>& SqliteStatement::columns() const { return impl_->columns; }
bool SqliteStatement::is_read_only() const { return sqlite3_stmt_readonly(impl_->statement.get()) != 0; }
uint64_t SqliteStatement::rows() const { return impl_->rows; }

Result<bool> SqliteStatement::next() {
  const std::string doing = "after " + std::to_string(impl_->rows) + " rows";
  if (impl_->session->stop.stop_requested()) return impl_->session->error(doing);
  const int code = sqlite3_step(impl_->statement.get());
  if (code == SQLITE_ROW) {
    ++impl_->rows;
    return true;
  }
  if (code == SQLITE_DONE) return false;
  return impl_->session->error(impl_->rows == 0 ? "run the statement" : doing);
}

SqliteClass SqliteStatement::class_of(size_t column) const {
  switch (sqlite3_column_type(impl_->statement.get(), static_cast<int>(column))) {
    case SQLITE_INTEGER: return SqliteClass::integer;
    case SQLITE_FLOAT: return SqliteClass::real;
    case SQLITE_TEXT: return SqliteClass::text;
    case SQLITE_BLOB: return SqliteClass::blob;
    default: return SqliteClass::null;
  }
}

int64_t SqliteStatement::integer(size_t column) const {
  return sqlite3_column_int64(impl_->statement.get(), static_cast<int>(column));
}

double SqliteStatement::real(size_t column) const {
  return sqlite3_column_double(impl_->statement.get(), static_cast<int>(column));
}

std::string_view SqliteStatement::bytes(size_t column) const {
  sqlite3_stmt* statement = impl_->statement.get();
  const int place = static_cast<int>(column);
  const void* data = sqlite3_column_type(statement, place) == SQLITE_TEXT
                         ? static_cast<const void*>(sqlite3_column_text(statement, place))
                         : sqlite3_column_blob(statement, place);
  // The length is asked after the pointer, as SQLite's manual says.
  const auto length = static_cast<size_t>(sqlite3_column_bytes(statement, place));
  return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), length);
}

}  // namespace udon
