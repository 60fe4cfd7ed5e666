#!/usr/bin/env python3
"""The product as a whole: `udon standalone`, DAG files, REST and command line; restarts, kills and what must survive them."""
import json
import os
import pathlib
import re
import signal
import stat
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from caught_up import Replica  # noqa: E402
from installation import Installation, is_alive, until  # noqa: E402

HELLO = """
dag: hello
params:
  name: {type: string, default: world}
tasks:
  greet:
    operator: bash
    env: {NAME: "{{ params.name }}"}
    command: echo "Hello, $NAME"
  repeat:
    operator: bash
    after: [greet]
    env: {WORDS: "{{ ti.xcom_pull('greet') }}"}
    command: echo "It said '$WORDS'"
"""

# Runs until the test says so, and says who it is.
PATIENT = """
dag: patient
tasks:
  wait:
    operator: bash
    command: |
      echo "try $UDON_TRY_NUMBER begins"
      echo $$ > $WORK/pid.$UDON_TRY_NUMBER.part && mv $WORK/pid.$UDON_TRY_NUMBER.part $WORK/pid.$UDON_TRY_NUMBER
      until [ -e $WORK/go ]; do sleep 0.05; done
      echo "finished"
  after:
    operator: bash
    after: [wait]
    command: echo after
"""


class FirstLight(unittest.TestCase):
    def test_a_run_by_the_command_line(self):
        with Installation() as i:
            i.dag("hello", HELLO)
            i.udon("dags", "check")
            i.start()
            i.udon("dags", "trigger", "hello", "--conf", '{"name": "우동"}', "--run-id", "first", "--wait")
            self.assertIn("success", i.told)
            run = i.json("runs", "show", "hello", "first")
            self.assertEqual((run["state"], run["conf"], run["triggered_by"]), ("success", {"name": "우동"}, "cli"))
            self.assertEqual({t["state"] for t in run["task_instances"]}, {"success"})
            self.assertIn("It said 'Hello, 우동'", i.udon("tasks", "logs", "hello", "first", "repeat"))
            self.assertEqual(i.json("tasks", "xcom", "hello", "latest", "repeat", "return_value")["value"], "It said 'Hello, 우동'")
            self.assertIn("success", i.udon("tasks", "why", "hello", "first", "repeat"))
            self.assertEqual([r["dag_run_id"] for r in i.json("runs", "list", "hello")["dag_runs"]], ["first"])
            i.udon("dags", "trigger", "hello", "--run-id", "first", code=1)
            self.assertIn("first", i.told)
            i.udon("dags", "trigger", "hello", "--conf", '{"name": 5}', code=1)
            self.assertIn("name", i.told)
            # A second run beside the first; the newest is listed first.
            i.udon("dags", "trigger", "hello", "--run-id", "second", "--wait")
            self.assertEqual([r["dag_run_id"] for r in i.json("runs", "list", "hello")["dag_runs"]], ["second", "first"])

    def test_a_run_by_rest(self):
        with Installation() as i:
            i.dag("hello", HELLO)
            i.start()
            self.assertEqual(i.call("GET", "/api/v2/dags")[0], 401)
            self.assertEqual(i.call("POST", "/auth/token", {"username": "admin", "password": "guess"})[0], 401)
            token = i.login()
            self.assertEqual(stat.S_IMODE((i.home / "admin-password").stat().st_mode), 0o600)
            status, health = i.call("GET", "/api/v2/monitor/health")
            self.assertEqual((status, health["scheduler"]["status"]), (200, "healthy"))
            status, run = i.call("POST", "/api/v2/dags/hello/dagRuns", {"logical_date": "2026-01-31T09:00:00+09:00"}, token)
            self.assertEqual((status, run["dag_run_id"]), (200, "manual__2026-01-31T00:00:00+00:00"))
            self.assertEqual(i.call("POST", "/api/v2/dags/hello/dagRuns", {"logical_date": "2026-01-31T00:00:00Z"}, token)[0], 409)
            base = "/api/v2/dags/hello/dagRuns/manual__2026-01-31T00%3A00%3A00%2B00%3A00"
            until("the run has ended", lambda: i.call("GET", base, token=token)[1]["state"] == "success")
            status, listed = i.call("GET", base + "/taskInstances", token=token)
            self.assertEqual([(t["task_id"], t["state"], t["try_number"]) for t in listed["task_instances"]], [("greet", "success", 1), ("repeat", "success", 1)])
            status, log = i.call("GET", base + "/taskInstances/greet/logs/1", token=token)
            self.assertIn("Hello, world", [line["event"] for line in log["content"]])
            self.assertIsNone(log["continuation_token"])
            self.assertIn("Hello, world", i.call("GET", base + "/taskInstances/greet/logs/1", token=token, accept="text/plain")[1])
            self.assertEqual(i.call("GET", base + "/taskInstances/greet/xcomEntries/return_value", token=token)[1]["value"], "Hello, world")
            self.assertEqual(i.call("GET", "/api/v2/dags/nope", token=token)[0], 404)
            # The command line at a server far away: the same, with a token.
            far = i.run("runs", "list", "hello", "--output", "json", UDON_SERVER=i.url, UDON_TOKEN=token)
            self.assertEqual(json.loads(far.stdout)["total_entries"], 1)
            viewer = i.udon("users", "add", "kim", "--role", "viewer").split()[-1]
            self.assertEqual(i.call("POST", "/api/v2/dags/hello/dagRuns", {"logical_date": None}, i.login("kim", viewer))[0], 403)

    def test_a_failure_says_why_and_is_cleared(self):
        with Installation() as i:
            i.dag("fragile", """
dag: fragile
tasks:
  first: {operator: bash, command: "echo one >> $WORK/ran"}
  second: {operator: bash, after: [first], command: "echo trying; [ -e $WORK/repaired ] || exit 3"}
  third: {operator: bash, after: [second], command: "echo three"}
  always: {operator: bash, after: [second], trigger_rule: all_done, command: "echo done"}
""")
            i.start()
            i.udon("dags", "trigger", "fragile", "--run-id", "r", "--wait", code=1)
            self.assertIn("second failed: exit code 3", i.told)
            self.assertIn("udon tasks logs fragile r second", i.told)
            states = {task: t["state"] for (task, _), t in i.instances("fragile", "r").items()}
            self.assertEqual(states, {"first": "success", "second": "failed", "third": "upstream_failed", "always": "success"})
            self.assertEqual([t["task_id"] for t in i.json("tasks", "clear", "fragile", "r", "second", "--downstream", "--dry-run")["task_instances"]].count("second"), 1)
            self.assertEqual(i.state("fragile", "r", "second"), "failed")
            i.mark("repaired")
            i.udon("tasks", "clear", "fragile", "r", "second", "--downstream")
            i.udon("runs", "wait", "fragile", "r")
            self.assertEqual({t["state"] for t in i.instances("fragile", "r").values()}, {"success"})
            self.assertEqual(i.instances("fragile", "r")["second", -1]["try_number"], 2)
            self.assertEqual((i.work / "ran").read_text(), "one\n")  # what had succeeded did not run again
            self.assertIn("trying", i.udon("tasks", "logs", "fragile", "r", "second", "--try", "1"))

    def test_retries_timeouts_and_skips(self):
        with Installation() as i:
            i.dag("tries", """
dag: tries
tasks:
  second_time_lucky: {operator: bash, retries: 2, retry_delay: 10ms, command: "[ $UDON_TRY_NUMBER = 2 ]"}
  too_slow: {operator: bash, execution_timeout: 300ms, command: "sleep 1000"}
  skipped: {operator: bash, command: "exit 99"}
  killed: {operator: bash, command: "kill -9 $$"}
""")
            i.start()
            i.udon("dags", "trigger", "tries", "--run-id", "r", "--wait", code=1)
            instances = i.instances("tries", "r")
            self.assertEqual((instances["second_time_lucky", -1]["state"], instances["second_time_lucky", -1]["try_number"]), ("success", 2))
            self.assertEqual(instances["skipped", -1]["state"], "skipped")
            self.assertIn("execution_timeout", instances["too_slow", -1]["note"])
            self.assertIn("signal 9", instances["killed", -1]["note"])

    def test_a_pool_is_never_overfull_and_says_who_is_in_it(self):
        with Installation() as i:
            i.dag("crowd", """
dag: crowd
tasks:
  holds: {operator: bash, pool: narrow, priority_weight: 10, command: "touch $WORK/in; until [ -e $WORK/go ]; do sleep 0.05; done"}
  waits: {operator: bash, pool: narrow, command: "echo in"}
""")
            i.udon("pools", "set", "narrow", "1")
            i.start()
            i.udon("dags", "trigger", "crowd", "--run-id", "r")
            i.wait_for_mark("in")
            why = until("the other waits for the pool", lambda: (w := i.json("tasks", "why", "crowd", "r", "waits"))["kind"] == "pool_full" and w)
            self.assertIn("narrow", why["text"])
            self.assertTrue(any("holds" in holder for holder in why["holders"]), why)
            until("the pool shows it", lambda: i.json("pools", "get", "narrow")["running_slots"] == 1)
            # Two slots: the other goes at once, nothing has to be restarted.
            i.udon("pools", "set", "narrow", "2")
            until("the other has run", lambda: i.state("crowd", "r", "waits") == "success")
            self.assertEqual(i.state("crowd", "r", "holds"), "running")
            i.mark("go")
            i.udon("runs", "wait", "crowd", "r")

    def test_a_kill_ends_the_whole_tree_and_no_retry_follows(self):
        with Installation() as i:
            i.dag("tree", """
dag: tree
tasks:
  grows:
    operator: bash
    retries: 3
    retry_delay: 10ms
    command: |
      setsid sleep 1000 & echo $! > $WORK/far
      sleep 1000 & echo $! > $WORK/near
      touch $WORK/grown
      wait
""")
            i.start()
            i.udon("dags", "trigger", "tree", "--run-id", "r")
            i.wait_for_mark("grown")
            pids = [int((i.work / name).read_text()) for name in ("far", "near")]
            self.assertTrue(all(map(is_alive, pids)))
            i.udon("tasks", "kill", "tree", "r", "grows")
            i.udon("runs", "wait", "tree", "r", code=1)
            instance = i.instances("tree", "r")["grows", -1]
            self.assertEqual((instance["state"], instance["try_number"]), ("failed", 1))
            self.assertFalse(any(map(is_alive, pids)))
            i.udon("tasks", "kill", "tree", "r", "grows", code=1)

    def restart(self, how):
        """What runs while the server is away goes on, is adopted, and runs once."""
        with Installation() as i:
            i.dag("patient", PATIENT)
            i.start()
            i.udon("dags", "trigger", "patient", "--run-id", "r")
            pid = int(i.wait_for_mark("pid.1"))
            i.stop(how)
            self.assertTrue(is_alive(pid))
            i.udon("dags", "trigger", "patient", code=1)
            self.assertIn("no scheduler runs", i.told)
            self.assertEqual(i.udon("runs", "list", "patient").count("running"), 1)  # reading needs none
            i.start()
            self.assertEqual(i.state("patient", "r", "wait"), "running")
            self.assertTrue(is_alive(pid))
            i.mark("go")
            i.udon("runs", "wait", "patient", "r")
            instance = i.instances("patient", "r")["wait", -1]
            self.assertEqual((instance["state"], instance["try_number"]), ("success", 1))
            self.assertFalse((i.work / "pid.2").exists())
            log = i.udon("tasks", "logs", "patient", "r", "wait")
            self.assertEqual((log.count("try 1 begins"), log.count("finished")), (1, 1))

    def test_an_orderly_restart_in_the_middle_of_a_run(self):
        self.restart(signal.SIGTERM)

    def test_kill_9_of_the_server_in_the_middle_of_a_run(self):
        self.restart(signal.SIGKILL)

    def test_a_task_that_ended_while_the_server_was_dead_is_taken_as_it_ended(self):
        with Installation() as i:
            i.dag("patient", PATIENT)
            i.start()
            i.udon("dags", "trigger", "patient", "--run-id", "r")
            pid = int(i.wait_for_mark("pid.1"))
            i.stop(signal.SIGKILL)
            i.mark("go")
            until("the task has ended by itself", lambda: not is_alive(pid))
            i.start()
            i.udon("runs", "wait", "patient", "r")
            self.assertEqual(i.instances("patient", "r")["wait", -1]["try_number"], 1)

    def test_kill_9_of_a_runner_loses_its_try_and_leaves_nothing_running(self):
        with Installation() as i:
            i.dag("patient", PATIENT.replace("operator: bash\n    command: |", "operator: bash\n    retries: 1\n    retry_delay: 10ms\n    command: |"))
            i.start()
            i.udon("dags", "trigger", "patient", "--run-id", "r")
            first = int(i.wait_for_mark("pid.1"))
            # The runner of the try: the parent of its command.
            runner = int(pathlib.Path(f"/proc/{first}/stat").read_text().rsplit(")", 1)[1].split()[1])
            self.assertEqual(os.path.basename(os.readlink(f"/proc/{runner}/exe")), "udon-task")
            os.kill(runner, signal.SIGKILL)
            second = int(i.wait_for_mark("pid.2"))
            self.assertFalse(is_alive(first), "two tries at once")
            self.assertTrue(is_alive(second))
            i.mark("go")
            i.udon("runs", "wait", "patient", "r")
            self.assertEqual(i.instances("patient", "r")["wait", -1]["try_number"], 2)

    def test_a_second_scheduler_on_one_home_gives_up_and_names_the_first(self):
        with Installation() as i:
            i.start()
            second = i.run("standalone")
            self.assertEqual(second.returncode, 1)
            self.assertIn(str(i.server.pid), second.stderr)
            i.udon("health")

    def test_what_the_tries_inherit_and_what_they_must_not_see(self):
        with Installation(UDON_CONN_MARKET="mysql://reader:p4ssw%40rd@db/market", UDON_VAR_GREETING="안녕", UDON_TOKEN_OF_NOBODY="x") as i:
            i.dag("nosy", """
dag: nosy
tasks:
  looks:
    operator: bash
    env: {PASSWORD: "{{ conn.market.password }}", WORD: "{{ var.value.greeting }}"}
    command: |
      echo "word $WORD"
      echo "password $PASSWORD"
      env | cut -d= -f1 | sort > $WORK/names
      ls -l /proc/self/fd > $WORK/descriptors
      echo "{\\"told\\": [\\"it is $PASSWORD\\"]}" > $UDON_XCOM_FILE
""")
            i.start()
            i.udon("dags", "trigger", "nosy", "--run-id", "r", "--wait")
            log = i.udon("tasks", "logs", "nosy", "r", "looks")
            self.assertIn("word 안녕", log)
            self.assertIn("password ***", log)
            self.assertEqual(i.json("tasks", "xcom", "nosy", "r", "looks", "told")["value"], ["it is ***"])
            names = (i.work / "names").read_text().split()
            self.assertFalse([n for n in names if n.startswith(("UDON__", "UDON_CONN_", "UDON_VAR_"))], names)
            # 0 to 2, and the folder that ls itself reads.
            numbers = re.findall(r" (\d+) -> ", (i.work / "descriptors").read_text())
            self.assertEqual(sorted(numbers), ["0", "1", "2", "3"])
            for file in i.home.rglob("*"):
                if file.is_file() and not file.is_socket():
                    self.assertNotIn(b"p4ssw@rd", file.read_bytes(), file)

    def test_dags_check_knows_what_the_server_knows(self):
        with Installation(UDON_CONN_MARKET="mysql://reader:p4ssw%40rd@db/market") as i:
            task = "{operator: replica_lag, connection: %s}"
            i.dag("knows", "dag: knows\ntasks: {a: " + task % "market" + "}\n")
            i.start()
            del i.environment["UDON_CONN_MARKET"]  # the terminal of somebody else
            i.udon("dags", "check")
            i.dag("knows", "dag: knows\ntasks: {a: " + task % "markt" + "}\n")
            checked = i.run("dags", "check")
            self.assertEqual(checked.returncode, 1)
            self.assertIn("unknown connection `markt`; did you mean `market`?", checked.stdout)
            self.assertIn("neither UDON_CONN_MARKT in the server's environment nor one in the store; add it with `udon connections add markt URI`",
                          checked.stderr)
            # With the file's other mistakes, not after them.
            i.dag("knows", "dag: knows\nshedule: none\ntasks: {a: " + task % "markt, pool: fast" + "}\n")
            told = i.udon("dags", "check", code=1)
            for part in ("unknown connection `markt`", "unknown pool `fast`", "unknown key `shedule`"):
                self.assertIn(part, told)
            i.udon("connections", "add", "lake", "aws://key:secret@/")
            i.udon("connections", "add", "Market", "mysql://elsewhere/market")
            listed = i.run("connections", "list")
            self.assertRegex(listed.stdout, r"market +environment +mysql +db .*reader +\*\*\*.* of the server's environment")
            self.assertRegex(listed.stdout, r"lake +store +aws ")
            self.assertIn("stored, but the environment's goes before: `Market`", listed.stderr)
            self.assertNotIn("p4ssw", listed.stdout)
            self.assertEqual([c["source"] for c in i.json("connections", "list")["connections"]], ["environment", "store", "store"])
            i.udon("connections", "delete", "Market")
            i.udon("pools", "set", "small", "2")
            i.dag("knows", "dag: knows\ntasks: {a: " + task % "lake, pool: small, pool_slots: 3" + "}\n")
            told = i.udon("dags", "check", code=1)
            self.assertIn("`connection`: the connection `lake` is of type aws; expected mysql or postgresql", told)
            self.assertIn("the pool `small` has 2", told)

    def test_a_broken_file_keeps_its_last_good_version_and_shows_its_mistake(self):
        with Installation() as i:
            i.dag("hello", HELLO)
            i.dag("other", HELLO.replace("dag: hello", "dag: other"))
            i.start()
            i.dag("hello", HELLO.replace("operator: bash", "operator: bahs", 1))
            token = i.login()
            found = until("the mistake is shown", lambda: i.call("GET", "/api/v2/importErrors", token=token)[1]["import_errors"])
            self.assertIn("did you mean `bash`?", found[0]["stack_trace"])
            i.udon("dags", "check", code=1)
            i.udon("dags", "trigger", "hello", "--wait")
            i.udon("dags", "trigger", "other", "--wait")
            i.dag("hello", HELLO.replace("Hello", "Good day"))
            until("the mistake is gone", lambda: not i.call("GET", "/api/v2/importErrors", token=token)[1]["import_errors"])
            i.udon("dags", "trigger", "hello", "--run-id", "new", "--wait")
            self.assertIn("Good day", i.udon("tasks", "logs", "hello", "new", "greet"))

    def test_a_paused_dag_accepts_a_trigger_and_runs_when_it_is_unpaused(self):
        with Installation() as i:
            i.dag("hello", HELLO)
            i.start()
            i.udon("dags", "pause", "hello")
            i.udon("dags", "trigger", "hello", "--run-id", "r", "--wait", code=1)
            self.assertIn("paused", i.told)
            self.assertEqual(i.json("runs", "show", "hello", "r")["state"], "queued")
            i.udon("dags", "unpause", "hello")
            i.udon("runs", "wait", "hello", "r")

    def test_mapped_tasks_of_a_list_and_of_an_xcom(self):
        with Installation() as i:
            i.dag("wide", """
dag: wide
tasks:
  names: {operator: bash, command: "echo '{\\"return_value\\": [\\"가\\", \\"나\\", \\"다\\"]}' > $UDON_XCOM_FILE"}
  fixed:
    operator: bash
    expand: {item: [1, 2]}
    env: {ITEM: "{{ item }}"}
    command: echo "item $ITEM"
  each:
    operator: bash
    after: [names]
    expand: {name: {xcom: names}}
    env: {NAME: "{{ name }}"}
    command: echo "$NAME"
  all:
    operator: bash
    after: [each]
    env: {ALL: "{{ ti.xcom_pull('each') | join('+') }}"}
    command: echo "$ALL"
""")
            i.start()
            i.udon("dags", "trigger", "wide", "--run-id", "r", "--wait")
            self.assertEqual({key for key in i.instances("wide", "r")},
                             {("names", -1), ("fixed", 0), ("fixed", 1), ("each", 0), ("each", 1), ("each", 2), ("all", -1)})
            self.assertEqual(i.json("tasks", "xcom", "wide", "r", "all", "return_value")["value"], "가+나+다")
            self.assertIn("item 2", i.udon("tasks", "logs", "wide", "r", "fixed", "--map-index", "1"))

    def test_a_sensor_renders_what_its_upstream_pushed_and_relative_paths_start_in_the_dags_folder(self):
        replica = Replica(lambda database: True)
        self.addCleanup(replica.close)
        with Installation(UDON_CONN_REPLICA=replica.uri("any")) as i:
            (i.dags / "sql").mkdir()
            (i.dags / "sql" / "word.txt").write_text("우동")
            i.dag("stands", """
dag: stands
tasks:
  limit: {operator: bash, command: "echo 7s"}
  caught_up: {operator: replica_lag, after: [limit], connection: replica, behind_at_most: "{{ ti.xcom_pull() }}"}
  reads: {operator: bash, after: [caught_up], working_directory: sql, command: "cat word.txt"}
""")
            i.start()
            i.udon("dags", "trigger", "stands", "--run-id", "r", "--wait")
            self.assertIn("within 7s", i.udon("tasks", "logs", "stands", "r", "caught_up"))
            self.assertEqual(i.json("tasks", "xcom", "stands", "r", "reads", "return_value")["value"], "우동")

    def test_a_thousand_requests_while_tasks_run(self):
        with Installation() as i:
            i.dag("hello", HELLO)
            i.start()
            token = i.login()
            i.udon("dags", "trigger", "hello", "--run-id", "r")
            statuses = {i.call("GET", "/api/v2/dags/hello/dagRuns/r", token=token)[0] for _ in range(1000)}
            self.assertEqual(statuses, {200})
            i.udon("runs", "wait", "hello", "r")


if __name__ == "__main__":
    unittest.main(verbosity=2)
