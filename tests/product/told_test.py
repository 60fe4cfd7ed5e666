#!/usr/bin/env python3
"""What people are told when something waits, is missing or was ended from outside: by the real program."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import Installation, until  # noqa: E402


class Told(unittest.TestCase):
    def test_a_mapped_task_is_asked_about_as_one(self):
        with Installation(UDON__CORE__PARALLELISM="1") as i:
            i.dag("many", """
dag: many
tasks:
  a: {operator: bash, expand: {n: [0, 1, 2]}, command: "until [ -e $WORK/go{{ n }} ]; do sleep 0.05; done; echo {{ n }}"}
""")
            i.mark("go0")
            i.start()
            i.udon("dags", "trigger", "many", "--run-id", "r")
            until("the second runs", lambda: i.instances("many", "r").get(("a", 1), {}).get("state") == "running")
            told = i.udon("tasks", "why", "many", "r", "a")
            lines = [line.split() for line in told.splitlines()[1:]]
            self.assertEqual([line[:2] for line in lines], [["a[1]", "running"], ["a[2]", "scheduled"]])
            self.assertIn("parallelism", told)
            self.assertIn("1 success", i.told)
            reasons = i.json("tasks", "why", "many", "r", "a")
            self.assertEqual((reasons["total_entries"], [r["map_index"] for r in reasons["reasons"]]), (2, [1, 2]))
            self.assertIn("a[2] is scheduled", i.udon("tasks", "why", "many", "r", "a", "--map-index", "2"))
            for verb in (["logs"], ["xcom"]):
                i.udon("tasks", *verb, "many", "r", "a", *(["return_value"] if verb == ["xcom"] else []), code=1)
                self.assertIn("`a` is mapped over 3 task instances: say which by --map-index N (0 to 2)", i.told)
            i.mark("go1"), i.mark("go2")
            i.udon("runs", "wait", "many", "r")
            self.assertEqual(i.udon("tasks", "why", "many", "r", "a"), "")
            self.assertIn("`a`: 3 success", i.told)
            self.assertEqual(i.udon("tasks", "xcom", "many", "r", "a", "return_value", "--map-index", "2").strip(), '"2"')
            i.udon("tasks", "why", "many", "r", "b", code=1)
            self.assertIn("`b` was not found", i.told)

    def test_a_home_may_have_a_long_path(self):
        with Installation(UDON_CONN_REPLICA="mysql://u:p@127.0.0.1:1/shop") as i:
            i.home = i.root / ("h" * 120) / ("호" * 40)
            i.environment["UDON_HOME"] = str(i.home)
            i.dag("far", """
dag: far
tasks:
  list:
    operator: bash
    command: |
      echo '{"return_value": [1, 2]}' > $UDON_XCOM_FILE
  each: {operator: bash, expand: {n: {xcom: list}}, env: {ALL: "{{ ti.xcom_pull('list') }}"}, command: "echo $ALL"}
  lag: {operator: replica_lag, connection: replica, behind_at_most: 1m, after: [each], poke_interval: 20ms, timeout: 300ms}
""")
            i.start()
            i.udon("dags", "trigger", "far", "--run-id", "r")
            i.udon("runs", "wait", "far", "r", code=1)
            there = i.instances("far", "r")
            self.assertEqual([there["each", n]["state"] for n in (0, 1)], ["success"] * 2, there)
            # The prober was given the connection over the same socket.
            self.assertIn("127.0.0.1", there["lag", -1]["note"])

    def test_a_task_that_is_not_mapped_yet_says_what_it_waits_for(self):
        with Installation() as i:
            i.dag("later", """
dag: later
tasks:
  list: {operator: bash, command: "until [ -e $WORK/go ]; do sleep 0.05; done; echo one"}
  m: {operator: bash, expand: {n: {xcom: list}}, env: {N: "{{ n }}"}, command: echo $N}
""")
            i.start()
            i.udon("dags", "trigger", "later", "--run-id", "r")
            until("the list is being made", lambda: i.state("later", "r", "list") == "running")
            self.assertEqual(i.state("later", "r", "m"), None)
            self.assertIn("m is none: waits for `list` (running); it is mapped over what `list` returns",
                          i.udon("tasks", "why", "later", "r", "m"))
            i.udon("tasks", "logs", "later", "r", "m", code=1)
            self.assertIn("m has not been tried yet (none); `udon tasks why later r m` says why", i.told)
            i.mark("go")
            i.udon("runs", "wait", "later", "r", code=1)  # one word is no list
            self.assertIn("m failed: it is mapped over `list`", i.told)
            self.assertNotIn("udon tasks logs", i.told)
            i.udon("tasks", "logs", "later", "r", "m", code=1)
            self.assertIn("m was never tried, so it has no log; it is failed: it is mapped over `list`", i.told)

    def test_a_cleared_run_says_that_it_keeps_its_version(self):
        with Installation() as i:
            i.dag("fix", "dag: fix\ntasks:\n  a: {operator: bash, command: 'exit 3'}\n")
            i.start()
            i.udon("dags", "trigger", "fix", "--run-id", "r", "--wait", code=1)
            i.udon("tasks", "clear", "fix", "r", "a")
            self.assertNotIn("version", i.told)
            i.udon("runs", "wait", "fix", "r", code=1)
            i.dag("fix", "dag: fix\ntasks:\n  a: {operator: bash, command: 'exit 0'}\n")
            until("the new version is there", lambda: i.json("dags", "show", "fix")["latest_dag_version"]["version_number"] == 2)
            told = "r keeps version 1 of fix; the file is at version 2: `udon runs clear fix r --run-on-latest-version` lets it go on with that"
            for words in (("tasks", "clear", "fix", "r", "a"), ("runs", "clear", "fix", "r"), ("tasks", "why", "fix", "r", "a")):
                i.udon(*words)
                self.assertIn(told, i.told)
                i.udon("runs", "wait", "fix", "r", code=1)
            i.udon("runs", "clear", "fix", "r", "--run-on-latest-version")
            self.assertNotIn("keeps version", i.told)
            i.udon("runs", "wait", "fix", "r")
            shown = i.json("runs", "show", "fix", "r")
            self.assertEqual([v["version_number"] for v in shown["dag_versions"]], [1, 2])
            self.assertEqual(i.instances("fix", "r")["a", -1]["dag_version"]["version_number"], 2)
            self.assertEqual([v["version_number"] for v in i.json("dags", "versions", "fix")["dag_versions"]], [1, 2])
            diff = i.udon("dags", "diff", "fix")
            self.assertIn("--- fix version 1\n+++ fix version 2\n@@ -1,3 +1,3 @@\n", diff)
            self.assertIn("\n-  a: {operator: bash, command: 'exit 3'}\n+  a: {operator: bash, command: 'exit 0'}\n", diff)
            self.assertNotIn("\x1b", diff)
            self.assertEqual(i.udon("dags", "diff", "fix", "2", "2"), "")
            self.assertIn("exit 3", i.udon("dags", "diff", "fix", "1", "--normalized"))
            i.udon("dags", "diff", "fix", "1", "7", code=1)

    def test_a_queue_without_a_worker_is_waited_for(self):
        with Installation() as i:
            i.dag("far", """
dag: far
default_args: {queue: gpu}
tasks:
  here: {operator: bash, queue: default, command: "true"}
  there: {operator: bash, command: "echo ran; touch $WORK/ran; until [ -e $WORK/go ]; do sleep 0.05; done"}
""")
            i.start()
            i.udon("dags", "trigger", "far", "--run-id", "r")
            until("the other queue's has ended", lambda: i.state("far", "r", "here") == "success")
            self.assertIn("there is scheduled: no worker for the queue `gpu`", i.udon("tasks", "why", "far", "r", "there"))
            i.stop()
            i.environment["UDON__CORE__QUEUES"] = "default, gpu"
            i.start()
            i.wait_for_mark("ran")
            i.stop()
            del i.environment["UDON__CORE__QUEUES"]
            i.start()  # takes the queue no more; what it had started is still its own
            i.mark("go")
            i.udon("runs", "wait", "far", "r")
            self.assertEqual(i.instances("far", "r")["there", -1]["try_number"], 1)

    def test_a_connection_that_is_not_there_is_waited_for(self):
        with Installation(UDON_CONN_MARKET="sqlite:///nowhere") as i:
            i.dag("names", """
dag: names
tasks:
  there: {operator: bash, connections: [market], command: "true"}
  missing: {operator: bash, connections: [markt], command: "true"}
  lake: {operator: s3_upload, from: nothing, to: "s3://lake/x/"}
""")
            i.start()
            i.udon("dags", "trigger", "names", "--run-id", "r")
            until("the others have ended", lambda: {i.state("names", "r", t) for t in ("there", "lake")} <= {"success", "failed"})
            self.assertIn("missing is scheduled: there is no connection `markt`", i.udon("tasks", "why", "names", "r", "missing"))
            i.udon("connections", "add", "markt", "sqlite:///there")
            until("it has ended", lambda: i.state("names", "r", "missing") == "success")
            i.udon("connections", "delete", "markt")
            i.udon("tasks", "clear", "names", "r", "missing")
            self.assertIn("there is no connection `markt`", i.udon("tasks", "why", "names", "r", "missing"))

    def test_a_disk_without_room_for_more_files_is_told(self):
        if os.geteuid() != 0:
            self.skipTest("a disk of its own needs root")
        with Installation() as i:
            i.home.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=2000", "tmpfs", i.home], check=True)
            try:
                i.dag("short", "dag: short\ntasks:\n  t: {operator: bash, command: 'true'}\n")
                i.start()
                many = i.home / "many"
                many.mkdir()
                for n in range(1200):
                    (many / str(n)).touch()
                until("it is noticed", lambda: i.run("health").returncode == 1)
                i.udon("dags", "trigger", "short", "--run-id", "r")
                until("the reason is told", lambda: "more files" in i.udon("tasks", "why", "short", "r", "t"))
                shutil.rmtree(many)
                i.udon("runs", "wait", "short", "r")
                i.udon("health")
            finally:
                i.stop()
                subprocess.run(["umount", "-l", i.home], check=True)

    def test_a_full_disk_is_told_for_as_long_as_it_is_full(self):
        if os.geteuid() != 0:
            self.skipTest("a disk of its own needs root")
        with Installation() as i:
            i.home.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", i.home], check=True)
            try:
                i.dag("short", """
dag: short
tasks:
  runs: {operator: bash, command: "touch $WORK/runs; until [ -e $WORK/go ]; do sleep 0.05; done"}
  after: {operator: bash, after: [runs], command: "true"}
  starts: {operator: bash, retries: 0, command: "true"}
""")
                i.start()
                i.udon("dags", "trigger", "short", "--run-id", "r")
                i.wait_for_mark("runs")
                until("the other has ended", lambda: i.state("short", "r", "starts") == "success")
                full = i.home / "full"
                with open(full, "wb", buffering=0) as file:
                    try:
                        while file.write(b"x" * 4096):
                            pass
                    except OSError:
                        pass
                until("it is noticed", lambda: i.run("health").returncode == 1)
                self.assertIn("not healthy: nothing is started: ", i.run("health").stderr)
                self.assertNotIn(str(i.home), i.run("health").stderr)
                i.mark("go")
                i.run("tasks", "clear", "short", "r", "starts")  # goes through if the store has room yet
                self.assertIn("nothing is started: ", i.udon("tasks", "why", "short", "r", "after"))
                self.assertEqual(i.run("health").returncode, 1)
                full.unlink()
                i.udon("runs", "wait", "short", "r")
                i.udon("health")
                self.assertEqual({t["state"] for t in i.instances("short", "r").values()}, {"success"})
            finally:
                i.stop()
                subprocess.run(["umount", "-l", i.home], check=True)

    def test_a_try_whose_runner_was_killed_says_so_in_its_log(self):
        with Installation() as i:
            i.dag("killed", """
dag: killed
tasks:
  it: {operator: bash, command: "echo $PPID > $WORK/pid.part; mv $WORK/pid.part $WORK/pid; sleep 1000"}
""")
            i.start()
            i.udon("dags", "trigger", "killed", "--run-id", "r")
            os.kill(int(i.wait_for_mark("pid")), signal.SIGKILL)
            i.udon("runs", "wait", "killed", "r", code=1)
            self.assertRegex(i.udon("tasks", "logs", "killed", "r", "it"), r"udon: failed: its runner ended \(killed by signal 9")

    def test_a_dag_whose_file_is_broken_says_that_an_old_version_runs(self):
        with Installation() as i:
            i.dag("fail", "dag: fail\ntasks:\n  a: {operator: bahs}\n")
            i.dag("good", "dag: good\ntasks:\n  a: {operator: bash, command: 'true'}\n")
            for name, age in (("new", 0), ("old", 73 * 3600)):  # what exports that failed have left
                (i.home / "staging/resume" / name).mkdir(parents=True)
                (i.home / "staging/resume" / name / "1-0.parquet").touch()
                os.utime(i.home / "staging/resume" / name, (time.time() - age,) * 2)
            i.start()
            until("what is old is removed", lambda: not (i.home / "staging/resume/old").exists())
            i.udon("dags", "list")
            self.assertIn("1 file has errors: fail.yaml; see `udon dags check`", i.told)
            self.assertNotIn("last good version", i.told)
            for words in (("dags", "trigger", "fail"), ("dags", "show", "fail"), ("runs", "list", "fail")):
                i.udon(*words, code=1)
                self.assertIn("fail.yaml has errors: see `udon dags check`", i.told)
            i.udon("dags", "trigger", "gone", code=1)
            self.assertIn("no DAG `gone`", i.told)
            self.assertNotIn("just saved", i.told)  # the files were looked at for it
            i.udon("dags", "show", "gone", code=1)
            self.assertIn("a file that was just saved is read within 1s", i.told)
            self.assertEqual([path.name for path in (i.home / "staging/resume").iterdir()], ["new"])
            for n in range(3):
                i.dag(f"new_{n}", f"dag: new_{n}\ntasks:\n  a: {{operator: bash, command: 'true'}}\n")
                i.udon("dags", "trigger", f"new_{n}")  # at once
            i.dag("fail", "dag: fail\ntasks:\n  a: {operator: bash, command: 'false'}\n")
            until("it is whole", lambda: i.run("dags", "show", "fail").returncode == 0)
            i.udon("dags", "list")
            self.assertNotIn("errors", i.told)
            i.dag("good", "dag: good\ntasks:\n  a: {operator: bahs}\n")
            until("the broken file is seen", lambda: "last good version" in i.run("dags", "list").stderr)
            self.assertIn("`good`; see `udon dags check`", i.run("dags", "list").stderr)
            i.udon("dags", "show", "good")
            self.assertIn("last good version", i.told)


if __name__ == "__main__":
    unittest.main(verbosity=2)
