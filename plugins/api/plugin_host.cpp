#include "plugins/api/plugin_host.h"

#include <dlfcn.h>

#include <cstring>

#include "base/ensure.h"

namespace udon {
namespace {

using OpenPlugin = const Plugin*();

Error not_a_plugin(const Path& path, const std::string& why) {
  return {ErrorKind::invalid, "plugin " + path.string() + ": " + why};
}

// Which of the three makers must be set follows from the description.
std::optional<std::string> contradiction(const OperatorSpec& spec, const PluginOperator& functions) {
  const bool is_process = functions.make_operator != nullptr;
  const bool is_sensor = functions.make_sensor != nullptr;
  const bool is_job = functions.make_external_job != nullptr;
  const bool fits = is_process == (spec.kind == "process") && (is_process || is_sensor == (spec.kind == "sensor")) &&
                    is_job == (spec.kind == "external_job");
  if (fits) return std::nullopt;
  return "operator `" + spec.name + "` is described as " + spec.kind + ", but its code is of another kind";
}

}  // namespace

std::optional<std::string> difference_of_build(const Plugin& plugin) {
  const auto differs = [](const std::string& what, const std::string& theirs, const std::string& ours) {
    return "it was built for " + what + " " + theirs + ", this program for " + ours +
           "; build it together with this program";
  };
  if (plugin.api_version != plugin_api_version) {
    return differs("plugin API", std::to_string(plugin.api_version), std::to_string(plugin_api_version));
  }
  if (std::strcmp(plugin.compiler, __VERSION__) != 0) return differs("compiler", plugin.compiler, __VERSION__);
  if (plugin.cxx_abi != __GXX_ABI_VERSION) {
    return differs("C++ ABI", std::to_string(plugin.cxx_abi), std::to_string(__GXX_ABI_VERSION));
  }
  if (*plugin.arrow_version && std::strcmp(plugin.arrow_version, UDON_HOST_ARROW_VERSION) != 0) {
    return differs("Arrow", plugin.arrow_version, UDON_HOST_ARROW_VERSION);
  }
  return std::nullopt;
}

PluginHost::PluginHost(Path folder) : folder_(std::move(folder)) {}

const PluginHost::Opened& PluginHost::opened(const Path& object) {
  const std::lock_guard lock(mutex_);
  auto at = objects_.find(object);
  // One that was refused is not tried again: a replaced file is for the next process.
  if (at == objects_.end()) at = objects_.emplace(object, open(object)).first;
  return at->second;
}

Result<const LoadedOperator*> PluginHost::find(const Path& object, const std::string& operator_name) {
  const Opened& operators = opened(object);
  if (!operators) return operators.error();
  for (const LoadedOperator& loaded : *operators) {
    if (loaded.spec.name == operator_name) return &loaded;
  }
  return Error{ErrorKind::not_found,
               "plugin " + (folder_ / object).string() + " has no operator `" + operator_name + "`"};
}

Result<std::vector<OperatorSpec>> PluginHost::describe(const Path& object) {
  const Opened& operators = opened(object);
  if (!operators) return operators.error();
  std::vector<OperatorSpec> specs;
  for (const LoadedOperator& loaded : *operators) {
    specs.push_back(loaded.spec);
    if (loaded.functions->help) specs.back().help = loaded.functions->help;
  }
  return specs;
}

PluginHost::Opened PluginHost::open(const Path& object) const {
  const Path path = folder_ / object;
  std::error_code ignored;
  // An absolute path was found by a scan; a name must not lead out of the folder.
  const bool may_be_opened = object.is_absolute() || object == object.filename();
  if (!may_be_opened || !std::filesystem::exists(path, ignored)) {
    return Error{ErrorKind::not_found, "there is no plugin " + path.string()};
  }
  // RTLD_LOCAL: two plugins may bring different versions of one library.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!handle) return not_a_plugin(path, dlerror());
  auto* const door = reinterpret_cast<OpenPlugin*>(dlsym(handle, "udon_plugin_v1"));
  const Plugin* plugin = door ? door() : nullptr;
  if (!plugin) return not_a_plugin(path, "it has no function udon_plugin_v1, or that gives nothing");
  if (const auto difference = difference_of_build(*plugin)) {
    return Error{ErrorKind::unsupported, "plugin " + path.string() + " is refused: " + *difference};
  }
  std::vector<LoadedOperator> operators;
  for (int i = 0; i < plugin->operator_count; ++i) {
    const PluginOperator& functions = plugin->operators[i];
    const auto description = parse_json(functions.description);
    if (!description) return description.error().within("plugin " + path.string());
    auto spec = parse_operator_spec(*description);
    if (!spec) return spec.error().within("plugin " + path.string());
    if (const auto problem = contradiction(*spec, functions)) return not_a_plugin(path, *problem);
    operators.push_back({.spec = std::move(*spec), .functions = &functions});
  }
  return operators;
}

Path executable_folder() {
  std::error_code error;
  const Path program = std::filesystem::read_symlink("/proc/self/exe", error);
  ENSURE(!error, "a running program has a file");
  return program.parent_path();
}

}  // namespace udon
