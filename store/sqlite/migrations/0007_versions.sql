-- Which versions of its DAG a run had before, as JSON: [{"version": …, "until": microseconds}, …].
ALTER TABLE dag_run ADD COLUMN earlier_versions TEXT NOT NULL DEFAULT '[]';

-- Where a version's file came from; empty: the DAGs folder.
ALTER TABLE dag_version ADD COLUMN bundle TEXT NOT NULL DEFAULT '';
ALTER TABLE dag_version ADD COLUMN bundle_version TEXT NOT NULL DEFAULT '';

ALTER TABLE backfill ADD COLUMN on_latest_version INTEGER NOT NULL DEFAULT 0;
