#include "plugins/api/plugin.h"
#include "plugins/s3_delete/s3_delete.h"

namespace udon {
extern const char s3_delete_description[];
extern const char s3_delete_help[];
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::PluginOperator operators[] = {
      {udon::s3_delete_description, udon::s3_delete_help, udon::make_s3_delete, nullptr, nullptr}};
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
