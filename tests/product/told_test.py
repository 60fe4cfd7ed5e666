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


if __name__ == "__main__":
    unittest.main(verbosity=2)
