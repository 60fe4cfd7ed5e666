#pragma once
// What the resources stand on; cli/main.cpp makes it. Everything here outlives the router and is safe from any thread.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "connections/secrets/sources.h"
#include "dagfile/bundles/bundle.h"
#include "dagfile/catalog.h"
#include "model/control.h"
#include "plugins/spec/spec.h"
#include "spool/spool.h"
#include "store/outbox.h"
#include "store/reader.h"
#include "store/settings.h"
#include "telemetry/metrics.h"
#include "web/auth.h"
#include "web/dag_lookup.h"
#include "web/source_waits.h"

namespace udon::web {

// A setting as `GET /api/v2/config` shows it; secrets are not among them.
struct ShownSetting {
  std::string section, key, value;
};

struct World {
  const Clock& clock;
  StoreReader& reader;
  StoreSettings& settings;
  StoreOutbox& outbox;
  Control& control;
  const OperatorCatalog& operators;
  const ConnectionSource& connections;
  const VariableSource& variables;
  const Spool& spool;
  Metrics& metrics;
  Authenticator& authenticator;
  DagLookup& dags;
  std::function<CatalogPtr()> catalog;  // may give nullptr: nothing loaded (yet)
  // Looks at the DAG files at once and waits until that is done; false: too many ask, or it takes too long.
  std::function<bool()> look_at_files = nullptr;
  std::function<std::string(const TryId&)> make_token;  // of a try; the same function as the loop's
  Path dags_folder;
  std::vector<ShownSetting> shown_settings;
  bool metrics_are_open = false;  // /metrics and /openapi.json without a token
  bool openapi_is_open = false;
  std::function<void()> on_notifications = nullptr;  // there is something to be sent
  // Of DAG files out of git (docs/git.md); nullptr: nobody looks at them here.
  std::function<std::vector<BundleStatus>()> bundles = nullptr;
  std::function<Result<void>(const std::string& bundle, Duration at_most)> look_at_bundle = nullptr;  // and waits
  std::function<Result<void>(const std::string& bundle)> ask_for_bundle = nullptr;
  std::function<Result<std::string>(const std::string& bundle)> webhook_secret = nullptr;
  // What is wrong with the file that names the bundles; empty: nothing.
  std::function<std::string()> problem_of_bundles_file = nullptr;
  SourceWaits source_waits = {};
};

// The routes of the whole API. Without those of the tries: see task_api.h.
void add_api(Router& router, World& world);

inline constexpr const char* udon_version = "0.1.0";

}  // namespace udon::web
