// The door of replica_lag.so.
#include "plugins/api/plugin.h"
#include "plugins/db/lag/mysql_lag.h"
#include "plugins/replica_lag/replica_lag.h"

namespace udon {

extern const char replica_lag_description[];
extern const char replica_lag_help[];

namespace {

std::unique_ptr<Sensor> make_sensor() {
  // The one thing that lives as long as the prober has this object open.
  static LastHeard last_heard;
  return make_replica_lag_sensor(last_heard);
}

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::PluginOperator operators[] = {
      {udon::replica_lag_description, udon::replica_lag_help, nullptr, udon::make_sensor, nullptr}};
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
