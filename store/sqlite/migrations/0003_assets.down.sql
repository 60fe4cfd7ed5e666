-- Lost: assets with their events, whom they wait for, and which runs they have made due.
ALTER TABLE counters DROP COLUMN last_asset_event;
ALTER TABLE dag DROP COLUMN assets;
DROP TABLE run_asset_event;
DROP TABLE queued_asset_event;
DROP TABLE asset_event;
DROP TABLE asset;
