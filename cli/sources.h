#pragma once
// Where this process finds connections and variables: in its environment, then in the store. `store` outlives them.
#include "connections/secrets/sources.h"
#include "store/settings.h"

namespace udon::cli {

ConnectionSource connection_source(EnvironmentSecrets environment, StoreSettings& store);
VariableSource variable_source(EnvironmentSecrets environment, StoreSettings& store);

}  // namespace udon::cli
