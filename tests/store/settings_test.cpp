// Connections, variables, pools, users and small facts, in every store.
#include <atomic>
#include <set>
#include <thread>

#include "tests/store/scene.h"

using namespace udon;
using namespace udon::test;

namespace {

constexpr auto refuse = StoreSettings::Existing::refuse;
constexpr auto replace = StoreSettings::Existing::replace;

Connection make_connection(const std::string& id) {
  Connection connection;
  connection.id = id;
  connection.type = "mysql";
  connection.host = "db.udon.example";
  connection.port = 3306;
  connection.login = "reader";
  connection.password = "비밀번호 p@ss:/?#";
  connection.schema = "market";
  connection.description = "주문 복제본";
  connection.extra = Value::Map{{"charset", "utf8mb4"}, {"ssl_key_password", "s3cret"}, {"token", "t0ken"}};
  return connection;
}

}  // namespace

TEST_CASE("connections are put, read back, listed by id, replaced and deleted") {
  Scene scene(EVERY_KIND_OF_STORE);
  StoreSettings& settings = scene.settings();
  const Connection market = make_connection("market");
  must(settings.put_connection(market, refuse));
  CHECK(must(settings.connection("market")) == market);
  CHECK(!must(settings.connection("Market")));

  Connection changed = market;
  changed.password = "new";
  const auto refused = settings.put_connection(changed, refuse);
  REQUIRE(!refused);
  CHECK(refused.error().kind == ErrorKind::conflict);
  CHECK(refused.error().message == "connection `market` exists already");
  CHECK(must(settings.connection("market"))->password == market.password);
  must(settings.put_connection(changed, replace));
  CHECK(must(settings.connection("market")) == changed);

  Connection bare;
  bare.id = "aws_default";
  bare.type = "aws";
  must(settings.put_connection(bare, replace));
  must(settings.put_connection(make_connection("주문"), refuse));
  const auto page = must(settings.connections({.limit = 2, .offset = 1}));
  CHECK(page.total == 3);
  REQUIRE(page.rows.size() == 2);
  CHECK(page.rows[0] == changed);
  CHECK(page.rows[1].id == "주문");
  CHECK(must(settings.connections({})).rows[0] == bare);
  CHECK(settings.connections({.limit = -1}).error().kind == ErrorKind::invalid);

  CHECK(must(settings.connection_ids()) == std::vector<std::string>{"aws_default", "market", "주문"});
  must(settings.delete_connection("market"));
  CHECK(!must(settings.connection("market")));
  CHECK(settings.delete_connection("market").error().kind == ErrorKind::not_found);
}

TEST_CASE("variables are put, read back, listed by key, replaced and deleted") {
  Scene scene(EVERY_KIND_OF_STORE);
  StoreSettings& settings = scene.settings();
  const VariableRecord lake{.key = "lake", .value = "s3://우동-레이크", .description = "설명"};
  must(settings.put_variable(lake, refuse));
  CHECK(must(settings.variable("lake")) == lake);
  CHECK(settings.put_variable({.key = "lake", .value = "x"}, refuse).error().kind == ErrorKind::conflict);
  must(settings.put_variable({.key = "lake", .value = ""}, replace));
  CHECK(must(settings.variable("lake")) == VariableRecord{.key = "lake"});
  must(settings.put_variable({.key = "a", .value = "1"}, replace));
  const auto page = must(settings.variables({.limit = 1}));
  CHECK(page.total == 2);
  CHECK(page.rows.at(0).key == "a");
  must(settings.delete_variable("lake"));
  CHECK(settings.delete_variable("lake").error().kind == ErrorKind::not_found);
  CHECK(!must(settings.variable("lake")));
}

TEST_CASE("default_pool is always there, may be changed and cannot be deleted") {
  Scene scene(EVERY_KIND_OF_STORE);
  StoreSettings& settings = scene.settings();
  const Pool market{.name = "market", .slots = 4, .description = "복제본", .include_deferred = true};
  must(settings.put_pool(market, refuse));
  CHECK(settings.put_pool(market, refuse).error().kind == ErrorKind::conflict);
  CHECK(settings.put_pool(Pool{.name = default_pool}, refuse).error().kind == ErrorKind::conflict);
  must(settings.put_pool(Pool{.name = default_pool, .slots = -1}, replace));
  CHECK(must(settings.pools()) == std::vector{Pool{.name = default_pool, .slots = -1}, market});
  CHECK(settings.delete_pool(default_pool).error().kind == ErrorKind::invalid);
  CHECK(settings.delete_pool("nothing").error().kind == ErrorKind::not_found);
  must(settings.delete_pool("market"));
  CHECK(must(settings.pools()).size() == 1);
}

TEST_CASE("users are put, read back, listed by name, replaced and deleted") {
  Scene scene(EVERY_KIND_OF_STORE);
  StoreSettings& settings = scene.settings();
  const UserRecord kim{.name = "김", .password_hash = "$argon2id$v=19$x", .role = "op"};
  must(settings.put_user(kim, refuse));
  CHECK(must(settings.user("김")) == kim);
  CHECK(!must(settings.user("lee")));
  CHECK(settings.put_user(kim, refuse).error().kind == ErrorKind::conflict);
  must(settings.put_user({.name = "admin", .password_hash = "h", .role = "admin"}, refuse));
  must(settings.put_user({.name = "김", .password_hash = "h2", .role = "viewer"}, replace));
  const auto users = must(settings.users());
  REQUIRE(users.size() == 2);
  CHECK(users[0].name == "admin");
  CHECK(users[1].role == "viewer");
  must(settings.delete_user("김"));
  CHECK(settings.delete_user("김").error().kind == ErrorKind::not_found);
}

TEST_CASE("a small fact is set once, whoever comes second gets the first value") {
  Scene scene(EVERY_KIND_OF_STORE);
  StoreSettings& settings = scene.settings();
  CHECK(must(settings.setting_or_set("installation", "a1b2")) == "a1b2");
  CHECK(must(settings.setting_or_set("installation", "other")) == "a1b2");
  CHECK(must(settings.setting_or_set("jwt_key", "")).empty());
  CHECK(must(settings.setting_or_set("jwt_key", "later")).empty());

  std::vector<std::string> answers(8);
  {
    std::atomic<int> ready = 0;
    std::vector<std::jthread> racers;
    for (size_t i = 0; i < answers.size(); ++i) {
      racers.emplace_back([&, i] {
        for (++ready; ready < static_cast<int>(answers.size());) std::this_thread::yield();
        const auto answer = settings.setting_or_set("raced", "value " + std::to_string(i));
        answers[i] = answer ? *answer : answer.error().message;
      });
    }
  }
  CHECK(std::set(answers.begin(), answers.end()).size() == 1);
  CHECK(answers[0].starts_with("value "));
}

TEST_CASE("readers in other threads never see half a commit") {
  Scene scene(EVERY_KIND_OF_STORE);
  constexpr int runs = 40;
  constexpr int instances = 25;
  std::atomic<int> broken = 0;
  std::atomic<int> looks = 0;
  {
    std::vector<std::jthread> watchers;
    for (int i = 0; i < 3; ++i) {
      watchers.emplace_back([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          const auto active = scene.reader().active_runs();
          if (!active) {
            ++broken;
            continue;
          }
          for (const DagRun& run : *active) {
            const auto rows = scene.reader().instances_of(run.number);
            if (!rows || rows->size() != instances) ++broken;
          }
          const auto page = scene.reader().instances({}, {.limit = 1});
          if (!page || page->total % instances != 0) ++broken;
          ++looks;
        }
      });
    }
    for (int run = 1; run <= runs; ++run) {
      InsertInstances rows;
      for (int i = 0; i < instances; ++i) rows.rows.push_back(make_instance(run * 100 + i, run, "t", i));
      scene.commit({InsertRun{make_run(run), {}}, rows});
    }
    while (looks < 3) std::this_thread::yield();
  }
  CHECK(broken == 0);
}
