#include "base/text.h"
#include "cli/command.h"
#include "plugins/spec/builtin.h"

namespace udon::cli {
namespace {

// The build knows its own operators; nobody need be asked.
Result<int> list(const Arguments&, Session& session) {
  const OperatorCatalog operators = builtin_operators();
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

Result<int> show(const Arguments& arguments, Session& session) {
  const OperatorCatalog operators = builtin_operators();
  const std::string& name = arguments.text("NAME");
  const OperatorSpec* spec = operators.find(name);
  if (!spec)
    return Error{ErrorKind::not_found, "there is no operator `" + name + "`" + did_you_mean(name, operators.names()) +
                                           "; `udon operators list` lists them"};
  if (session.output().format() == Format::table)
    session.output().raw(spec->help);
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
           show}};
}

}  // namespace udon::cli
