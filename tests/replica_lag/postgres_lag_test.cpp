// The sensor against a real PostgreSQL primary and streaming replica.
#include <signal.h>

#include <catch2/catch.hpp>

#include "plugins/db/lag/postgres_lag.h"
#include "plugins/db/postgres/session.h"
#include "tests/replica_lag/lag_world.h"

using namespace udon;
using namespace udon::test;
using namespace std::chrono_literals;

namespace {

const LagServers& servers() {
  static const LagServers started("postgres");
  return started;
}

std::string run(const Connection& connection, const std::string& sql) {
  auto session = PostgresSession::connect(connection);
  INFO((session ? "" : session.error().message));
  REQUIRE(session);
  auto table = (*session)->query(sql);
  INFO((table ? "" : table.error().message));
  REQUIRE(table);
  return table->rows.empty() ? "" : table->rows[0][0].value_or("");
}

struct World {
  Connection primary = servers().services().postgres();
  Connection replica = servers().services().postgres_replica();

  World() {
    // Of a replica that has replayed nothing since it started nobody can say when it did so last.
    on_primary("drop table if exists lag_world");
    on_primary("create table lag_world (id int)");
    restore();
  }
  void restore() const {
    on_replica("select case when pg_is_wal_replay_paused() then pg_wal_replay_resume() end");
    set_on_replica("primary_conninfo");
    set_on_replica("recovery_min_apply_delay");
    REQUIRE(eventually(
        [&] { return run(replica, "select count(*) from pg_stat_wal_receiver where status = 'streaming'") == "1"; }));
    REQUIRE(eventually([&] { return LagSensor(replica).with_primary(primary).look().is_met; }));
  }
  // The replica keeps what it has, and hears nothing more.
  void cut_off() const {
    set_on_replica("primary_conninfo", "''");
    REQUIRE(eventually([&] { return on_replica("select count(*) from pg_stat_wal_receiver") == "0"; }));
  }
  std::string on_primary(const std::string& sql) const { return run(primary, sql); }
  std::string on_replica(const std::string& sql) const { return run(replica, sql); }
  // Without a value: as it was.
  void set_on_replica(const std::string& setting, const std::string& value = "") const {
    on_replica("alter system " + (value.empty() ? "reset " + setting : "set " + setting + " = " + value));
    on_replica("select pg_reload_conf()");
  }
};

}  // namespace

TEST_CASE("an idle PostgreSQL primary's replica has caught up") {
  World world;
  SECTION("by its position, at once") {
    LagSensor sensor(world.replica, 0s);
    sensor.with_primary(world.primary);
    // The primary writes by itself, too: a look may find such a record on its way.
    Sensor::Poke seen;
    CHECK(eventually([&] {
      seen = sensor.look();
      return seen.is_met;
    }));
    INFO(seen.message);
    CHECK(seen.return_value.text("mechanism") == "WAL position compared with the primary");
  }
  SECTION("by its own word as far as it has heard from the primary") {
    LagSensor sensor(world.replica, 2s);
    // The replica asks for a sign of life when it has heard nothing for half of wal_receiver_timeout.
    CHECK(eventually([&] { return sensor.look().is_met; }));
    sensor.check_unmet_at_times("age of the primary's last message), not within 2s");
  }
}

TEST_CASE("a PostgreSQL replica whose replay is paused is unknown, never 0") {
  World world;
  world.on_replica("select pg_wal_replay_pause()");
  LagSensor(world.replica, 24h * 365).check_unmet("lag unknown: replay is paused");
  LagSensor(world.replica, 24h * 365).with_primary(world.primary).check_unmet("replay is paused");
}

TEST_CASE("a PostgreSQL replica without a WAL receiver is unknown, unless the primary's position proves more") {
  World world;
  world.cut_off();
  LagSensor(world.replica, 24h * 365).check_unmet("no WAL receiver runs");
  // The primary writes by itself, too: what it wrote while the receiver went away never comes to the replica.
  CHECK(eventually([&] {
    if (LagSensor(world.replica).with_primary(world.primary).look().is_met) return true;
    world.restore();
    world.cut_off();
    return false;
  }));
  world.on_primary("drop table if exists lag_wal");
  world.on_primary("create table lag_wal (id int)");
  LagSensor(world.replica, 24h * 365).with_primary(world.primary).check_unmet("has not yet received");
}

TEST_CASE("a PostgreSQL replica that applies late is behind, whatever it is asked by") {
  World world;
  world.set_on_replica("recovery_min_apply_delay", "'1h'");
  world.on_primary("create table if not exists lag_late (id int)");
  // The replica takes a moment to see its new setting; what comes after that waits.
  CHECK(eventually([&] {
    world.on_primary("insert into lag_late values (1)");
    const std::string message = LagSensor(world.replica, 1s).with_primary(world.primary).look().message;
    return message.find("WAL position compared with the primary, then age of the last replay") != std::string::npos;
  }));
  LagSensor(world.replica, 0s).with_primary(world.primary).check_unmet("not within 0s");
  LagSensor(world.replica, 0s).check_unmet("age of the last replay");
}

TEST_CASE("a PostgreSQL heartbeat's age is the lag") {
  World world;
  world.on_primary("drop table if exists lag_heartbeat");
  world.on_primary("create table lag_heartbeat (id int primary key, ts timestamptz not null)");
  world.on_primary("insert into lag_heartbeat values (1, now())");
  LagSensor sensor(world.replica, 5s);
  sensor.with_heartbeat("public.lag_heartbeat");
  CHECK(eventually([&] {
    world.on_primary("update lag_heartbeat set ts = clock_timestamp()");
    return sensor.look().is_met;
  }));
  CHECK(eventually([&] { return !sensor.look().is_met; }));
  sensor.check_unmet("(heartbeat table), not within 5s");
  sensor.with_heartbeat("public.no_such_table").check_unmet("public.no_such_table");
  world.on_primary("update lag_heartbeat set ts = now() + interval '9 hours'");
  sensor.with_heartbeat("public.lag_heartbeat");
  CHECK(eventually([&] { return sensor.look().message.find("ahead of the replica's clock") != std::string::npos; }));
}

TEST_CASE("a network to PostgreSQL that drops without a word makes the lag grow") {
  World world;
  LagSensor sensor(world.replica, 2s);
  REQUIRE(eventually([&] { return sensor.look().is_met; }));
  const pid_t sender =
      std::stoi(world.on_primary("select pid from pg_stat_replication where application_name = 'replica'"));
  struct Thaw {
    pid_t pid;
    ~Thaw() { kill(pid, SIGCONT); }
  } thaw{sender};
  REQUIRE(kill(sender, SIGSTOP) == 0);
  CHECK(eventually([&] { return !sensor.look().is_met; }));
  world.on_primary("drop table if exists lag_silent");
  world.on_primary("create table lag_silent (id int)");
  LagSensor(world.replica, 1s).with_primary(world.primary).check_unmet("has not yet received");
}

TEST_CASE("a PostgreSQL replica that restarts is asked again, and then has caught up") {
  World world;
  LagSensor sensor(world.replica);
  sensor.with_primary(world.primary);
  servers().run("stop", "replica");
  const auto gone = sensor.poke();
  REQUIRE(!gone);
  CHECK(is_transient(gone.error().kind));
  servers().run("start", "replica");
  sensor.context.connections["replica"] = servers().services().postgres_replica();
  CHECK(eventually([&] { return sensor.look().is_met; }));
}

TEST_CASE("missing rights in PostgreSQL are an unknown lag that names the GRANT") {
  World world;
  world.on_primary("drop table if exists lag_private");
  world.on_primary("drop role if exists \"lag poor\"");
  world.on_primary("create role \"lag poor\" login password 'poor-secret'");
  world.on_primary("create table lag_private (ts timestamptz)");
  // A lag of a second is met, too: it has to have come to this table.
  REQUIRE(eventually([&] {
    const auto seen = LagSensor(world.replica).with_heartbeat("lag_private").look();
    return seen.message.find("does not exist") == std::string::npos;
  }));
  Connection poor = world.replica;
  poor.login = "lag poor", poor.password = "poor-secret";
  LagSensor(poor).check_unmet("GRANT pg_read_all_stats TO \"lag poor\"");
  LagSensor(poor).with_heartbeat("lag_private").check_unmet("GRANT SELECT ON \"lag_private\" TO \"lag poor\"");
}

TEST_CASE("a PostgreSQL server that is no replica, or not of this primary, is unknown") {
  World world;
  LagSensor(world.primary, 24h).check_unmet("is no replica");
  LagSensor(world.replica, 24h).with_primary(world.replica).check_unmet("is itself a replica");
}

TEST_CASE("a primary's records end before the header of a page that is begun") {
  constexpr int64_t page = 8192, segment = 16 << 20;
  CHECK(end_of_records("0/16B3748", page, segment) == 0x16B3748);
  CHECK(end_of_records("A/16B3748", page, segment) == 0xA016B3748);
  CHECK(end_of_records("0/1002018", page, segment) == 0x1002000);
  CHECK(end_of_records("0/1002028", page, segment) == 0x1002028);  // behind what a record has on the page
  CHECK(end_of_records("3/1000028", page, segment) == 0x301000000);
  CHECK(end_of_records("0/1000018", page, segment) == 0x1000018);
  for (const char* wrong : {"", "16B3748", "0/", "x/1", "0/1 "}) CHECK(!end_of_records(wrong, page, segment));
}

TEST_CASE("a PostgreSQL replica's word is taken only if it streams") {
  PostgresReplica replica{.is_recovering = true,
                          .is_all_replayed = true,
                          .replay_age_us = 90'000'000,
                          .has_receiver = true,
                          .status = "streaming",
                          .heard_age_us = 300};
  CHECK(judge_postgres(replica, "u").behind == 300us);
  replica.is_all_replayed = false;
  CHECK(judge_postgres(replica, "u").behind == 90s);
  replica.replay_age_us = std::nullopt;
  CHECK(!judge_postgres(replica, "u").behind);
  replica.is_all_replayed = true;
  replica.heard_age_us = std::nullopt;
  CHECK(!judge_postgres(replica, "u").behind);
  replica.status = "waiting";
  CHECK(judge_postgres(replica, "u").reason.find("waiting") != std::string::npos);
}
