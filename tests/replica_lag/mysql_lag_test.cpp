// The sensor against a real MariaDB primary and replica, in each state in which a lag can be told wrongly.
#include <signal.h>

#include <catch2/catch.hpp>

#include "base/file.h"
#include "base/text.h"
#include "plugins/api/plugin_host.h"
#include "plugins/db/mysql/session.h"
#include "tests/replica_lag/lag_world.h"

using namespace udon;
using namespace udon::test;
using namespace std::chrono_literals;

namespace {

const LagServers& servers() {
  static const LagServers started("mariadb");
  return started;
}

void run(const Connection& connection, const std::string& sql) {
  auto session = MysqlSession::connect(connection);
  INFO((session ? "" : session.error().message));
  REQUIRE(session);
  for (const std::string& statement : split(sql, ';')) {
    auto done = (*session)->execute(statement);
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
  }
}

struct World {
  Connection primary = servers().services().mariadb();
  Connection replica = servers().services().mariadb_replica();

  World() {
    on_replica("stop slave; change master to master_delay=0, master_heartbeat_period=1; start slave");
    REQUIRE(eventually([&] { return LagSensor(replica).with_primary(primary).look().is_met; }));
  }
  void on_primary(const std::string& sql) const { run(primary, sql); }
  // The ordinary user may not steer replication there; nothing of a test is replicated from here.
  void on_replica(const std::string& sql) const { run(replica, "set session sql_log_bin=0;" + sql); }
};

}  // namespace

TEST_CASE("an idle primary's replica has caught up") {
  World world;
  SECTION("by its position, at once") {
    LagSensor sensor(world.replica, 0s);
    sensor.with_primary(world.primary);
    const Sensor::Poke seen = sensor.look();
    INFO(seen.message);
    CHECK(seen.is_met);
    CHECK(seen.return_value.integer("behind_us", -1) == 0);
    CHECK(seen.return_value.text("mechanism") == "GTID position compared with the primary");
  }
  SECTION("by its own word only as far as it has heard from the primary") {
    LagSensor sensor(world.replica, 5s);
    sensor.check_unmet("time since the replica last heard from its primary");
    // The primary's heartbeat, each second.
    CHECK(eventually([&] { return sensor.look().is_met; }));
  }
  SECTION("by its own word, if as much silence as the server allows is good enough") {
    LagSensor sensor(world.replica, 10min);
    CHECK(sensor.look().is_met);
  }
}

TEST_CASE("a replica whose SQL thread is stopped is unknown, never 0") {
  World world;
  world.on_replica("stop slave sql_thread");
  LagSensor(world.replica, 24h * 365).check_unmet("lag unknown: the SQL thread is not running (No)");
  LagSensor(world.replica, 24h * 365).with_primary(world.primary).check_unmet("the SQL thread is not running");
}

TEST_CASE("a replica whose I/O thread is stopped is unknown, never 0") {
  World world;
  world.on_replica("stop slave io_thread");
  LagSensor(world.replica, 24h * 365).check_unmet("lag unknown: the I/O thread is not running (No)");
  LagSensor(world.replica, 24h * 365).with_primary(world.primary).check_unmet("the I/O thread is not running");
}

TEST_CASE("a replica that cannot take a change says why") {
  World world;
  world.on_replica("stop slave; set global slave_max_allowed_packet=1024; start slave");
  world.on_primary(
      "create or replace table udon.large (id int primary key, v longtext);"
      "insert into udon.large values (1, repeat('x', 100000))");
  CHECK(eventually([&] {
    const std::string message = LagSensor(world.replica).look().message;
    return message.find("the I/O thread is not running (No): ") != std::string::npos &&
           message.find("max_allowed_packet") != std::string::npos;
  }));
  world.on_replica("stop slave; set global slave_max_allowed_packet=1073741824; start slave");
}

TEST_CASE("a replica that applies late is behind, whatever it is asked by") {
  World world;
  world.on_replica("stop slave; change master to master_delay=3600; start slave");
  world.on_primary(
      "create or replace table udon.late (id int primary key, ts timestamp(6)); insert into udon.late values (1, "
      "now(6))");
  LagSensor by_position(world.replica, 0s);
  by_position.with_primary(world.primary);
  CHECK(eventually([&] {
    const Sensor::Poke seen = by_position.look();
    CHECK(!seen.is_met);
    return seen.message.find("not within 0s") != std::string::npos;
  }));
  LagSensor patient(world.replica, 1h * 2);
  patient.with_primary(world.primary);
  const Sensor::Poke seen = patient.look();
  INFO(seen.message);
  CHECK(seen.message.find("GTID position compared with the primary, then") != std::string::npos);
}

TEST_CASE("a heartbeat's age is the lag") {
  World world;
  world.on_primary(
      "create or replace table udon.heartbeat (id int primary key, ts timestamp(6) not null);"
      "insert into udon.heartbeat values (1, now(6))");
  auto beat = [&] { world.on_primary("update udon.heartbeat set ts = now(6)"); };
  LagSensor sensor(world.replica, 5s);
  sensor.with_heartbeat("udon.heartbeat");
  CHECK(eventually([&] {
    beat();
    return sensor.look().is_met;
  }));
  CHECK(sensor.look().message.find("heartbeat table") != std::string::npos);
  SECTION("it grows when no heartbeat comes") {
    CHECK(eventually([&] { return !sensor.look().is_met; }));
    sensor.check_unmet("(heartbeat table), not within 5s");
  }
  SECTION("pt-heartbeat's text is read as UTC") {
    world.on_primary(
        "create or replace table udon.heartbeat (ts varchar(26) not null, server_id int unsigned primary key)");
    CHECK(eventually([&] {
      world.on_primary("replace udon.heartbeat values (date_format(utc_timestamp(6), '%Y-%m-%dT%H:%i:%s.%f'), 1)");
      return sensor.look().is_met;
    }));
  }
  SECTION("one that is ahead of the clock is unknown") {
    world.on_primary("update udon.heartbeat set ts = now(6) + interval 9 hour");
    CHECK(eventually([&] { return sensor.look().message.find("ahead of the replica's clock") != std::string::npos; }));
    CHECK(!sensor.look().is_met);
  }
  SECTION("none at all is unknown") {
    world.on_primary("delete from udon.heartbeat");
    CHECK(eventually([&] { return sensor.look().message.find("has no row") != std::string::npos; }));
    sensor.with_heartbeat("udon.no_such_table").check_unmet("udon.no_such_table");
  }
}

TEST_CASE("a network that drops without a word makes the lag grow") {
  World world;
  LagSensor sensor(world.replica, 5s);
  REQUIRE(eventually([&] { return sensor.look().is_met; }));
  // The primary freezes: its connections stay, nothing comes any more, and the replica still says 0 seconds.
  const pid_t primary = std::stoi(read_file(LagServers::folder() / "mariadb/primary.pid").value());
  struct Thaw {
    pid_t pid;
    ~Thaw() { kill(pid, SIGCONT); }
  } thaw{primary};
  REQUIRE(kill(primary, SIGSTOP) == 0);
  CHECK(eventually([&] { return !sensor.look().is_met; }));
  sensor.check_unmet("time since the replica last heard from its primary");
}

TEST_CASE("a replica that restarts is asked again, and then has caught up") {
  World world;
  LagSensor sensor(world.replica);
  sensor.with_primary(world.primary);
  servers().run("stop", "replica");
  const auto gone = sensor.poke();
  REQUIRE(!gone);
  CHECK(is_transient(gone.error().kind));
  CHECK(gone.error().message.find("127.0.0.1:" + std::to_string(world.replica.port)) != std::string::npos);
  servers().run("start", "replica");
  world.replica = servers().services().mariadb_replica();
  sensor.context.connections["replica"] = world.replica;
  CHECK(eventually([&] { return sensor.look().is_met; }));
}

TEST_CASE("missing rights are an unknown lag that names the GRANT") {
  World world;
  world.on_primary("create or replace user lag_poor@'127.0.0.1' identified by 'poor-secret'");
  REQUIRE(eventually([&] { return LagSensor(world.replica).with_primary(world.primary).look().is_met; }));
  Connection poor = world.replica;
  poor.login = "lag_poor", poor.password = "poor-secret", poor.schema = "";
  LagSensor(poor).check_unmet("GRANT SLAVE MONITOR ON *.* TO 'lag_poor'@'127.0.0.1'");
  world.on_primary("create or replace table udon.heartbeat (id int primary key, ts timestamp(6) not null)");
  LagSensor(poor)
      .with_heartbeat("udon.heartbeat")
      .check_unmet("GRANT SELECT ON `udon`.`heartbeat` TO 'lag_poor'@'127.0.0.1'");
  poor.password = "wrong-secret";
  const auto refused = LagSensor(poor).poke();
  REQUIRE(!refused);
  CHECK(refused.error().kind == ErrorKind::denied);
  CHECK(refused.error().message.find("secret") == std::string::npos);
}

TEST_CASE("a server that is no replica, or another's, is unknown") {
  World world;
  LagSensor(world.primary, 24h).check_unmet("is no replica");
  LagSensor(world.replica, 24h)
      .with_primary(world.replica)
      .check_unmet("is not what the replica follows (server id 1)");
}

TEST_CASE("the plugin's object offers the sensor with its description and help") {
  PluginHost host(Path(std::getenv("UDON_BUILD")) / "plugins");
  const auto found = host.find("replica_lag.so", "replica_lag");
  INFO((found ? "" : found.error().message));
  REQUIRE(found);
  CHECK((*found)->spec.kind == "sensor");
  CHECK((*found)->functions->make_sensor() != nullptr);
}
