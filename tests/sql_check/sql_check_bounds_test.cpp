// The operator `sql_check` within the bounds of the servers that it reads.
#include "tests/sql/bounds.h"

namespace udon {
namespace {

using namespace std::chrono_literals;
using test::BoundsDoor;
using test::check_says;
using test::check_waited;
using test::sql_databases;
using test::SqlDatabase;
using test::SqlRun;

TEST_CASE("a check reads when there is a reader for it; of two servers one after the other, which may be one") {
  const SqlDatabase &mariadb = sql_databases()[0], &postgres = sql_databases()[1];
  for (const SqlDatabase& other : {mariadb, postgres}) {
    INFO(other.name);
    SqlRun run("sql_check", mariadb,
               {{"check", "reconcile"},
                {"sql", "select 7 as n"},
                {"other_connection", "other"},
                {"other_sql", "select 7 as n"}});
    run.context.connections["other"] = other.connection;
    run.context.connections["other"].id = "other";
    const BoundsDoor door(run.context, 1);
    CHECK(run.success().message == "1 columns agree");
    check_waited(run.context);
    door.check_given_back({"db", "other"});
  }
}

TEST_CASE("a check whose snapshot grows older than its bound is ended, and says so") {
  for (const SqlDatabase& database : sql_databases()) {
    if (database.is("sqlite")) continue;
    INFO(database.name);
    SqlRun run("sql_check", database, {{"sql", database.is("mariadb") ? "select sleep(600)" : "select pg_sleep(600)"}});
    const BoundsDoor door(run.context, 0, {.max_snapshot_age = 100ms});
    check_says(run.failure(), ErrorKind::timeout, {"the snapshot of this try is ", "max_snapshot_age=100ms"});
    door.check_given_back({"db"});
  }
}

}  // namespace
}  // namespace udon
