#pragma once
// A primary and a replica that these tests may stop and break, and the sensor that looks at them.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "base/clock.h"
#include "plugins/db/lag/mysql_lag.h"
#include "plugins/replica_lag/replica_lag.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_task_context.h"
#include "tests/support/services.h"

namespace udon::test {

// Runs for the whole program, made anew: an earlier run may have ended with replication broken.
class LagServers {
 public:
  explicit LagServers(std::string name) : name_(std::move(name)), services_(folder()) {
    services_.run(name_, "stop");
    std::filesystem::remove_all(folder() / name_);
    services_.run(name_, "start");
  }
  ~LagServers() {
    try {
      services_.run(name_, "stop");
    } catch (const std::exception&) {
      // At the program's end there is nobody to tell.
    }
  }
  static Path folder() { return Path(std::getenv("UDON_BUILD")) / "replica-lag-services"; }
  const Services& services() const { return services_; }
  void run(const std::string& verb, const std::string& node) const { services_.run(name_, verb, node); }

 private:
  std::string name_;
  Services services_;
};

// The sensor under test with its parameters.
struct LagSensor {
  SystemClock clock;
  FakeTaskContext context{clock};
  LastHeard last_heard;

  explicit LagSensor(const Connection& replica, Duration at_most = std::chrono::seconds(30)) {
    context.connections["replica"] = replica;
    context.parameter_map.set("connection", "replica");
    context.parameter_map.set("primary_connection", Value());
    context.parameter_map.set("heartbeat_table", Value());
    context.parameter_map.set("behind_at_most", Value(static_cast<int64_t>(at_most.count())));
  }
  LagSensor& with_primary(const Connection& primary) {
    context.connections["primary"] = primary;
    context.parameter_map.set("primary_connection", "primary");
    return *this;
  }
  LagSensor& with_heartbeat(const std::string& table) {
    context.parameter_map.set("heartbeat_table", table);
    return *this;
  }
  Result<Sensor::Poke> poke() { return make_replica_lag_sensor(last_heard)->poke(context); }  // as the prober does
  // A server that is too busy to answer in time is asked again, as the prober does.
  Sensor::Poke look() {
    auto seen = poke();
    if (!seen)
      eventually([&] {
        if (is_transient(seen.error().kind)) seen = poke();
        return seen || !is_transient(seen.error().kind);
      });
    INFO((seen ? "" : seen.error().message));
    REQUIRE(seen);
    return *seen;
  }
  // Never met, and the message says why with these words, at the latest when what is on its way has come to the
  // replica: another reason may hold for a moment.
  void check_unmet(std::string_view words) {
    check_says(words, [](const Sensor::Poke& seen) { CHECK(!seen.is_met); });
  }
  // The same where a look between may well be met: servers write and speak by themselves, too.
  void check_unmet_at_times(std::string_view words) {
    check_says(words, [](const Sensor::Poke&) {});
  }

 private:
  void check_says(std::string_view words, const std::function<void(const Sensor::Poke&)>& check_each) {
    Sensor::Poke seen;
    const bool is_said = eventually([&] {
      seen = look();
      check_each(seen);
      return !seen.is_met && seen.message.find(words) != std::string::npos;
    });
    INFO(seen.message);
    CHECK(is_said);
  }
};

}  // namespace udon::test
