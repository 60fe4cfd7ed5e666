#!/usr/bin/env python3
"""What people are told when something waits, is missing or was ended from outside: by the real program."""
import pathlib
import sys
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
