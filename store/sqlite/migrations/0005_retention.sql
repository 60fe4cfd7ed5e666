-- Runs that ended long ago, in order of their ends.
CREATE INDEX dag_run_by_end ON dag_run (end_date, number) WHERE end_date IS NOT NULL;
