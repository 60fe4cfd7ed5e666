#include <catch2/catch.hpp>
#include <thread>

#include "plugins/db/sqlite/session.h"
#include "plugins/db/sqlite/statement.h"
#include "tests/base/temporary_folder.h"

namespace udon {
namespace {

class World {
 public:
  Connection connection(const std::string& mode = "rwc") const {
    Connection made{.id = "local", .type = "sqlite", .schema = (folder_.path() / "시장.db").string()};
    made.extra.set("mode", mode);
    return made;
  }
  std::unique_ptr<SqliteSession> session(const std::string& mode = "rwc", const SqliteOptions& options = {},
                                         std::stop_token stop = {}) const {
    auto opened = SqliteSession::open(connection(mode), options, stop);
    if (!opened) FAIL(opened.error().message);
    return std::move(*opened);
  }
  const Path& folder() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

void run(SqliteSession& session, const std::string& sql) {
  const auto done = session.execute(sql);
  if (!done) FAIL(done.error().message);
}

Error failure(SqliteSession& session, const std::string& sql) {
  auto statement = SqliteStatement::prepare(session, sql);
  if (!statement) return statement.error();
  for (;;) {
    const auto row = (*statement)->next();
    if (!row) return row.error();
    if (!*row) FAIL("it succeeded");
  }
}

TEST_CASE("values come back as they were bound, each with its own class") {
  const World world;
  const auto session = world.session();
  run(*session, "create table t (id integer primary key, v)");
  const std::vector<Value> values = {nullptr, int64_t{-9223372036854775807}, 0.1, "우동\n'", "", true};
  for (const Value& value : values) {
    const auto insert = SqliteStatement::prepare(*session, "insert into t (v) values (?1)", {value});
    REQUIRE(insert);
    CHECK((*insert)->columns().empty());
    CHECK_FALSE((*insert)->next().value());
  }
  CHECK(session->rows_changed() == 6);
  const auto rows = SqliteStatement::prepare(*session, "select v, id, x'00ff' b from t order by id");
  REQUIRE(rows);
  SqliteStatement& row = **rows;
  CHECK(row.is_read_only());
  REQUIRE(row.columns().size() == 3);
  CHECK(row.columns()[1].declared_type == "INTEGER");
  CHECK(row.columns()[2].declared_type.empty());
  CHECK(row.next().value());
  CHECK(row.class_of(0) == SqliteClass::null);
  CHECK(row.class_of(2) == SqliteClass::blob);
  CHECK(row.bytes(2) == std::string_view("\0\xff", 2));
  CHECK(row.next().value());
  CHECK(row.integer(0) == -9223372036854775807);
  CHECK(row.next().value());
  CHECK(row.class_of(0) == SqliteClass::real);
  CHECK(row.real(0) == 0.1);
  CHECK(row.next().value());
  CHECK(row.bytes(0) == "우동\n'");
  CHECK(row.next().value());
  CHECK(row.class_of(0) == SqliteClass::text);
  CHECK(row.bytes(0).empty());
  CHECK(row.next().value());
  CHECK(row.integer(0) == 1);
  CHECK_FALSE(row.next().value());
  CHECK(row.rows() == 6);
}

TEST_CASE("what is wrong with a connection is said, and no file is made by mistake") {
  const World world;
  const auto failure_of = [&](Connection connection) {
    const auto opened = SqliteSession::open(connection);
    REQUIRE_FALSE(opened);
    return opened.error();
  };
  const Error absent = failure_of(world.connection("rw"));
  CHECK(absent.kind == ErrorKind::not_found);
  CHECK_THAT(absent.message, Catch::Contains("시장.db") && Catch::Contains("?mode=rwc"));
  CHECK(std::filesystem::is_empty(world.folder()));
  CHECK_THAT(failure_of(world.connection("rwx")).message, Catch::Contains("did you mean `rw`?"));
  Connection relative{.id = "local", .type = "sqlite", .schema = "data/a.db"};
  CHECK_THAT(failure_of(relative).message, Catch::Contains("four slashes"));
  REQUIRE(write_file_atomically(world.folder() / "시장.db", std::string(4096, 'x'), Durability::survives_kill));
  CHECK(failure_of(world.connection("rw")).kind == ErrorKind::data);
}

TEST_CASE("errors have their kinds") {
  const World world;
  const auto session = world.session();
  run(*session, "create table t (id integer primary key, n int not null)");
  CHECK(failure(*session, "selec 1").kind == ErrorKind::invalid);
  CHECK(failure(*session, "select * from 없는표").kind == ErrorKind::not_found);
  CHECK(failure(*session, "select \"absent\" from t").kind == ErrorKind::not_found);
  CHECK(failure(*session, "insert into t (n) values (null)").kind == ErrorKind::data);
  const auto reader = world.session("ro");
  CHECK(failure(*reader, "delete from t").kind == ErrorKind::denied);
  run(*session, "begin immediate");
  const auto second = world.session("rw", {.busy_timeout = std::chrono::milliseconds(10)});
  const Error busy = failure(*second, "insert into t (n) values (1)");
  CHECK(busy.kind == ErrorKind::unavailable);
  CHECK_THAT(busy.message, Catch::Contains("locked"));
}

TEST_CASE("a statement that is asked to stop stops, and nothing runs after it") {
  const World world;
  std::stop_source stop;
  const auto session = world.session("rwc", {}, stop.get_token());
  const auto endless = SqliteStatement::prepare(
      *session, "with recursive c(n) as (select 1 union all select n + 1 from c) select n from c");
  REQUIRE(endless);
  CHECK((*endless)->next().value());
  const auto silent = SqliteStatement::prepare(
      *session, "with recursive c(n) as (select 1 union all select n + 1 from c) select n from c where n < 0");
  REQUIRE(silent);
  const std::jthread stopper([&] { stop.request_stop(); });
  const auto ended = (*silent)->next();
  REQUIRE_FALSE(ended);
  CHECK(ended.error().kind == ErrorKind::cancelled);
  CHECK((*endless)->next().error().kind == ErrorKind::cancelled);
  CHECK(session->execute("select 1").error().kind == ErrorKind::cancelled);
}

}  // namespace
}  // namespace udon
