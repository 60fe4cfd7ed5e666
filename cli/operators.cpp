#include "base/text.h"
#include "cli/command.h"
#include "cli/verbs.h"
#include "plugins/spec/builtin.h"
#include "worker/one_shot.h"

namespace udon::cli {
namespace {

// The build knows its own operators, the home those of plugins; nobody need be asked.
Result<int> list(const Arguments&, Session& session) {
  TRY_ASSIGN(const OperatorCatalog operators, installed_operators(session.home()));
  Value::List rows;
  for (const std::string& name : operators.names()) {
    Value row = to_value(*operators.find(name));
    row.erase("help");
    rows.push_back(std::move(row));
  }
  const auto total = static_cast<int64_t>(rows.size());
  session.output().list(Value::Map{{"operators", std::move(rows)}, {"total_entries", total}}, "operators",
                        {column("OPERATOR", "name"), column("KIND", "kind"), column("SUMMARY", "summary")});
  return succeeded;
}

// A plugin from outside may bring none.
std::string help_of(const OperatorSpec& spec) {
  if (!spec.help.empty()) return spec.help;
  return "# " + spec.name + "\n" + spec.summary + "\n\n## Parameters\n" + parameters_as_markdown(spec) +
         (spec.outputs.empty() ? "" : "\n## Result\n" + spec.outputs + "\n");
}

Result<int> show(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const OperatorCatalog operators, installed_operators(session.home()));
  const std::string& name = arguments.text("NAME");
  const OperatorSpec* spec = operators.find(name);
  if (!spec)
    return Error{ErrorKind::not_found, "there is no operator `" + name + "`" + did_you_mean(name, operators.names()) +
                                           "; `udon operators list` lists them"};
  if (session.output().format() == Format::table)
    session.output().raw(help_of(*spec));
  else
    session.output().object(to_value(*spec), {});
  return succeeded;
}

}  // namespace

std::vector<Command> operators_commands() {
  return {{"operators", "list", "Lists the operators there are", {}, {}, list},
          {"operators",
           "show",
           "Shows an operator's help page: parameters, errors, an example",
           {{"NAME", "such as replica_export"}},
           {},
           show},
          {"operators",
           "once",
           "Runs an operator for another verb; its child",
           {},
           {{"home", "the installation's", "DIR"}},
           [](const Arguments& arguments, Session& session) -> Result<int> {
             return run_once_main(arguments.text_or("home", session.home().string()),
                                  own_program().parent_path() / "plugins", session.clock());
           },
           true}};
}

}  // namespace udon::cli
