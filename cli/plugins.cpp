#include "cli/command.h"
#include "cli/verbs.h"
#include "plugins/spec/foreign.h"
#include "worker/plugin_scan.h"

namespace udon::cli {
namespace {

Value row_of(const ForeignPlugin& plugin) {
  Value::List names;
  for (const OperatorSpec& spec : plugin.operators) names.emplace_back(spec.name);
  return Value::Map{{"file", plugin.file.string()},
                    {"form", plugin.form == PluginForm::object ? "object" : "executable"},
                    {"operators", std::move(names)},
                    {"refused", plugin.refused.empty() ? Value() : Value(plugin.refused)}};
}

void show(Session& session, const PluginIndex& index) {
  Value::List rows;
  for (const ForeignPlugin& plugin : index.plugins) rows.push_back(row_of(plugin));
  const auto total = static_cast<int64_t>(rows.size());
  session.output().list(
      Value::Map{{"plugins", std::move(rows)}, {"total_entries", total}}, "plugins",
      {column("FILE", "file"), column("FORM", "form"), column("OPERATORS", "operators"), column("REFUSED", "refused")});
}

Result<int> scan(const Arguments&, Session& session) {
  const Path folder = session.settings().path("core", "plugins_folder");
  TRY_ASSIGN(const PluginScan found,
             scan_plugins({.folder = folder, .home = session.home(), .program = own_program()}));
  show(session, found.index);
  bool is_all_fine = true;
  for (const ForeignPlugin& plugin : found.index.plugins) {
    if (plugin.refused.empty()) continue;
    is_all_fine = false;
    session.output().error("plugin " + plugin.file.string() + " is refused: " + plugin.refused);
  }
  for (const std::string& name : found.passed_over)
    session.output().note("passed over: " + name + " is neither NAME.so nor executable (chmod +x)");
  if (found.index.plugins.empty()) session.output().note("no plugins in " + folder.string());
  return is_all_fine ? succeeded : failed;
}

Result<int> list(const Arguments&, Session& session) {
  TRY_ASSIGN(const PluginIndex index, read_plugin_index(session.home()));
  show(session, index);
  return succeeded;
}

}  // namespace

std::vector<Command> plugins_commands() {
  return {
      {"plugins",
       "scan",
       "Describes the plugins of the plugins folder anew; a running server takes them up by itself",
       {},
       {},
       scan},
      {"plugins", "list", "Lists the plugins that the last scan found", {}, {}, list},
      {"plugins",
       "describe",
       "Opens a shared object and prints its operators; a child of the scan",
       {{"FILE", "an absolute path"}},
       {},
       [](const Arguments& arguments, Session&) -> Result<int> { return describe_object_main(arguments.text("FILE")); },
       true}};
}

}  // namespace udon::cli
