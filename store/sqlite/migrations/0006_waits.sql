-- What people were asked, and what they have answered; one question a try.
CREATE TABLE question (
  instance INTEGER NOT NULL REFERENCES task_instance (number) ON DELETE CASCADE,
  try_number INTEGER NOT NULL,
  asked_at INTEGER NOT NULL,
  subject TEXT NOT NULL,
  body TEXT NOT NULL,
  question TEXT NOT NULL,  -- JSON, the two above included
  answered_at INTEGER,
  answered_by TEXT,        -- empty: nobody in time
  answer TEXT,             -- JSON
  PRIMARY KEY (instance, try_number)
) STRICT, WITHOUT ROWID;
CREATE INDEX question_open ON question (instance) WHERE answer IS NULL;

-- Tries that have ended their process to wait for something, until they end.
CREATE TABLE deferral (
  instance INTEGER PRIMARY KEY REFERENCES task_instance (number) ON DELETE CASCADE,
  try_number INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  since INTEGER NOT NULL,
  what TEXT NOT NULL,  -- JSON
  event TEXT           -- JSON; null: it has not come
) STRICT;
