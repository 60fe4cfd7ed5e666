#include "cli/sources.h"

namespace udon::cli {

ConnectionSource connection_source(EnvironmentSecrets environment, StoreSettings& store) {
  return {std::move(environment), [&store](const std::string& id) { return store.connection(id); }};
}

VariableSource variable_source(EnvironmentSecrets environment, StoreSettings& store) {
  return {std::move(environment), [&store](const std::string& key) -> Result<std::optional<std::string>> {
            TRY_ASSIGN(auto record, store.variable(key));
            return record ? std::optional<std::string>(std::move(record->value)) : std::nullopt;
          }};
}

}  // namespace udon::cli
