#!/usr/bin/env python3
"""A world that means ill: a full disk, a taken port, a home that cannot be written, broken files, huge and binary output."""
import errno
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import DEADLINE, Installation, bearers, is_alive, until  # noqa: E402


def fails_to_start(i, **environment):
    """What the server says when it gives up; one line, no more."""
    ended = subprocess.run([i.program, "standalone"], env=i.environment | environment, capture_output=True, text=True, timeout=DEADLINE)
    assert ended.returncode == 1, ended
    return ended.stderr.strip()


class Hostile(unittest.TestCase):
    def test_a_taken_port_is_named(self):
        with Installation() as i, socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            told = fails_to_start(i, UDON__WEB__PORT=str(port))
            self.assertIn(f"127.0.0.1:{port}", told)
            self.assertIn("another program has this port", told)
            self.assertIn("UDON__WEB__PORT", told)
            i.start()  # on another, in the same home

    def test_a_home_that_cannot_be_written_is_named(self):
        with Installation() as i:
            (i.root / "file").write_text("")
            told = fails_to_start(i, UDON_HOME=str(i.root / "file" / "home"))
            self.assertIn(str(i.root / "file"), told)
            told = fails_to_start(i, UDON_HOME="/proc/udon")
            self.assertIn("/proc/udon", told)

    def test_a_secret_key_that_is_broken_or_of_another_home_is_named_and_left_alone(self):
        with Installation() as i:
            i.start()
            i.udon("connections", "add", "lake", "aws://key:secret@/")
            i.stop()
            key = i.home / "secret.key"
            good = key.read_bytes()
            for bad in (b"", b"short", os.urandom(40)):
                key.write_bytes(bad)
                told = fails_to_start(i)
                self.assertIn(str(key), told)
                self.assertEqual(key.read_bytes(), bad)
            # A key that is sound, but not the one that the store was written with.
            with Installation() as other:
                other.start()
                key.write_bytes((other.home / "secret.key").read_bytes())
            self.assertRegex(fails_to_start(i), r"encrypted with the key \w{16}, but the key given is \w{16}")
            key.write_bytes(good)
            i.start()
            self.assertEqual(i.json("connections", "get", "lake")["connection_id"], "lake")

    def test_a_full_disk_stops_dispatch_keeps_what_runs_and_is_got_over_without_a_restart(self):
        with Installation() as i:
            i.home.mkdir()
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "udon-test", i.home], capture_output=True, text=True)
            if mounted.returncode != 0:
                self.skipTest(f"no small disk can be mounted here: {mounted.stderr.strip()}")
            try:
                self.fill_and_free(i)
                i.stop()
                i.udon("db", "check")
            finally:
                i.end_tries()
                until("the disk is unmounted", lambda: subprocess.run(["umount", i.home], capture_output=True).returncode == 0)

    def fill_and_free(self, i):
        i.dag("full", """
dag: full
max_active_runs: 4
tasks:
  goes_on:
    operator: bash
    command: |
      echo began >> $WORK/began; touch $WORK/in
      until [ -e $WORK/go ]; do sleep 0.05; done
      echo done
  next: {operator: bash, after: [goes_on], command: echo next}
""")
        i.start()
        i.udon("dags", "trigger", "full", "--run-id", "r")
        i.wait_for_mark("in")
        self.fill(i.home / "filler")
        # Nothing new is accepted, and it says why; what runs goes on.
        token = i.login()
        refused = until("a trigger is refused", lambda: self.refusal(i, token))
        self.assertIn("no space left", refused["detail"])
        self.assertEqual((i.work / "began").read_text(), "began\n")
        i.mark("go")
        until("why is told", lambda: "disk" in i.run("tasks", "why", "full", "r", "next").stdout)
        self.assertEqual(i.call("GET", "/api/v2/dags", token=token)[0], 200)
        (i.home / "filler").unlink()
        i.udon("runs", "wait", "full", "r")
        self.assertEqual((i.work / "began").read_text(), "began\n")
        self.assertEqual(i.instances("full", "r")["goes_on", -1]["try_number"], 1)
        i.udon("dags", "trigger", "full", "--run-id", "after", "--wait")

    def refusal(self, i, token):
        status, answer = i.call("POST", "/api/v2/dags/full/dagRuns", {"logical_date": None}, token)
        return answer if status == 503 else self.assertEqual(status, 200)

    @staticmethod
    def fill(path):
        with open(path, "wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                while True:
                    try:
                        file.write(b"x" * size)
                    except OSError as error:
                        assert error.errno == errno.ENOSPC
                        break

    def test_huge_and_binary_output_is_bounded_kept_apart_and_shown(self):
        with Installation() as i:
            i.dag("loud", """
dag: loud
tasks:
  huge: {operator: bash, command: "yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 200M; echo; echo the end"}
  long_line: {operator: bash, command: "head -c 3M /dev/zero | tr '\\\\0' x; echo; echo the end"}
  binary: {operator: bash, command: "head -c 100000 /dev/urandom; printf '\\\\0\\\\1\\\\xff\\\\xfe\\\\033[31mred\\\\n'; echo the end"}
  big_xcom: {operator: bash, command: "head -c 10M /dev/zero | tr '\\\\0' x | sed 's/.*/{\\"big\\": \\"&\\"}/' > $UDON_XCOM_FILE"}
""")
            i.start()
            i.udon("dags", "trigger", "loud", "--run-id", "r", "--wait", code=1)
            states = {task: t["state"] for (task, _), t in i.instances("loud", "r").items()}
            self.assertEqual(states, {"huge": "success", "long_line": "success", "binary": "success", "big_xcom": "failed"})
            self.assertIn("XCom", i.instances("loud", "r")["big_xcom", -1]["note"])
            for task in ("huge", "long_line", "binary"):
                self.assertEqual(i.json("tasks", "xcom", "loud", "r", task, "return_value")["value"], "the end")
            largest = max(p.stat().st_size for p in i.home.glob("logs/*/*.log"))
            self.assertLess(largest, 65 << 20)
            token, base = i.login(), "/api/v2/dags/loud/dagRuns/r/taskInstances/"
            # A page at a time, so that nobody has to hold all of it; JSON whatever bytes were printed.
            for task in ("huge", "long_line", "binary"):
                status, page = i.call("GET", base + task + "/logs/1", token=token)
                self.assertEqual(status, 200)
                self.assertLess(len(json.dumps(page)), 16 << 20)
            self.assertIn("the end", i.run("tasks", "logs", "loud", "r", "binary").stdout)
            i.udon("health")

    def test_a_killed_group_or_a_stopped_runner_holds_nobody_up(self):
        with Installation() as i:
            i.dag("hurt", """
dag: hurt
default_args: {retries: 2, retry_delay: 10ms}
tasks:
  group: {operator: bash, command: "[ $UDON_TRY_NUMBER -gt 1 ] || kill -9 -$$; echo survived"}
  session: {operator: bash, command: "[ $UDON_TRY_NUMBER -gt 1 ] || pkill -9 -s 0; echo survived"}
  parent: {operator: bash, command: "[ $UDON_TRY_NUMBER -gt 1 ] || kill -9 $PPID; echo survived"}
  stopped:
    operator: bash
    command: |
      touch $WORK/stopped.$UDON_TRY_NUMBER
      [ $UDON_TRY_NUMBER -gt 1 ] || { kill -STOP $PPID; sleep 1000; }
""")
            i.start()
            i.udon("dags", "trigger", "hurt", "--run-id", "r")
            i.wait_for_mark("stopped.1")
            until("the others have got over it", lambda: [t["state"] for (n, _), t in i.instances("hurt", "r").items() if n != "stopped"] == ["success"] * 3)
            self.assertEqual({t["try_number"] for (n, _), t in i.instances("hurt", "r").items() if n != "stopped"}, {2})
            # A runner that does not react is killed with everything after the grace.
            i.udon("tasks", "kill", "hurt", "r", "stopped")
            i.udon("runs", "wait", "hurt", "r", code=1)
            i.stop()
            self.assertEqual(bearers(i.work), [])

    def test_two_thousand_files_one_of_them_broken_and_one_in_the_future(self):
        with Installation() as i:
            for n in range(2000):
                (i.dags / f"dag_{n}.yaml").write_text(f"dag: dag_{n}\nschedule: '0 3 * * *'\nstart_date: 2999-01-01\ntasks:\n  only: {{operator: empty}}\n")
            (i.dags / "broken.yaml").write_text("dag: [")
            (i.dags / "binary.yaml").write_bytes(os.urandom(10000))
            i.start()
            token = i.login()
            self.assertEqual(i.call("GET", "/api/v2/dags?limit=1", token=token)[1]["total_entries"], 2000)
            self.assertEqual(i.call("GET", "/api/v2/importErrors", token=token)[1]["total_entries"], 2)
            self.assertEqual(i.call("GET", "/api/v2/dags/~/dagRuns", token=token)[1]["total_entries"], 0)
            i.udon("dags", "trigger", "dag_1999", "--run-id", "now", "--wait")

    def test_a_server_that_ends_and_comes_back_again_and_again_leaves_its_tasks_alone(self):
        with Installation() as i:
            i.dag("long", """
dag: long
tasks:
  lasts:
    operator: bash
    command: |
      trap 'touch $WORK/disturbed' TERM INT HUP
      echo began >> $WORK/began; echo $$ > $WORK/pid
      until [ -e $WORK/go ]; do sleep 0.05; done
""")
            i.start()
            i.udon("dags", "trigger", "long", "--run-id", "r")
            until("it runs", lambda: (i.work / "pid").exists() and (i.work / "pid").read_text())
            pid = int((i.work / "pid").read_text())
            for how in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
                ended = i.stop(how)
                self.assertEqual(ended, -9 if how == signal.SIGKILL else 0)
                self.assertTrue(is_alive(pid))
                i.start()
            i.mark("go")
            i.udon("runs", "wait", "long", "r")
            self.assertEqual((i.work / "began").read_text(), "began\n")
            self.assertFalse((i.work / "disturbed").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
