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

  // The operator of that name in an object, opened now if it wasn't: `object` is a name in the folder, or the absolute
  // path of one from outside. not_found: there is no such object, or no such operator in it; unsupported: it was built
  // differently; invalid: it is no plugin, or contradicts itself.
  Result<const LoadedOperator*> find(const Path& object, const std::string& operator_name);
  // All of an object's, with their help.
  Result<std::vector<OperatorSpec>> describe(const Path& object);

 private:
  using Opened = Result<std::vector<LoadedOperator>>;
  const Opened& opened(const Path& object);
  Opened open(const Path& object) const;

  const Path folder_;
  std::mutex mutex_;
  std::map<Path, Opened> objects_;  // none is ever removed
};

// What differs between `plugin` and this build, as a sentence; nothing: it fits.
std::optional<std::string> difference_of_build(const Plugin& plugin);

Path executable_folder();  // of the running program

}  // namespace udon
