-- Times are microseconds since 1970 in UTC; states, types and causes are spelled as shown everywhere; JSON is text.
-- "" stands for "none" in texts, NULL in times. Each index serves a list or a lookup that its comment names.

-- One row: the scheduler's term and where numbering goes on, also after the rows themselves are deleted.
CREATE TABLE counters (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL,
  last_run INTEGER NOT NULL,
  last_instance INTEGER NOT NULL,
  last_fence INTEGER NOT NULL,
  last_event INTEGER NOT NULL,
  events INTEGER NOT NULL  -- rows of event: counting them would read them all
) STRICT;
INSERT INTO counters VALUES (1, 0, 0, 0, 0, 0, 0);

-- What became of this file: a row per migration.
CREATE TABLE schema_migration (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE dag (
  dag_id TEXT PRIMARY KEY,
  file TEXT NOT NULL,
  version TEXT NOT NULL,
  description TEXT NOT NULL,
  schedule_text TEXT NOT NULL,
  timezone TEXT NOT NULL,
  tags TEXT NOT NULL,  -- JSON list
  is_paused INTEGER NOT NULL,
  is_stale INTEGER NOT NULL,
  last_parsed_at INTEGER NOT NULL,
  last_scheduled_logical_date INTEGER,
  next_run_after INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE dag_version (
  dag_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  version TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  serialized TEXT NOT NULL,  -- JSON
  source TEXT NOT NULL,
  PRIMARY KEY (dag_id, number),
  UNIQUE (dag_id, version)
) STRICT;

CREATE TABLE dag_run (
  number INTEGER PRIMARY KEY,
  dag_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  type TEXT NOT NULL,
  state TEXT NOT NULL,
  logical_date INTEGER,
  interval_begin INTEGER,
  interval_end INTEGER,
  run_after INTEGER NOT NULL,
  queued_at INTEGER NOT NULL,
  start_date INTEGER,
  end_date INTEGER,
  conf TEXT NOT NULL,  -- JSON
  triggered_by TEXT NOT NULL,
  triggering_user TEXT NOT NULL,
  dag_version TEXT NOT NULL,
  note TEXT NOT NULL,
  instances INTEGER NOT NULL DEFAULT 0,  -- rows of task_instance: totals of lists are sums over runs
  UNIQUE (dag_id, run_id)
) STRICT;
-- What the scheduler loads at its start: as many entries as there are active runs, whatever the history holds.
CREATE INDEX dag_run_active ON dag_run (number) WHERE state IN ('queued', 'running');
-- "What failed", over all DAGs.
CREATE INDEX dag_run_failed ON dag_run (number) WHERE state = 'failed';
-- A DAG's runs, newest first; with `instances` the totals of lists of its task instances come from the index alone.
CREATE INDEX dag_run_of_dag ON dag_run (dag_id, number, instances);
-- One run per logical date of a DAG; the order of the calendar.
CREATE UNIQUE INDEX dag_run_by_logical_date ON dag_run (dag_id, logical_date) WHERE logical_date IS NOT NULL;
-- The order of the runs' page: of one DAG, and of all.
CREATE INDEX dag_run_of_dag_by_run_after ON dag_run (dag_id, run_after, number);
CREATE INDEX dag_run_by_run_after ON dag_run (run_after, number);
-- Runs of several DAGs may share a run id.
CREATE INDEX dag_run_by_run_id ON dag_run (run_id);

CREATE TABLE task_instance (
  number INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES dag_run (number),
  task_id TEXT NOT NULL,
  map_index INTEGER NOT NULL,
  state TEXT NOT NULL,
  try_number INTEGER NOT NULL,
  max_tries INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  scheduled_at INTEGER,
  queued_at INTEGER,
  start_date INTEGER,
  end_date INTEGER,
  next_try_at INTEGER,
  note TEXT NOT NULL,
  UNIQUE (run, task_id, map_index)
) STRICT;
-- What is going on and what went wrong, over all DAGs: successes, by far the most, have no entry.
CREATE INDEX task_instance_by_state ON task_instance (state, number)
  WHERE state IN ('scheduled', 'queued', 'running', 'failed', 'upstream_failed', 'up_for_retry', 'up_for_reschedule',
                  'deferred', 'restarting');
-- Whose try it is that reports; no two live tries share a fence.
CREATE UNIQUE INDEX task_instance_by_live_fence ON task_instance (fence)
  WHERE state IN ('queued', 'running', 'deferred', 'restarting');

CREATE TABLE task_try (
  instance INTEGER NOT NULL REFERENCES task_instance (number) ON DELETE CASCADE,
  try_number INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  state TEXT NOT NULL,
  queued_at INTEGER,
  start_date INTEGER,
  end_date INTEGER,
  hostname TEXT NOT NULL,
  pid INTEGER NOT NULL,
  log_file TEXT NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (instance, try_number)
) STRICT, WITHOUT ROWID;

CREATE TABLE xcom (
  instance INTEGER NOT NULL REFERENCES task_instance (number) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,  -- JSON
  at INTEGER NOT NULL,
  PRIMARY KEY (instance, key)
) STRICT;

-- The history. A move's row names its run and task instance by number, others (an audit entry, a deleted run) carry
-- names of their own.
CREATE TABLE event (
  number INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  run INTEGER,
  instance INTEGER,
  dag_id TEXT,
  run_id TEXT,
  task_id TEXT,
  map_index INTEGER,
  try_number INTEGER NOT NULL,
  from_state TEXT NOT NULL,
  to_state TEXT NOT NULL,
  cause TEXT NOT NULL,
  user TEXT NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE INDEX event_of_run ON event (run) WHERE run IS NOT NULL;
CREATE INDEX event_by_name ON event (dag_id, run_id) WHERE run IS NULL;

CREATE TABLE connection (
  id TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  host TEXT NOT NULL,
  port INTEGER NOT NULL,
  login TEXT NOT NULL,
  schema TEXT NOT NULL,
  description TEXT NOT NULL,
  extra TEXT NOT NULL,    -- JSON, without what is secret
  secrets TEXT NOT NULL   -- sealed: password and the secret members of extra; "" if there are none
) STRICT, WITHOUT ROWID;

CREATE TABLE variable (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,    -- sealed
  description TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pool (
  name TEXT PRIMARY KEY,
  slots INTEGER NOT NULL,
  description TEXT NOT NULL,
  include_deferred INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO pool VALUES ('default_pool', 128, '', 0);

CREATE TABLE user (
  name TEXT PRIMARY KEY,
  password_hash TEXT NOT NULL,
  role TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL     -- sealed
) STRICT, WITHOUT ROWID;
