// What the sensor makes of a MySQL server's answers, where no server of ours gives such.
#include <catch2/catch.hpp>

#include "plugins/db/lag/mysql_lag.h"

using namespace udon;
using namespace std::chrono_literals;

namespace {

MysqlTable table(std::vector<std::pair<std::string, std::optional<std::string>>> cells) {
  MysqlTable made;
  made.rows.emplace_back();
  for (auto& [name, value] : cells) {
    made.columns.push_back(name);
    made.rows[0].push_back(value);
  }
  return made;
}

}  // namespace

TEST_CASE("the status of MySQL 8, with its new names, is read as well") {
  const auto channels = mysql_channels(table({{"Replica_IO_Running", "Yes"},
                                              {"Replica_SQL_Running", "Yes"},
                                              {"Source_Server_Id", "7"},
                                              {"Seconds_Behind_Source", "42"},
                                              {"Channel_Name", "shop"},
                                              {"Retrieved_Gtid_Set", "uuid:1-5"},
                                              {"Last_SQL_Error", ""},
                                              {"Last_IO_Error", ""}}));
  REQUIRE(channels.size() == 1);
  CHECK(channels[0].name == "shop");
  CHECK(channels[0].source_server_id == "7");
  CHECK(channels[0].seconds_behind == 42);
  CHECK(channels[0].received_gtid == "uuid:1-5");
  CHECK(!problem_of(channels[0]));
}

TEST_CASE("a thread that does not run, or tries to, makes the lag unknown") {
  MysqlChannel channel{.io_thread = "Yes", .sql_thread = "Yes", .seconds_behind = 0};
  CHECK(!problem_of(channel));
  channel.io_thread = "Connecting";
  channel.io_error = "error reconnecting to master";
  CHECK(problem_of(channel).value().find("I/O thread is not running (Connecting): error reconnecting") !=
        std::string::npos);
  channel.io_thread = "Yes";
  channel.sql_thread = "No";
  channel.name = "shop";
  CHECK(problem_of(channel).value().find("SQL thread of channel `shop`") != std::string::npos);
  channel.sql_thread = "Yes";
  channel.seconds_behind = std::nullopt;
  CHECK(problem_of(channel));
}

TEST_CASE("what was not heard is not taken as heard") {
  LastHeard heard;
  MysqlChannel channel{.received = "log 1"};
  // At the first look anything may have been silent for as long as the server allows.
  CHECK(heard.bound("host:1", channel, 1000s, 60s) == 60s);
  CHECK(heard.bound("host:1", channel, 1010s, 60s) == 70s);
  channel.received = "log 2";  // at some time after the last look
  CHECK(heard.bound("host:1", channel, 1015s, 60s) == 5s);
  CHECK(heard.bound("host:1", channel, 1016s, 60s) == 6s);
  CHECK(heard.bound("host:2", channel, 1016s, 60s) == 60s);
  // A slow look that another overtook neither changes what is known nor counts as fresh.
  channel.received = "log 1";
  CHECK(heard.bound("host:1", channel, 1012s, 60s) == 2s);
  CHECK(heard.bound("host:1", channel, 1009s, 60s) == 0s);
  channel.received = "log 2";
  CHECK(heard.bound("host:1", channel, 1017s, 60s) == 7s);
  channel.name = "another";
  CHECK(heard.bound("host:1", channel, 1016s, 60s) == 60s);
}

TEST_CASE("a position covers another if it is as far in each domain") {
  CHECK(gtid_covers("0-1-27", "0-2-27"));
  CHECK(gtid_covers("0-1-27,5-1-3", "5-9-3"));
  CHECK(!gtid_covers("0-1-26", "0-1-27"));
  CHECK(!gtid_covers("0-1-27", "0-1-27,1-1-1"));
  CHECK(!gtid_covers("", "0-1-1"));
}

TEST_CASE("Aurora's own measure counts no less than its own age") {
  auto row = [](const char* milliseconds, const char* age_us, const char* writer) {
    return judge_aurora(
        table({{"replica_lag_in_milliseconds", milliseconds}, {"is_writer", writer}, {"age_us", age_us}}));
  };
  CHECK(row("18", "500000", "0").behind == 500ms);
  CHECK(row("1800", "500000", "0").behind == 1800ms);
  CHECK(!row("0", "500000", "1").behind);
  CHECK(!judge_aurora(MysqlTable{}).behind);
  CHECK(!judge_aurora(table({{"replica_lag_in_milliseconds", std::nullopt}, {"is_writer", "0"}, {"age_us", "1"}}))
             .behind);
}

TEST_CASE("of several sources the worst counts, and unknown is worst") {
  CHECK(worse(Lag::of(3s, "a"), Lag::of(5s, "b")).mechanism == "b");
  CHECK(!worse(Lag::of(3s, "a"), Lag::unknown("b")).behind);
  CHECK(!worse(Lag::unknown("a"), Lag::of(3s, "b")).behind);
}
