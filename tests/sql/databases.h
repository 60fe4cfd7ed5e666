#pragma once
// MariaDB, PostgreSQL and SQLite as the operators of SQL see them.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "plugins/data/query.h"
#include "tests/data/operator_world.h"
#include "tests/support/services.h"

namespace udon::test {

struct SqlDatabase {
  std::string name;
  Connection connection;

  bool is(const char* other) const { return name == other; }
  // By the layer below, one statement after the other.
  void run(const std::string& sql) const {
    const auto done = [&]() -> Result<void> {
      TRY_ASSIGN(const auto session, data::open_query_session(connection, {}, {}));
      TRY_ASSIGN(const auto dialect, data::dialect_of(connection));
      TRY_ASSIGN(const auto statements, data::make_statements(Value(sql), Value::map(), dialect));
      for (const data::Statement& statement : statements) TRY(session->execute(statement));
      return {};
    }();
    if (!done) FAIL(name << ": " << done.error().message);
  }
};

inline const std::vector<SqlDatabase>& sql_databases() {
  static const TemporaryFolder folder;
  static const std::vector<SqlDatabase> all = [] {
    Connection sqlite{.id = "db", .type = "sqlite", .schema = (folder.path() / "시장.db").string()};
    sqlite.extra.set("mode", "rwc");
    return std::vector<SqlDatabase>{
        {"mariadb", Services().mariadb()}, {"postgres", Services().postgres()}, {"sqlite", sqlite}};
  }();
  return all;
}

inline void check_says(const Error& error, ErrorKind kind, const std::vector<std::string>& words) {
  INFO(error.message);
  CHECK(to_string(error.kind) == to_string(kind));
  for (const std::string& word : words) CHECK_THAT(error.message, Catch::Contains(word));
}

struct SqlRun : OperatorRun {
  SqlRun(const std::string& operator_name, const SqlDatabase& database, const Parameters& parameters)
      : OperatorRun(operator_name, with_connection(parameters)) {
    context.connections["db"] = database.connection;
    context.connections["db"].id = "db";
  }
  Outcome success() {
    auto outcome = run();
    if (!outcome) FAIL(outcome.error().message);
    return std::move(*outcome);
  }
  Connection& connection() { return context.connections["db"]; }

 private:
  static Parameters with_connection(Parameters parameters) {
    parameters.emplace_back("connection", "db");
    return parameters;
  }
};

// A folder that a result may become.
class TemporaryTarget {
 public:
  std::string path() const { return (folder_.path() / "lake").string(); }
  std::string read(const std::string& name) const { return read_file(Path(path()) / name).value_or("(none)"); }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path(), error))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace udon::test
