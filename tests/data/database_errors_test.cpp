// What replica_export says and leaves when the database is not as it should be: both databases, through the operator.
#include <set>

#include "base/text.h"
#include "plugins/db/mysql/session.h"
#include "plugins/db/postgres/session.h"
#include "tests/data/operator_world.h"
#include "tests/data/tcp_proxy.h"
#include "tests/support/services.h"

namespace udon {
namespace {

using test::OperatorRun;
using test::Parameters;
using test::TcpProxy;

// A database of the one kind or the other, with a large and a small table.
struct Database {
  std::string name;  // the service
  Connection connection;
  std::string table, small;

  bool is_mysql() const { return connection.type == "mysql"; }
  void run(const std::string& sql) const {
    const auto done = [&]() -> Result<void> {
      if (is_mysql()) {
        TRY_ASSIGN(const auto session, MysqlSession::connect(connection));
        return session->execute(sql);
      }
      TRY_ASSIGN(const auto session, PostgresSession::connect(connection));
      return session->execute(sql);
    }();
    if (!done) FAIL(done.error().message);
  }
  std::string address() const { return connection.host + ":" + std::to_string(connection.port); }

  // Ends the session that sends the large table, as an administrator does.
  void kill_export() const {
    if (is_mysql()) {
      const auto session = MysqlSession::connect(connection);
      if (!session) throw std::runtime_error(session.error().message);
      const auto found = (*session)->query(
          "select id from information_schema.processlist where id <> connection_id() and info like '%errors_large%'");
      if (!found || found->rows.empty()) throw std::runtime_error("no session to kill");
      for (const auto& row : found->rows) static_cast<void>((*session)->execute("kill " + *row[0]));
    } else {
      const auto session = PostgresSession::connect(connection);
      if (!session) throw std::runtime_error(session.error().message);
      const auto done = (*session)->query(
          "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query like "
          "'copy%errors_large%'");
      if (!done || done->rows.empty()) throw std::runtime_error("no session to kill");
    }
  }
};

void fill(const Database& database) {
  if (database.is_mysql()) {
    database.run("create or replace table " + database.table +
                 " engine=InnoDB select seq id, repeat('우', 400) note from seq_1_to_40000");
    database.run("create or replace table " + database.small + " (id int primary key)");
  } else {
    database.run(
        "drop table if exists " + database.table + "; create table " + database.table +
        " as select i id, repeat('우', 400) || i note from generate_series(1, 40000) i; drop table if exists " +
        database.small + "; create table " + database.small + " (id int primary key)");
  }
}

Database database_of(const test::Services& services, const std::string& name) {
  Database database{.name = name,
                    .connection = name == "mariadb" ? services.mariadb() : services.postgres(),
                    .table = "errors_large",
                    .small = "errors_small"};
  return database;
}

const std::vector<Database>& databases() {
  static const std::vector<Database> all = [] {
    std::vector<Database> made;
    for (const char* name : {"mariadb", "postgres"}) {
      made.push_back(database_of(test::Services(), name));
      fill(made.back());
    }
    return made;
  }();
  return all;
}

struct Export : OperatorRun {
  Export(const Database& database, const std::string& table, Parameters more = {})
      : OperatorRun("replica_export", with({{"connection", "source"}, {"table", table}}, std::move(more))) {
    context.connections["source"] = database.connection;
    context.connections["source"].id = "source";
    target = folder.path() / "lake/orders";
    context.parameter_map.set("to", target.string() + "/");
  }
  static Parameters with(Parameters first, Parameters more) {
    bool has_columns = false;
    for (auto& entry : more) {
      has_columns = has_columns || entry.first == "columns";
      first.push_back(std::move(entry));
    }
    if (!has_columns) first.emplace_back("columns", "*");
    first.emplace_back("to", "/replaced");
    return first;
  }
  Connection& source() { return context.connections["source"]; }
  // Half an output is none: neither at the target nor beside it, and nothing staged.
  void check_nothing_left() {
    CHECK_FALSE(std::filesystem::exists(target));
    if (std::filesystem::exists(target.parent_path())) CHECK(std::filesystem::is_empty(target.parent_path()));
    CHECK(std::filesystem::is_empty(context.staging_folder));
  }
  Path target;
};

void check_says(const Error& error, ErrorKind kind, const std::vector<std::string>& words) {
  INFO(error.message);
  CHECK(to_string(error.kind) == to_string(kind));
  for (const std::string& word : words) CHECK_THAT(error.message, Catch::Contains(word));
}

TEST_CASE("a database that is down, and a host that nobody knows, are named, and a retry may help") {
  for (const Database& database : databases()) {
    Export down(database, database.small);
    down.source().port = 1;  // nothing listens there
    check_says(down.failure(), ErrorKind::unavailable,
               {"127.0.0.1:1", database.connection.login, "is the server up", "`source`"});
    down.check_nothing_left();

    Export unknown(database, database.small);
    unknown.source().host = "replica.invalid";
    check_says(unknown.failure(), ErrorKind::unavailable,
               {"replica.invalid", "are host and port of connection `source` right?"});
    unknown.check_nothing_left();
  }
}

TEST_CASE("a wrong password is refused once and for all, and is not shown") {
  for (const Database& database : databases()) {
    Export run(database, database.small);
    run.source().password = "not-the-password";
    check_says(run.failure(), ErrorKind::denied,
               {database.address(), "udon", "check login and password of connection `source`"});
    run.check_nothing_left();
  }
}

TEST_CASE("a database, a table and a column that are not there are named") {
  for (const Database& database : databases()) {
    Export no_database(database, database.small);
    no_database.source().schema = "no_such_database";
    check_says(no_database.failure(), ErrorKind::not_found,
               {database.address(), "no_such_database", "check the database of connection `source`"});

    Export no_table(database, "no_such_table");
    check_says(no_table.failure(), ErrorKind::not_found, {database.address(), "no_such_table", "; "});
    no_table.check_nothing_left();

    Export no_column(database, database.small, {{"columns", Value(Value::List{Value("ID_"), Value("id")})}});
    check_says(no_column.failure(), ErrorKind::not_found,
               {database.address(), database.small, "`ID_`", "did you mean `id`?"});
    no_column.check_nothing_left();

    Export mistake(database, database.small, {{"where", Value(Value::Map{{"sql", "id >"}})}});
    check_says(mistake.failure(), ErrorKind::invalid, {database.address(), "syntax"});
    mistake.check_nothing_left();
  }
}

TEST_CASE("a mask key that is none is refused without being shown") {
  const Database& database = databases().front();
  Export run(database, database.small,
             {{"columns", Value(Value::List{Value(Value::Map{{"name", "id"}, {"mask", "hmac_sha256"}})})},
              {"mask_key", "key"}});
  run.context.connections["key"] = {.id = "key", .type = "generic", .password = "too-short-to-be-a-key"};
  check_says(run.failure(), ErrorKind::invalid, {"`key`", "32"});
  run.check_nothing_left();
}

TEST_CASE("what the server says of a row is not told: it quotes columns that were not chosen, or are masked") {
  struct Failing {
    const char* condition;
    std::vector<std::string> words;
  };
  const std::vector<Failing> mysql = {
      {"exists(select count(*), concat(ssn, floor(rand(0) * 2)) x from (select ssn from errors_people union all select "
       "ssn from errors_people union all select ssn from errors_people) d group by x)",
       {"(1062, 23000)"}},
      {"pow(10, length(ssn) * 100) > 1", {"a number is out of range", "(1690, 22003)"}},
  };
  const std::vector<Failing> postgres = {
      {"ssn::int > 1", {"a text is no value of the type it is read as", "[22P02]"}},
      {"email::int > 1", {"[22P02]"}},
      {"ssn::json is not null", {"[22P02]"}},
      {"ssn::regclass is not null", {"[42P01]"}},
      {"query_to_xml('select ' || ssn, true, true, '') is null", {"[42703]"}},
      {"errors_raise(ssn) > 1", {"a function of the database raised an error", "[P0001]"}},
      {"1 / (length(ssn) - length(ssn)) > 1", {"a division by zero", "[22012]"}},
  };
  for (const Database& database : databases()) {
    const std::string type = database.is_mysql() ? "varchar(50)" : "text";
    database.run("drop table if exists errors_people");
    database.run("create table errors_people (email " + type + " primary key, ssn " + type + ")");
    database.run("insert into errors_people values ('kim@example.kr', 'SSN12345')");
    if (!database.is_mysql())
      database.run(
          "create or replace function errors_raise(t text) returns int language plpgsql as $$begin raise exception "
          "'bad %', t; end$$");
    const Value masked(Value::List{Value(Value::Map{{"name", "email"}, {"mask", "hmac_sha256"}})});
    for (const auto& [condition, words] : database.is_mysql() ? mysql : postgres) {
      INFO(condition);
      Export run(database, "errors_people",
                 {{"columns", masked}, {"mask_key", "key"}, {"where", Value(Value::Map{{"sql", condition}})}});
      run.context.connections["key"] = {
          .id = "key", .type = "generic", .password = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="};
      const Error error = run.failure();
      check_says(error, ErrorKind::data, words);
      std::string told = lower_ascii(error.message);
      for (const std::string& line : run.context.lines) told += "\n" + lower_ascii(line);
      for (const char* secret : {"ssn12345", "kim@example", "12345"}) CHECK_THAT(told, !Catch::Contains(secret));
      run.check_nothing_left();
    }
  }
}

TEST_CASE("what the server says of the condition's own text is told as it is") {
  for (const Database& database : databases()) {
    Export run(database, database.small, {{"where", Value(Value::Map{{"sql", "no_such_name > 1"}})}});
    check_says(run.failure(), ErrorKind::not_found, {"no_such_name"});
    if (database.is_mysql()) continue;
    Export literal(database, database.small, {{"where", Value(Value::Map{{"sql", "id > 'abc'"}})}});
    check_says(literal.failure(), ErrorKind::data, {"\"abc\"", "[22P02]"});
  }
}

TEST_CASE("a connection that ends in mid-export ends its snapshot: all is read once more, in a new one") {
  for (const Database& database : databases()) {
    const bool is_killed = GENERATE(false, true);
    INFO(database.name << (is_killed ? ": session killed" : ": connection closed"));
    Export run(database, database.table);
    TcpProxy proxy(database.connection.port, 2 << 20, [&] {
      // A row that only the second snapshot has: of the first nothing may be left.
      database.run("delete from " + database.table + " where id > 40000");
      database.run("insert into " + database.table + " values (40001, 'late')");
      if (is_killed) database.kill_export();
      return is_killed ? TcpProxy::Then::go_on : TcpProxy::Then::close;
    });
    run.source().port = proxy.port();
    const auto outcome = run.run();
    if (!outcome) FAIL(outcome.error().message);
    CHECK(proxy.has_happened());
    CHECK(outcome->return_value.integer("rows") == 40001);
    CHECK(std::ranges::any_of(run.context.lines, [](const std::string& line) {
      return line.find("its snapshot is lost; all is read from the beginning, once") != line.npos;
    }));
    database.run("delete from " + database.table + " where id > 40000");
  }
}

TEST_CASE("a connection that ends twice leaves nothing, keeps the old result, and the next try is whole") {
  for (const Database& database : databases()) {
    const bool is_killed = GENERATE(false, true);
    INFO(database.name << (is_killed ? ": session killed" : ": connection closed"));
    Export run(database, database.table);
    TcpProxy proxy(
        database.connection.port, 2 << 20,
        [&] {
          if (is_killed) database.kill_export();
          return is_killed ? TcpProxy::Then::go_on : TcpProxy::Then::close;
        },
        2);
    run.source().port = proxy.port();
    const Error error = run.failure();
    CHECK(proxy.has_happened());
    CHECK_THAT(error.message, Catch::Contains("all was read from the beginning already, after: "));
    check_says(error, ErrorKind::unavailable,
               {"127.0.0.1:" + std::to_string(proxy.port()), " rows", "another try can succeed"});
    run.check_nothing_left();

    // Now with a result there from before, which stays as it is.
    Export first(database, database.small);
    first.target = run.target;
    first.context.parameter_map.set("to", run.target.string());
    const auto done = first.run();
    if (!done) FAIL(done.error().message);
    const std::string manifest = read_file(run.target / "_manifest.json").value_or("");
    CHECK_FALSE(manifest.empty());
    TcpProxy again(
        database.connection.port, 4 << 20, [] { return TcpProxy::Then::close; }, 2);
    run.source().port = again.port();
    CHECK(is_transient(run.failure().kind));
    CHECK(read_file(run.target / "_manifest.json") == manifest);

    run.source().port = database.connection.port;
    const auto whole = run.run();
    if (!whole) FAIL(whole.error().message);
    CHECK(whole->return_value.integer("rows") == 40000);
  }
}

TEST_CASE(
    "a server that restarts in mid-export twice ends the try as one that may be repeated, and the repetition is "
    "whole") {
  const test::Services own(Path(std::getenv("UDON_BUILD")) / "data-errors-services");
  const std::string name = GENERATE("mariadb", "postgres");
  INFO(name);
  own.run(name, "start", "primary");
  const struct Stop {
    const test::Services& services;
    std::string name;
    ~Stop() { services.run(name, "stop"); }
  } stop{own, name};
  const Database database = database_of(own, name);
  fill(database);
  Export run(database, database.table);
  TcpProxy proxy(
      database.connection.port, 2 << 20,
      [&] {
        own.run(name, "stop", "primary");
        own.run(name, "start", "primary");
        return TcpProxy::Then::go_on;
      },
      2);
  run.source().port = proxy.port();
  check_says(run.failure(), ErrorKind::unavailable, {"127.0.0.1:" + std::to_string(proxy.port())});
  CHECK(proxy.has_happened());
  run.check_nothing_left();
  const auto whole = run.run();  // through the same proxy, which lets it pass
  if (!whole) FAIL(whole.error().message);
  CHECK(whole->return_value.integer("rows") == 40000);
}

TEST_CASE("a try that is asked to stop in mid-export stops, and leaves nothing") {
  for (const Database& database : databases()) {
    Export run(database, database.table);
    TcpProxy proxy(database.connection.port, 2 << 20, [&] {
      run.context.stop.request_stop();
      return TcpProxy::Then::go_on;
    });
    run.source().port = proxy.port();
    CHECK(run.failure().kind == ErrorKind::cancelled);
    run.check_nothing_left();
  }
}

}  // namespace
}  // namespace udon
