#include "base/text.h"
#include "cli/command.h"

namespace udon::cli {
namespace {

Value show(const SettingValue& setting) {
  const bool is_hidden = setting.spec->is_secret && !setting.value.empty();
  return Value::Map{{"section", setting.spec->section},
                    {"key", setting.spec->key},
                    {"value", is_hidden ? "***" : setting.value},
                    {"source", setting.source},
                    {"help", setting.spec->help}};
}

Result<int> list(const Arguments&, Session& session) {
  Value::List rows;
  for (const SettingValue& setting : session.settings().all()) rows.push_back(show(setting));
  const auto total = static_cast<int64_t>(rows.size());
  session.output().list(Value::Map{{"settings", std::move(rows)}, {"total_entries", total}}, "settings",
                        {{"SETTING", [](const Value& row) { return row.text("section") + "." + row.text("key"); }},
                         column("VALUE", "value"),
                         column("FROM", "source"),
                         column("MEANING", "help")});
  return succeeded;
}

Result<int> get(const Arguments& arguments, Session& session) {
  std::vector<std::string> names;
  for (const SettingValue& setting : session.settings().all()) {
    names.push_back(setting.spec->section + "." + setting.spec->key);
    if (names.back() != arguments.text("SETTING")) continue;
    if (session.output().format() == Format::table)
      session.output().raw(show(setting).text("value") + "\n");
    else
      session.output().object(show(setting), {});
    return succeeded;
  }
  return Error{ErrorKind::not_found, "there is no setting `" + arguments.text("SETTING") + "`" +
                                         did_you_mean(arguments.text("SETTING"), names)};
}

}  // namespace

std::vector<Command> config_commands() {
  return {{"config", "list", "Lists the settings, and where each comes from", {}, {}, list},
          {"config", "get", "Prints a setting", {{"SETTING", "such as core.parallelism"}}, {}, get}};
}

}  // namespace udon::cli
