#!/usr/bin/env python3
"""What people ask and change while runs go on, and over several runs: by the real program."""
import pathlib
import signal
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import Installation, until  # noqa: E402

HOUR = 3_600_000_000  # as the store counts


class Deadlines(unittest.TestCase):
    FILE = """
dag: nightly
deadline: {after: 30m, of: queued_at, notify: {command: ["true"]}}
tasks:
  extract: {operator: empty}
  load: {operator: bash, after: [extract], command: "until [ -e $WORK/{{ run_id }} ]; do sleep 0.05; done"}
  report: {operator: bash, after: [load], command: "true"}
"""

    def test_a_run_that_will_be_late_at_the_usual_pace_is_foretold(self):
        with Installation() as i:
            i.dag("nightly", self.FILE)
            i.start()
            self.assertEqual(i.udon("dags", "deadlines", "nightly"), "")
            self.assertIn("no active run has a deadline", i.told)
            # Nothing is known of its pace yet.
            i.udon("dags", "trigger", "nightly", "--run-id", "r1")
            until("it runs", lambda: i.state("nightly", "r1", "load") == "running")
            row, = i.json("dags", "deadlines", "nightly")["deadlines"]
            self.assertEqual((row["missed"], row["will_be_late"], row["without_history"]), (False, False, ["load", "report"]))
            self.assertIn("counted without load, report, of which no success is known", i.udon("tasks", "why", "nightly", "r1", "load"))
            i.mark("r1")
            i.udon("runs", "wait", "nightly", "r1")
            # It took an hour.
            i.stop()
            with sqlite3.connect(i.home / "udon.db") as store:
                store.execute("UPDATE task_instance SET start_date = start_date - ? WHERE task_id = 'load'", (HOUR,))
            store.close()
            i.start()
            i.udon("dags", "trigger", "nightly", "--run-id", "r2")
            until("it runs", lambda: i.state("nightly", "r2", "load") == "running")
            row, = i.json("dags", "deadlines", "nightly")["deadlines"]
            self.assertEqual((row["dag_run_id"], row["missed"], row["will_be_late"], row["why"], row["without_history"]),
                             ("r2", False, True, "load", []))
            self.assertLess(row["deadline_time"], row["expected_end_date"])
            self.assertRegex(row["text"], "^at the usual pace this will be late at .*: it ends at .*; `load` is why$")
            table = i.udon("dags", "deadlines").splitlines()
            self.assertEqual(table[0].split(), ["DAG", "RUN", "DEADLINE", "LATE", "ENDS", "WHY", "IN", "WORDS"])
            self.assertEqual((len(table), table[1].split()[3]), (2, "expected"), table)
            for task in ("load", "report"):
                self.assertRegex(i.udon("tasks", "why", "nightly", "r2", task), "deadline: at the usual pace this will be late at .*`load` is why")
            i.stop(signal.SIGKILL)
            i.start()
            self.assertIn("deadline: at the usual pace this will be late at", i.udon("tasks", "why", "nightly", "r2", "load"))
            i.mark("r2")
            i.udon("runs", "wait", "nightly", "r2")
            self.assertIn("it ended in time", i.udon("dags", "deadlines", "nightly", "--run", "latest"))
            i.udon("dags", "deadlines", "nightl", code=1)
            self.assertIn("nightl", i.told)


class SeveralRuns(unittest.TestCase):
    FILE = """
dag: days
max_active_runs: 3
tasks:
  a: {operator: bash, command: "true"}
  b: {operator: bash, after: [a], command: "true"}
"""
    RUNS = ("d1", "d2", "d3")

    def started(self, i):
        i.dag("days", self.FILE)
        i.start()
        for day, run in enumerate(self.RUNS, 1):
            i.udon("dags", "trigger", "days", "--run-id", run, "--logical-date", f"2026-03-0{day}T00:00:00Z")
            i.udon("runs", "wait", "days", run)

    def tries(self, i):
        """Of each run, those of a and of b."""
        found = {run: i.instances("days", run) for run in self.RUNS}
        return [tuple(found[run][task, -1]["try_number"] for task in "ab") for run in self.RUNS]

    def states(self, i):
        found = {run: i.instances("days", run) for run in self.RUNS}
        return [tuple(found[run][task, -1]["state"] for task in "ab") for run in self.RUNS]

    def all_ended(self, i):
        for run in self.RUNS:
            until(f"{run} has ended", lambda: i.json("runs", "show", "days", run)["state"] in ("success", "failed"))

    def test_tasks_are_cleared_in_earlier_and_later_runs(self):
        with Installation() as i:
            self.started(i)
            shown = i.json("tasks", "clear", "days", "d2", "a", "--past", "--dry-run")["task_instances"]
            self.assertEqual([(t["dag_run_id"], t["task_id"]) for t in shown], [("d1", "a"), ("d2", "a")])
            self.assertEqual(self.tries(i), [(1, 1)] * 3)
            i.udon("tasks", "clear", "days", "d2", "a", "--past")
            until("they have run again", lambda: self.tries(i) == [(2, 1), (2, 1), (1, 1)])
            self.all_ended(i)
            i.stop()
            i.start()
            i.udon("tasks", "clear", "days", "d2", "a", "--future", "--downstream")
            until("they have run again", lambda: self.tries(i) == [(2, 1), (3, 2), (2, 2)])
            self.all_ended(i)
            i.udon("tasks", "clear", "days", "d2", "b", "--past", "--future")
            until("they have run again", lambda: self.tries(i) == [(2, 2), (3, 3), (2, 3)])
            self.all_ended(i)
            self.assertEqual(self.states(i), [("success", "success")] * 3)

    def test_tasks_are_marked_in_earlier_and_later_runs(self):
        with Installation() as i:
            self.started(i)
            shown = i.json("tasks", "mark", "days", "d2", "b", "failed", "--future", "--dry-run")["task_instances"]
            self.assertEqual([(t["dag_run_id"], t["task_id"]) for t in shown], [("d2", "b"), ("d3", "b")])
            self.assertEqual(self.states(i), [("success", "success")] * 3)
            i.udon("tasks", "mark", "days", "d2", "b", "failed", "--future")
            self.assertEqual(self.states(i), [("success", "success"), ("success", "failed"), ("success", "failed")])
            i.udon("tasks", "mark", "days", "d2", "a", "skipped", "--past", "--downstream")
            self.assertEqual(self.states(i), [("skipped", "skipped"), ("skipped", "skipped"), ("success", "failed")])
            self.assertEqual(self.tries(i), [(1, 1)] * 3)


class Variables(unittest.TestCase):
    def test_the_next_try_sees_what_a_variable_is_then(self):
        with Installation() as i:
            i.dag("places", """
dag: places
tasks:
  go:
    operator: bash
    retries: 2
    retry_delay: 10ms
    command: |
      touch $WORK/began{{ ti.try_number }}
      until [ -e $WORK/go{{ ti.try_number }} ]; do sleep 0.05; done
      echo "{{ ti.try_number }} {{ var.value.place }}" >> $WORK/seen
      test {{ ti.try_number }} -gt 1
  then: {operator: bash, after: [go], command: "echo then {{ var.value.place }} >> $WORK/seen"}
""")
            i.start()
            i.udon("variables", "set", "place", "Seoul")
            i.udon("dags", "trigger", "places", "--run-id", "r")
            until("it runs", lambda: (i.work / "began1").exists())
            i.udon("variables", "set", "place", "부산")
            i.mark("go1")
            until("the next try runs", lambda: (i.work / "began2").exists())
            i.udon("variables", "set", "place", "Jeju")
            i.mark("go2")
            i.udon("runs", "wait", "places", "r")
            # A try keeps what it began with.
            self.assertEqual((i.work / "seen").read_text().splitlines(), ["1 Seoul", "2 부산", "then Jeju"])
            # One that is gone is missed by the next try, and named.
            i.udon("variables", "delete", "place")
            i.udon("tasks", "clear", "places", "r", "then")
            until("it has failed", lambda: i.state("places", "r", "then") == "failed")
            self.assertIn("place", i.udon("tasks", "logs", "places", "r", "then"))


class Waiting(unittest.TestCase):
    def test_a_pool_is_kept_for_who_has_waited_long_for_several_slots(self):
        with Installation(UDON__CORE__PRIORITY_AGEING="1h") as i:
            i.dag("slots", """
dag: narrow
tasks:
  a: {operator: bash, pool: replica, command: "until [ -e $WORK/{{ run_id }} ]; do sleep 0.05; done"}
---
dag: wide
tasks:
  a: {operator: bash, pool: replica, pool_slots: 2, command: "until [ -e $WORK/wide ]; do sleep 0.05; done"}
""")
            i.start()
            i.udon("pools", "set", "replica", "2")
            i.udon("dags", "trigger", "narrow", "--run-id", "n1")
            until("it runs", lambda: i.state("narrow", "n1", "a") == "running")
            i.udon("dags", "trigger", "wide", "--run-id", "w")
            until("it waits", lambda: "1 of 2 are free" in i.udon("tasks", "why", "wide", "w", "a"))
            self.assertNotIn("kept", i.udon("tasks", "why", "wide", "w", "a"))
            # An hour ago.
            i.stop(signal.SIGKILL)
            with sqlite3.connect(i.home / "udon.db") as store:
                store.execute("UPDATE task_instance SET scheduled_at = scheduled_at - ? WHERE state = 'scheduled'", (HOUR,))
            store.close()
            i.start()
            until("it has waited long", lambda: "these are kept for it" in i.udon("tasks", "why", "wide", "w", "a"))
            i.udon("dags", "trigger", "narrow", "--run-id", "n2")
            until("the other one is held back", lambda: "is kept for wide/w/a, which needs 2" in i.udon("tasks", "why", "narrow", "n2", "a"))
            self.assertIn("  until 2", i.udon("tasks", "why", "narrow", "n2", "a"))
            i.mark("n1"), i.mark("n2")
            until("it runs", lambda: i.state("wide", "w", "a") == "running")
            self.assertEqual(i.state("narrow", "n2", "a"), "scheduled")
            i.mark("wide")
            i.udon("runs", "wait", "narrow", "n2")


if __name__ == "__main__":
    unittest.main()
