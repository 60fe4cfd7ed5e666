#pragma once
// The door of a shared object with operators. Same build only: everything in the header below must be equal, or the
// object is refused by name. For a stable interface in any language write an executable instead (docs/plugins.md).
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "plugins/api/operator.h"

// Of the Arrow that this build links; set by CMake for plugins that use it.
#ifndef UDON_ARROW_VERSION
#define UDON_ARROW_VERSION ""
#endif

namespace udon {

inline constexpr int plugin_api_version = 1;

struct PluginOperator {
  const char* description;  // operator.json, as text
  const char* help;         // README.md
  // Exactly one is set, according to the description's kind; a process that defers has a sensor beside.
  std::unique_ptr<Operator> (*make_operator)() = nullptr;
  std::unique_ptr<Sensor> (*make_sensor)() = nullptr;
  std::unique_ptr<ExternalJob> (*make_external_job)() = nullptr;
};

// The entry of an operator, sensor or external job that needs nothing to be made.
template <class Code>
PluginOperator plugin_operator(const char* description, const char* help) {
  PluginOperator made{.description = description, .help = help};
  if constexpr (std::is_base_of_v<Operator, Code>)
    made.make_operator = [] { return std::unique_ptr<Operator>(std::make_unique<Code>()); };
  else if constexpr (std::is_base_of_v<Sensor, Code>)
    made.make_sensor = [] { return std::unique_ptr<Sensor>(std::make_unique<Code>()); };
  else
    made.make_external_job = [] { return std::unique_ptr<ExternalJob>(std::make_unique<Code>()); };
  return made;
}

// Of an operator that defers, and of what looks after its tries while they wait.
template <class Code, class Waits>
PluginOperator plugin_operator(const char* description, const char* help) {
  PluginOperator made = plugin_operator<Code>(description, help);
  made.make_sensor = [] { return std::unique_ptr<Sensor>(std::make_unique<Waits>()); };
  return made;
}

struct Plugin {
  int api_version = plugin_api_version;
  const char* compiler = __VERSION__;
  int cxx_abi = __GXX_ABI_VERSION;
  const char* arrow_version = UDON_ARROW_VERSION;  // empty: does not use Arrow
  const PluginOperator* operators = nullptr;
  int operator_count = 0;
};

}  // namespace udon

// A plugin defines: extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1();
