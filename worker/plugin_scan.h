#pragma once
// Looks through the folder of plugins from outside and lets each describe itself, in a child: no code of theirs runs in
// the process that asks.
#include <string>
#include <vector>

#include "base/file.h"
#include "plugins/spec/foreign.h"

namespace udon {

struct PluginScanOptions {
  Path folder;   // none there: no plugins
  Path home;     // where the index is kept
  Path program;  // `udon`, whose hidden verb describes shared objects
};

struct PluginScan {
  PluginIndex index;
  std::vector<std::string> passed_over;  // names of files that are neither *.so nor executable
};

// Describes what is new or changed since the last scan, and writes the index. What is wrong with a plugin stands in its
// `refused`; an error is of the folder or of the index file.
Result<PluginScan> scan_plugins(const PluginScanOptions& options);

// `udon plugins describe FILE`: opens a shared object in this process and prints what it has. The exit code.
int describe_object_main(const Path& file);

}  // namespace udon
