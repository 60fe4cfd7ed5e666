#include "plugins/api/plugin.h"
#include "plugins/http/http.h"

namespace udon {
extern const char http_description[];
extern const char http_help[];
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::PluginOperator operators[] = {
      {udon::http_description, udon::http_help, udon::make_http, nullptr, nullptr}};
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
