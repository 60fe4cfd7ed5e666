// The operator `sql` out of its shared object, on the three databases.
#include "tests/sql/databases.h"

namespace udon {
namespace {

using test::check_says;
using test::Parameters;
using test::sql_databases;
using test::SqlDatabase;
using test::SqlRun;

Value map(Value::Map members) { return Value(std::move(members)); }

struct Sql : SqlRun {
  Sql(const SqlDatabase& database, const Value& sql, Parameters more = {})
      : SqlRun("sql", database, with_sql(sql, std::move(more))) {}

 private:
  static Parameters with_sql(const Value& sql, Parameters more) {
    more.emplace_back("sql", sql);
    return more;
  }
};

Value rows_of(const SqlDatabase& database, const Value& sql, Parameters more = {}) {
  return Sql(database, sql, std::move(more)).success().return_value;
}

void make_orders(const SqlDatabase& database) {
  database.run(
      "drop table if exists sql_orders; create table sql_orders (id int primary key, name varchar(40), amount "
      "decimal(12,2), note varchar(40) not null)");
}

TEST_CASE("the rows of the last statement are handed on, exact, NULL apart from empty, in Korean") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_orders(database);
    Sql run(database,
            "insert into sql_orders values (1, '우동', 1234567890.10, ''), (2, null, null, ';--:x');\n"
            "update sql_orders set note = :note where id = :id;\n"
            "select id, name, amount, note from sql_orders order by id",
            {{"parameters", map({{"note", "it's \"한\" \\ ok"}, {"id", 1}})}});
    const Outcome outcome = run.success();
    const std::string amount = database.is("sqlite") ? "1234567890.1" : "\"1234567890.10\"";
    CHECK(to_json(outcome.return_value) ==
          R"([{"id":1,"name":"우동","amount":)" + amount +
              R"(,"note":"it's \"한\" \\ ok"},{"id":2,"name":null,"amount":null,"note":";--:x"}])");
    CHECK(run.context.pushed["rows_affected"] == Value(3));
    CHECK(run.context.pushed["rows"] == Value(2));
    CHECK(outcome.message == "2 rows, 3 affected");
    // A second run meets the rows of the first.
    Sql again(database, "insert into sql_orders values (1, null, null, '')");
    check_says(again.failure(), ErrorKind::data, {database.is("sqlite") ? "UNIQUE" : "uplicate"});
  }
}

TEST_CASE("types come as the database has them") {
  const SqlDatabase &mariadb = sql_databases()[0], &postgres = sql_databases()[1], &sqlite = sql_databases()[2];
  CHECK(
      to_json(rows_of(
          mariadb,
          "select 18446744073709551615 u, cast(0.1 as double) d, cast(1.10 as decimal(38,2)) m, date'2026-01-31' "
          "day, timestamp'2026-01-31 09:00:00.25' t, cast('-838:59:59' as time) c, x'00ff' b, null n, "
          "cast(1.5 as decimal(65,30)) w, true flag, json_object('k', '한') j")) ==
      R"([{"u":"18446744073709551615","d":0.1,"m":"1.10","day":"2026-01-31","t":"2026-01-31 09:00:00.250000",)"
      R"("c":"-838:59:59.000000","b":"00ff","n":null,"w":"1.500000000000000000000000000000","flag":1,"j":"{\"k\": \"한\"}"}])");
  CHECK(
      to_json(rows_of(postgres,
                      "select 9223372036854775807::bigint i, 0.1::float8 d, 'NaN'::float8 nan, 1.10::numeric(38,2) m, "
                      "1e-20::numeric "
                      "w, true flag, date '2026-01-31' as day, timestamptz '2026-01-31 09:00+09' at, timestamp "
                      "'2026-01-31 09:00' wall, "
                      "'\\x00ff'::bytea b, array['a', null] list, '{\"k\": \"한\"}'::jsonb j, "
                      "'00000000-0000-0000-0000-000000000001'::uuid u, interval '1 day' v, null n, 12.5::money won")) ==
      R"([{"i":9223372036854775807,"d":0.1,"nan":"NaN","m":"1.10","w":"0.00000000000000000001","flag":true,"day":"2026-01-31",)"
      R"("at":"2026-01-31 00:00:00Z","wall":"2026-01-31 09:00:00","b":"00ff","list":["a",null],"j":"{\"k\": \"한\"}",)"
      R"("u":"00000000-0000-0000-0000-000000000001","v":"P1D","n":null,"won":"12.50"}])");
  CHECK(to_json(rows_of(sqlite, "select 9223372036854775807 i, 0.1 d, x'00ff' b, '한' t, null n, 1 < 2 flag")) ==
        R"([{"i":9223372036854775807,"d":0.1,"b":"00ff","t":"한","n":null,"flag":1}])");
}

TEST_CASE("what SQLite keeps in one column must be of one kind") {
  const SqlDatabase& sqlite = sql_databases()[2];
  sqlite.run("drop table if exists mixed; create table mixed (n numeric, t text, r real)");
  sqlite.run("insert into mixed values (1, 'a', 1), (2.5, 'b', 2.5), (null, null, null)");
  CHECK(to_json(rows_of(sqlite, "select * from mixed")) ==
        R"([{"n":1.0,"t":"a","r":1.0},{"n":2.5,"t":"b","r":2.5},{"n":null,"t":null,"r":null}])");
  sqlite.run("insert into mixed values ('x', 1, 1)");
  check_says(Sql(sqlite, "select n from mixed").failure(), ErrorKind::data,
             {"column `n` (numeric), row 4", "a text where the column holds a real number", "CAST(n AS TEXT)"});
  CHECK(rows_of(sqlite, "select cast(n as text) n from mixed").size() == 4);
}

TEST_CASE("no rows are an empty list, and no answer is what was affected") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_orders(database);
    CHECK(to_json(rows_of(database, "select id from sql_orders")) == "[]");
    CHECK(to_json(rows_of(database, "insert into sql_orders values (1, null, null, ''), (2, null, null, '')")) ==
          R"({"rows_affected":2})");
    CHECK(to_json(rows_of(database, "delete from sql_orders where id > 5")) == R"({"rows_affected":0})");
    // WITH may give rows or not; that is seen when it has run.
    if (database.is("postgres"))
      CHECK(to_json(rows_of(database, "with d as (select 1) delete from sql_orders where id = 1")) ==
            R"({"rows_affected":1})");
  }
}

TEST_CASE("a list of statements is taken as one text is, and the answer need not be the last") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_orders(database);
    const Value sql(Value::List{"insert into sql_orders values (1, null, null, 'a;b')", "select 1 as one",
                                "select note from sql_orders;", "delete from sql_orders"});
    CHECK(to_json(rows_of(database, sql)) == R"([{"note":"a;b"}])");
    CHECK(to_json(rows_of(database, "select count(*) as n from sql_orders")) == R"([{"n":0}])");
  }
}

TEST_CASE("RETURNING gives rows and counts them") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_orders(database);
    Sql run(database, "insert into sql_orders values (1, :n, 1.5, ''), (2, :n, 2.5, '') returning id, name",
            {{"parameters", map({{"n", "우"}})}});
    CHECK(to_json(run.success().return_value) == R"([{"id":1,"name":"우"},{"id":2,"name":"우"}])");
    if (!database.is("mariadb")) CHECK(run.context.pushed["rows_affected"] == Value(2));
    CHECK(to_json(rows_of(database, "select count(*) as n from sql_orders")) == R"([{"n":2}])");
  }
  const SqlDatabase& postgres = sql_databases()[1];
  check_says(Sql(postgres, "delete from sql_orders returning gen_random_uuid() as u").failure(), ErrorKind::unsupported,
             {"`u` (uuid)", "`::text`"});
  CHECK(rows_of(postgres, "with d as (delete from sql_orders where id = 1 returning id) select * from d").size() == 1);
}

TEST_CASE("what is no SELECT and gives rows is taken too") {
  const SqlDatabase &mariadb = sql_databases()[0], &postgres = sql_databases()[1], &sqlite = sql_databases()[2];
  CHECK(to_json(rows_of(postgres, "set local work_mem = '5MB'; show work_mem")) == R"([{"work_mem":"5MB"}])");
  CHECK(rows_of(postgres, "explain select 1").as_list()[0].text("QUERY PLAN").starts_with("Result"));
  CHECK(to_json(rows_of(postgres, "values (1, 'a')")) == R"([{"column1":1,"column2":"a"}])");
  CHECK(rows_of(mariadb, "show variables like 'version'").size() == 1);
  CHECK(to_json(rows_of(sqlite, "pragma user_version")) == R"([{"user_version":0}])");
  mariadb.run("drop procedure if exists sql_two");
  CHECK(rows_of(mariadb,
                Value(Value::List{"create procedure sql_two(n int) begin select n as a; select n + 1 as b; end;"}))
            .is_map());
  CHECK(to_json(rows_of(mariadb, "call sql_two(:n); set @x = 1", {{"parameters", map({{"n", 7}})}})) == R"([{"a":7}])");
}

TEST_CASE("all statements take effect or none, unless each shall by itself") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_orders(database);
    const char* sql =
        "insert into sql_orders values (1, null, null, ''); insert into sql_orders values (2, null, null, null)";
    check_says(Sql(database, sql).failure(), ErrorKind::data, {"statement 2 of 2", "note"});
    CHECK(to_json(rows_of(database, "select count(*) as n from sql_orders")) == R"([{"n":0}])");
    CHECK(Sql(database, sql, {{"autocommit", true}}).failure().kind == ErrorKind::data);
    CHECK(to_json(rows_of(database, "select count(*) as n from sql_orders")) == R"([{"n":1}])");
    // Rows that do not fit undo what came before them.
    Sql many(database, "delete from sql_orders; select 1 as one union all select 2", {{"rows_max", 1}});
    check_says(many.failure(), ErrorKind::data,
               {"more than 1 rows", "`rows_max`", "the transaction was undone", "`to`"});
    CHECK(to_json(rows_of(database, "select count(*) as n from sql_orders")) == R"([{"n":1}])");
  }
}

TEST_CASE("values are bound: no text of theirs becomes SQL") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_orders(database);
    const Value evil = "x'); drop table sql_orders; --";
    CHECK(rows_of(database, "insert into sql_orders values (:id, :name, :amount, :name)",
                  {{"parameters", map({{"id", 1}, {"name", evil}, {"amount", nullptr}})}})
              .integer("rows_affected") == 1);
    CHECK(rows_of(database, "select name from sql_orders where name = :name", {{"parameters", map({{"name", evil}})}})
              .as_list()[0]
              .text("name") == evil.as_string());
  }
}

TEST_CASE("a parameter without value or place is named, before anything runs") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_orders(database);
    const char* sql = "insert into sql_orders values (9, null, null, ''); select :form as f";
    check_says(Sql(database, sql, {{"parameters", map({{"from", 1}})}}).failure(), ErrorKind::invalid,
               {"`:form` has no value", "did you mean `from`?"});
    check_says(Sql(database, "select 1 as one", {{"parameters", map({{"from", 1}})}}).failure(), ErrorKind::invalid,
               {"`from` has a value but no place"});
    check_says(Sql(database, "select 'open").failure(), ErrorKind::invalid, {"no end"});
    check_says(Sql(database, " ; -- nothing").failure(), ErrorKind::invalid, {"no statement"});
    CHECK(to_json(rows_of(database, "select count(*) as n from sql_orders")) == R"([{"n":0}])");
  }
}

TEST_CASE("an instant is compared as the wall clock of the declared zone, and never loses its offset unseen") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    const std::string type = database.is("sqlite") ? "text" : database.is("mariadb") ? "datetime" : "timestamp";
    database.run("drop table if exists sql_times; create table sql_times (id int, at " + type +
                 "); insert into sql_times values (1, '2026-01-31 08:59:59'), (2, '2026-01-31 09:00:00')");
    const char* sql = "select id from sql_times where at >= :from";
    const Value from = map({{"from", "2026-01-31T00:00:00Z"}});
    CHECK(to_json(rows_of(database, sql, {{"parameters", from}, {"timezone", "Asia/Seoul"}})) == R"([{"id":2}])");
    check_says(Sql(database, sql, {{"parameters", from}}).failure(), ErrorKind::invalid, {"instant", "timezone"});
    CHECK(to_json(rows_of(database, sql, {{"parameters", map({{"from", "2026-01-31 09:00:00"}})}})) == R"([{"id":2}])");
    if (!database.is("sqlite"))
      CHECK(to_json(rows_of(database, "select at from sql_times where id = 2", {{"timezone", "Asia/Seoul"}})) ==
            R"([{"at":"2026-01-31 00:00:00Z"}])");
  }
}

TEST_CASE("two columns of one name are refused, and rows need not be handed on") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    check_says(Sql(database, "select 1 as a, 2 as b, 3 as a").failure(), ErrorKind::invalid, {"`a`", "AS"});
    Sql quiet(database, "select 1 as a union all select 2", {{"to_xcom", false}, {"rows_max", 1}});
    const Outcome outcome = quiet.success();
    CHECK(outcome.return_value.is_null());
    CHECK(outcome.message == "2 rows");
  }
}

}  // namespace
}  // namespace udon
