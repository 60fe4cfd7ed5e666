#include "connections/secrets/aws_profile.h"

#include "base/file.h"
#include "base/text.h"

namespace udon {
namespace {

constexpr int64_t profile_file_bytes_max = 1 << 20;

std::string of(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

Path file_of(const Environment& environment, const std::string& variable, const char* name) {
  if (const std::string path = of(environment, variable); !path.empty()) return path;
  const std::string home = of(environment, "HOME");
  return home.empty() ? Path() : Path(home) / ".aws" / name;
}

Result<std::map<std::string, AwsProfile>> read_profiles_of(const Path& path) {
  if (path.empty()) return std::map<std::string, AwsProfile>{};
  auto text = read_file(path, profile_file_bytes_max);
  if (!text) {
    if (text.error().kind == ErrorKind::not_found) return std::map<std::string, AwsProfile>{};
    return text.error();
  }
  return parse_aws_profiles(*text, path.string());
}

}  // namespace

std::string aws_profile_name(const Environment& environment) {
  const std::string name = of(environment, "AWS_PROFILE");
  return name.empty() ? "default" : name;
}

// The messages never quote a line: it may hold a key.
Result<std::map<std::string, AwsProfile>> parse_aws_profiles(std::string_view text, const std::string& file) {
  std::map<std::string, AwsProfile> profiles;
  AwsProfile* current = nullptr;
  bool is_skipped = false;
  int number = 0;
  for (const std::string& raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty() || line.starts_with('#') || line.starts_with(';')) continue;
    const auto problem = [&](const std::string& what) {
      return Error{ErrorKind::invalid, file + ":" + std::to_string(number) + ": " + what};
    };
    if (line.starts_with('[')) {
      const size_t close = line.find(']');
      if (close == line.npos) return problem("expected `]` after the name of a section");
      std::string_view name = trim(line.substr(1, close - 1));
      // Sections of other kinds (sso-session, services) are no profiles.
      if (name.starts_with("profile ") || name.starts_with("profile\t")) name = trim(name.substr(8));
      is_skipped = name.starts_with("sso-session ") || name.starts_with("services ");
      current = is_skipped ? nullptr : &profiles[std::string(name)];
      continue;
    }
    // An indented line belongs to the setting above it ("s3 =" and its own settings), of which we read none.
    if (is_skipped || raw.starts_with(' ') || raw.starts_with('\t')) continue;
    const size_t equals = line.find('=');
    if (equals == line.npos) return problem("expected `name = value`");
    if (!current) return problem("expected a section such as [default] before the first setting");
    std::string_view value = line.substr(equals + 1);
    // A comment after a value starts with white space and # or ;.
    for (const char* mark : {" #", " ;", "\t#", "\t;"}) value = value.substr(0, value.find(mark));
    (*current)[lower_ascii(trim(line.substr(0, equals)))] = std::string(trim(value));
  }
  return profiles;
}

Result<std::map<std::string, AwsProfile>> read_aws_profiles(const Environment& environment) {
  TRY_ASSIGN(auto profiles, read_profiles_of(file_of(environment, "AWS_CONFIG_FILE", "config")));
  TRY_ASSIGN(auto secrets, read_profiles_of(file_of(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")));
  for (auto& [name, settings] : secrets) {
    for (auto& [key, value] : settings) profiles[name][key] = std::move(value);
  }
  return profiles;
}

}  // namespace udon
