// Compiled several times, each time wrong in another way (see CMakeLists.txt).
#include "plugins/api/plugin.h"

namespace {

class Answer final : public udon::Operator {
 public:
  udon::Result<udon::Outcome> run(udon::TaskContext&) override { return udon::Outcome{.return_value = 42}; }
};
std::unique_ptr<udon::Operator> make_answer() { return std::make_unique<Answer>(); }

#ifndef DESCRIPTION
#define DESCRIPTION R"({"name": "answer", "summary": "Answers.", "params": []})"
#endif
const udon::PluginOperator operators[] = {{DESCRIPTION, "help", make_answer, nullptr, nullptr}};

}  // namespace

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::Plugin plugin = [] {
    udon::Plugin made{.operators = operators, .operator_count = 1};
    CHANGE;
    return made;
  }();
  return &plugin;
}
