#pragma once
// Assets and their events in SQLite; called by the reader and the writer, within their transactions.
#include "store/asset_reader.h"
#include "store/sqlite/database.h"
#include "store/writer.h"

namespace udon::sqlite {

Result<void> put_assets(Database& db, const std::vector<std::string>& names, TimePoint at);
Result<void> insert_asset_event(Database& db, const InsertAssetEvent& change, TimePoint at);
Result<void> take_asset_events(Database& db, const TakeAssetEvents& change);

Result<Page<AssetRecord>> assets(Database& db, const AssetFilter& filter, const PageRequest& page);
Result<std::optional<AssetRecord>> asset(Database& db, int64_t number);
Result<Page<AssetEvent>> asset_events(Database& db, const AssetEventFilter& filter, const PageRequest& page);
Result<std::vector<QueuedAssetEvent>> queued_asset_events(Database& db, const std::string& dag_id);
Result<std::vector<AssetEvent>> asset_events_of_run(Database& db, RunNumber run);
Result<std::vector<RunNumber>> runs_of_asset_event(Database& db, AssetEventNumber event);

}  // namespace udon::sqlite
