#pragma once
// An operator run once for a person, outside any DAG: in a child of its own, which may open plugins and die of them.
// Connections go to it through a file in memory; nothing of it is stored.
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "connections/connection.h"
#include "plugins/spec/spec.h"

namespace udon {

struct OneShot {
  std::string operator_name;
  Value parameters = Value::map();  // no templates
  Path home;
  Path program;  // `udon`
  Path folder;   // relative paths in parameters start there
};

struct OneShotOutcome {
  Value return_value;
  std::string message;
};

// `find` gives the connections that parameters of type connection name; `on_log` gets the operator's lines, secrets
// masked. Errors are the operator's.
Result<OneShotOutcome> run_once(const OneShot& shot, const OperatorSpec& spec,
                                const std::function<Result<Connection>(const std::string& id)>& find,
                                const std::function<void(std::string_view line)>& on_log, std::stop_token stop);

// The child's side: `udon operators once`. Request from standard input, messages as of an executable plugin
// (plugins/api/plugin_messages.h) on standard output. The exit code.
int run_once_main(const Path& home, const Path& plugins, const Clock& clock);

}  // namespace udon
