#!/usr/bin/env python3
"""DAGs that make runs of each other and wait for them: by the real program."""
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import Installation, until  # noqa: E402

FILE = """
dag: 보고
is_paused_upon_creation: false
params:
  day: {type: string, default: none}
tasks:
  report: {operator: bash, command: 'echo "{{ params.day }}" >> $WORK/days; until [ -e $WORK/go ]; do sleep 0.05; done; test ! -e $WORK/fail'}
  each: {operator: bash, after: [report], expand: {n: [1, 2]}, command: "echo {{ n }}"}
---
dag: calls
tasks:
  call:
    operator: trigger_dag_run
    trigger_dag_id: 보고
    trigger_run_id: "after_{{ run_id }}"
    logical_date: "{{ logical_date }}"
    conf: {day: "우동 {{ ds }}"}
    wait_for_completion: true
    poll_interval: 20ms
---
dag: waits
tasks:
  run: {operator: wait_for_task, external_dag_id: 보고, poke_interval: 20ms}
  tasks: {operator: wait_for_task, external_dag_id: 보고, external_task_ids: [report, each], execution_delta: 1d, poke_interval: 20ms}
---
dag: moments
tasks:
  past: {operator: wait_until, at: "{{ logical_date }}", poke_interval: 20ms}
  soon: {operator: wait_until, at: "{{ logical_date }}", plus: 36500d, poke_interval: 20ms, timeout: 200ms, soft_fail: true}
---
dag: wrong
tasks:
  dag: {operator: trigger_dag_run, trigger_dag_id: 보거}
  conf: {operator: trigger_dag_run, trigger_dag_id: 보고, conf: {day: 5}}
  date: {operator: trigger_dag_run, trigger_dag_id: 보고, logical_date: tomorrow}
  id: {operator: trigger_dag_run, trigger_dag_id: 보고, trigger_run_id: "a b"}
  task: {operator: wait_for_task, external_dag_id: 보고, external_task_ids: [repor], logical_date: "2026-01-01", poke_interval: 20ms}
  state: {operator: wait_for_task, external_dag_id: 보고, allowed_states: [sucess], logical_date: "2026-01-01", poke_interval: 20ms}
  nowhere: {operator: wait_for_task, external_dag_id: momnts, logical_date: "2026-01-01", poke_interval: 20ms}
  time: {operator: wait_until, at: noon, poke_interval: 20ms}
"""


class OtherRuns(unittest.TestCase):
    def started(self):
        i = Installation()
        i.dag("others", FILE)
        i.start()
        return i

    def test_a_run_of_another_dag_is_made_and_waited_for(self):
        with self.started() as i:
            i.udon("dags", "trigger", "calls", "--run-id", "r1", "--logical-date", "2026-03-02T00:00:00Z")
            run = until("the other run", lambda: next(iter(i.json("runs", "list", "보고")["dag_runs"]), None))
            self.assertEqual((run["dag_run_id"], run["logical_date"], run["triggered_by"], run["conf"]["day"]),
                             ("after_r1", "2026-03-02T00:00:00Z", "operator", "우동 2026-03-02"))
            self.assertRegex(run["note"], r"^triggered by calls/r1/call, try 1 \(\w+-\d+\)$")
            until("it is waited for", lambda: "run after_r1 of DAG 보고 is running" in i.udon("tasks", "why", "calls", "r1", "call"))
            # Without a process, over a restart, in the log of the same try.
            self.assertEqual(i.state("calls", "r1", "call"), "deferred")
            i.stop(signal.SIGKILL)
            i.start()
            until("it is waited for", lambda: "run after_r1 of DAG 보고 is running" in i.udon("tasks", "why", "calls", "r1", "call"))
            i.mark("go")
            i.udon("runs", "wait", "calls", "r1")
            self.assertIn("after_r1", i.udon("tasks", "xcom", "calls", "r1", "call", "trigger_run_id"))
            log = i.udon("tasks", "logs", "calls", "r1", "call")
            self.assertIn("udon: deferred after", log)
            self.assertIn("met: run after_r1 of DAG 보고 is success", log)
            # What was there before is an error, and says what it is.
            i.udon("tasks", "clear", "calls", "r1", "call")
            until("it has failed", lambda: i.state("calls", "r1", "call") == "failed")
            self.assertIn("has a run after_r1, which is success", i.udon("tasks", "logs", "calls", "r1", "call"))
            self.assertEqual((i.work / "days").read_text().splitlines(), ["우동 2026-03-02"])

    def test_a_run_that_fails_fails_who_waits_for_it(self):
        with self.started() as i:
            i.mark("go"), i.mark("fail")
            i.udon("dags", "trigger", "calls", "--run-id", "r1", "--logical-date", "2026-03-02T00:00:00Z")
            until("it has failed", lambda: i.state("calls", "r1", "call") == "failed")
            self.assertIn("run after_r1 of DAG 보고 is failed", i.udon("tasks", "logs", "calls", "r1", "call"))

    def test_tasks_and_runs_of_another_dag_are_waited_for(self):
        with self.started() as i:
            i.udon("dags", "trigger", "waits", "--run-id", "w", "--logical-date", "2026-03-03T00:00:00Z")
            until("it says what is missing", lambda: "has no run of logical date 2026-03-03T00:00:00Z yet" in i.udon("tasks", "why", "waits", "w", "run"))
            i.udon("dags", "trigger", "보고", "--run-id", "today", "--logical-date", "2026-03-03T00:00:00Z")
            i.udon("dags", "trigger", "보고", "--run-id", "yesterday", "--logical-date", "2026-03-02T00:00:00Z")
            until("it says what it sees", lambda: "in run yesterday of DAG 보고" in i.udon("tasks", "why", "waits", "w", "tasks"))
            self.assertNotEqual(i.state("waits", "w", "tasks"), "success")
            i.mark("go")
            i.udon("runs", "wait", "waits", "w")
            self.assertEqual(i.state("waits", "w", "run"), "success")
            self.assertIn("yesterday", i.udon("tasks", "xcom", "waits", "w", "tasks", "return_value"))

    def test_a_moment_is_waited_for(self):
        with self.started() as i:
            i.udon("dags", "trigger", "moments", "--run-id", "m", "--logical-date", "2026-03-03T00:00:00Z")
            i.udon("runs", "wait", "moments", "m")
            self.assertEqual((i.state("moments", "m", "past"), i.state("moments", "m", "soon")), ("success", "skipped"))

    def test_what_is_written_wrong_fails_and_is_named(self):
        with self.started() as i:
            i.udon("dags", "trigger", "wrong", "--run-id", "x", "--logical-date", "2026-03-03T00:00:00Z")
            i.udon("runs", "wait", "wrong", "x", code=1)
            for task, message in [("dag", "no DAG `보거`"), ("conf", "day"), ("date", "logical_date: "), ("id", "run id `a b`"),
                                  ("task", "did you mean `report`"), ("state", "did you mean `success`"), ("time", "at: "),
                                  ("nowhere", "did you mean `moments`")]:
                with self.subTest(task=task):
                    self.assertEqual(i.state("wrong", "x", task), "failed")
                    self.assertIn(message, i.udon("tasks", "logs", "wrong", "x", task))
            self.assertEqual(i.json("runs", "list", "보고")["dag_runs"], [])


if __name__ == "__main__":
    unittest.main()
