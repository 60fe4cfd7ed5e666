#pragma once
// Reading what the store holds of assets: the names, the events, who waits for which, and what came of them.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/asset.h"
#include "model/run.h"
#include "store/types.h"

namespace udon {

struct AssetRecord {
  int64_t number = 0;  // for the API
  std::string name;
  TimePoint created_at{};
  TimePoint updated_at{};
  std::optional<AssetEventNumber> last_event;
  std::optional<TimePoint> last_event_at;
  bool operator==(const AssetRecord&) const = default;
};

// As the other filters: what is absent or empty does not filter.
struct AssetFilter {
  std::optional<std::string> name_like;  // part of it; ASCII letters in any case
  std::vector<std::string> names;        // any of them
  std::string order_by = "number";       // number, name; '-' descends
};
struct AssetEventFilter {
  std::optional<std::string> asset;
  std::optional<std::string> source_dag_id, source_task_id, source_run_id;
  std::optional<int> source_map_index;
  std::optional<TimePoint> at_gte, at_lte;
  std::string order_by = "number";  // number, at; '-' descends
};
struct QueuedAssetEvent {
  std::string dag_id;  // for whom
  AssetEvent event;
  bool operator==(const QueuedAssetEvent&) const = default;
};

class AssetReader {
 public:
  virtual ~AssetReader() = default;

  virtual Result<Page<AssetRecord>> assets(const AssetFilter& filter, const PageRequest& page) = 0;
  virtual Result<std::optional<AssetRecord>> asset(int64_t number) = 0;
  virtual Result<Page<AssetEvent>> asset_events(const AssetEventFilter& filter, const PageRequest& page) = 0;
  // Ordered by DAG, then by event; of one DAG if it is named.
  virtual Result<std::vector<QueuedAssetEvent>> queued_asset_events(const std::string& dag_id) = 0;
  virtual Result<std::vector<AssetEvent>> asset_events_of_run(RunNumber run) = 0;  // that made it due, by number
  virtual Result<std::vector<RunNumber>> runs_of_asset_event(AssetEventNumber event) = 0;
};

}  // namespace udon
