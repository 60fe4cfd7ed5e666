#pragma once
// Where connections and variables come from: the server's environment first, then what people have stored. Only the
// server (and the worker's daemon) has these; a try asks over its socket.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "connections/connection.h"

namespace udon {

// UDON_CONN_<ID>=<uri> and UDON_VAR_<KEY>=<value> out of an environment, kept in memory. As in Airflow the name stands
// in upper case there and is looked up as upper case: UDON_CONN_LAKE is the connection `lake`.
class EnvironmentSecrets {
 public:
  EnvironmentSecrets() = default;
  // `environment`: "KEY=value" each. A URI that cannot be read is an error when it is asked for, not before: it must
  // not keep the server from starting.
  explicit EnvironmentSecrets(const std::vector<std::string>& environment);

  Result<std::optional<Connection>> connection(const std::string& id) const;
  std::optional<std::string> variable(const std::string& key) const;
  // As they stand in the environment: a task instance need not wait for one of these.
  std::vector<std::string> connection_names() const;

 private:
  std::map<std::string, std::string> uris_;
  std::map<std::string, std::string> variables_;
};

// Asks the environment, then the store. Thread-safe if the lookups are.
class ConnectionSource {
 public:
  using Stored = std::function<Result<std::optional<Connection>>(const std::string& id)>;
  ConnectionSource(EnvironmentSecrets environment, Stored stored)
      : environment_(std::move(environment)), stored_(std::move(stored)) {}
  // not_found says where it was looked for and how to add it.
  Result<Connection> find(const std::string& id) const;
  const EnvironmentSecrets& environment() const { return environment_; }

 private:
  EnvironmentSecrets environment_;
  Stored stored_;
};

class VariableSource {
 public:
  using Stored = std::function<Result<std::optional<std::string>>(const std::string& key)>;
  VariableSource(EnvironmentSecrets environment, Stored stored)
      : environment_(std::move(environment)), stored_(std::move(stored)) {}
  Result<std::string> find(const std::string& key) const;

 private:
  EnvironmentSecrets environment_;
  Stored stored_;
};

}  // namespace udon
