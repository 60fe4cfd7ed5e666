#!/usr/bin/env python3
"""Task groups from outside: seen as a tree, cleared and marked by their ids, by the real program."""
import os
import pathlib
import pty
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import BUILD, Installation  # noqa: E402

FILE = """
dag: shops
task_groups:
  each_shop: {expand: {shop: [seoul, busan, jeju]}}
  each_shop.checks: {after: [load]}
  last: {}
tasks:
  prepare: {operator: bash, command: "true"}
  load: {operator: bash, group: each_shop, after: [prepare], env: {SHOP: "{{ shop }}"}, command: 'test "$SHOP" != busan || test -e $WORK/busan'}
  rows: {operator: bash, group: each_shop.checks, command: "true"}
  names: {operator: bash, group: each_shop.checks, command: "true"}
  tell: {operator: bash, group: last, after: [each_shop], trigger_rule: all_done, command: "true"}
---
dag: flat
tasks:
  only: {operator: bash, command: "true"}
"""

TREE = """
TASK                  INSTANCES  STATES                                    KIND
prepare               1          success                                   bash
each_shop             9          1 failed, 2 upstream_failed, 6 success    mapped group
  [0,2]               2 indices  3 success each
  [1]                 1 index    1 failed, 2 upstream_failed
  load                3          1 failed, 2 success                       mapped bash
  each_shop.checks    6          2 upstream_failed, 4 success              group
    rows              3          1 upstream_failed, 2 success              mapped bash
    names             3          1 upstream_failed, 2 success              mapped bash
last                  1          success                                   group
  tell                1          success                                   bash
""".strip()


def words(text):
    return [line.split() for line in text.strip().splitlines()]


class Groups(unittest.TestCase):
    def terminal(self, i, *verb):
        """What a person sees."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen([BUILD / "udon", *verb], env=i.environment | {"TERM": "xterm", "COLUMNS": "120"}, stdout=theirs,
                                   stdin=theirs, stderr=subprocess.DEVNULL)
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 65536):
                text += part
        except OSError:  # its end
            pass
        os.close(ours)
        self.assertEqual(process.wait(60), 0)
        return text.decode()

    def test_groups_are_seen_cleared_and_marked(self):
        with Installation() as i:
            i.dag("shops", FILE)
            i.start()
            i.udon("dags", "trigger", "shops", "--run-id", "r1", "--wait")
            self.assertEqual(words(i.udon("tasks", "tree", "shops", "r1")), words(TREE))
            self.assertIn("\n  each_shop.checks  ", i.udon("tasks", "tree", "shops", "latest"))
            self.assertIn("each_shop  ", i.udon("runs", "show", "shops", "r1").split("\n\n")[1])
            seen = self.terminal(i, "tasks", "tree", "shops", "r1")
            self.assertIn("├─ load", seen)
            self.assertIn("└─ each_shop.checks", seen)
            self.assertIn("   └─ names", seen)
            part = i.udon("tasks", "tree", "shops", "r1", "each_shop.checks").splitlines()
            self.assertEqual([line.split()[0] for line in part], ["TASK", "each_shop.checks", "rows", "names"])

            tree = i.json("tasks", "tree", "shops", "r1")
            each = tree["nodes"][1]
            self.assertEqual(each["states"], {"success": 6, "failed": 1, "upstream_failed": 2})
            self.assertEqual(each["map_indexes"][0], {"map_indexes": [[0, 0], [2, 2]], "count": 2, "states": {"success": 3}})
            self.assertEqual(i.json("runs", "show", "shops", "r1")["nodes"], tree["nodes"])

            shown = i.udon("dags", "show", "shops")
            self.assertRegex(shown, r"(?m)^each_shop +\(group\) .*mapped$")
            self.assertRegex(shown, r"(?m)^    rows +bash +load")
            self.assertEqual([node["id"] for node in i.json("dags", "show", "shops")["nodes"]], ["prepare", "each_shop", "last"])
            self.assertNotIn("(group)", i.udon("dags", "show", "flat"))

            listed = i.json("tasks", "list", "shops", "r1", "--group", "each_shop", "--state", "upstream_failed")
            self.assertEqual(sorted(one["task_id"] for one in listed["task_instances"]), ["names", "rows"])

            # Marking: by the group's id, of one index, and to see what would be.
            would = i.json("tasks", "mark", "shops", "r1", "each_shop.checks", "skipped", "--map-index", "1", "--dry-run")
            self.assertEqual(would["total_entries"], 2)
            self.assertEqual(i.state("shops", "r1", "rows", 1), "upstream_failed")
            self.assertIn("marked 2 task instances skipped",
                          i.udon("tasks", "mark", "shops", "r1", "each_shop.checks", "skipped", "--map-index", "1"))
            self.assertEqual(i.state("shops", "r1", "rows", 1), "skipped")
            self.assertIn("marked 1 task instance failed", i.udon("tasks", "mark", "shops", "r1", "last", "failed"))

            # Clearing: one index of the group, with what follows it.
            i.mark("busan")
            i.udon("tasks", "clear", "shops", "r1", "each_shop", "--map-index", "1", "--downstream")
            i.udon("runs", "wait", "shops", "r1")
            self.assertEqual(i.json("tasks", "tree", "shops", "r1")["states"], {"success": 11})

            # Names that are none.
            for verb, told in ((["tasks", "tree", "shops", "r1", "each_shops"], "did you mean `each_shop`?"),
                               (["tasks", "tree", "shops", "r1", "load"], "`load` is a task"),
                               (["tasks", "list", "shops", "r1", "--group", "lats"], "did you mean `last`?"),
                               (["tasks", "clear", "shops", "r1", "each_shp"], "did you mean `each_shop`?"),
                               (["tasks", "mark", "shops", "r1", "lats", "failed"], "did you mean `last`?"),
                               (["tasks", "mark", "shops", "r1", "each_shop", "failed", "--map-index", "7"], "at map index 7"),
                               (["tasks", "kill", "shops", "r1", "each_shp"], "did you mean `each_shop`?"),
                               (["tasks", "logs", "shops", "r1", "each_shop"], "`each_shop` is a task group")):
                i.udon(*verb, code=1)
                self.assertIn(told, i.told, verb)
            i.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
