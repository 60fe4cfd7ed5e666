#include <catch2/catch.hpp>
#include <thread>

#include "plugins/db/mysql/row_stream.h"
#include "plugins/db/mysql/session.h"
#include "tests/support/eventually.h"
#include "tests/support/services.h"

using namespace udon;

namespace {

const test::Services services;

std::unique_ptr<MysqlSession> connect(const Connection& connection, std::stop_token stop = {}) {
  auto session = MysqlSession::connect(connection, {}, stop);
  INFO((session ? "" : session.error().message));
  REQUIRE(session);
  return std::move(*session);
}

void run(MysqlSession& session, const std::string& sql) {
  auto done = session.execute(sql);
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
}

std::string text(const MysqlTable& table, size_t row, std::string_view column) {
  return table.at(row, column).value_or("NULL");
}

Error failure_of(const Connection& connection, const MysqlOptions& options = {}) {
  auto session = MysqlSession::connect(connection, options);
  REQUIRE(!session);
  CHECK(session.error().message.find("wrong-secret") == std::string::npos);
  return session.error();
}

void check_mentions(const Error& error, std::string_view words) {
  INFO(error.message);
  CHECK(error.message.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("a session answers queries as text, NULL apart from empty text") {
  auto session = connect(services.mariadb());
  auto table = session->query("select 1 as one, null as nothing, '' as empty, '우동 🍜' as `이름`");
  REQUIRE(table);
  CHECK(text(*table, 0, "ONE") == "1");
  CHECK(!table->at(0, "nothing"));
  CHECK(table->at(0, "empty") == "");
  CHECK(text(*table, 0, "이름") == "우동 🍜");
  CHECK(!table->at(0, "no_such_column"));
  CHECK(!table->at(7, "one"));
  for (const char* hostile : {"", "O'Hara", "a\\", "\\'; --", "우동"}) {
    auto echo = session->query("select " + session->literal(hostile) + " as x");
    REQUIRE(echo);
    CHECK(text(*echo, 0, "x") == hostile);
  }
  CHECK(session->is_mariadb());
  CHECK(session->server_version().find("MariaDB") != std::string::npos);
  CHECK(!session->is_encrypted());
}

TEST_CASE("a wrong password is denied, with user and host, without the password") {
  Connection connection = services.mariadb();
  connection.password = "wrong-secret";
  const Error error = failure_of(connection);
  CHECK(error.kind == ErrorKind::denied);
  check_mentions(error, "'udon'@'127.0.0.1'");
  check_mentions(error, "127.0.0.1:" + std::to_string(connection.port));
}

TEST_CASE("a server that is down is unavailable, with host and port") {
  Connection connection = services.mariadb();
  connection.port = 1;
  const Error error = failure_of(connection);
  CHECK(error.kind == ErrorKind::unavailable);
  check_mentions(error, "127.0.0.1:1:");
  connection.host = "no-such-host.invalid";
  CHECK(failure_of(connection).kind == ErrorKind::unavailable);
}

TEST_CASE("a database that is not there is not found; SQL that is wrong is invalid; a missing right is denied") {
  Connection connection = services.mariadb();
  auto session = connect(connection);
  CHECK(session->execute("select * from no_such_table").error().kind == ErrorKind::not_found);
  CHECK(session->execute("select no_such_column from mysql.user").error().kind == ErrorKind::not_found);
  CHECK(session->execute("selekt 1").error().kind == ErrorKind::invalid);
  run(*session, "create or replace user db_test_poor@'127.0.0.1' identified by 'poor-secret'");
  connection.login = "db_test_poor";
  connection.password = "poor-secret";
  connection.schema = "";
  auto poor = connect(connection);
  CHECK(poor->execute("select * from mysql.user").error().kind == ErrorKind::denied);
  connection.schema = "udon";
  CHECK(failure_of(connection).kind == ErrorKind::denied);
  connection = services.mariadb();
  connection.schema = "no_such_database";
  CHECK(failure_of(connection).kind == ErrorKind::not_found);
}

TEST_CASE("TLS is verified when asked for, and always off loopback") {
  Connection connection = services.mariadb();
  connection.extra.set("ssl_mode", "verify_identity");
  SECTION("by the authority given") {
    connection.extra.set("ssl_ca", services.certificate("mariadb"));
    CHECK(connect(connection)->is_verified());
  }
  SECTION("an authority that did not sign it") {
    const Error error = failure_of(connection);  // the system's
    CHECK(error.kind == ErrorKind::denied);
    check_mentions(error, "certificate");
  }
  SECTION("another host's certificate") {
    connection.extra.set("ssl_ca", services.certificate("mariadb"));
    connection.host = "127.1";  // the same address, but not the name in the certificate
    const Error error = failure_of(connection);
    INFO(error.message);
    CHECK(error.kind == ErrorKind::denied);
  }
  SECTION("encrypted but not verified, if so wished") {
    connection.extra.set("ssl_mode", "required");
    CHECK(connect(connection)->is_encrypted());
  }
  SECTION("a mode that is none") {
    connection.extra.set("ssl_mode", "verify_identiti");
    const Error error = failure_of(connection);
    CHECK(error.kind == ErrorKind::invalid);
    check_mentions(error, "did you mean `verify_identity`?");
  }
}

TEST_CASE("over TLS too an answer may take its time") {
  Connection connection = services.mariadb();
  connection.extra.set("ssl_mode", "verify_identity");
  connection.extra.set("ssl_ca", services.certificate("mariadb"));
  auto session = connect(connection);
  REQUIRE(session->is_encrypted());
  for (const char* slow : {"select sleep(0.03)", "select sleep(0.3)"}) {
    const auto table = session->query(slow);
    INFO((table ? "" : table.error().message));
    CHECK(table);
  }
}

TEST_CASE("rows stream in the binary protocol, with bound values") {
  auto session = connect(services.mariadb());
  auto stream =
      MysqlRowStream::open(*session, "select cast(? as signed), cast(? as char), ? is null, cast(? as double)",
                           {Value(int64_t{-7}), Value("'; drop"), Value(), Value(1.5)});
  INFO((stream ? "" : stream.error().message));
  REQUIRE(stream);
  REQUIRE((*stream)->columns().size() == 4);
  CHECK((*stream)->columns()[0].type == MysqlWireType::long_long);
  std::span<const uint8_t> packet;
  REQUIRE((*stream)->next(packet) == MysqlRowStream::Step::row);
  // Header, bitmap of (4 + 2) bits, int64, length and text, int32, double.
  REQUIRE(packet.size() == 2 + 8 + 1 + 7 + 4 + 8);
  CHECK(packet[2] == 0xf9);
  CHECK(std::string(packet.begin() + 11, packet.begin() + 18) == "'; drop");
  CHECK((*stream)->next(packet) == MysqlRowStream::Step::end);
  CHECK((*stream)->next(packet) == MysqlRowStream::Step::end);
  CHECK((*stream)->rows() == 1);
  stream->reset();
  CHECK(session->query("select 1"));  // the session serves on
}

TEST_CASE("a row of more than 16 MB, which takes several packets, comes whole") {
  auto session = connect(services.mariadb());
  auto stream = MysqlRowStream::open(*session, "select repeat('x', 20000000)");
  REQUIRE(stream);
  std::span<const uint8_t> packet;
  REQUIRE((*stream)->next(packet) == MysqlRowStream::Step::row);
  CHECK(packet.size() == 2 + 9 + 20000000);
  CHECK(packet.back() == 'x');
  CHECK((*stream)->next(packet) == MysqlRowStream::Step::end);
}

TEST_CASE("a connection that drops in the middle is an error that says how far it got, never the end") {
  auto session = connect(services.mariadb());
  auto stream = MysqlRowStream::open(*session, "select seq, repeat('x', 1000) from seq_1_to_1000000");
  REQUIRE(stream);
  std::span<const uint8_t> packet;
  for (int i = 0; i < 10; ++i) REQUIRE((*stream)->next(packet) == MysqlRowStream::Step::row);
  SECTION("by KILL") { run(*connect(services.mariadb()), "kill " + std::to_string(session->thread_id())); }
  SECTION("by KILL QUERY") { run(*connect(services.mariadb()), "kill query " + std::to_string(session->thread_id())); }
  MysqlRowStream::Step step;
  while ((step = (*stream)->next(packet)) == MysqlRowStream::Step::row) continue;
  REQUIRE(step == MysqlRowStream::Step::failed);
  const Error error = (*stream)->error();
  CHECK(error.kind == ErrorKind::unavailable);
  check_mentions(error, "after " + std::to_string((*stream)->rows()) + " rows");
  check_mentions(error, session->address());
  CHECK((*stream)->rows() < 1000000);
  CHECK((*stream)->next(packet) == MysqlRowStream::Step::failed);
}

TEST_CASE("a request to stop ends a wait at once, and the query on the server with it") {
  auto watcher = connect(services.mariadb());
  std::stop_source source;
  auto session = connect(services.mariadb(), source.get_token());
  const std::string id = std::to_string(session->thread_id());
  auto is_there = [&] {
    auto list =
        watcher->query("select 1 from information_schema.processlist where id = " + id + " and command <> 'Sleep'");
    REQUIRE(list);
    return !list->rows.empty();
  };
  SECTION("that has not answered yet") {
    Result<MysqlTable> answer;
    std::jthread thread([&] { answer = session->query("select sleep(600)"); });
    REQUIRE(test::eventually(is_there));
    source.request_stop();
    thread.join();
    REQUIRE(!answer);
    CHECK(answer.error().kind == ErrorKind::cancelled);
  }
  SECTION("whose rows are on their way") {
    auto stream = MysqlRowStream::open(*session, "select repeat('x', 1000) from seq_1_to_10000000");
    REQUIRE(stream);
    std::span<const uint8_t> packet;
    REQUIRE((*stream)->next(packet) == MysqlRowStream::Step::row);
    source.request_stop();
    MysqlRowStream::Step step;
    while ((step = (*stream)->next(packet)) == MysqlRowStream::Step::row) continue;
    REQUIRE(step == MysqlRowStream::Step::failed);
    CHECK((*stream)->error().kind == ErrorKind::cancelled);
  }
  SECTION("that nobody reads to its end") {
    REQUIRE(MysqlRowStream::open(*session, "select repeat('x', 1000) from seq_1_to_10000000"));
  }
  CHECK(test::eventually([&] { return !is_there(); }));
}
