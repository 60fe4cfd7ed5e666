// The operator `sql_check` out of its shared object, on the three databases and between them.
#include "base/text.h"
#include "tests/sql/databases.h"

namespace udon {
namespace {

using test::check_says;
using test::Parameters;
using test::sql_databases;
using test::SqlDatabase;
using test::SqlRun;

Value map(Value::Map members) { return Value(std::move(members)); }

struct Check : SqlRun {
  Check(const SqlDatabase& database, const std::string& sql, Parameters more = {})
      : SqlRun("sql_check", database, with_sql(sql, std::move(more))) {}

 private:
  static Parameters with_sql(const std::string& sql, Parameters more) {
    more.emplace_back("sql", sql);
    return more;
  }
};

struct Reconciliation : Check {
  Reconciliation(const SqlDatabase& left, const std::string& sql, const SqlDatabase& right,
                 const std::string& other_sql, Parameters more = {})
      : Check(left, sql, with_other(other_sql, std::move(more))) {
    context.connections["other"] = right.connection;
    context.connections["other"].id = "other";
  }

 private:
  static Parameters with_other(const std::string& other_sql, Parameters more) {
    more.insert(more.end(), {{"check", "reconcile"}, {"other_connection", "other"}, {"other_sql", other_sql}});
    return more;
  }
};

TEST_CASE("a row passes if every column is true, and a failure names those that are not") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    CHECK(to_json(Check(database, "select 1 as a, 'x' as b, -0.5 as c, 1 = 1 as d").success().return_value)
              .starts_with(R"({"a":"1","b":"x","c":"-0.5")"));
    Check wrong(database,
                "select 1 as fine, 0 as zero, 0.00 as none, '' as empty_text, cast(null as char(1)) as unknown, 1 = 0 "
                "as untrue");
    const Error error = wrong.failure();
    check_says(error, ErrorKind::data,
               {"check failed", "`zero` is 0", "`empty_text` is ''", "`unknown` is NULL", "`untrue` is ",
                "expected every column"});
    CHECK_FALSE(is_transient(error.kind));  // no retry
    CHECK_THAT(error.message, Catch::Contains("`none` is 0") && !Catch::Contains("`fine`"));
    check_says(Check(database, "select 1 as a where 1 = 0").failure(), ErrorKind::data, {"gave no row"});
    check_says(Check(database, "select 1 as a union all select 2").failure(), ErrorKind::data, {"more than one row"});
  }
}

TEST_CASE("a value is compared exactly, or within a tolerance") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    const auto check = [&](const std::string& sql, const Value& expected, const Value& tolerance = nullptr) {
      return Check(database, sql, {{"check", "value"}, {"expected", expected}, {"tolerance", tolerance}});
    };
    CHECK(check("select 5 as n", 5).success().message == "as expected");
    CHECK(check("select 5 as n", "5.00").run());
    CHECK(check("select '우동' as t", "우동").run());
    CHECK(check("select '7' as t", 7).run());
    CHECK(check("select 0.1 as d", 0.1).run());
    CHECK(check("select 1 = 1 as b", true).run());
    CHECK(check("select 1 as a, 2 as b", map({{"b", 2}})).run());
    check_says(check("select 6 as n", 5).failure(), ErrorKind::data, {"check failed: `n` is 6, expected 5"});
    check_says(check("select 'a' as t", "b").failure(), ErrorKind::data, {"`t` is 'a', expected 'b'"});
    check_says(check("select 1 as a, 3 as b", map({{"b", 2}})).failure(), ErrorKind::data, {"`b` is 3, expected 2"});
    CHECK(check("select 101 as n", 100, 1).run());
    check_says(check("select 101.5 as n", 100, 1).failure(), ErrorKind::data, {"is 101.5, expected 100 (tolerance 1)"});
    CHECK(check("select 99 as n", 100, "1%").run());
    check_says(check("select 98.9 as n", 100, "1%").failure(), ErrorKind::data, {"(tolerance 1%)"});
    check_says(check("select 1 as a", map({{"aa", 2}})).failure(), ErrorKind::invalid, {"no column `aa`"});
    check_says(check("select 1 as a", 1, "-1").failure(), ErrorKind::invalid, {"tolerance"});
    check_says(check("select 1 as a", nullptr).failure(), ErrorKind::invalid, {"needs `expected`"});
  }
}

TEST_CASE("a threshold holds a number between two others") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    const auto check = [&](const std::string& sql, const Value& min, const Value& max) {
      return Check(database, sql, {{"check", "threshold"}, {"min", min}, {"max", max}});
    };
    CHECK(check("select 5 as n", 5, 5).success().message == "from 5 to 5");
    CHECK(check("select 5.5 as n", "5.5", nullptr).run());
    CHECK(check("select -3 as n", nullptr, -2.5).run());
    check_says(check("select 4 as n", 5, 9).failure(), ErrorKind::data, {"`n` is 4, expected from 5 to 9"});
    check_says(check("select 10 as n, 7 as m", 5, 9).failure(), ErrorKind::data, {"`n` is 10"});
    check_says(check("select max(x) as n from (select 1 as x) t where 1 = 0", 5, nullptr).failure(), ErrorKind::data,
               {"`n` is NULL, expected at least 5"});
    check_says(check("select 'x' as n", nullptr, 1).failure(), ErrorKind::data, {"`n` is 'x', expected at most 1"});
    check_says(check("select 1 as n", nullptr, nullptr).failure(), ErrorKind::invalid, {"`min`"});
    check_says(check("select 1 as n", 2, 1).failure(), ErrorKind::invalid, {"less than min"});
    check_says(check("select 1 as n", "many", nullptr).failure(), ErrorKind::invalid, {"`many`"});
  }
}

TEST_CASE("one row of two databases is compared, whatever their types") {
  for (const SqlDatabase& left : sql_databases()) {
    for (const SqlDatabase& right : sql_databases()) {
      INFO(left.name << " and " << right.name);
      CHECK(Reconciliation(left, "select 3 as n, '우동' as t, 1.5 as d", right,
                           "select 3.00 as m, '우동' as u, 1.50 as e")
                .success()
                .message == "3 columns agree");
      check_says(Reconciliation(left, "select 100 as n", right, "select 102 as n", {{"tolerance", "1%"}}).failure(),
                 ErrorKind::data, {"`n` is 100 in `sql` and 102 in `other_sql` (tolerance 1%)"});
      CHECK(Reconciliation(left, "select 100 as n", right, "select 102 as n", {{"tolerance", 2}}).run());
      CHECK(Reconciliation(left, "select :a as n", right, "select :b as n",
                           {{"parameters", map({{"a", "x"}, {"b", "x"}})}})
                .run());
    }
  }
}

TEST_CASE("rows of two databases are compared by key, and what differs is shown, not all of it") {
  for (const SqlDatabase& left : sql_databases()) {
    const SqlDatabase& right = sql_databases()[left.is("postgres") ? 0 : 1];
    INFO(left.name << " and " << right.name);
    for (const SqlDatabase* database : {&left, &right}) {
      database->run(
          "drop table if exists check_rows; create table check_rows (id int primary key, name varchar(20), amount "
          "decimal(10,2))");
      database->run("insert into check_rows values (1, '우동', 1.5), (2, null, null), (3, 'c', 3)");
    }
    const std::string sql = "select id, name, amount from check_rows";
    const auto check = [&](Parameters more = {}) {
      more.emplace_back("key", Value(Value::List{"id"}));
      return Reconciliation(left, sql, right, "select amount, id as ID, name from check_rows", more);
    };
    CHECK(check().success().message == "3 keys agree");
    right.run(
        "update check_rows set amount = 1.51 where id = 1; delete from check_rows where id = 2; insert into check_rows "
        "values (4, 'd', 4)");
    Reconciliation differs = check();
    check_says(differs.failure(), ErrorKind::data,
               {"check failed: 3 of 3 keys differ", "id=1: `amount` 1.5", "1.51", "id=2: not in `other_sql`",
                "id=4: not in `sql`"});
    CHECK_THAT(join(differs.context.lines, "\n"), Catch::Contains("differs: id=1"));
    check_says(check({{"tolerance", 0.01}}).failure(), ErrorKind::data, {"2 of 3 keys differ (tolerance 0.01)"});
    check_says(check({{"rows_max", 2}}).failure(), ErrorKind::data, {"more than 2 rows", "`rows_max`"});
    check_says(Reconciliation(left, sql, right, "select id, name from check_rows", {{"key", Value(Value::List{"id"})}})
                   .failure(),
               ErrorKind::invalid, {"columns id, name, amount"});
    check_says(Reconciliation(left, sql, right, sql, {{"key", Value(Value::List{"idx"})}}).failure(),
               ErrorKind::invalid, {"no column `idx`", "did you mean `id`?"});
    check_says(
        Reconciliation(left, sql + " union all select 1, 'x', 1", right, sql, {{"key", Value(Value::List{"id"})}})
            .failure(),
        ErrorKind::data, {"`sql` gives id=1 twice"});
    check_says(
        Reconciliation(left, sql, right, sql + " union all select 1, 'x', 1", {{"key", Value(Value::List{"id"})}})
            .failure(),
        ErrorKind::data, {"`other_sql` gives id=1 twice"});
    CHECK(Reconciliation(left, sql + " where 1 = 0", right, sql + " where 1 = 0", {{"key", Value(Value::List{"id"})}})
              .success()
              .message == "0 keys agree");
  }
}

TEST_CASE("many differences are counted, and few of them shown") {
  const SqlDatabase &mariadb = sql_databases()[0], &postgres = sql_databases()[1];
  Reconciliation check(mariadb, "select seq as id, seq as n from seq_1_to_50000", postgres,
                       "select i as id, i + 1 as n from generate_series(1, 50000) i",
                       {{"key", Value(Value::List{"id"})}});
  const Error error = check.failure();
  check_says(error, ErrorKind::data, {"50000 of 50000 keys differ", "; …"});
  CHECK(error.message.size() < 2000);
  CHECK(check.context.lines.size() < 300);
}

TEST_CASE("a parameter that the check would pass over is a mistake, and so is one without a place") {
  const SqlDatabase& sqlite = sql_databases()[2];
  check_says(Check(sqlite, "select 1 as a", {{"min", 1}}).failure(), ErrorKind::invalid,
             {"min: is of `check: threshold`", "row"});
  check_says(Check(sqlite, "select 1 as a", {{"parameters", map({{"x", 1}})}}).failure(), ErrorKind::invalid,
             {"`x` has a value but no place"});
  check_says(Check(sqlite, "select :y as a").failure(), ErrorKind::invalid, {"`:y`"});
  check_says(Check(sqlite, "select 1 as a; select 2 as a").failure(), ErrorKind::invalid, {"one statement, found 2"});
  check_says(Check(sqlite, "select 1 as a", {{"check", "reconcile"}}).failure(), ErrorKind::invalid,
             {"needs `other_connection`"});
}

TEST_CASE("what a statement does is undone, and what a database says is told of its statement") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    database.run("drop table if exists check_undone; create table check_undone (id int)");
    CHECK(Check(database, "insert into check_undone values (1) returning id").run());
    check_says(Check(database, "insert into check_undone values (1)").failure(), ErrorKind::invalid, {"gives no rows"});
    check_says(Check(database, "select count(*) as n from check_undone").failure(), ErrorKind::data, {"`n` is 0"});
    check_says(Check(database, "select * from absent_table").failure(), ErrorKind::not_found, {"absent_table"});
    check_says(Reconciliation(database, "select 1 as a", database, "selekt 1").failure(), ErrorKind::invalid,
               {"`other_sql`: "});
    if (database.is("sqlite")) continue;
    Check down(database, "select 1 as a");
    down.connection().port = 1;
    CHECK(is_transient(down.failure().kind));
    Check slow(database, database.is("mariadb") ? "select sleep(1000) as s" : "select 1 as s from pg_sleep(1000)",
               {{"statement_timeout", "200ms"}});
    check_says(slow.failure(), ErrorKind::timeout, {"`statement_timeout`"});
  }
}

}  // namespace
}  // namespace udon
