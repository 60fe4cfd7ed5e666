#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <ostream>

#include "base/ensure.h"
#include "base/text.h"
#include "cli/verbs.h"

namespace udon::cli {

const std::string& Arguments::text(const std::string& name) const {
  const auto found = values_.find(name);
  ENSURE(found != values_.end() && !found->second.empty(),
         "a verb asked for an argument that it does not declare as given");
  return found->second.front();
}

std::string Arguments::text_or(const std::string& name, const std::string& otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() || found->second.empty() ? otherwise : found->second.back();
}

std::vector<std::string> Arguments::all(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

namespace {

// CLI11 says "unexpected argument"; a misspelt noun or verb deserves the nearest one.
std::optional<std::string> problem_of_words(const std::vector<std::string>& arguments,
                                            const std::vector<Command>& commands) {
  std::vector<std::string> words;
  for (size_t i = 0; i < arguments.size() && words.size() < 2; ++i) {
    if (arguments[i] == "--output" || arguments[i] == "-o")
      ++i;
    else if (!arguments[i].starts_with("-"))
      words.push_back(arguments[i]);
  }
  if (words.empty()) return std::nullopt;
  std::vector<std::string> nouns, verbs;
  for (const Command& command : commands) {
    nouns.push_back(command.noun);
    if (command.noun == words[0] && !command.verb.empty()) verbs.push_back(command.verb);
  }
  if (std::find(nouns.begin(), nouns.end(), words[0]) == nouns.end())
    return "there is no command `" + words[0] + "`" + did_you_mean(words[0], nouns) + "; `udon --help` lists them";
  if (words.size() > 1 && !verbs.empty() && std::find(verbs.begin(), verbs.end(), words[1]) == verbs.end())
    return "there is no `udon " + words[0] + " " + words[1] + "`" + did_you_mean(words[1], verbs) + "; `udon " +
           words[0] + " --help` lists them";
  return std::nullopt;
}

const std::map<std::string, std::string>& help_of_nouns() {
  static const std::map<std::string, std::string> help{
      {"dags", "DAGs: what is loaded, trigger, pause"},
      {"runs", "Dag runs: list, wait for, clear, mark"},
      {"backfill", "Runs for past dates of a schedule: create, watch, pause, cancel"},
      {"bundles", "Git repositories whose DAG files are run: how they stand, look at once"},
      {"tasks", "Task instances: state, logs, why they wait, clear, kill"},
      {"operators", "What operators there are, with their help pages"},
      {"certificates", "What exports vouch for: list, show, verify again"},
      {"connections", "How databases, stores and services are reached"},
      {"variables", "Values that DAG files read"},
      {"pools", "Limits on task instances that run at once"},
      {"notifications", "What people were told of ends of tasks and runs, and what could not be told"},
      {"users", "Who may use the API"},
      {"tokens", "Tokens for machines"},
      {"db", "The store"},
      {"config", "The settings"},
  };
  return help;
}

// Where CLI11 leaves what it reads; a deque, because it keeps the addresses.
struct Slots {
  std::deque<std::vector<std::string>> texts;
  std::deque<bool> switches;
};

struct Bound {
  const Command* command;
  CLI::App* app;
  std::vector<std::pair<std::string, const std::vector<std::string>*>> texts;
  std::vector<std::pair<std::string, CLI::Option*>> switches;
};

CLI::Validator is_integer() {
  return CLI::Validator(
      [](const std::string& text) {
        return parse_count("", text) ? std::string() : "expected an integer, not `" + text + "`";
      },
      "", "");
}

CLI::Validator is_one_of(const std::vector<std::string>& choices) {
  return CLI::Validator(
      [choices](const std::string& text) {
        if (std::find(choices.begin(), choices.end(), text) != choices.end()) return std::string();
        return "expected " + join(choices, " or ") + ", not `" + text + "`" + did_you_mean(text, choices);
      },
      "", "");
}

std::string problem_of_value(const std::string& kind, const std::string& text) {
  if (kind == "DURATION" && !parse_duration(text))
    return "expected a duration such as 90s, 5m or 1h, not `" + text + "`";
  if (kind == "TIME" && text != "none") {
    const auto time = parse_time(text);
    return time ? std::string() : time.error().message;
  }
  if (kind == "JSON") {
    const auto value = parse_json(text);
    if (!value) return value.error().message;
    if (!value->is_map()) return R"(expected a JSON object such as {"lake": "s3://bucket"})";
  }
  return {};
}

CLI::Validator has_value_of(const std::string& kind) {
  return CLI::Validator([kind](const std::string& text) { return problem_of_value(kind, text); }, "", "");
}

// CLI11's own marks the obvious ("REQUIRED", "(1x)").
class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() { label("REQUIRED", ""); }
  std::string make_option_usage(const CLI::Option* option) const override {
    const std::string name = make_option_name(option, true);
    const std::string many = option->get_expected_max() > 1 ? "..." : "";
    return option->get_required() ? name + many : "[" + name + many + "]";
  }
};

Bound bind(const Command& command, CLI::App& app, Slots& slots) {
  Bound bound{&command, &app, {}, {}};
  for (const Positional& positional : command.positionals) {
    auto& slot = slots.texts.emplace_back();
    CLI::Option* option = app.add_option(positional.name, slot, positional.help)->type_name("");
    switch (positional.count) {
      case Positional::Count::one: option->required()->expected(1)->allow_extra_args(false); break;
      // Without extra args CLI11 would never give it a word, as none is expected.
      case Positional::Count::optional: option->expected(0, 1)->allow_extra_args(); break;
      case Positional::Count::any: option->expected(0, 1 << 20); break;
      case Positional::Count::some: option->required()->expected(1, 1 << 20); break;
    }
    if (positional.kind == Positional::Kind::integer) option->check(is_integer());
    if (!positional.choices.empty()) option->check(is_one_of(positional.choices));
    bound.texts.emplace_back(positional.name, &slot);
  }
  for (const Flag& flag : command.flags) {
    if (flag.value.empty()) {
      bound.switches.emplace_back(flag.name, app.add_flag("--" + flag.name, flag.help));
      continue;
    }
    auto& slot = slots.texts.emplace_back();
    CLI::Option* option = app.add_option("--" + flag.name, slot, flag.help)->type_name(flag.value);
    if (flag.count == Flag::Count::any)
      option->allow_extra_args(false)->take_all();
    else
      option->expected(1)->allow_extra_args(false)->take_last();
    if (flag.count == Flag::Count::required) option->required();
    if (flag.value == "N") option->check(is_integer());
    if (!flag.choices.empty()) option->check(is_one_of(flag.choices));
    option->check(has_value_of(flag.value));
    bound.texts.emplace_back(flag.name, &slot);
  }
  return bound;
}

// A mistake as CLI11 tells it, or better where it can be told better.
std::string words_of(const CLI::ParseError& problem, const std::vector<std::string>& arguments,
                     const std::deque<Bound>& bound) {
  if (dynamic_cast<const CLI::RequiredError*>(&problem) &&
      std::string_view(problem.what()).find("ubcommand") != std::string_view::npos)
    return "which command? `udon --help` lists them";
  if (!dynamic_cast<const CLI::ExtrasError*>(&problem)) return problem.what();
  std::vector<std::string> known{"--output", "--help"};
  for (const Bound& candidate : bound)
    if (candidate.app->parsed())
      for (const Flag& flag : candidate.command->flags) known.push_back("--" + flag.name);
  for (const std::string& argument : arguments) {
    const std::string name = argument.substr(0, argument.find('='));
    if (name.starts_with("--") && std::find(known.begin(), known.end(), name) == known.end())
      return "there is no option `" + name + "` here" + did_you_mean(name, known);
  }
  return problem.what();
}

}  // namespace

std::variant<Parsed, int> parse_command_line(const std::vector<std::string>& arguments,
                                             const std::vector<Command>& commands, std::ostream& out,
                                             std::ostream& err) {
  if (const auto problem = problem_of_words(arguments, commands)) {
    err << "udon: " << *problem << '\n';
    return wrong_usage;
  }
  CLI::App app("Udon runs DAGs of tasks and moves data into lakes, certified.", "udon");
  app.formatter(std::make_shared<HelpFormatter>());
  app.require_subcommand(1);
  std::string format = "table";
  app.add_option("-o,--output", format, "table, json or yaml; before or after the verb")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->type_name("FORMAT");
  Slots slots;
  std::deque<Bound> bound;
  std::map<std::string, CLI::App*> nouns;
  for (const Command& command : commands) {
    CLI::App* noun = nouns.contains(command.noun) ? nouns[command.noun] : nullptr;
    if (!noun) {
      const auto help = help_of_nouns().find(command.noun);
      noun = nouns[command.noun] =
          app.add_subcommand(command.noun, help == help_of_nouns().end() ? command.help : help->second);
      noun->fallthrough();
      if (!command.verb.empty()) noun->require_subcommand(1);
    }
    CLI::App* verb = command.verb.empty() ? noun : noun->add_subcommand(command.verb, command.help)->fallthrough();
    if (command.is_hidden) verb->group("");
    bound.push_back(bind(command, *verb, slots));
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::ParseError& e) {
    // 0: help was asked for. CLI11's own codes are of no use to callers.
    if (e.get_exit_code() == 0) {
      app.exit(e, out, err);
      return succeeded;
    }
    err << "udon: " << words_of(e, arguments, bound) << '\n';
    for (const Bound& candidate : bound)
      if (candidate.app->parsed())
        err << "usage: udon " << candidate.command->noun
            << (candidate.command->verb.empty() ? "" : " " + candidate.command->verb) << " --help\n";
    return wrong_usage;
  }
  for (const Bound& candidate : bound) {
    if (!candidate.app->parsed()) continue;
    Parsed parsed{candidate.command,
                  {},
                  format == "json"   ? Format::json
                  : format == "yaml" ? Format::yaml
                                     : Format::table};
    for (const auto& [name, values] : candidate.texts)
      if (!values->empty()) parsed.arguments.set(name, *values);
    for (const auto& [name, option] : candidate.switches)
      if (option->count() > 0) parsed.arguments.set(name, {""});
    return parsed;
  }
  err << "udon: which command? `udon --help` lists them\n";
  return wrong_usage;
}

}  // namespace udon::cli
