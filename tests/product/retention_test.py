#!/usr/bin/env python3
"""Old runs on the real programs: `udon db clean` with a server, killed in the middle and without one; retention by itself."""
import datetime
import json
import pathlib
import signal
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import BUILD, Installation, until  # noqa: E402

DAG = """
dag: shop
schedule: {cron: "0 0 * * *", interval: true}
timezone: UTC
start_date: 2026-01-01
catchup: false
tasks:
  load: {operator: bash, command: "echo 주문"}
  many: {operator: empty, after: [load], expand: {item: [1, 2, 3]}}
"""
ALL = ("db", "clean", "--clean-before-timestamp")


def backfill(i, to):
    made = i.json("backfill", "create", "--dag-id", "shop", "--from-date", "2025-01-01", "--to-date", to, "--max-active-runs", "16")
    return until("the backfill is over", lambda: (lambda b: b["completed_at"] and b)(i.json("backfill", "show", str(made["id"]))))


def now():
    """Behind the ends of all runs; the server's clock is ours."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def logs(i):
    return {p.name for p in (i.home / "logs").glob("*")}


class Retention(unittest.TestCase):
    def test_old_runs_go_with_all_that_hangs_on_them_and_the_last_stays(self):
        with Installation() as i:
            i.dag("shop", DAG)
            i.start()
            backfill(i, "2025-01-20")
            until("the scheduled run is over", lambda: all(r["end_date"] for r in i.json("runs", "list", "shop")["dag_runs"]))
            self.assertEqual(i.json("runs", "list", "shop")["total_entries"], 21)
            self.assertEqual(len(logs(i)), 21)
            before = now()
            dry = i.json(*ALL, before, "--dry-run")
            self.assertEqual((dry["dag_runs"], dry["task_instances"]), (20, 80))
            # Nobody was asked, and nobody has said yes.
            i.udon(*ALL, before, code=1)
            self.assertIn("--yes", i.told)
            self.assertEqual(i.json("runs", "list", "shop")["total_entries"], 21)
            self.assertEqual(i.json(*ALL, before, "--dag-ids", "shop", "--yes")["dag_runs"], 20)
            left = i.json("runs", "list", "shop")["dag_runs"]
            self.assertEqual([r["run_type"] for r in left], ["scheduled"])
            until("their logs are gone", lambda: len(logs(i)) == 1)
            self.assertIn("deleted 0 runs", i.udon(*ALL, before, "--yes"))
            i.udon(*ALL, before, "--dag-ids", "nobody", "--yes", code=1)
            i.udon(*ALL, before, "--tables", "xcom", "--yes", code=1)
            i.udon(*ALL, "2100-01-01", "--yes", code=1)
            self.assertIn("future", i.told)
            # What was cleaned can be made again.
            self.assertEqual(backfill(i, "2025-01-20")["progress"]["created"], 20)
            i.stop()
            i.udon("db", "check")
            # Without a server, on the store itself.
            self.assertEqual(i.json(*ALL, now(), "--yes")["dag_runs"], 20)
            self.assertEqual(len(logs(i)), 1)
            i.udon("db", "check")
            i.start()
            self.assertEqual(i.json("runs", "list", "shop")["total_entries"], 1)

    def test_rows_that_belong_to_nothing_go_table_by_table(self):
        with Installation() as i:
            i.dag("shop", DAG.replace("catchup: false", "is_paused_upon_creation: false").replace("schedule: {cron: \"0 0 * * *\", interval: true}", "schedule: none"))
            text = (i.dags / "shop.yaml").read_text()
            i.start()

            def numbers():
                return [v["version_number"] for v in i.json("dags", "versions", "shop")["dag_versions"]]

            def shown(run):
                return next(r for r in i.json("runs", "list", "shop")["dag_runs"] if r["dag_run_id"] == run)["dag_versions"][-1]["version_number"]

            for number in (1, 2, 3):
                i.dag("shop", text.replace("주문", f"주문 {number}"))
                until("the version is there", lambda: len(numbers()) == number)
                if number < 3:
                    i.udon("dags", "trigger", "shop", "--run-id", f"r{number}", "--wait")
                    self.assertEqual(shown(f"r{number}"), number)
            before = now()
            table = i.udon("runs", "list", "shop")
            self.assertRegex(table, r"r2 +success +manual +2 ")
            rows = ("--tables", "dag_version, backfill")
            self.assertEqual(i.json(*ALL, before, *rows, "--dry-run")["rows"], {"backfill": 0, "dag_version": 0})
            i.udon("runs", "delete", "shop", "r1")
            dry = i.json(*ALL, before, *rows, "--dry-run")
            self.assertEqual((dry["dag_runs"], dry["rows"]), (0, {"backfill": 0, "dag_version": 1}))
            i.udon(*ALL, before, *rows, code=1)
            self.assertIn("1 of dag_version would be deleted; say --yes", i.told)
            self.assertEqual(sorted(numbers()), [1, 2, 3])
            self.assertEqual(i.json(*ALL, before, *rows, "--yes")["rows"]["dag_version"], 1)
            self.assertEqual(sorted(numbers()), [2, 3])
            i.udon("dags", "diff", "shop", "2", "3")
            self.assertEqual(i.json(*ALL, before, "--tables", "log", "--dag-ids", "shop", "--yes")["dag_runs"], 0)
            self.assertEqual(shown("r2"), 2)
            i.udon(*ALL, before, "--tables", "dag_versions", "--yes", code=1)
            self.assertIn("did you mean `dag_version`?", i.told)
            token = i.login()
            for body, status in (({"before": before}, 200), ({"before": "2100-01-01"}, 422), ({}, 422), ({"before": before, "tables": []}, 422),
                                 ({"before": before, "dag_ids": ["nobody"]}, 404), ({"before": before, "after": -1}, 422)):
                self.assertEqual(i.call("POST", "/api/udon/clean/log", body, token=token)[0], status, body)
            self.assertEqual(i.call("POST", "/api/udon/clean/xcom", {"before": before}, token=token)[0], 404)
            i.stop()
            i.udon("db", "check")
            # Without a server: the starts and stops of the one before.
            self.assertGreater(i.json(*ALL, now(), "--tables", "log", "--yes")["rows"]["log"], 0)
            i.udon("db", "check")

    def test_a_run_of_very_many_task_instances_goes_in_parts_also_when_the_server_is_killed(self):
        with Installation() as i:
            many = ", ".join(str(n) for n in range(9000))
            i.dag("wide", f"dag: wide\nschedule: none\ntasks:\n  load: {{operator: bash, command: echo x}}\n  many: {{operator: empty, after: [load], expand: {{item: [{many}]}}}}\n")
            i.start()
            until("it is there", lambda: i.json("dags", "list")["total_entries"] == 1)

            def left():
                return [r["dag_run_id"] for r in i.json("runs", "list", "wide")["dag_runs"]]

            i.udon("dags", "trigger", "wide", "--run-id", "r1", "--wait")
            i.udon("runs", "delete", "wide", "r1")
            # Its name is free at once.
            i.udon("runs", "show", "wide", "r1", code=1)
            i.udon("dags", "trigger", "wide", "--run-id", "r1", "--wait")
            until("the rest is gone", lambda: left() == ["r1"] and len(logs(i)) == 1)
            i.udon("dags", "trigger", "wide", "--run-id", "r2", "--wait")
            before = now()
            cleaning = subprocess.Popen([BUILD / "udon", *ALL, before, "--yes"], env=i.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            token = i.login()
            until("it has begun", lambda: "r1" not in json.dumps(i.call("GET", "/api/v2/dags/wide/dagRuns", token=token)[1]) or cleaning.poll() is not None)
            i.stop(signal.SIGKILL)
            cleaning.communicate(timeout=60)
            i.udon("db", "check")
            i.start()
            until("the rest is gone", lambda: left() == ["r2"] and len(logs(i)) == 1)
            i.udon("dags", "trigger", "wide", "--run-id", "r3", "--wait")
            i.stop()
            i.udon("db", "check")
            # Without a server.
            self.assertEqual(i.json(*ALL, now(), "--tables", "dag_run", "--yes")["task_instances"], 9001)
            self.assertEqual((left(), len(logs(i))), (["r3"], 1))
            i.udon("db", "check")

    def test_a_start_goes_on_with_what_is_left_of_a_run_that_has_no_logs(self):
        with Installation() as i:
            i.dag("wide", "dag: wide\nschedule: none\ntasks:\n  load: {operator: empty}\n")
            i.start()
            until("it is there", lambda: i.json("dags", "list")["total_entries"] == 1)
            for run in ("r1", "r2"):
                i.udon("dags", "trigger", "wide", "--run-id", run, "--wait")
            i.stop()
            # As a server leaves it that is killed right after its first transaction; its tasks had no process, and so no logs.
            store = sqlite3.connect(i.home / "udon.db")
            with store:
                store.execute("UPDATE dag_run SET run_id = 'deleted ' || number, logical_date = NULL, interval_begin = NULL, interval_end = NULL WHERE run_id = 'r1'")
            store.close()
            self.assertEqual(logs(i), set())
            i.start()
            until("the rest is gone", lambda: [r["dag_run_id"] for r in i.json("runs", "list", "wide")["dag_runs"]] == ["r2"])
            i.stop()
            i.udon("db", "check")

    def test_the_store_goes_down_to_an_older_schema_and_up_again(self):
        with Installation() as i:
            i.dag("shop", DAG)
            i.start()
            backfill(i, "2025-01-03")
            i.udon("db", "downgrade", "--yes", code=1)
            self.assertIn("stop it first", i.told)
            self.assertIn("1 backfill that is over", i.udon("db", "downgrade", "--to", "3", "--dry-run"))
            i.stop()
            runs = i.json("runs", "list", "shop")["total_entries"]
            newest = i.json("db", "check")["schema"]
            i.udon("db", "downgrade", "--to", "3", code=1)
            self.assertIn("would lose 1 backfill that is over; say --yes to do it", i.told)
            self.assertEqual(i.json("db", "check")["schema"], newest)
            i.udon("db", "downgrade", "--to", "0", "--yes", code=1)
            done = i.json("db", "downgrade", "--to", "3", "--yes")
            self.assertEqual((done["from"], done["to"]), (newest, 3))
            i.udon("db", "check", code=1)
            self.assertEqual(i.json("db", "migrate")["from"], 3)
            i.udon("db", "check")
            i.start()
            self.assertEqual(i.json("runs", "list", "shop")["total_entries"], runs)
            self.assertEqual(i.json("backfill", "list")["total_entries"], 0)
            backfill(i, "2025-01-05")
            i.stop()
            i.udon("db", "restore", done["backup"])
            i.udon("db", "check")
            self.assertEqual(i.json("runs", "list", "shop")["total_entries"], runs)

    def test_a_server_that_is_killed_in_the_middle_leaves_whole_runs_and_no_logs_of_others(self):
        with Installation() as i:
            i.dag("shop", DAG)
            i.start()
            backfill(i, "2025-07-19")
            before = now()
            for _ in range(3):
                total = i.json("runs", "list", "shop", "--limit", "1")["total_entries"]
                cleaning = subprocess.Popen([BUILD / "udon", *ALL, before, "--yes"], env=i.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                token = i.login()
                until("some are gone", lambda: i.call("GET", "/api/v2/dags/shop/dagRuns?limit=1", token=token)[1]["total_entries"] < total or cleaning.poll() is not None)
                i.stop(signal.SIGKILL)
                cleaning.communicate(timeout=60)
                i.udon("db", "check")
                i.start()
            i.udon(*ALL, before, "--yes")
            self.assertEqual(i.json("runs", "list", "shop")["total_entries"], 1)
            until("logs of runs that are gone are swept up", lambda: len(logs(i)) == 1)
            i.stop()
            i.udon("db", "check")

    def test_what_is_older_than_the_setting_goes_by_itself(self):
        with Installation(UDON__RETENTION__RUNS="1s", UDON__RETENTION__EVERY="100ms") as i:
            i.dag("shop", DAG)
            i.start()
            made = i.json("backfill", "create", "--dag-id", "shop", "--from-date", "2025-01-01", "--to-date", "2025-01-30")
            over = until("the backfill is over", lambda: (lambda b: b["completed_at"] and b)(i.json("backfill", "show", str(made["id"]))))
            # Its own run that was deleted while it went on was not made again.
            self.assertEqual(over["progress"]["created"], 30)
            until("the last is left", lambda: [r["run_type"] for r in i.json("runs", "list", "shop")["dag_runs"]] == ["scheduled"])
            until("and its log", lambda: len(logs(i)) == 1)
            # What nothing refers to any more goes along.
            until("the backfill is gone", lambda: i.json("backfill", "list")["total_entries"] == 0)
            self.assertIn("of backfill", i.log.read_text())
            i.stop()
            i.udon("db", "check")

    def test_a_backup_takes_the_place_of_the_store_when_nobody_uses_it(self):
        with Installation() as i:
            i.dag("shop", DAG)
            i.start()
            i.udon("dags", "trigger", "shop", "--run-id", "before", "--wait")
            backup = i.root / "backup.db"
            i.udon("db", "backup", backup)
            i.udon("dags", "trigger", "shop", "--run-id", "after", "--wait")
            i.udon("db", "restore", backup, code=1)
            self.assertIn("stop it first", i.told)
            i.stop()
            kept = i.json("db", "restore", backup)["kept"]
            i.udon("db", "check")
            i.start()
            ids = {r["dag_run_id"] for r in i.json("runs", "list", "shop")["dag_runs"]}
            self.assertIn("before", ids)
            self.assertNotIn("after", ids)
            i.udon("dags", "trigger", "shop", "--run-id", "after", "--wait")
            i.stop()
            broken = i.root / "broken.db"
            broken.write_bytes(backup.read_bytes()[:20000])
            i.udon("db", "restore", broken, code=1)
            # It is the file that is no backup; nothing is wrong with the store.
            broken.write_text("no database")
            i.udon("db", "restore", broken, code=1)
            self.assertIn(f"{broken} is damaged or no database", i.told)
            self.assertIn("nothing was changed", i.told)
            self.assertNotIn("Stop the server", i.told)
            i.udon("db", "restore", i.root / "nowhere.db", code=1)
            i.udon("db", "restore", kept)
            self.assertIn("after", {r["dag_run_id"] for r in i.json("runs", "list", "shop")["dag_runs"]})


if __name__ == "__main__":
    unittest.main(verbosity=2)
