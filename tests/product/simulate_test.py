#!/usr/bin/env python3
"""`udon dags simulate`: without any server, and with the history of one."""
import unittest

from installation import Installation

FILE = """
dag: 야간
schedule: "30 2 * * *"
timezone: Europe/Berlin
start_date: 2020-01-01
catchup: true
tasks:
  list: {operator: bash, command: "echo '{\\"return_value\\": [1, 2]}' > $UDON_XCOM_FILE"}
  load: {operator: bash, command: "true", expand: {item: {xcom: list}}, pool: narrow}
---
dag: asleep
schedule: "@hourly"
is_paused_upon_creation: true
tasks:
  a: {operator: empty}
"""


class Simulate(unittest.TestCase):
    def test_without_a_server(self):
        with Installation() as udon:
            udon.dag("market", FILE)
            words = ["dags", "simulate", "--from", "2026-03-28T00:00:00Z", "--to", "2026-03-30T00:00:00Z", "--duration", "10m", "--pool", "narrow=1"]
            runs = udon.json(*words)["runs"]
            self.assertEqual([(run["dag_id"], run["run_after"], run["end_date"]) for run in runs],
                             [("야간", "2026-03-28T02:30:00+01:00", "2026-03-28T02:50:00+01:00"),
                              ("야간", "2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00")])  # 02:30 was skipped
            table = udon.udon(*words)
            self.assertIn("2026-03-29T03:00:00+02:00", table)
            self.assertIn("2 runs from 2026-03-28T00:00:00Z", udon.told)
            self.assertEqual(udon.udon(*words, "--tasks").count("야간.load[0]"), 2)
            # A DAG that is paused is played if it is named.
            runs = udon.json(*words, "asleep")["runs"]
            self.assertEqual(len(runs), 48)
            udon.udon(*words, "aslep", code=1)
            self.assertIn("did you mean `asleep`", udon.told)
            udon.udon("dags", "simulate", "--from", "2026-03-28T00:00:00Z", "--to", "2026-03-27T00:00:00Z", code=1)
            self.assertIn("is not after --from", udon.told)
            udon.udon("dags", "simulate", "--pool", "narrow", code=1)
            self.assertIn("is not NAME=SLOTS", udon.told)

    def test_what_runs_as_often_as_it_can_is_cut_and_said_to_be(self):
        with Installation() as udon:
            udon.dag("cont", 'dag: cont\nschedule: "@continuous"\nmax_active_runs: 1\ntasks:\n  a: {operator: empty}\n---\n'
                             'dag: hourly\nschedule: "0 * * * *"\ntasks:\n  a: {operator: empty}\n')
            runs = udon.json("dags", "simulate", "--from", "2026-03-28T00:00:00Z")["runs"]
            self.assertRegex(udon.told, r"`cont` makes more than 10000 runs; shown up to 2026-03-28T0\d:")
            self.assertNotIn("taken to have been run", udon.told)
            self.assertEqual(sum(run["dag_id"] == "hourly" for run in runs), 24)
            udon.udon("dags", "simulate", "hourly")
            self.assertIn("What was due before now is taken to have been run", udon.told)

    def test_dates_from_a_time_on(self):
        with Installation() as udon:
            udon.dag("many", "\n---\n".join(f'dag: {name}\nschedule: "{schedule}"\nstart_date: {start}\ntasks:\n  a: {{operator: empty}}\n'
                                            for name, schedule, start in [("cont", "@continuous", "2020-01-01"), ("once", "@once", "2030-01-01"),
                                                                          ("past", "@once", "2020-01-01")])
                     + '\n---\ndag: free\nschedule: "@once"\ntasks:\n  a: {operator: empty}\n')
            first = lambda name: [run["run_after"] for run in udon.json("dags", "next-execution", name, "--from", "2026-03-28T00:00:00Z")["executions"]]
            self.assertEqual(first("cont"), ["2026-03-28T00:00:00+00:00"])
            self.assertEqual(first("free"), ["2026-03-28T00:00:00+00:00"])
            self.assertEqual(first("once"), ["2030-01-01T00:00:00+00:00"])
            self.assertEqual(first("past"), [])

    def test_runs_that_tasks_trigger(self):
        with Installation() as udon:
            udon.dag("pair", 'dag: parent\nschedule: "0 3 * * *"\ntasks:\n  go: {operator: trigger_dag_run, trigger_dag_id: child}\n---\n'
                             'dag: child\nschedule: none\ntasks:\n  a: {operator: bash, command: "true"}\n')
            words = ["dags", "simulate", "--from", "2026-03-28T00:00:00Z", "--duration", "10m"]
            runs = udon.json(*words)["runs"]
            self.assertEqual(sorted((run["dag_id"], run["start_date"]) for run in runs),
                             [("child", "2026-03-28T03:00:00+00:00"), ("parent", "2026-03-28T03:00:00+00:00")])
            self.assertNotIn("parent.go", udon.told)
            self.assertEqual(len(udon.json(*words, "parent")["runs"]), 1)
            self.assertIn("runs that `parent.go` makes are not shown: `child`, which it triggers, is not played", udon.told)

    def test_what_nobody_can_know_is_taken_and_said(self):
        with Installation() as udon:
            udon.dag("choosing", """
dag: choosing
schedule: "0 3 * * *"
tasks:
  holds: {operator: short_circuit, condition: "{{ 1 > 2 }}"}
  may_we: {operator: approval, subject: "May we?", after: [holds]}
  ways: {operator: branch, choose: left, after: [may_we]}
  left: {operator: bash, after: [ways], command: "true"}
  right: {operator: bash, after: [ways], command: "true"}
  each: {operator: bash, command: "true", expand: {item: {xcom: left}}, after: [left]}
---
dag: plain
schedule: "0 3 * * *"
tasks:
  a: {operator: bash, command: "true"}
""")
            words = ["dags", "simulate", "--from", "2026-03-28T00:00:00Z", "--duration", "10m"]
            run, = udon.json(*words, "choosing")["runs"]
            self.assertEqual({(task["task_id"], task["map_index"], task["state"]) for task in run["tasks"]},
                             {(name, -1, "success") for name in ("holds", "may_we", "ways", "left", "right")} | {("each", 0, "success")})
            for taken in ("a branch follows all", "a short circuit lets go on", "people answer, and approve", "as it had last, or one"):
                self.assertIn(taken, udon.told)
            udon.json(*words, "plain")
            self.assertNotIn("It is also taken", udon.told)

    def test_what_tasks_wait_for(self):
        with Installation() as udon:
            udon.dag("waits", """
dag: orders
schedule: "0 3 * * *"
start_date: 2020-01-01
tasks:
  load: {operator: bash, command: "true"}
---
dag: reports
schedule: "0 4 * * *"
start_date: 2020-01-01
tasks:
  loaded: {operator: wait_for_task, external_dag_id: orders, external_task_ids: [load], execution_delta: 1h}
  misspelt: {operator: wait_for_task, external_dag_id: orders, external_task_ids: [lod], execution_delta: 1h}
  later: {operator: wait_until, at: "{{ logical_date }}", plus: 20m}
""")
            words = ["dags", "simulate", "--from", "2026-03-28T00:00:00Z", "--duration", "90m"]
            run = next(run for run in udon.json(*words)["runs"] if run["dag_id"] == "reports")
            self.assertEqual({task["task_id"]: (task["state"], task["end_date"][11:16]) for task in run["tasks"]},
                             {"loaded": ("success", "04:30"), "misspelt": ("failed", "04:00"), "later": ("success", "04:20")})
            self.assertIn("`reports.misspelt` fails: DAG `orders` has no task `lod`; did you mean `load`", udon.told)
            udon.json(*words, "reports")
            self.assertIn("`reports.loaded` is taken to wait as long as usual: DAG `orders` is not played; name it, too", udon.told)

    def test_who_waits_for_the_run_before(self):
        with Installation() as udon:
            udon.dag("chain", """
dag: chain
schedule: "0 * * * *"
start_date: 2026-01-01
catchup: true
max_active_runs: 2
tasks:
  a: {operator: bash, command: "true", depends_on_past: true}
""")
            words = ["dags", "simulate", "--from", "2026-03-28T00:00:00Z", "--to", "2026-03-28T03:10:00Z", "--duration", "100m"]
            table = udon.udon(*words, "--tasks")
            self.assertIn("it depends on the run before: `a` of scheduled__2026-03-28T00:00:00+00:00 is running", table)
            self.assertIn("3 runs from", udon.told)
            self.assertIn("of which 2 would wait for something", udon.told)
            self.assertIn("`chain` is behind: it makes no run for 2026-03-28T03:00:00Z and after", udon.told)

    def test_what_is_under_way_is_named(self):
        with Installation() as udon:
            long = "tasks:\n  a: {operator: bash, command: sleep 600}\n"
            udon.dag("busy", 'dag: busy\nschedule: none\n' + long + '---\ndag: daily\nschedule: "0 3 * * *"\nstart_date: 2026-01-01\n'
                             'is_paused_upon_creation: true\n' + long)
            udon.start()
            udon.udon("dags", "simulate", "busy")
            self.assertNotIn("under way", udon.told)
            udon.udon("dags", "trigger", "busy")
            udon.udon("backfill", "create", "--dag-id", "daily", "--from-date", "2026-02-01", "--to-date", "2026-02-03")
            udon.udon("dags", "simulate", "busy")
            self.assertIn("under way now: ", udon.told)
            self.assertIn("`busy`", udon.told)
            self.assertIn("; backfill 1.", udon.told)

    def test_a_server_that_has_not_seen_a_dag_runs_it_at_once(self):
        with Installation() as udon:
            udon.dag("seen", 'dag: seen\nschedule: "@hourly"\ntasks:\n  a: {operator: empty}\n')
            udon.start()
            udon.udon("dags", "trigger", "seen", "--wait")
            udon.stop()
            udon.dag("new", 'dag: fresh\nschedule: "@hourly"\ntasks:\n  a: {operator: empty}\n---\ndag: by_hand\nschedule: none\ntasks:\n  a: {operator: empty}\n')
            udon.udon("dags", "simulate", "seen")
            self.assertNotIn("not shown", udon.told)
            udon.udon("dags", "simulate")
            self.assertIn("the server has not seen `fresh`: of each it makes the last such run at once", udon.told)

    def test_with_history(self):
        with Installation() as udon:
            udon.dag("market", FILE.replace("catchup: true\n", ""))
            udon.start()
            udon.udon("pools", "set", "narrow", "1")
            udon.udon("dags", "trigger", "야간", "--run-id", "first", "--wait")
            words = ["dags", "simulate", "야간", "--from", "2030-01-01T00:00:00Z", "--to", "2030-01-02T00:00:00Z", "--duration", "1h"]
            run, = udon.json(*words)["runs"]
            tasks = {(task["task_id"], task["map_index"]): task for task in run["tasks"]}
            self.assertEqual(sorted(tasks), [("list", -1), ("load", 0), ("load", 1)])  # as many as last time
            self.assertIn("pool `narrow`", tasks["load", 1]["waited_for"])
            self.assertIn("load", run["waited_for"])
            self.assertLess(run["end_date"], "2030-01-01T03:00")  # the tasks' own times, not --duration


if __name__ == "__main__":
    unittest.main()
