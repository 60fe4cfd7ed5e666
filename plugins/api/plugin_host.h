#pragma once
// Opens shared objects with operators: in udon-task and the prober only, never in the scheduler or the web server. An
// object that was built differently is refused by name before anything of it but its table of contents is used; one
// that was opened stays open, as threads and thread-local data of its libraries may live on.
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "plugins/api/plugin.h"
#include "plugins/spec/spec.h"

namespace udon {

struct LoadedOperator {
  OperatorSpec spec;
  const PluginOperator* functions = nullptr;
};

// Thread-safe.
class PluginHost {
 public:
  // `folder`: where the objects lie, as a rule executable_folder()/plugins.
  explicit PluginHost(Path folder);

  // The operator of that name in plugins/<object>, opened now if it wasn't. not_found: there is no such object, or no
  // such operator in it; unsupported: it was built differently; invalid: it is no plugin, or contradicts itself.
  Result<const LoadedOperator*> find(const std::string& object, const std::string& operator_name);

 private:
  Result<std::vector<LoadedOperator>> open(const Path& path) const;

  const Path folder_;
  std::mutex mutex_;
  std::map<std::string, Result<std::vector<LoadedOperator>>> objects_;
};

// What differs between `plugin` and this build, as a sentence; nothing: it fits.
std::optional<std::string> difference_of_build(const Plugin& plugin);

Path executable_folder();  // of the running program

}  // namespace udon
