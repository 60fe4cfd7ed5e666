-- Lost: backfills, those that go on too, and which run was made by which. The runs stay.
ALTER TABLE counters DROP COLUMN last_backfill;
DROP INDEX dag_run_of_backfill;
ALTER TABLE dag_run DROP COLUMN backfill;
DROP TABLE backfill;
