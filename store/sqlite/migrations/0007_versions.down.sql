-- Lost: which versions a run had before its last one, with which commit a version came, and whether a backfill clears
-- with the newest version. Notifications that runs were paused for failures, which an older udon cannot read. The last added goes first, so that what is left is as it was written.
DELETE FROM notification WHERE event = 'paused';
ALTER TABLE backfill DROP COLUMN on_latest_version;
ALTER TABLE dag_version DROP COLUMN bundle_version;
ALTER TABLE dag_version DROP COLUMN bundle;
ALTER TABLE dag_run DROP COLUMN earlier_versions;
