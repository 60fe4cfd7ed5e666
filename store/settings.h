#pragma once
// What people set: connections, variables, pools, users, tokens. Written by web and cli; secrets are encrypted at rest
// with a key that is not in the store.
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "connections/connection.h"
#include "model/pool.h"
#include "store/types.h"

namespace udon {

struct VariableRecord {
  std::string key;
  std::string value;
  std::string description;
  bool operator==(const VariableRecord&) const = default;
};

struct UserRecord {
  std::string name;
  std::string password_hash;  // Argon2id, libsodium's string form
  std::string role;           // viewer, user, op, admin
  bool operator==(const UserRecord&) const = default;
};

class StoreSettings {
 public:
  virtual ~StoreSettings() = default;

  virtual Result<std::optional<Connection>> connection(const std::string& id) = 0;
  virtual Result<Page<Connection>> connections(const PageRequest& page) = 0;  // by id
  virtual Result<std::vector<std::string>> connection_ids() = 0;              // all, in order; no secret is opened
  enum class Existing { refuse, replace };
  virtual Result<void> put_connection(const Connection& connection, Existing existing) = 0;  // conflict if refused
  virtual Result<void> delete_connection(const std::string& id) = 0;                         // not_found

  virtual Result<std::optional<VariableRecord>> variable(const std::string& key) = 0;
  virtual Result<Page<VariableRecord>> variables(const PageRequest& page) = 0;
  virtual Result<void> put_variable(const VariableRecord& variable, Existing existing) = 0;
  virtual Result<void> delete_variable(const std::string& key) = 0;

  virtual Result<std::vector<Pool>> pools() = 0;  // default_pool is always among them
  virtual Result<void> put_pool(const Pool& pool, Existing existing) = 0;
  virtual Result<void> delete_pool(const std::string& name) = 0;  // default_pool: invalid

  virtual Result<std::optional<UserRecord>> user(const std::string& name) = 0;
  virtual Result<std::vector<UserRecord>> users() = 0;
  virtual Result<void> put_user(const UserRecord& user, Existing existing) = 0;
  virtual Result<void> delete_user(const std::string& name) = 0;

  // Small facts of the installation ("jwt_key", "installation"); set once, then the first value stays and is returned.
  virtual Result<std::string> setting_or_set(const std::string& key, const std::string& value) = 0;
};

}  // namespace udon
