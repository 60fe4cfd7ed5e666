#include "connections/secrets/sources.h"

#include <string_view>

namespace udon {
namespace {

constexpr std::string_view connection_prefix = "UDON_CONN_";
constexpr std::string_view variable_prefix = "UDON_VAR_";

// ASCII only: names of other scripts have no upper case that every shell agrees on, they stand as they are.
std::string environment_name(std::string_view id) {
  std::string name(id);
  for (char& c : name)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return name;
}

}  // namespace

EnvironmentSecrets::EnvironmentSecrets(const std::vector<std::string>& environment) {
  for (const std::string& entry : environment) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos) continue;
    const std::string_view name = std::string_view(entry).substr(0, equals);
    if (name.starts_with(connection_prefix) && name.size() > connection_prefix.size())
      uris_[environment_name(name.substr(connection_prefix.size()))] = entry.substr(equals + 1);
    if (name.starts_with(variable_prefix) && name.size() > variable_prefix.size())
      variables_[environment_name(name.substr(variable_prefix.size()))] = entry.substr(equals + 1);
  }
}

Result<std::optional<Connection>> EnvironmentSecrets::connection(const std::string& id) const {
  const auto found = uris_.find(environment_name(id));
  if (found == uris_.end()) return std::optional<Connection>();
  Result<Connection> connection = parse_connection_uri(id, found->second);
  if (!connection)
    return connection.error().within("environment variable " + std::string(connection_prefix) + found->first);
  return std::optional<Connection>(*std::move(connection));
}

std::optional<std::string> EnvironmentSecrets::variable(const std::string& key) const {
  const auto found = variables_.find(environment_name(key));
  if (found == variables_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> EnvironmentSecrets::connection_names() const {
  std::vector<std::string> names;
  for (const auto& [name, uri] : uris_) names.push_back(name);
  return names;
}

Result<Connection> ConnectionSource::find(const std::string& id) const {
  TRY_ASSIGN(std::optional<Connection> from_environment, environment_.connection(id));
  if (from_environment) return *std::move(from_environment);
  TRY_ASSIGN(std::optional<Connection> from_store, stored_(id));
  if (from_store) return *std::move(from_store);
  return Error{ErrorKind::not_found, "there is no connection `" + id + "`: neither " + std::string(connection_prefix) +
                                         environment_name(id) +
                                         " in the server's environment nor one in the store; add it with `udon "
                                         "connections add " +
                                         id + " URI`"};
}

Result<std::string> VariableSource::find(const std::string& key) const {
  if (std::optional<std::string> from_environment = environment_.variable(key)) return *std::move(from_environment);
  TRY_ASSIGN(std::optional<std::string> from_store, stored_(key));
  if (from_store) return *std::move(from_store);
  return Error{ErrorKind::not_found,
               "there is no variable `" + key + "`: neither " + std::string(variable_prefix) + environment_name(key) +
                   " in the server's environment nor one in the store; set it with `udon variables "
                   "set " +
                   key + " VALUE`"};
}

}  // namespace udon
