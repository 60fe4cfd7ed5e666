#include "plugins/api/plugin.h"
#include "plugins/s3_lifecycle/s3_lifecycle.h"

namespace udon {
extern const char s3_lifecycle_description[];
extern const char s3_lifecycle_help[];
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::PluginOperator operators[] = {
      {udon::s3_lifecycle_description, udon::s3_lifecycle_help, udon::make_s3_lifecycle, nullptr, nullptr}};
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
