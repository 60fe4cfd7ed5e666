#pragma once
// SQLite, hidden: one connection with its prepared statements, used by one thread at a time. The store's other files
// say SQL to it and get Results. Errors are told apart by what the caller can do (Database::error_of).
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace udon::sqlite {

// What statements have cost since the last look: proof that no query reads more as the history grows.
struct StatementCost {
  int64_t vm_steps = 0;         // instructions of SQLite's machine
  int64_t full_scan_steps = 0;  // rows stepped over in scans of whole tables
  int64_t sorts = 0;
  int64_t page_reads = 0;  // pages asked for, in the cache or not
  StatementCost& operator+=(const StatementCost& other);
};

class Query;

class Database {
 public:
  enum class Access { read_only, read_write, create };
  // busy_wait: how long a lock of another process is waited for.
  static Result<std::unique_ptr<Database>> open(const Path& file, Access access, Duration busy_wait);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // A cached statement, ready for its values. What is wrong with it comes out of next() or run().
  Query query(std::string_view sql);
  // Several statements without values; for migrations and pragmas.
  Result<void> execute(const std::string& script);
  Result<int64_t> integer(std::string_view sql);  // the first column of the first row
  Result<std::string> text(std::string_view sql);

  // A copy of all that is committed, consistent, written beside `to` and renamed there when it is durable.
  Result<void> back_up(const Path& to);

  StatementCost take_cost();
  int64_t rows_changed() const;  // by the last statement
  const Path& file() const { return file_; }
  Error error_of(int code) const;

 private:
  friend class Query;
  friend class Transaction;
  struct Statement {
    sqlite3_stmt* handle = nullptr;
    bool is_used = false;
  };
  Database(Path file, Duration busy_wait) : file_(std::move(file)), busy_wait_(busy_wait) {}
  void forget_statements();
  void add_cost(sqlite3_stmt* handle);

  Path file_;
  Duration busy_wait_;
  sqlite3* handle_ = nullptr;
  std::unordered_map<std::string, std::unique_ptr<Statement>> statements_;
  StatementCost cost_;
};

// One use of a statement: bind in order, then next() or run(). Given back when it goes out of scope.
class Query {
 public:
  Query(Query&& other) noexcept;
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  Query& operator=(Query&&) = delete;
  ~Query();

  // In the order of the statement's question marks.
  template <class... Values>
  Query& bind(const Values&... values) {
    (add(values), ...);
    return *this;
  }
  Query& add(std::nullopt_t);
  Query& add(int64_t value);
  Query& add(int value) { return add(static_cast<int64_t>(value)); }
  Query& add(bool value) { return add(static_cast<int64_t>(value)); }
  Query& add(std::string_view value);
  Query& add(const std::string& value) { return add(std::string_view(value)); }
  Query& add(const char* value) { return add(std::string_view(value)); }
  Query& add(TimePoint value) { return add(static_cast<int64_t>(value.time_since_epoch().count())); }
  Query& add(const std::optional<int64_t>& value) { return value ? add(*value) : add(std::nullopt); }
  Query& add(const std::optional<TimePoint>& value) { return value ? add(*value) : add(std::nullopt); }

  Result<bool> next();              // whether there is a row
  Result<void> run();               // to the end
  Result<int64_t> run_and_count();  // rows changed

  // Of the current row; columns count from 0.
  bool is_null(int column) const;
  int64_t integer(int column) const;
  std::string text(int column) const;
  TimePoint time(int column) const { return TimePoint(Duration(integer(column))); }
  std::optional<TimePoint> optional_time(int column) const;

 private:
  friend class Database;
  Query(Database& database, Database::Statement* statement, std::optional<Error> error)
      : database_(&database), statement_(statement), error_(std::move(error)) {}
  void note(int code);

  Database* database_;
  Database::Statement* statement_;
  std::optional<Error> error_;
  int bound_ = 0;
};

// Rolled back unless committed.
class Transaction {
 public:
  enum class Kind { read, write };
  static Result<Transaction> begin(Database& database, Kind kind);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace udon::sqlite
