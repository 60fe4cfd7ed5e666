#pragma once
// How to reach something: host, login, secret, options. From a URI, in Airflow's form.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace udon {

struct Connection {
  std::string id;
  std::string type;  // the URI's scheme: mysql, postgresql, aws, http, …
  std::string host;
  int port = 0;  // 0: the type's default
  std::string login;
  std::string password;
  std::string schema;  // the database; the URI's path without its first '/'
  std::string description;
  Value extra = Value::map();  // the URI's query: strings, e.g. endpoint_url, region, ssl_ca
  bool operator==(const Connection&) const = default;

  std::string option(std::string_view key, std::string_view otherwise = {}) const { return extra.text(key, otherwise); }
  // For messages: "mysql://host:3306/db", never login's password nor options.
  std::string display() const;
};

// "mysql://user:p%40ss@host:3306/db?charset=utf8mb4"; percent-encoded parts. "mariadb", "postgres" and "s3" are read as
// mysql, postgresql and aws. Errors never quote the URI.
Result<Connection> parse_connection_uri(const std::string& id, std::string_view uri);
std::string to_uri(const Connection& connection);

// Keys of `extra` whose values are secret (password, secret, token, key, …): masked wherever shown, encrypted at rest.
bool is_secret_key(std::string_view key);

}  // namespace udon
