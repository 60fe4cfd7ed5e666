#!/usr/bin/env python3
"""Backfills on the real programs: a server that is killed in the middle again and again, the command line, the API."""
import collections
import pathlib
import random
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import Installation, until  # noqa: E402

DAYS = 60
DAG = """
dag: shop
schedule: {cron: "0 0 * * *", interval: true}
timezone: UTC
start_date: 2026-01-01
catchup: false
is_paused_upon_creation: true
default_args: {retries: 20, retry_delay: 20ms}
tasks:
  load:
    operator: bash
    env: {DATE: "{{ ds }}", NAME: "{{ params.name }}"}
    command: |
      echo "$DATE $NAME" >> "$WORK/dates"
      until [ -e "$WORK/go" ]; do sleep 0.02; done
  empty: {operator: empty, after: [load]}
params: {name: {type: string, default: world}}
"""
RANGE = ("--dag-id", "shop", "--from-date", "2025-01-01", "--to-date", "2025-03-01")


def progress(i, number="1"):
    return i.json("backfill", "show", number)["progress"]


def handled(i, number="1"):
    p = progress(i, number)
    return p["created"] + p["cleared"] + p["skipped"]


class Backfills(unittest.TestCase):
    def test_a_server_that_is_killed_again_and_again_takes_each_date_once(self):
        chance = random.Random(7)
        with Installation() as i:
            i.dag("shop", DAG)
            i.start()
            (i.work / "dates").touch()
            told = i.udon("backfill", "create", *RANGE, "--max-active-runs", "4", "--dag-run-conf", '{"name": "우동"}')
            self.assertIn(f"backfill 1 of shop: {DAYS} dates, 4 at a time", told)
            self.assertIn("shop is paused", i.told)
            self.assertEqual(handled(i), 0)
            i.udon("dags", "unpause", "shop")
            until("it has as many runs as it may have", lambda: handled(i) == 4)
            i.mark("go")
            for goal in (6, 9, 15, 25, 26, 40):
                until(f"{goal} dates have been taken", lambda: handled(i) >= goal)
                i.stop(signal.SIGKILL)
                i.start(healthy=chance.random() < 0.5)
                i.udon("health", "--wait", "60s")
            row = until("it is over", lambda: (lambda r: r["completed_at"] and r)(i.json("backfill", "show", "1")))
            self.assertEqual(row["status"], "completed")
            self.assertEqual(row["progress"]["runs"], {"queued": 0, "running": 0, "success": DAYS, "failed": 0})
            self.assertEqual((row["progress"]["created"], row["progress"]["skipped"]), (DAYS, 0))
            runs = [r for r in i.json("runs", "list", "shop", "--limit", "500")["dag_runs"] if r["run_type"] == "backfill"]
            self.assertEqual(len({r["logical_date"] for r in runs}), DAYS)
            self.assertEqual(len(runs), DAYS)
            lines = collections.Counter((i.work / "dates").read_text().splitlines())
            self.assertEqual(len([line for line in lines if line.startswith("2025") and line.endswith(" 우동")]), DAYS)
            for line, times in lines.items():
                self.assertEqual(times, 1, line)
            i.stop()
            i.udon("db", "check")

    def test_what_is_paused_or_cancelled_stays_so_after_a_kill(self):
        with Installation() as i:
            i.dag("shop", DAG.replace("is_paused_upon_creation: true\n", ""))
            i.start()
            i.udon("backfill", "create", *RANGE, "--max-active-runs", "3")
            i.udon("backfill", "create", *RANGE, code=1)
            self.assertIn("already an active backfill", i.told)
            until("three runs", lambda: handled(i) == 3)
            self.assertIn("is paused; dates 3/60, 3 running", i.udon("backfill", "pause", "1"))
            i.stop(signal.SIGKILL)
            i.start()
            i.mark("go")
            until("its runs end", lambda: progress(i)["runs"]["success"] == 3)
            # Had it gone on, its next run would be there with the end of the one before.
            self.assertEqual(handled(i), 3)
            self.assertEqual(i.json("backfill", "show", "1")["status"], "paused")
            (i.work / "go").unlink()
            i.udon("backfill", "unpause", "1")
            until("three more", lambda: handled(i) == 6)
            self.assertIn("is cancelled", i.udon("backfill", "cancel", "1"))
            i.stop(signal.SIGKILL)
            i.start()
            i.mark("go")
            until("what ran goes on", lambda: progress(i)["runs"]["success"] == 6)
            row = i.json("backfill", "show", "1")
            self.assertEqual((row["status"], row["progress"]["created"]), ("cancelled", 6))
            i.udon("backfill", "unpause", "1", code=1)
            self.assertIn("already completed", i.told)

            # The dates that have a run are passed over, and the newest come first.
            dates = i.json("backfill", "create", *RANGE, "--run-backwards", "--dry-run")["backfills"]
            self.assertEqual((len(dates), dates[0]["logical_date"]), (DAYS, "2025-03-01T00:00:00Z"))
            self.assertEqual(collections.Counter(d["action"] for d in dates), {"create": 54, "already exists": 6})
            again = i.json("backfill", "create", *RANGE, "--run-backwards", "--reprocess-behavior", "completed", "--max-active-runs", "20")
            until("it is over", lambda: i.json("backfill", "show", str(again["id"]))["completed_at"])
            self.assertEqual((progress(i, "2")["created"], progress(i, "2")["cleared"]), (54, 6))
            listed = i.json("backfill", "list", "--dag-id", "shop")
            self.assertEqual([b["id"] for b in listed["backfills"]], [2, 1])
            self.assertEqual(i.json("backfill", "list", "--active")["backfills"], [])
            table = i.udon("backfill", "list")
            self.assertIn("60/60", table)
            self.assertIn("cancelled", table)

            # Over TCP, with the words of Airflow's errors.
            token = i.login()
            body = {"dag_id": "shop", "from_date": "2025-01-02T00:00:00Z", "to_date": "2025-01-01T00:00:00Z"}
            status, answer = i.call("POST", "/api/v2/backfills", body, token)
            self.assertEqual(status, 422, answer)
            self.assertEqual(i.call("POST", "/api/v2/backfills", body | {"dag_id": "nobody"}, token)[0], 404)
            self.assertEqual(i.call("PUT", "/api/v2/backfills/2/pause", token=token)[0], 409)
            self.assertEqual(i.call("PUT", "/api/v2/backfills/9/pause", token=token)[0], 404)



if __name__ == "__main__":
    unittest.main(verbosity=2)
