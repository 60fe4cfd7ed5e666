-- Nothing is lost.
DROP INDEX dag_run_by_end;
