#include "web/dag_lookup.h"

#include "base/log.h"
#include "dagfile/serialize.h"

namespace udon::web {
namespace {
// Versions kept: a page shows at most 100 rows, and a DAG of a thousand tasks takes about a megabyte.
constexpr size_t versions_kept_max = 200;
}  // namespace

DagInfoPtr DagLookup::find(const std::string& dag_id, const std::string& version) {
  const Key key{dag_id, version};
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->second;
    }
  }
  const Result<std::optional<DagVersionRecord>> record = reader_.dag_version(dag_id, version);
  if (!record || !*record) return nullptr;
  auto info = std::make_shared<DagInfo>();
  info->number = (*record)->number;
  info->created_at = (*record)->created_at;
  info->bundle = (*record)->bundle;
  info->bundle_version = (*record)->bundle_version;
  if (const CatalogPtr catalog = catalog_ ? catalog_() : nullptr) {
    const auto loaded = catalog->dags.find(dag_id);
    if (loaded != catalog->dags.end() && loaded->second->version == version) info->dag = loaded->second;
  }
  if (!info->dag) {
    Result<Dag> dag = deserialize((*record)->serialized);
    if (!dag) {
      log_warning("web",
                  "version " + version + " of " + dag_id + " in the store cannot be read: " + dag.error().message);
      return nullptr;
    }
    dag->source = (*record)->source;
    info->dag = std::make_shared<const Dag>(*std::move(dag));
  }
  info->priorities = effective_priorities(*info->dag);
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return info;
  recent_.emplace_front(key, info);
  by_key_[key] = recent_.begin();
  if (recent_.size() > versions_kept_max) {
    by_key_.erase(recent_.back().first);
    recent_.pop_back();
  }
  return info;
}

}  // namespace udon::web
