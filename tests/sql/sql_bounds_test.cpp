// The operator `sql` within the bounds of the server that it reads.
#include "tests/sql/bounds.h"

namespace udon {
namespace {

using namespace std::chrono_literals;
using test::BoundsDoor;
using test::check_says;
using test::check_waited;
using test::Parameters;
using test::sql_databases;
using test::SqlDatabase;
using test::SqlRun;

std::string sleep_of(const SqlDatabase& database, const char* seconds) {
  return database.is("mariadb") ? std::string("select sleep(") + seconds + ")"
                                : std::string("select pg_sleep(") + seconds + ")";
}

void make_notes(const SqlDatabase& database) {
  database.run("drop table if exists sql_bounds; create table sql_bounds (id int primary key)");
}

TEST_CASE("rows are read when there is a reader for them, and it is given back") {
  for (const SqlDatabase& database : sql_databases()) {
    if (database.is("sqlite")) continue;
    INFO(database.name);
    make_notes(database);
    SqlRun run("sql", database,
               {{"sql", "insert into sql_bounds values (1), (2); select count(*) as n from sql_bounds"}});
    const BoundsDoor door(run.context, 1);
    CHECK(to_json(run.success().return_value) == R"([{"n":2}])");
    check_waited(run.context);
    door.check_given_back({"db"});
  }
}

TEST_CASE("statements that give no rows take no reader, and a file has no bounds") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_notes(database);
    const bool is_file = database.is("sqlite");
    SqlRun run("sql", database, {{"sql", is_file ? "select 1 as n" : "insert into sql_bounds values (1)"}});
    const BoundsDoor door(run.context, 1);
    CHECK(run.success().message == (is_file ? "1 rows" : "1 rows affected"));
    CHECK(door.asks() == 0);
  }
}

TEST_CASE("a statement whose snapshot grows older than its bound is ended, and what came before it is undone") {
  for (const SqlDatabase& database : sql_databases()) {
    if (database.is("sqlite")) continue;
    INFO(database.name);
    make_notes(database);
    for (const bool to_files : {false, true}) {
      const test::TemporaryTarget target;
      Parameters parameters{{"sql", "insert into sql_bounds values (7); " + sleep_of(database, "600")}};
      if (to_files) parameters.emplace_back("to", target.path());
      SqlRun run("sql", database, parameters);
      const BoundsDoor door(run.context, 0, {.max_snapshot_age = 100ms});
      check_says(run.failure(), ErrorKind::timeout, {"the snapshot of this try is ", "max_snapshot_age=100ms"});
      door.check_given_back({"db"});
      CHECK(target.names().empty());
    }
    SqlRun after("sql", database, {{"sql", "select count(*) as n from sql_bounds"}});
    CHECK(to_json(after.success().return_value) == R"([{"n":0}])");
  }
}

}  // namespace
}  // namespace udon
