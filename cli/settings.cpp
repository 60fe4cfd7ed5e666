#include "cli/settings.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>

#include "base/ensure.h"
#include "base/text.h"
#include "cli/home.h"

namespace udon::cli {

const std::vector<SettingSpec>& known_settings() {
  static const std::vector<SettingSpec> settings{
      {"core", "dags_folder", SettingType::path, "dags", "Folder of the DAG files"},
      {"core", "bundles_file", SettingType::path, "<home>/bundles.yaml",
       "File that names the git repositories whose DAG files are run beside those of the DAGs folder"},
      {"core", "plugins_folder", SettingType::path, "<home>/plugins", "Folder of plugins from outside the build"},
      {"core", "parallelism", SettingType::integer, "32", "Task instances that run at once, over all DAGs"},
      {"core", "priority_ageing", SettingType::duration, "5m",
       "How long a wait makes up for one step of priority; empty: priority alone decides"},
      {"core", "queues", SettingType::names, "default",
       "Queues whose task instances this server runs itself, with commas between them"},
      {"core", "dags_are_paused_at_creation", SettingType::flag, "false",
       "Whether a new DAG is paused until somebody unpauses it"},
      {"core", "log_level", SettingType::text, "info", "Of the server's own log: debug, info, warning, error"},
      {"core", "secret_key", SettingType::text, "",
       "Key that encrypts secrets in the store: 32 bytes in base64; else secret.key of the home", true},
      {"web", "host", SettingType::text, "127.0.0.1", "Address that the web server listens on"},
      {"web", "port", SettingType::port, "8080", "Port that the web server listens on; 0: any free one"},
      {"web", "base_url", SettingType::text, "",
       "How people reach this server, for links in notifications: https://udon.example.com; else the address it "
       "listens on"},
      {"web", "admin_password", SettingType::text, "", "Password of `admin`, at the first start; else a random one",
       true},
      {"retention", "runs", SettingType::duration, "",
       "How long runs are kept after their ends, such as 90d; the last of each DAG always. Empty: for ever"},
      {"retention", "every", SettingType::duration, "1h", "How often old runs are looked for"},
      {"web", "open_metrics", SettingType::flag, "false", "Whether /metrics is answered without a token"},
      {"web", "open_openapi", SettingType::flag, "false", "Whether /openapi.json is answered without a token"},
  };
  return settings;
}

namespace {

const std::string environment_prefix = "UDON__";

std::string full_name(const SettingSpec& spec) { return spec.section + "." + spec.key; }

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  for (const SettingSpec& spec : known_settings()) names.push_back(full_name(spec));
  return names;
}

std::optional<int64_t> parse_integer(const std::string& text) {
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> parse_flag(const std::string& text) {
  const std::string word = lower_ascii(text);
  if (word == "true" || word == "1" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "0" || word == "no" || word == "off") return false;
  return std::nullopt;
}

std::vector<std::string> parse_names(const std::string& text) {
  std::vector<std::string> names;
  for (const std::string& name : split(text, ',')) names.emplace_back(trim(name));
  return names;
}

// What is wrong with a value, or nothing.
std::optional<std::string> problem_of(const SettingSpec& spec, const std::string& value) {
  switch (spec.type) {
    case SettingType::text: return std::nullopt;
    case SettingType::path: return value.empty() ? std::optional<std::string>("expected a path") : std::nullopt;
    case SettingType::integer: {
      const auto number = parse_integer(value);
      if (!number || *number < 1) return "expected an integer of at least 1, not `" + value + "`";
      return std::nullopt;
    }
    case SettingType::port: {
      const auto number = parse_integer(value);
      if (!number || *number < 0 || *number > 65535) return "expected a port (0 to 65535), not `" + value + "`";
      return std::nullopt;
    }
    case SettingType::names: {
      const auto names = parse_names(value);
      if (std::ranges::find(names, "") != names.end())
        return "expected names with commas between them, not `" + value + "`";
      return std::nullopt;
    }
    case SettingType::duration:
      if (!value.empty() && !parse_duration(value))
        return "expected a duration such as 90d or 12h, not `" + value + "`";
      return std::nullopt;
    case SettingType::flag:
      if (!parse_flag(value)) return "expected true or false, not `" + value + "`";
      return std::nullopt;
  }
  return std::nullopt;
}

struct FromFile {
  std::string name, value, where;
};

// udon.yaml as "section.key" → value, with positions. Only scalars in sections have a place in it.
Result<std::vector<FromFile>> read_settings_file(const Path& file) {
  std::vector<FromFile> found;
  const Result<std::string> text = read_file(file, 1 << 20);
  if (!text && text.error().kind == ErrorKind::not_found) return found;
  if (!text) return text.error();
  const auto at = [&](const YAML::Mark& mark) {
    return file.string() + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1) + ": ";
  };
  try {
    const YAML::Node root = YAML::Load(*text);
    if (root.IsNull()) return found;
    if (!root.IsMap())
      return Error{ErrorKind::invalid, at(root.Mark()) + "expected sections such as `core:` and `web:`"};
    for (const auto& section : root) {
      const auto name = section.first.as<std::string>();
      if (section.second.IsNull()) continue;
      if (!section.second.IsMap())
        return Error{ErrorKind::invalid, at(section.first.Mark()) + "section `" + name + "` holds no settings"};
      for (const auto& setting : section.second) {
        const std::string where = at(setting.first.Mark());
        const std::string full = name + "." + setting.first.as<std::string>();
        if (!setting.second.IsScalar()) return Error{ErrorKind::invalid, where + "`" + full + "` expects one value"};
        found.push_back({full, setting.second.as<std::string>(), where});
      }
    }
  } catch (const YAML::Exception& e) {
    return Error{ErrorKind::invalid, at(e.mark) + e.msg};
  }
  return found;
}

}  // namespace

Result<Settings> Settings::load(const Path& home, const std::vector<std::string>& environment) {
  Settings settings;
  for (const SettingSpec& spec : known_settings()) settings.values_.push_back({&spec, spec.default_value, "default"});
  const std::vector<std::string> names = known_names();
  const auto find = [&](const std::string& name) -> SettingValue* {
    for (SettingValue& value : settings.values_)
      if (full_name(*value.spec) == name) return &value;
    return nullptr;
  };

  TRY_ASSIGN(const std::vector<FromFile> from_file, read_settings_file(settings_file(home)));
  for (const FromFile& given : from_file) {
    SettingValue* value = find(given.name);
    if (!value)
      return Error{ErrorKind::invalid,
                   given.where + "unknown setting `" + given.name + "`" + did_you_mean(given.name, names)};
    if (value->spec->is_secret)
      return Error{ErrorKind::invalid,
                   given.where + "`" + given.name +
                       "` is a secret and has no place in a file of settings; give it in the environment"};
    if (const auto problem = problem_of(*value->spec, given.value))
      return Error{ErrorKind::invalid, given.where + "`" + given.name + "`: " + *problem};
    value->value =
        value->spec->type == SettingType::path ? (home / given.value).lexically_normal().string() : given.value;
    value->source = "udon.yaml";
  }

  for (const std::string& entry : environment) {
    if (!entry.starts_with(environment_prefix)) continue;
    const std::string variable = entry.substr(0, entry.find('='));
    std::string name = lower_ascii(std::string_view(variable).substr(environment_prefix.size()));
    if (const size_t separator = name.find("__"); separator != std::string::npos) name.replace(separator, 2, ".");
    SettingValue* value = find(name);
    if (!value) {
      std::string nearest_variable;
      if (const auto known = nearest(name, names)) {
        nearest_variable = environment_prefix;
        for (const char c : *known)
          nearest_variable +=
              c == '.' ? "__" : std::string(1, static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
      }
      return Error{ErrorKind::invalid,
                   "unknown setting `" + variable + "` in the environment" +
                       (nearest_variable.empty() ? "" : "; did you mean `" + nearest_variable + "`?")};
    }
    const std::string given = entry.substr(entry.find('=') + 1);
    if (const auto problem = problem_of(*value->spec, given))
      return Error{ErrorKind::invalid, variable + ": " + *problem};
    value->value = given;
    value->source = variable;
  }

  const std::string of_home = "<home>/";
  for (SettingValue& value : settings.values_) {
    if (value.spec->type != SettingType::path) continue;
    if (value.value.starts_with(of_home)) value.value.replace(0, of_home.size() - 1, home.string());
    std::error_code problem;
    value.value = std::filesystem::absolute(value.value, problem).lexically_normal().string();
    if (problem) return Error{ErrorKind::io, "working directory: " + problem.message()};
  }
  return settings;
}

const std::string& Settings::text(std::string_view section, std::string_view key) const {
  for (const SettingValue& value : values_)
    if (value.spec->section == section && value.spec->key == key) return value.value;
  ENSURE(false, "a setting that is not in the table was asked for");
}

int64_t Settings::integer(std::string_view section, std::string_view key) const {
  return parse_integer(text(section, key)).value_or(0);
}
std::vector<std::string> Settings::names(std::string_view section, std::string_view key) const {
  return parse_names(text(section, key));
}
bool Settings::flag(std::string_view section, std::string_view key) const {
  return parse_flag(text(section, key)).value_or(false);
}

std::optional<Duration> Settings::duration(std::string_view section, std::string_view key) const {
  const std::string& given = text(section, key);
  if (given.empty()) return std::nullopt;
  return parse_duration(given).value();  // checked when it was loaded
}

std::optional<std::string> environment_value(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& entry : environment)
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name))
      return entry.substr(name.size() + 1);
  return std::nullopt;
}

Result<Path> find_home(const std::vector<std::string>& environment) {
  const std::string given = environment_value(environment, "UDON_HOME").value_or("");
  std::error_code problem;
  const Path home = std::filesystem::absolute(given.empty() ? ".udon" : given, problem).lexically_normal();
  if (problem) return Error{ErrorKind::io, "working directory: " + problem.message()};
  return home;
}

}  // namespace udon::cli
