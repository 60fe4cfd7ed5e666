#include "worker/plugin_scan.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "executor/local/environment.h"
#include "plugins/api/executable_plugin.h"
#include "plugins/api/plugin_host.h"
#include "plugins/spec/builtin.h"

namespace udon {
namespace {

using namespace std::chrono_literals;

constexpr auto describe_time_max = 10s;

// Whoever may write a plugin may do what we may do.
std::string danger_of(const Path& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return path.string() + " cannot be looked at";
  if (found.st_uid != 0 && found.st_uid != geteuid())
    return path.string() + " belongs to another user: make it yours (chown)";
  if ((found.st_mode & S_IWOTH) != 0 && (found.st_mode & S_ISVTX) == 0)
    return path.string() + " may be written by everybody: chmod o-w";
  return {};
}

class Scan {
 public:
  Scan(const PluginScanOptions& options, PluginIndex last, std::string program)
      : options_(options), last_(std::move(last)), environment_(environment_of_tries(current_environment())) {
    scan_.index.program = std::move(program);
    for (const std::string& name : builtin_operators().names()) taken_[name] = "the build's own";
  }

  Result<PluginScan> run() {
    std::error_code error;
    std::set<Path> files;
    std::filesystem::directory_iterator entries(options_.folder, error);
    if (error && error != std::errc::no_such_file_or_directory)
      return Error{ErrorKind::io, "plugins folder " + options_.folder.string() + ": " + error.message()};
    if (error) return std::move(scan_);
    const std::string danger = danger_of(options_.folder);
    for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) files.insert(entries->path());
    if (error) return Error{ErrorKind::io, "plugins folder " + options_.folder.string() + ": " + error.message()};
    for (const Path& file : files) look_at(file, danger);
    return std::move(scan_);
  }

 private:
  void look_at(const Path& file, const std::string& danger_of_folder) {
    std::error_code ignored;
    const std::string name = file.filename();
    if (name.starts_with('.') || !std::filesystem::is_regular_file(file, ignored)) return;
    const bool is_object = name.ends_with(".so");
    if (!is_object && access(file.c_str(), X_OK) != 0) {
      scan_.passed_over.push_back(name);
      return;
    }
    ForeignPlugin plugin{.file = file, .form = is_object ? PluginForm::object : PluginForm::executable};
    // Before it is read: a change in between shows when it is used.
    plugin.stamp = stamp_of(file);
    plugin.refused = danger_of_folder.empty() ? danger_of(file) : danger_of_folder;
    if (plugin.refused.empty()) describe(plugin);
    if (plugin.refused.empty()) plugin.refused = problem_of(plugin);
    if (plugin.refused.empty())
      for (const OperatorSpec& spec : plugin.operators) taken_[spec.name] = name;
    scan_.index.plugins.push_back(std::move(plugin));
  }

  void describe(ForeignPlugin& plugin) {
    auto content = plugin_content(plugin.file);
    if (!content) {
      plugin.refused = content.error().message;
      return;
    }
    plugin.content = std::move(*content);
    for (const ForeignPlugin& before : last_.plugins) {
      const bool is_same = before.file == plugin.file && before.content == plugin.content && before.form == plugin.form;
      if (!is_same || !before.refused.empty() || last_.program != scan_.index.program) continue;
      plugin.operators = before.operators;
      return;
    }
    auto operators = plugin.form == PluginForm::object
                         ? describe_object(plugin.file)
                         : describe_executable(plugin.file, environment_, describe_time_max);
    if (operators)
      plugin.operators = std::move(*operators);
    else
      plugin.refused = operators.error().message;
  }

  Result<std::vector<OperatorSpec>> describe_object(const Path& file) const {
    TRY_ASSIGN(const CommandOutput output,
               run_command({.argv = {options_.program.string(), "plugins", "describe", file.string()},
                            .environment = environment_},
                           describe_time_max));
    if (output.status.signal != 0)
      return Error{ErrorKind::data, "it crashed while it was opened: " + udon::describe(output.status)};
    // Whatever the object itself prints stands before it.
    const size_t begin = output.standard_output.rfind("\n{");
    TRY_ASSIGN(const Value answer,
               parse_json(std::string_view(output.standard_output).substr(begin == std::string::npos ? 0 : begin + 1)));
    if (const Value* error = answer.find("error")) return Error{ErrorKind::unsupported, error->as_string()};
    return parse_description(to_json(answer));
  }

  std::string problem_of(const ForeignPlugin& plugin) const {
    if (plugin.operators.empty()) return "it describes no operator";
    std::set<std::string> own;
    for (const OperatorSpec& spec : plugin.operators) {
      if (const auto other = taken_.find(spec.name); other != taken_.end())
        return "its operator `" + spec.name + "` is " +
               (other->second == "the build's own" ? other->second : "that of " + other->second) +
               " already: give it another name";
      if (!own.insert(spec.name).second) return "it describes operator `" + spec.name + "` twice";
      if (spec.kind == "external_job")
        return "its operator `" + spec.name + "` is an external_job; from outside there are process and sensor";
      if (spec.needs_no_try)
        return "its operator `" + spec.name + "` says needs_no_try, with which its code would never run";
    }
    return {};
  }

  const PluginScanOptions& options_;
  const PluginIndex last_;
  const std::vector<std::string> environment_;
  std::map<std::string, std::string> taken_;  // operator → whose it is
  PluginScan scan_;
};

}  // namespace

Result<PluginScan> scan_plugins(const PluginScanOptions& options) {
  // An index that cannot be read is made anew.
  const auto last = read_plugin_index(options.home);
  const FileStamp own = stamp_of(options.program);
  Scan scan(options, last ? *last : PluginIndex(), std::to_string(own.mtime_ns) + "-" + std::to_string(own.size));
  TRY_ASSIGN(PluginScan found, scan.run());
  if (!found.index.plugins.empty() || std::filesystem::exists(plugin_index_file(options.home)))
    TRY(write_plugin_index(options.home, found.index));
  return found;
}

int describe_object_main(const Path& file) {
  PluginHost host(file.parent_path());
  const auto operators = host.describe(file);
  const Value answer = operators ? to_description(*operators) : Value(Value::Map{{"error", operators.error().message}});
  std::cout << "\n" << to_json(answer) << std::endl;
  // Not by return: whatever the object started must not be torn down under it.
  _exit(operators ? 0 : 1);
}

}  // namespace udon
