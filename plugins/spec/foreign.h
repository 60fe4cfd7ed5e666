#pragma once
// Plugins from outside the build, as `udon plugins scan` found and described them: what all programs know of them
// without running any of their code. Kept as JSON in the installation's home; docs/plugins.md.
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/file_stamp.h"
#include "base/result.h"
#include "plugins/spec/spec.h"

namespace udon {

enum class PluginForm { object, executable };  // NAME.so, or a program in any language

struct ForeignPlugin {
  Path file;  // absolute
  PluginForm form = PluginForm::executable;
  std::string content;  // hash of what was described: XXH3, 128 bits, in hex
  FileStamp stamp;      // as it was then
  std::vector<OperatorSpec> operators;
  std::string refused;  // why none of its operators can be used; empty: they can
};

struct PluginIndex {
  std::string program;  // by which it was made: another build describes anew
  std::vector<ForeignPlugin> plugins;

  // The plugin that has this operator.
  const ForeignPlugin* find(std::string_view operator_name) const;
  std::vector<OperatorSpec> operators() const;
};

Path plugin_index_file(const Path& home);
// No file: an index without plugins.
Result<PluginIndex> read_plugin_index(const Path& home);
Result<void> write_plugin_index(const Path& home, const PluginIndex& index);

Result<std::string> plugin_content(const Path& file);
// invalid if the file is no longer what was described, or refused: what to do stands in the message.
Result<void> check_unchanged(const ForeignPlugin& plugin);

}  // namespace udon
