#!/usr/bin/env python3
"""kill -9 of the scheduler, of runners and of tasks while a mapped group goes index by index, and while assets make runs
due: each index does its work in its order, once to the end; each success makes one event, and each event one run due.

What the tasks did is told as in kill_test.py. UDON_KILL_SEED repeats a choice of victims."""
import collections
import json
import os
import pathlib
import random
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import DEADLINE, Installation, bearers, until  # noqa: E402
from kill_test import Killer, Story, command  # noqa: E402

INDICES = 30
KILLS = 25

# Each index waits for its share of the kills: there is somebody to kill till the last of them.
TILL_KILLED = f'until [ -e "$WORK/kill_$(((UDON_MAP_INDEX + 1) * {KILLS} / {INDICES}))" ]; do sleep 0.02; done'

NAMES = command("echo '{\"return_value\": " + str(list(range(INDICES))) + "}' > $UDON_XCOM_FILE")
# Index 0 waits for another index to be through with the whole group: nobody waits for all of a task.
FIRST = command('[ "$UDON_MAP_INDEX" != 0 ] || until [ -e "$WORK/through" ]; do sleep 0.02; done', "sleep 0.2")
SLEEP = command("sleep 0.2")
THIRD = command(TILL_KILLED, 'touch "$WORK/through"')
MAKE = command(TILL_KILLED)
TAKE = command("sleep 0.1", 'printf "%s" "{\\"return_value\\": $EVENTS}" > $UDON_XCOM_FILE')

GROUP = f"""
dag: groups
max_active_tasks: 100
default_args: {{retries: 200, retry_delay: 20ms}}
task_groups:
  each: {{expand: {{n: {{xcom: names}}}}}}
tasks:
  names:
    operator: bash
    command: {NAMES}
  first:
    group: each
    operator: bash
    command: {FIRST}
  second:
    group: each
    after: [first]
    operator: bash
    command: {SLEEP}
  third:
    group: each
    after: [second]
    operator: bash
    command: {THIRD}
  end:
    after: [each]
    operator: bash
    command: {SLEEP}
"""

ASSETS = f"""
dag: makes
max_active_tasks: 100
default_args: {{retries: 200, retry_delay: 20ms}}
tasks:
  make:
    expand: {{n: {list(range(INDICES))}}}
    outlets: ["lake://orders"]
    operator: bash
    command: {MAKE}
---
dag: takes
schedule: {{assets: ["lake://orders"]}}
max_active_runs: 1
default_args: {{retries: 200, retry_delay: 20ms}}
tasks:
  take:
    env: {{EVENTS: "{{{{ triggering_asset_events | tojson }}}}"}}
    operator: bash
    command: {TAKE}
"""


class KillsOfGroups(unittest.TestCase):
    def setUp(self):
        seed = os.environ.get("UDON_KILL_SEED") or str(random.SystemRandom().randrange(10**9))
        print(f"UDON_KILL_SEED={seed}", flush=True)
        self.chance = random.Random(seed)

    def installation(self):
        i = Installation(UDON__CORE__PARALLELISM="40")
        (i.work / "locks").mkdir()
        (i.work / "story").touch()
        i.mark("kill_0")
        return i, Story(i.work / "story")

    def kill(self, i, story, tasks, work):
        """Over the whole of so much work of these tasks."""
        strikes = ["scheduler"] * 9 + ["runner"] * 8 + ["task"] * 8
        self.assertEqual(len(strikes), KILLS)
        self.chance.shuffle(strikes)
        killer = Killer(i, self.chance)
        deadline = time.monotonic() + 2 * DEADLINE

        def done():
            return sum(task in tasks for task, _ in story.refresh().done)

        for number, kind in enumerate(strikes):
            while done() < number * (work * 3 // 4) // len(strikes):
                self.assertLess(time.monotonic(), deadline, f"it does not go on: {done()} are done")
                time.sleep(0.002)
            time.sleep(self.chance.choice([0, self.chance.uniform(0, 0.1)]))
            while not killer.strike(kind):
                self.assertLess(time.monotonic(), deadline, f"no {kind} to kill")
                self.assertIsNone(i.server.poll(), "the server has ended by itself")
        print(f"killed: {dict(killer.killed)}", flush=True)
        i.udon("health", "--wait", f"{DEADLINE:.0f}s")
        i.url = i.address()

    def check_work(self, i, dag, story):
        """No two tries at once; each success did its work. Gives where in the story each began first and ended."""
        self.assertFalse([words for words in story.refresh().lines if words[0] == "overlap"], "two tries at once")
        instances = i.instances(dag, "r")
        self.assertEqual({t["state"] for t in instances.values()}, {"success"}, instances)
        first_begin, end = {}, {}
        for at, words in enumerate(story.lines):
            key = (words[1], int(words[2]))
            if key not in instances:
                continue
            if words[0] == "begin":
                first_begin.setdefault(key, at)
            elif int(words[3]) == instances[key]["try_number"]:
                self.assertNotIn(key, end, "a try ended twice")
                end[key] = at
        self.assertEqual(set(end), set(instances), "a success without its work")
        return first_begin, end

    def check_nothing_is_left(self, i):
        until("no try has a folder any more", lambda: not i.folders_of_tries())
        self.assertEqual(i.stop(), 0)
        self.assertEqual(bearers(i.work), [])
        i.udon("db", "check")

    def test_a_mapped_group_goes_on_index_by_index(self):
        i, story = self.installation()
        with i:
            i.dag("groups", GROUP)
            i.start()
            i.udon("dags", "trigger", "groups", "--run-id", "r")
            self.kill(i, story, {"first", "second", "third"}, 3 * INDICES)
            i.udon("runs", "wait", "groups", "r")
            first_begin, end = self.check_work(i, "groups", story)
            self.assertEqual(len(end), 3 * INDICES + 2)
            for index in range(INDICES):
                self.assertLess(end["names", -1], first_begin["first", index])
                self.assertLess(end["first", index], first_begin["second", index])
                self.assertLess(end["second", index], first_begin["third", index])
                self.assertLess(end["third", index], first_begin["end", -1])
            self.check_nothing_is_left(i)

    def test_no_event_of_an_asset_is_lost_or_doubled(self):
        i, story = self.installation()
        with i:
            i.dag("assets", ASSETS)
            i.start()
            i.udon("dags", "trigger", "makes", "--run-id", "r")
            self.kill(i, story, {"make"}, INDICES)
            i.udon("runs", "wait", "makes", "r")
            token = i.login()

            def is_all_taken():
                status, queued = i.call("GET", "/api/v2/dags/takes/assets/queuedEvents", token=token)
                runs = i.json("runs", "list", "takes")["dag_runs"]
                return (status == 404 or queued["total_entries"] == 0) and all(run["state"] == "success" for run in runs)

            until("all events are taken", is_all_taken, 2 * DEADLINE)
            self.check_work(i, "makes", story)
            events = i.json("assets", "events", "lake://orders")["asset_events"]
            self.assertEqual(sorted(event["source_map_index"] for event in events), list(range(INDICES)))
            runs = {run["dag_run_id"]: run for run in i.json("runs", "list", "takes")["dag_runs"]}
            made_due = collections.Counter()
            for event in events:
                self.assertEqual(len(event["created_dagruns"]), 1, event)
                made_due[event["created_dagruns"][0]["run_id"]] += 1
            self.assertEqual(set(made_due), set(runs), "a run without an event, or the other way round")
            # The same by what the tasks of these runs were told.
            told = []
            for run in runs:
                seen = json.loads(i.udon("tasks", "xcom", "takes", run, "take", "return_value"))
                told += [event["source_map_index"] for event in seen["lake://orders"]]
            self.assertEqual(sorted(told), list(range(INDICES)))
            self.check_nothing_is_left(i)


if __name__ == "__main__":
    unittest.main(verbosity=2)
