#pragma once
// A verb as data: what it is called, takes and does. Each noun's file gives its verbs; command_line.h makes a parser of
// them, main.cpp runs the one that was meant.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/session.h"

namespace udon::cli {

struct Positional {
  std::string name;
  std::string help;
  enum class Count { one, optional, some, any } count = Count::one;
  enum class Kind { text, integer } kind = Kind::text;
  std::vector<std::string> choices = {};  // the only words, if there are any
};

struct Flag {
  std::string name;  // "conf": written --conf
  std::string help;
  // What stands for its value in the help; empty: a switch. These are checked before the verb runs: N (an integer),
  // JSON (an object), TIME, DURATION.
  std::string value;
  enum class Count { once, required, any } count = Count::once;
  std::vector<std::string> choices = {};  // the only values, if there are any
};

// What was given, by name; a switch that was given holds one empty text.
class Arguments {
 public:
  bool has(const std::string& name) const { return values_.contains(name); }
  const std::string& text(const std::string& name) const;  // of a positional that is always there
  std::string text_or(const std::string& name, const std::string& otherwise) const;
  std::vector<std::string> all(const std::string& name) const;
  void set(const std::string& name, std::vector<std::string> values) { values_[name] = std::move(values); }

 private:
  std::map<std::string, std::vector<std::string>> values_;
};

// 0: done. 1: it could not be done, or what was asked about is bad. 2: wrong usage.
enum ExitCode { succeeded = 0, failed = 1, wrong_usage = 2 };

struct Command {
  std::string noun;  // "dags"
  std::string verb;  // "list"; empty: the noun is the verb ("standalone")
  std::string help;
  std::vector<Positional> positionals;
  std::vector<Flag> flags;
  // An Error is printed and makes the exit code 1.
  std::function<Result<int>(const Arguments&, Session&)> run;
  bool is_hidden = false;
};

std::vector<Command> dags_commands();
std::vector<Command> runs_commands();
std::vector<Command> backfill_commands();
std::vector<Command> bundles_commands();
std::vector<Command> tasks_commands();
std::vector<Command> approvals_commands();
std::vector<Command> operators_commands();
std::vector<Command> plugins_commands();
std::vector<Command> fleet_commands();
std::vector<Command> certificates_commands();
std::vector<Command> connections_commands();
std::vector<Command> variables_commands();
std::vector<Command> pools_commands();
std::vector<Command> notifications_commands();
std::vector<Command> assets_commands();
std::vector<Command> users_commands();
std::vector<Command> db_commands();
std::vector<Command> config_commands();

}  // namespace udon::cli
