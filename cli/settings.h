#pragma once
// The installation's settings: defaults, over them udon.yaml of its home, over that UDON__SECTION__KEY. Each is listed
// once, in settings.cpp; an unknown one is an error with the nearest name.
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace udon::cli {

enum class SettingType { text, path, integer, flag, port, names, duration };

struct SettingSpec {
  std::string section, key;
  SettingType type = SettingType::text;
  std::string default_value;
  std::string help;
  bool is_secret = false;  // never shown; not read from udon.yaml, which others may read
};
const std::vector<SettingSpec>& known_settings();

struct SettingValue {
  const SettingSpec* spec = nullptr;
  std::string value;
  std::string source;  // "default", "udon.yaml", "UDON__WEB__PORT"
};

class Settings {
 public:
  // Paths become absolute: those of udon.yaml from the home, others from the working directory.
  static Result<Settings> load(const Path& home, const std::vector<std::string>& environment);

  const std::string& text(std::string_view section, std::string_view key) const;
  Path path(std::string_view section, std::string_view key) const { return text(section, key); }
  int64_t integer(std::string_view section, std::string_view key) const;
  bool flag(std::string_view section, std::string_view key) const;
  std::optional<Duration> duration(std::string_view section, std::string_view key) const;  // nothing: it is empty
  std::vector<std::string> names(std::string_view section, std::string_view key) const;
  const std::vector<SettingValue>& all() const { return values_; }

 private:
  std::vector<SettingValue> values_;
};

// $UDON_HOME, else ./.udon; absolute.
Result<Path> find_home(const std::vector<std::string>& environment);
std::optional<std::string> environment_value(const std::vector<std::string>& environment, std::string_view name);

}  // namespace udon::cli
