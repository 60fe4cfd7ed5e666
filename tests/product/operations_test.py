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


if __name__ == "__main__":
    unittest.main()
