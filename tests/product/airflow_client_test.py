#!/usr/bin/env python3
"""Airflow's own client (apache-airflow-client) at our server: its models raise on every key that is missing or wrong."""
import datetime
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import Installation, until  # noqa: E402

import airflow_client.client as client  # noqa: E402
from airflow_client.client import api as apis  # noqa: E402
from airflow_client.client import models  # noqa: E402
from airflow_client.client.exceptions import ApiException  # noqa: E402

DAGS = """
dag: orders
description: 주문을 호수로
schedule: {cron: "0 0 * * *", interval: true}
timezone: Asia/Seoul
start_date: 2026-01-01
tags: [lake, mysql]
max_active_runs: 4
params: {lake: {type: string, default: "s3://lake", description: Where to}}
default_args: {retries: 1, retry_delay: 10ms}
tasks:
  fetch: {operator: bash, command: "echo fetched"}
  each: {operator: bash, after: [fetch], expand: {item: [1, 2]}, command: "echo each"}
  fails: {operator: bash, after: [each], retries: 0, command: "exit 3"}
  never: {operator: empty, after: [fails]}
"""
BROKEN = "dag: broken\ntasks:\n  x: {operator: bahs}\n"


class AirflowClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.installation = i = Installation()
        i.dag("orders", DAGS)
        i.dag("broken", BROKEN)
        i.start()
        cls.api = client.ApiClient(client.Configuration(host=i.url, access_token=i.login()))
        i.udon("dags", "trigger", "orders", "--run-id", "done", "--wait", code=1)

    @classmethod
    def tearDownClass(cls):
        cls.installation.__exit__(None, None, None)

    def status_of(self, call, *arguments, **named):
        try:
            call(*arguments, **named)
        except ApiException as error:
            return error.status
        return 200

    def test_health_and_version(self):
        self.assertEqual(apis.MonitorApi(self.api).get_health().scheduler.status, "healthy")
        self.assertTrue(apis.VersionApi(self.api).get_version().version)

    def test_dags(self):
        api = apis.DAGApi(self.api)
        listed = api.get_dags(tags=["lake"], limit=5, order_by=["-dag_id"])
        self.assertEqual([d.dag_id for d in listed.dags], ["orders"])
        self.assertEqual(api.get_dag("orders").timetable_summary, "0 0 * * *")
        details = api.get_dag_details("orders")
        self.assertEqual((details.timezone, details.latest_dag_version.version_number), ("Asia/Seoul", 1))
        self.assertTrue(api.patch_dag("orders", models.DAGPatchBody(is_paused=True)).is_paused)
        self.assertFalse(api.patch_dag("orders", models.DAGPatchBody(is_paused=False)).is_paused)
        self.assertEqual(self.status_of(api.get_dag, "nope"), 404)
        self.assertEqual(sorted(api.get_dag_tags().tags), ["lake", "mysql"])
        self.assertEqual({t.task_id for t in apis.TaskApi(self.api).get_tasks("orders").tasks}, {"fetch", "each", "fails", "never"})
        self.assertEqual(apis.TaskApi(self.api).get_task("orders", "fetch").operator_name, "bash")
        self.assertEqual(apis.DagVersionApi(self.api).get_dag_versions("orders").total_entries, 1)
        self.assertIn("주문", apis.DagSourceApi(self.api).get_dag_source("orders").content)
        self.assertEqual(apis.DagStatsApi(self.api).get_dag_stats(dag_ids=["orders"]).total_entries, 1)

    def test_runs(self):
        api = apis.DagRunApi(self.api)
        when = datetime.datetime(2026, 1, 31, tzinfo=datetime.timezone.utc)
        run = api.trigger_dag_run("orders", models.TriggerDAGRunPostBody(logical_date=when, conf={"lake": "s3://x"}, note="다시"))
        self.assertEqual((run.dag_run_id, run.run_type, run.note), ("manual__2026-01-31T00:00:00+00:00", "manual", "다시"))
        self.assertEqual(self.status_of(api.trigger_dag_run, "orders", models.TriggerDAGRunPostBody(logical_date=when)), 409)
        until("it has ended", lambda: api.get_dag_run("orders", run.dag_run_id).state == "failed")
        none = api.trigger_dag_run("orders", models.TriggerDAGRunPostBody(logical_date=None, dag_run_id="none"))
        self.assertEqual((none.logical_date, none.data_interval_start), (None, None))
        self.assertIn("none", [r.dag_run_id for r in api.get_dag_runs("orders", order_by=["-id"]).dag_runs])
        self.assertEqual(api.get_dag_runs("~", logical_date_gte=when, logical_date_lte=when).total_entries, 1)
        self.assertEqual(api.patch_dag_run("orders", "none", models.DAGRunPatchBody(note="neu")).note, "neu")
        until("it has ended", lambda: api.get_dag_run("orders", "none").state == "failed")
        self.assertEqual(api.patch_dag_run("orders", "none", models.DAGRunPatchBody(state="success")).state, "success")
        api.delete_dag_run("orders", "none")
        self.assertEqual(self.status_of(api.get_dag_run, "orders", "none"), 404)
        # (A dry run's answer is read by no version of this client: it finds two models that fit each task instance.)
        cleared = api.clear_dag_run("orders", run.dag_run_id, models.DAGRunClearBody(dry_run=False, only_failed=True))
        self.assertEqual(cleared.actual_instance.dag_run_id, run.dag_run_id)

    def test_backfills(self):
        api = apis.BackfillApi(self.api)
        days = [datetime.datetime(2026, 1, day, 15, tzinfo=datetime.timezone.utc) for day in (1, 3)]
        body = models.BackfillPostBody(dag_id="orders", from_date=days[0], to_date=days[1], reprocess_behavior="failed", max_active_runs=2)
        self.assertEqual([d.logical_date.day for d in api.create_backfill_dry_run(body).backfills], [1, 2, 3])
        made = api.create_backfill(body)
        self.assertEqual((made.reprocess_behavior, made.max_active_runs, made.completed_at), ("failed", 2, None))
        self.assertTrue(api.pause_backfill(made.id).is_paused)
        self.assertEqual(self.status_of(api.create_backfill, body), 409)
        self.assertFalse(api.unpause_backfill(made.id).is_paused)
        self.assertIsNotNone(api.cancel_backfill(made.id).completed_at)
        self.assertEqual(self.status_of(api.cancel_backfill, made.id), 409)
        self.assertEqual(self.status_of(api.get_backfill, 99), 404)
        self.assertEqual([b.id for b in api.list_backfills("orders").backfills], [made.id])
        self.assertEqual(api.get_backfill(made.id).dag_id, "orders")

    def test_task_instances(self):
        api = apis.TaskInstanceApi(self.api)
        listed = api.get_task_instances("orders", "done")
        self.assertEqual(listed.total_entries, 5)
        self.assertEqual(api.get_task_instance("orders", "done", "fetch").state, "success")
        self.assertEqual(api.get_mapped_task_instance("orders", "done", "each", 1).map_index, 1)
        self.assertEqual(api.get_mapped_task_instances("orders", "done", "each").total_entries, 2)
        self.assertEqual(api.get_task_instance_tries("orders", "done", "fetch").total_entries, 1)
        self.assertEqual(api.get_mapped_task_instance_tries("orders", "done", "each", 0).total_entries, 1)
        self.assertEqual(api.get_task_instance_try_details("orders", "done", "fetch", 1).state, "success")
        cleared = api.post_clear_task_instances("orders", models.ClearTaskInstancesBody(dag_run_id="done", dry_run=True, only_failed=True))
        self.assertIn("fails", [t.task_id for t in cleared.task_instances])
        log = api.get_log("orders", "done", "fetch", 1)
        self.assertIn("fetched", str(log.content.actual_instance))
        self.assertEqual(apis.XComApi(self.api).get_xcom_entries("orders", "done", "fetch").total_entries, 1)
        self.assertEqual(apis.XComApi(self.api).get_xcom_entry("orders", "fetch", "done", "return_value").actual_instance.value, "fetched")

    def test_what_people_set(self):
        pools = apis.PoolApi(self.api)
        self.assertEqual(pools.post_pool(models.PoolBody(name="복제본", slots=5)).open_slots, 5)
        self.assertEqual(pools.patch_pool("복제본", models.PoolPatchBody(slots=7), update_mask=["slots"]).slots, 7)
        self.assertEqual(pools.get_pools().total_entries, 2)
        pools.delete_pool("복제본")
        self.assertEqual(self.status_of(pools.get_pool, "복제본"), 404)
        connections = apis.ConnectionApi(self.api)
        body = models.ConnectionBody(connection_id="market", conn_type="mysql", host="db", password="p4ssword", extra='{"charset": "utf8mb4"}')
        self.assertEqual(connections.post_connection(body).password, "***")
        self.assertEqual(self.status_of(connections.post_connection, body), 409)
        self.assertEqual(connections.get_connections().total_entries, 1)
        connections.delete_connection("market")
        variables = apis.VariableApi(self.api)
        variables.post_variable(models.VariableBody(key="lake", value="호수"))
        self.assertEqual(variables.get_variable("lake").value, "호수")
        self.assertEqual(variables.get_variables().total_entries, 1)
        variables.delete_variable("lake")

    def test_what_is_told(self):
        errors = apis.ImportErrorApi(self.api).get_import_errors()
        self.assertIn("did you mean `bash`?", errors.import_errors[0].stack_trace)
        self.assertGreater(apis.EventLogApi(self.api).get_event_logs(limit=3).total_entries, 3)
        self.assertTrue(apis.ConfigApi(self.api).get_config().sections)


if __name__ == "__main__":
    unittest.main(verbosity=2)
