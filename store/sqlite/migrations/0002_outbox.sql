-- What is to be told to people about task instances and dag runs, and what has become of it. Written in the commit of
-- the move that it tells of; without references to that run, so that what is to be told outlives it.
CREATE TABLE notification (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL,
  instance INTEGER NOT NULL,     -- 0: of the run itself
  try_number INTEGER NOT NULL,
  event TEXT NOT NULL,
  idx INTEGER NOT NULL,          -- of the notice among those of its task or DAG
  at INTEGER NOT NULL,           -- of the move
  dag_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  map_index INTEGER NOT NULL,
  notice TEXT NOT NULL,          -- JSON; names connections, holds no secret
  context TEXT NOT NULL,         -- JSON, for the notice's templates
  resends_unknown INTEGER NOT NULL,
  state TEXT NOT NULL,
  sends INTEGER NOT NULL,
  next_at INTEGER,
  changed_at INTEGER,
  note TEXT NOT NULL,
  UNIQUE (run, instance, try_number, event, idx, at)
) STRICT;
CREATE INDEX notification_due ON notification (next_at) WHERE state = 'pending';
CREATE INDEX notification_sending ON notification (number) WHERE state = 'sending';
CREATE INDEX notification_by_state ON notification (state, number);
CREATE INDEX notification_of_dag ON notification (dag_id, number);
