#include "dagfile/bundles/bundle.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>

#include "base/text.h"

namespace udon {

namespace {

constexpr Duration every_min = std::chrono::seconds(1);
constexpr int64_t file_bytes_max = 1 << 20;

const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> keys{"url",
                                             "branch",
                                             "tag",
                                             "commit",
                                             "subfolder",
                                             "every",
                                             "connection",
                                             "password_file",
                                             "username",
                                             "ssh_key_file",
                                             "known_hosts_file",
                                             "webhook_connection",
                                             "webhook_secret_file"};
  return keys;
}

// It names a folder, stands in URLs, and before "/" in the names of its DAG files.
bool is_bundle_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name != "dags-folder" && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

bool is_commit(const std::string& text) {
  return (text.size() == 40 || text.size() == 64) &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// As `git check-ref-format` has it, as far as a name could mean something else to git.
bool is_ref_name(const std::string& name) {
  if (name.empty() || name.front() == '-' || name.front() == '/' || name.back() == '/' || name.back() == '.')
    return false;
  if (name.find("..") != std::string::npos || name.find("@{") != std::string::npos) return false;
  return std::ranges::none_of(name, [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || std::string("~^:?*[\\").find(c) != std::string::npos;
  });
}

// What is wrong with a URL, or nothing. Never quotes it: it may hold a password.
std::optional<std::string> problem_of_url(const std::string& url) {
  if (url.empty() || url.front() == '-') return "expected the URL of a git repository, such as https://… or ssh://…";
  if (url.find("::") != std::string::npos && url.find("://") == std::string::npos)
    return "remote helpers (`name::…`) are not allowed";
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return std::nullopt;
  const std::string authority = url.substr(scheme + 3, url.find('/', scheme + 3) - scheme - 3);
  const size_t at = authority.rfind('@');
  if (at != std::string::npos && authority.substr(0, at).find(':') != std::string::npos)
    return "a password has no place in it, where logs and lists of processes show it; give `connection` or "
           "`password_file`";
  return std::nullopt;
}

bool is_inside(const Path& path) {
  return path.is_relative() && std::ranges::none_of(path, [](const Path& part) { return part == ".."; });
}

class Reading {
 public:
  explicit Reading(const Path& file) : file_(file) {}

  Result<BundleSpec> read(const YAML::Node& key, const YAML::Node& value) {
    BundleSpec spec;
    spec.name = key.as<std::string>();
    if (!is_bundle_name(spec.name))
      return at(key, "a bundle's name has small letters, digits, `_` and `-`, not `" + spec.name + "`");
    if (!value.IsMap()) return at(key, "bundle `" + spec.name + "` expects keys such as `url`");
    std::map<std::string, YAML::Node> given;
    std::map<std::string, std::string> texts;
    for (const auto& pair : value) {
      const auto name = pair.first.as<std::string>();
      if (std::ranges::find(known_keys(), name) == known_keys().end())
        return at(pair.first, "unknown key `" + name + "`" + did_you_mean(name, known_keys()));
      if (!pair.second.IsScalar()) return at(pair.first, "`" + name + "` expects one value");
      if (texts.contains(name)) return at(pair.first, "`" + name + "` stands twice");
      given[name] = pair.second;
      texts[name] = pair.second.as<std::string>();
      if (texts[name].find('\0') != std::string::npos) return at(pair.second, "`" + name + "` holds a zero byte");
    }
    if (!texts.contains("url")) return at(key, "bundle `" + spec.name + "` has no `url`");
    spec.url = texts["url"];
    if (const auto problem = problem_of_url(spec.url)) return at(given["url"], "`url`: " + *problem);
    TRY(read_ref(key, spec, given, texts));
    spec.subfolder = texts["subfolder"];
    if (!is_inside(spec.subfolder)) return at(given["subfolder"], "`subfolder` is a path inside of the repository");
    if (texts.contains("every")) {
      const auto every = parse_duration(texts["every"]);
      if (!every || *every < every_min)
        return at(given["every"], "`every`: expected a duration of at least 1s, not `" + texts["every"] + "`");
      spec.every = *every;
    }
    spec.connection = texts["connection"];
    spec.password_file = texts["password_file"];
    if (texts.contains("username")) spec.username = texts["username"];
    spec.ssh_key_file = texts["ssh_key_file"];
    spec.known_hosts_file = texts["known_hosts_file"];
    spec.webhook_connection = texts["webhook_connection"];
    spec.webhook_secret_file = texts["webhook_secret_file"];
    if (!spec.connection.empty() && !spec.password_file.empty())
      return at(given["password_file"], "give `connection` or `password_file`, not both");
    if (!spec.webhook_connection.empty() && !spec.webhook_secret_file.empty())
      return at(given["webhook_secret_file"], "give `webhook_connection` or `webhook_secret_file`, not both");
    for (const char* name : {"password_file", "ssh_key_file", "known_hosts_file", "webhook_secret_file"}) {
      const std::string& path = texts[name];
      // Spaces and quotes would have a meaning of their own in what git hands to a shell.
      if (path.empty()) continue;
      if (path.front() != '/' || path.find_first_of(" '\"\\\n\t") != std::string::npos)
        return at(given[name], "`" + std::string(name) + "`: expected an absolute path without blanks and quotes");
    }
    return spec;
  }

 private:
  Result<void> read_ref(const YAML::Node& key, BundleSpec& spec, std::map<std::string, YAML::Node>& given,
                        std::map<std::string, std::string>& texts) {
    using Kind = GitRef::Kind;
    const std::pair<const char*, Kind> kinds[] = {
        {"branch", Kind::branch}, {"tag", Kind::tag}, {"commit", Kind::commit}};
    int count = 0;
    for (const auto& [name, kind] : kinds) {
      if (!texts.contains(name)) continue;
      if (++count > 1) return at(key, "give one of `branch`, `tag` and `commit`");
      spec.ref = {kind, texts[name]};
      if (kind == Kind::commit && !is_commit(spec.ref.name))
        return at(given[name], "`commit`: expected all 40 hexadecimal digits of a commit");
      if (kind != Kind::commit && !is_ref_name(spec.ref.name))
        return at(given[name], "`" + std::string(name) + "`: `" + spec.ref.name + "` cannot be one's name");
    }
    return {};
  }

  Error at(const YAML::Node& node, const std::string& message) const {
    const YAML::Mark mark = node.Mark();
    return {ErrorKind::invalid, file_.string() + ":" + std::to_string(mark.line + 1) + ":" +
                                    std::to_string(mark.column + 1) + ": " + message};
  }

  const Path& file_;
};

}  // namespace

std::string to_string(const GitRef& ref) {
  switch (ref.kind) {
    case GitRef::Kind::branch: return "branch " + ref.name;
    case GitRef::Kind::tag: return "tag " + ref.name;
    case GitRef::Kind::commit: return "commit " + ref.name;
  }
  return ref.name;
}

Result<std::vector<BundleSpec>> read_bundles(const Path& file) {
  std::vector<BundleSpec> bundles;
  const Result<std::string> text = read_file(file, file_bytes_max);
  if (!text && text.error().kind == ErrorKind::not_found) return bundles;
  if (!text) return text.error();
  try {
    const YAML::Node root = YAML::Load(*text);
    if (root.IsNull()) return bundles;
    if (!root.IsMap()) return Error{ErrorKind::invalid, file.string() + ": expected bundles by their names"};
    Reading reading(file);
    for (const auto& pair : root) {
      TRY_ASSIGN(BundleSpec spec, reading.read(pair.first, pair.second));
      if (std::ranges::find(bundles, spec.name, &BundleSpec::name) != bundles.end())
        return Error{ErrorKind::invalid, file.string() + ": bundle `" + spec.name + "` stands twice"};
      bundles.push_back(std::move(spec));
    }
  } catch (const YAML::Exception& e) {
    return Error{ErrorKind::invalid, file.string() + ":" + std::to_string(e.mark.line + 1) + ":" +
                                         std::to_string(e.mark.column + 1) + ": " + e.msg};
  }
  std::ranges::sort(bundles, {}, &BundleSpec::name);
  return bundles;
}

}  // namespace udon
