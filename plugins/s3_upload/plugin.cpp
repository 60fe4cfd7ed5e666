#include "plugins/api/plugin.h"
#include "plugins/s3_upload/s3_upload.h"

namespace udon {
extern const char s3_upload_description[];
extern const char s3_upload_help[];
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::PluginOperator operators[] = {
      {udon::s3_upload_description, udon::s3_upload_help, udon::make_s3_upload, nullptr, nullptr}};
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
