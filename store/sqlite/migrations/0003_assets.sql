-- What tasks make and other DAGs wait for. An asset's number is for the API alone.
CREATE TABLE asset (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

-- An asset was made anew. Its source is named, not referred to: an event outlives the run that it comes from.
CREATE TABLE asset_event (
  number INTEGER PRIMARY KEY,
  asset INTEGER NOT NULL REFERENCES asset (number),
  at INTEGER NOT NULL,
  extra TEXT NOT NULL,  -- JSON
  source_dag_id TEXT NOT NULL,
  source_run_id TEXT NOT NULL,
  source_task_id TEXT NOT NULL,
  source_map_index INTEGER NOT NULL,
  user TEXT NOT NULL
) STRICT;
-- The events of an asset, and its last one.
CREATE INDEX asset_event_of_asset ON asset_event (asset, number);
-- What a run has made.
CREATE INDEX asset_event_of_source ON asset_event (source_dag_id, source_run_id, number) WHERE source_dag_id != '';

-- For whom an event is still to be heeded; gone with the run that heeds it.
CREATE TABLE queued_asset_event (
  dag_id TEXT NOT NULL,
  event INTEGER NOT NULL REFERENCES asset_event (number),
  PRIMARY KEY (dag_id, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX queued_asset_event_by_event ON queued_asset_event (event);

-- Which events have made a run due.
CREATE TABLE run_asset_event (
  run INTEGER NOT NULL REFERENCES dag_run (number) ON DELETE CASCADE,
  event INTEGER NOT NULL REFERENCES asset_event (number),
  PRIMARY KEY (run, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_asset_event_by_event ON run_asset_event (event);

-- Whose events are queued for a DAG: a JSON list of names.
ALTER TABLE dag ADD COLUMN assets TEXT NOT NULL DEFAULT '[]';
ALTER TABLE counters ADD COLUMN last_asset_event INTEGER NOT NULL DEFAULT 0;
