#pragma once
// DAGs by id and version: from the catalog while they are current, else from the store, kept for a while so that a page
// of task instances reads each version once.
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "dagfile/catalog.h"
#include "model/dag.h"
#include "store/reader.h"

namespace udon::web {

struct DagInfo {
  DagPtr dag;      // never nullptr
  int number = 0;  // of the version: 1, 2, …
  TimePoint created_at{};
  std::string bundle, bundle_version;  // as Dag's
  std::vector<int64_t> priorities;     // effective, by index of the task
};
using DagInfoPtr = std::shared_ptr<const DagInfo>;

class DagLookup {
 public:
  DagLookup(StoreReader& reader, std::function<CatalogPtr()> catalog) : reader_(reader), catalog_(std::move(catalog)) {}
  // nullptr: the store has no such version (or cannot read it).
  DagInfoPtr find(const std::string& dag_id, const std::string& version);

 private:
  using Key = std::pair<std::string, std::string>;
  StoreReader& reader_;
  const std::function<CatalogPtr()> catalog_;
  std::mutex mutex_;
  std::list<std::pair<Key, DagInfoPtr>> recent_;  // the latest used first
  std::map<Key, std::list<std::pair<Key, DagInfoPtr>>::iterator> by_key_;
};

}  // namespace udon::web
