// Several readers of a replica that stands still, where the table may not be locked.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "plugins/data/mysql_snapshot.h"
#include "plugins/data/reader.h"
#include "plugins/data/table_copy.h"
#include "tests/base/temporary_folder.h"
#include "tests/support/eventually.h"
#include "tests/support/services.h"

namespace udon::data {
namespace {

// A primary and a replica whose replication these tests stop.
class PauseServers {
 public:
  PauseServers() {
    services_.run("mariadb", "stop");
    std::filesystem::remove_all(folder() / "mariadb");
    services_.run("mariadb", "start");
  }
  ~PauseServers() {
    try {
      services_.run("mariadb", "stop");
    } catch (const std::exception&) {
      // At the program's end there is nobody to tell.
    }
  }
  const udon::test::Services& services() const { return services_; }

 private:
  static Path folder() { return Path(std::getenv("UDON_BUILD")) / "mysql-pause-services"; }
  udon::test::Services services_{folder()};
};

struct PauseFixture {
  static const udon::test::Services& services() {
    static const PauseServers servers;
    return servers.services();
  }
  std::unique_ptr<MysqlSession> primary = session_of(services().mariadb());
  std::unique_ptr<MysqlSession> replica = session_of(services().mariadb_replica());
  Connection reader = services().mariadb_replica();

  static std::unique_ptr<MysqlSession> session_of(const Connection& connection) {
    auto session = MysqlSession::connect(connection);
    INFO((session ? "" : session.error().message));
    REQUIRE(session);
    return std::move(*session);
  }
  static void run(MysqlSession& session, const std::string& sql) {
    const auto done = session.execute(sql);
    INFO(sql << (done ? "" : done.error().message));
    REQUIRE(done);
  }
  PauseFixture() {
    run(*replica, "start slave");
    for (const char* sql : {"create database if not exists pause_test",
                            "create or replace table pause_test.t (id int primary key, v text)",
                            "insert into pause_test.t select seq, concat('우동 ', md5(seq)) from seq_1_to_5000",
                            "create or replace user pause_reader@'127.0.0.1' identified by 'pause'",
                            "grant select on pause_test.* to pause_reader@'127.0.0.1'",
                            "grant slave monitor on *.* to pause_reader@'127.0.0.1'"})
      run(*primary, sql);
    wait_for_replica();
    reader.login = "pause_reader", reader.password = "pause", reader.schema = "pause_test";
  }
  ~PauseFixture() { static_cast<void>(replica->execute("start slave")); }
  void wait_for_replica() {
    const auto position = primary->query("select @@gtid_binlog_pos");
    REQUIRE(position);
    const auto waited =
        replica->query("select master_gtid_wait(" + replica->literal(position->rows[0][0].value_or("")) + ", 120)");
    REQUIRE(waited);
    REQUIRE(waited->rows[0][0] == "0");
  }
  std::string mechanism() const {
    const TemporaryFolder folder;
    const SystemClock clock;
    CopyRequest request;
    request.table.table = "pause_test.t";
    request.table.all_columns = true;
    request.table.split.into = 3;
    request.folder = folder.path();
    request.clock = &clock;
    const auto table = make_mysql_reader(reader);
    const auto copied = copy_table(*table, request, {});
    INFO((copied ? "" : copied.error().message));
    REQUIRE(copied);
    CHECK(copied->certificate.rows == 5000);
    CHECK(copied->files.size() == (copied->certificate.mechanism.starts_with("3 readers") ? 3U : 1U));
    return copied->certificate.mechanism + " | " + copied->certificate.position;
  }
};

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("a replica whose replication is stopped gives several readers one snapshot without a lock") {
  PauseFixture f;
  f.run(*f.replica, "stop slave");
  f.run(*f.primary, "delete from pause_test.t where id > 100");  // not seen there
  const std::string mechanism = f.mechanism();
  INFO(mechanism);
  CHECK(holds(mechanism, "3 readers, one snapshot: paused replica, replication stopped at binlog."));
  CHECK(holds(mechanism, "before and after each opened its own"));
  CHECK(holds(mechanism, "| replication stopped at binlog."));
}

TEST_CASE("a replica that replicates is read by one reader where it may not be locked, and the certificate says why") {
  PauseFixture f;
  const std::string mechanism = f.mechanism();
  INFO(mechanism);
  CHECK(holds(mechanism, "one reader"));
  CHECK(holds(mechanism, "LOCK TABLES"));
  CHECK(holds(mechanism, "a replica whose replication is not stopped"));
}

TEST_CASE("a paused replica to which anybody may write is no proof, nor is one that may not be looked at") {
  PauseFixture f;
  f.run(*f.replica, "stop slave");
  SECTION("writable") {
    f.reader.port = f.services().mariadb().port;
    f.run(*f.primary, "change master to master_host = '127.0.0.1', master_port = 1, master_user = 'nobody'");
    CHECK(holds(f.mechanism(), "to which anybody may write (read_only is off)"));
    f.run(*f.primary, "reset slave all");
  }
  SECTION("not to be looked at") {
    f.run(*f.replica, "start slave");
    f.run(*f.primary, "revoke slave monitor on *.* from pause_reader@'127.0.0.1'");
    f.wait_for_replica();
    f.run(*f.replica, "stop slave");
    CHECK(holds(f.mechanism(), "its replication cannot be seen"));
  }
}

}  // namespace
}  // namespace udon::data
