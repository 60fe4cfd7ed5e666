// What `sql` says and leaves when a database is not as it should be, or the try is to end.
#include "tests/sql/databases.h"

#include <thread>

#include "tests/data/tcp_proxy.h"
#include "tests/support/eventually.h"

namespace udon {
namespace {

using test::check_says;
using test::Parameters;
using test::sql_databases;
using test::SqlDatabase;
using test::SqlRun;
using test::TcpProxy;

struct Sql : SqlRun {
  Sql(const SqlDatabase& database, const Value& sql, Parameters more = {})
      : SqlRun("sql", database, with_sql(sql, std::move(more))) {}

 private:
  static Parameters with_sql(const Value& sql, Parameters more) {
    more.emplace_back("sql", sql);
    return more;
  }
};

std::string address(const SqlDatabase& database) {
  return database.is("sqlite") ? database.connection.schema
                               : database.connection.host + ":" + std::to_string(database.connection.port);
}

// 100,000 rows of about 1 KB.
std::string many_rows(const SqlDatabase& database) {
  if (database.is("mariadb")) return "select seq as id, repeat('우', 300) as note from seq_1_to_100000";
  if (database.is("postgres")) return "select i as id, repeat('우', 300) as note from generate_series(1, 100000) i";
  return "with recursive c(n) as (select 1 union all select n + 1 from c where n < 100000) select n as id, "
         "replace(hex(zeroblob(150)), '00', '우') || n as note from c";
}

std::string endless(const SqlDatabase& database) {
  if (database.is("mariadb"))
    return "select count(*) as n /* endless */ from seq_1_to_1000000 a, seq_1_to_1000000 b where a.seq * b.seq < 0";
  if (database.is("postgres"))
    return "select count(*) as n /* endless */ from generate_series(1, 1000000) a, generate_series(1, 1000000) b where "
           "a * b < 0";
  return "with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) as n from c where n < 0";
}

// Whether the server still runs the endless statement.
bool is_running(const SqlDatabase& database) {
  const std::string sql = database.is("mariadb") ? "select count(*) as n from information_schema.processlist where "
                                                   "info like '%endless%' and id <> connection_id()"
                                                 : "select count(*) as n from pg_stat_activity where query like "
                                                   "'%endless%' and pid <> pg_backend_pid() and state = 'active'";
  return Sql(database, sql).success().return_value.as_list()[0].integer("n") > 0;
}

TEST_CASE("a wrong password is refused and not shown; a server that is not there is named") {
  for (const SqlDatabase& database : sql_databases()) {
    if (database.is("sqlite")) continue;
    Sql wrong(database, "select 1 as one");
    wrong.connection().password = "not-the-password";
    check_says(wrong.failure(), ErrorKind::denied, {address(database), "check login and password of connection `db`"});
    Sql down(database, "select 1 as one");
    down.connection().port = 1;
    check_says(down.failure(), ErrorKind::unavailable, {"127.0.0.1:1", "is the server up", "`db`"});
  }
  Sql absent(sql_databases()[2], "select 1 as one");
  absent.connection().schema += ".absent";
  absent.connection().extra.set("mode", "rw");
  check_says(absent.failure(), ErrorKind::not_found, {".absent", "`db`"});
  Sql other(sql_databases()[2], "select 1 as one");
  other.connection().type = "aws";
  check_says(other.failure(), ErrorKind::invalid, {"`db` is of type aws", "sqlite"});
}

TEST_CASE("a mistake in SQL and a table or column that is not there are told by the database") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    check_says(Sql(database, "selekt 1").failure(), ErrorKind::invalid, {address(database), "selekt"});
    check_says(Sql(database, "select 1 as one; select * from absent_table").failure(), ErrorKind::not_found,
               {"statement 2 of 2", "absent_table"});
    check_says(Sql(database, "delete from absent_table").failure(), ErrorKind::not_found, {"absent_table"});
    check_says(Sql(database, "select absent_column from (select 1 as one) t").failure(), ErrorKind::not_found,
               {"absent_column"});
  }
}

TEST_CASE("a statement that takes too long is ended, on the server too, and what came before it is undone") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    database.run("drop table if exists sql_limited; create table sql_limited (id int)");
    Sql run(database, "insert into sql_limited values (1); " + endless(database), {{"statement_timeout", "300ms"}});
    check_says(run.failure(), ErrorKind::timeout, {"statement 2 of 2", "300ms", "`statement_timeout`"});
    if (!database.is("sqlite")) CHECK(test::eventually([&] { return !is_running(database); }));
    CHECK(to_json(Sql(database, "select count(*) as n from sql_limited").success().return_value) == R"([{"n":0}])");
    // The limit is for each statement, and one that keeps to it is not touched.
    CHECK(Sql(database, "select 1 as one", {{"statement_timeout", "1h"}}).success().return_value.size() == 1);
  }
}

TEST_CASE("a try that is asked to stop ends its statement on the server too") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    Sql run(database, endless(database));
    std::jthread stopper([&] {
      if (!database.is("sqlite")) test::eventually([&] { return is_running(database); });
      run.context.stop.request_stop();
    });
    CHECK(run.failure().kind == ErrorKind::cancelled);
    stopper.join();
    if (!database.is("sqlite")) CHECK(test::eventually([&] { return !is_running(database); }));
  }
}

TEST_CASE("a connection that ends in mid-answer is an error that a retry may help against, and nothing is left") {
  for (const SqlDatabase& database : sql_databases()) {
    if (database.is("sqlite")) continue;
    for (const bool to_files : {false, true}) {
      INFO(database.name << (to_files ? ", to a file" : ""));
      Parameters more{{"to_xcom", false}};
      Sql run(database, many_rows(database), more);
      const Path target = run.folder.path() / "lake/rows";
      if (to_files) run.context.parameter_map.set("to", target.string());
      TcpProxy proxy(database.connection.port, 2 << 20, [] { return TcpProxy::Then::close; });
      run.connection().port = proxy.port();
      check_says(run.failure(), ErrorKind::unavailable, {"127.0.0.1:" + std::to_string(proxy.port()), " rows"});
      CHECK(proxy.has_happened());
      CHECK_FALSE(std::filesystem::exists(target));
      CHECK(std::filesystem::is_empty(run.context.staging_folder));
      run.connection().port = database.connection.port;
      CHECK(run.success().message.starts_with("100000 rows"));
    }
  }
}

TEST_CASE("a session that is killed in mid-statement is an error that a retry may help against") {
  for (const SqlDatabase& database : sql_databases()) {
    if (database.is("sqlite")) continue;
    INFO(database.name);
    Sql run(database, endless(database));
    std::jthread killer([&] {
      test::eventually([&] { return is_running(database); });
      if (database.is("postgres")) {
        Sql(database,
            "select pg_terminate_backend(pid) as t from pg_stat_activity where query like '%endless%' and pid <> "
            "pg_backend_pid()")
            .success();
        return;
      }
      const Value rows =
          Sql(database,
              "select id from information_schema.processlist where info like '%endless%' and id <> connection_id()")
              .success()
              .return_value;
      for (const Value& row : rows.as_list()) database.run("kill " + row.text("id", to_json(row.get("id"))));
    });
    CHECK(is_transient(run.failure().kind));
  }
}

TEST_CASE("a large answer fits a small budget as a file, and no XCom") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    Sql rows(database, many_rows(database));
    check_says(rows.failure(), ErrorKind::data, {"more than 1000 rows"});
    Sql bytes(database, many_rows(database), {{"rows_max", 100'000}});
    check_says(bytes.failure(), ErrorKind::data, {"1048576 bytes", "`to`"});
    for (const char* format : {"csv", "parquet"}) {
      Sql file(database, many_rows(database), {{"format", format}, {"memory", "32MB"}, {"to", "/replaced"}});
      const Path target = file.folder.path() / "lake/rows";
      file.context.parameter_map.set("to", target.string());
      const Outcome outcome = file.success();
      CHECK(outcome.return_value.integer("rows") == 100'000);
      CHECK(std::filesystem::exists(target / ("part-00000." + std::string(format))));
      CHECK(std::filesystem::exists(target / "_SUCCESS"));
    }
  }
}

TEST_CASE("a value that is too large for the budget is named") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    const std::string huge = database.is("sqlite") ? "hex(zeroblob(3000000))" : "repeat('x', 6000000)";
    Sql run(database, "select 1 as id, " + huge + " as big", {{"memory", "32MB"}, {"to", "/replaced"}});
    run.context.parameter_map.set("to", (run.folder.path() / "lake/rows").string());
    check_says(
        run.failure(), ErrorKind::data,
        {"column `big`", "row 1", "more than the 4000000 that one may have here; it needs `memory: 49MB`, or leave"});
  }
}

TEST_CASE("a rerun replaces the file, in another format too, and an answer without rows has its columns") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    const test::TemporaryTarget target;
    const auto write = [&](const std::string& sql, const char* format) {
      Sql run(database, sql, {{"format", format}, {"to", target.path()}});
      return run.success().return_value;
    };
    write("select 1 as a, '우동' as b union all select 2, null", "csv");
    CHECK(target.read("part-00000.csv") == "a,b\n1,우동\n2,\n");
    const Value empty = write("select 1 as a, 'x' as b where 1 = 0", "csv");
    CHECK(target.read("part-00000.csv") == "a,b\n");
    CHECK(empty.get("certificate").text("level") == "rows");
    CHECK(write("select 1 as a", "parquet").get("certificate").text("level") == "wire");
    CHECK(target.names() == std::vector<std::string>{"_SUCCESS", "_manifest.json", "part-00000.parquet"});
  }
}

TEST_CASE("rows that are to be a file need a statement that gives them, and the folder is not touched without") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    const test::TemporaryTarget target;
    database.run("drop table if exists sql_target; create table sql_target (id int)");
    check_says(Sql(database, "insert into sql_target values (1)", {{"to", target.path()}}).failure(),
               ErrorKind::invalid, {"no statement gives rows"});
    CHECK(to_json(Sql(database, "select count(*) as n from sql_target").success().return_value) == R"([{"n":0}])");
    // Statements after the answer run, and all of it is committed, before anything is published.
    Sql fails(database,
              "insert into sql_target values (1); select id from sql_target; insert into absent_table values (1)",
              {{"to", target.path()}});
    check_says(fails.failure(), ErrorKind::not_found, {"statement 3 of 3"});
    CHECK(target.names().empty());
    CHECK(to_json(Sql(database, "select count(*) as n from sql_target").success().return_value) == R"([{"n":0}])");
    Sql whole(database, "insert into sql_target values (1); select id, id as b from sql_target; delete from sql_target",
              {{"to", target.path()}, {"format", "csv"}});
    CHECK(whole.success().return_value.integer("rows") == 1);
    CHECK(target.read("part-00000.csv") == "id,b\n1,1\n");
    CHECK(whole.context.pushed["rows_affected"] == Value(2));
  }
}

}  // namespace
}  // namespace udon
