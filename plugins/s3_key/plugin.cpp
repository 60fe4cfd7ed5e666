#include "plugins/api/plugin.h"
#include "plugins/s3_key/s3_key.h"

namespace udon {
extern const char s3_key_description[];
extern const char s3_key_help[];
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::PluginOperator operators[] = {
      {udon::s3_key_description, udon::s3_key_help, nullptr, udon::make_s3_key_sensor, nullptr}};
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
