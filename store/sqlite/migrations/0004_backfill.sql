-- Backfills, and which run was made by which.
CREATE TABLE backfill (
  number INTEGER PRIMARY KEY,
  dag_id TEXT NOT NULL,
  from_date INTEGER NOT NULL,
  to_date INTEGER NOT NULL,
  reprocess TEXT NOT NULL,
  runs_backwards INTEGER NOT NULL,
  max_active_runs INTEGER NOT NULL,
  conf TEXT NOT NULL,  -- JSON
  is_paused INTEGER NOT NULL,
  user TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  completed_at INTEGER,
  is_cancelled INTEGER NOT NULL,
  last_date INTEGER,
  has_all_dates INTEGER NOT NULL,
  dates INTEGER NOT NULL,
  created INTEGER NOT NULL,
  cleared INTEGER NOT NULL,
  skipped INTEGER NOT NULL
) STRICT;
CREATE INDEX backfill_of_dag ON backfill (dag_id, number);
-- What the scheduler loads at its start.
CREATE INDEX backfill_active ON backfill (number) WHERE completed_at IS NULL;

ALTER TABLE dag_run ADD COLUMN backfill INTEGER;
-- A backfill's progress.
CREATE INDEX dag_run_of_backfill ON dag_run (backfill, state) WHERE backfill IS NOT NULL;

ALTER TABLE counters ADD COLUMN last_backfill INTEGER NOT NULL DEFAULT 0;
