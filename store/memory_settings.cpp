#include "store/memory_state.h"
#include "store/rules.h"

namespace udon::memory {

namespace {

template <class T>
std::optional<T> find_in(const std::map<std::string, T>& table, const std::string& name) {
  const auto found = table.find(name);
  if (found == table.end()) return std::nullopt;
  return found->second;
}

template <class T>
std::vector<T> all_of(const std::map<std::string, T>& table) {
  std::vector<T> rows;
  rows.reserve(table.size());
  for (const auto& [name, row] : table) rows.push_back(row);
  return rows;
}

template <class T>
Result<void> put_into(std::map<std::string, T>& table, std::string_view what, const std::string& name, const T& row,
                      StoreSettings::Existing existing) {
  if (existing == StoreSettings::Existing::refuse && table.contains(name)) return already_there(what, name);
  table.insert_or_assign(name, row);
  return {};
}

template <class T>
Result<void> remove_from(std::map<std::string, T>& table, std::string_view what, const std::string& name) {
  if (table.erase(name) == 0) return not_there(what, name);
  return {};
}

class Settings final : public StoreSettings {
 public:
  explicit Settings(State& state) : state_(state) {}

  Result<std::optional<Connection>> connection(const std::string& id) override {
    const std::lock_guard lock(state_.mutex);
    return find_in(state_.connections, id);
  }
  Result<Page<Connection>> connections(const PageRequest& page) override {
    TRY(check_page(page));
    const std::lock_guard lock(state_.mutex);
    return cut_page(all_of(state_.connections), page);
  }
  Result<std::vector<std::string>> connection_ids() override {
    const std::lock_guard lock(state_.mutex);
    std::vector<std::string> ids;
    for (const auto& [id, connection] : state_.connections) ids.push_back(id);
    return ids;
  }
  Result<void> put_connection(const Connection& connection, Existing existing) override {
    const std::lock_guard lock(state_.mutex);
    return put_into(state_.connections, "connection", connection.id, connection, existing);
  }
  Result<void> delete_connection(const std::string& id) override {
    const std::lock_guard lock(state_.mutex);
    return remove_from(state_.connections, "connection", id);
  }

  Result<std::optional<VariableRecord>> variable(const std::string& key) override {
    const std::lock_guard lock(state_.mutex);
    return find_in(state_.variables, key);
  }
  Result<Page<VariableRecord>> variables(const PageRequest& page) override {
    TRY(check_page(page));
    const std::lock_guard lock(state_.mutex);
    return cut_page(all_of(state_.variables), page);
  }
  Result<void> put_variable(const VariableRecord& variable, Existing existing) override {
    const std::lock_guard lock(state_.mutex);
    return put_into(state_.variables, "variable", variable.key, variable, existing);
  }
  Result<void> delete_variable(const std::string& key) override {
    const std::lock_guard lock(state_.mutex);
    return remove_from(state_.variables, "variable", key);
  }

  Result<std::vector<Pool>> pools() override {
    const std::lock_guard lock(state_.mutex);
    return all_of(state_.pools);
  }
  Result<void> put_pool(const Pool& pool, Existing existing) override {
    const std::lock_guard lock(state_.mutex);
    return put_into(state_.pools, "pool", pool.name, pool, existing);
  }
  Result<void> delete_pool(const std::string& name) override {
    TRY(check_pool_deletion(name));
    const std::lock_guard lock(state_.mutex);
    return remove_from(state_.pools, "pool", name);
  }

  Result<std::optional<UserRecord>> user(const std::string& name) override {
    const std::lock_guard lock(state_.mutex);
    return find_in(state_.users, name);
  }
  Result<std::vector<UserRecord>> users() override {
    const std::lock_guard lock(state_.mutex);
    return all_of(state_.users);
  }
  Result<void> put_user(const UserRecord& user, Existing existing) override {
    const std::lock_guard lock(state_.mutex);
    return put_into(state_.users, "user", user.name, user, existing);
  }
  Result<void> delete_user(const std::string& name) override {
    const std::lock_guard lock(state_.mutex);
    return remove_from(state_.users, "user", name);
  }

  Result<std::string> setting_or_set(const std::string& key, const std::string& value) override {
    const std::lock_guard lock(state_.mutex);
    return state_.values.try_emplace(key, value).first->second;
  }

 private:
  State& state_;
};

}  // namespace

std::unique_ptr<StoreSettings> make_settings(State& state) { return std::make_unique<Settings>(state); }

}  // namespace udon::memory
