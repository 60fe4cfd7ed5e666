#!/usr/bin/env python3
"""kill -9 of the scheduler, of runners, of tasks and of the prober, at random moments, fifty times over a run of 200
tasks: nothing is lost, and no try runs twice at once.

What the tasks did is told by the kernel, not by Udon: each appends a line when it begins and when it has done its work,
in one order for all, and holds a lock on a file of its task instance from which all that it starts inherits. UDON_KILL_SEED
repeats a choice of victims; with UDON_KILL_CGROUPS=hidden (as root) no control group helps to end process trees."""
import collections
import os
import pathlib
import random
import re
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from caught_up import Replica  # noqa: E402
from installation import DEADLINE, Installation, bearers, until  # noqa: E402

KILLS = 50
TASKS = 200
SENSORS = 20

WORK = r"""
set -eu
me="$UDON_TASK_ID $UDON_MAP_INDEX $UDON_TRY_NUMBER $UDON_TRY_ID $$"
exec 9>>"$WORK/locks/$UDON_TASK_ID.$UDON_MAP_INDEX"
flock --nonblock 9 || { [ $? != 1 ] || echo "overlap $me" >> "$WORK/story"; exit 1; }
read now _ < /proc/uptime; echo "begin $me $now" >> "$WORK/story"
"""
DONE = r"""
read now _ < /proc/uptime; echo "end $me $now" >> "$WORK/story"
"""


def command(*work, indent=6):
    lines = (WORK + "\n".join(work) + DONE).strip().splitlines()
    return "|\n" + "\n".join(" " * indent + line for line in lines)


def dag():
    """200 task instances: chains, a list, a list made by a task, sensors, process trees, a narrow pool."""
    tasks, upstream = [], {}

    def task(name, after=(), body=None, **keys):
        upstream[name] = list(after)
        keys = {"operator": "bash", **keys, "after": "[" + ", ".join(after) + "]"}
        if keys["operator"] == "bash":
            keys["command"] = command(*(body or ["sleep 0.4"]))
        tasks.append(f"  {name}:\n" + "".join(f"    {key}: {value}\n" for key, value in keys.items()))

    ends = []
    for chain in range(3):
        last = []
        for link in range(20):
            task(f"chain_{chain}_{link}", last, body=[f'until [ -e "$WORK/kill_{(link + 1) * KILLS // 20}" ]; do sleep 0.02; done'])
            last = [f"chain_{chain}_{link}"]
        ends += last
    task("fan")
    task("leaf", ["fan"], expand="{item: [" + ", ".join(map(str, range(40))) + "]}")
    task("names", body=["echo '{\"return_value\": [" + ", ".join(f'"n{i}"' for i in range(20)) + "]}' > $UDON_XCOM_FILE"])
    task("each", ["names"], expand="{name: {xcom: names}}")
    task("both", ["leaf", "each"])
    for i in range(SENSORS):
        task(f"seen_{i}", operator="replica_lag", connection=f"replica_{i}", behind_at_most="10s", poke_interval="50ms")
        task(f"after_{i}", [f"seen_{i}"])
    # What a task leaves in the background, also in a session of its own, is its own too.
    for i in range(20):
        task(f"tree_{i}", [f"tree_{i - 5}"] if i >= 5 else [], body=["sleep 1000 &", "setsid bash -c 'sleep 1000 & wait' &", "sleep 0.4"])
    for i in range(16):
        task(f"pooled_{i}", pool="narrow")
    ends += ["both"] + [f"after_{i}" for i in range(SENSORS)] + [f"tree_{i}" for i in range(15, 20)] + [f"pooled_{i}" for i in range(16)]
    task("last", ends)
    text = ("dag: kills\nmax_active_tasks: 100\ndefault_args: {retries: 200, retry_delay: 20ms}\ntasks:\n" + "".join(tasks))
    return text, upstream


class Story:
    """The lines that tasks and the sensors' replica have written, read as they come."""

    def __init__(self, path):
        self.path, self.lines, self.done, self.read = path, [], set(), 0

    def refresh(self):
        with open(self.path, "rb") as file:
            file.seek(self.read)
            content = file.read()
        content = content[:content.rfind(b"\n") + 1]
        self.read += len(content)
        for line in content.decode().splitlines():
            words = line.split()
            self.lines.append(words)
            if words[0] == "end":
                self.done.add((words[1], int(words[2])))
        return self


class Killer:
    def __init__(self, installation, chance):
        self.i, self.chance, self.killed = installation, chance, collections.Counter()

    def processes(self, kind):
        """Pids of the installation's runners (or of what they are forked from), or of what they have started, or of its prober."""
        found = []
        for pid in bearers(self.i.work):
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                is_runner = words[0].endswith(b"/udon-task")
                is_template = is_runner and words[2].startswith(b"template ")
                is_of_a_try = b"UDON_TRY_ID=" in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                continue
            it_is = "template" if is_template else "runner" if is_runner else "task" if is_of_a_try else "prober" if b"prober" in words else "server"
            if it_is == kind:
                found.append(pid)
        return found

    def strike(self, kind):
        """Kills one of that kind; false if there is none now."""
        if kind == "scheduler":
            self.i.stop(signal.SIGKILL)
            self.i.start(healthy=False)
        else:
            found = self.processes(kind)
            if not found:
                return False
            # The youngest are in the middle of beginning.
            victim = max(found) if self.chance.random() < 0.4 else self.chance.choice(found)
            try:
                handle = os.pidfd_open(victim)
            except ProcessLookupError:
                return False
            try:
                if victim not in bearers(self.i.work):
                    return False
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            except ProcessLookupError:
                return False
            finally:
                os.close(handle)
        self.killed[kind] += 1
        self.i.mark(f"kill_{sum(self.killed.values())}")
        return True


class Kills(unittest.TestCase):
    def test_fifty_kills_lose_nothing_and_run_no_try_twice_at_once(self):
        seed = os.environ.get("UDON_KILL_SEED") or str(random.SystemRandom().randrange(10**9))
        print(f"UDON_KILL_SEED={seed}", flush=True)
        chance = random.Random(seed)
        text, upstream = dag()
        story = None

        # Sensors, like the links of chains, wait for kills: there is somebody to kill till the last of them.
        def is_caught_up(database):
            number = int(database.removeprefix("replica_"))
            if not (i.work / f"kill_{(number + 1) * KILLS // SENSORS}").exists():
                return False
            with open(story.path, "a") as file:
                file.write(f"end seen_{number} -1 0 - - -\n")
            return True

        replica = Replica(is_caught_up)
        self.addCleanup(replica.close)
        uris = {f"UDON_CONN_REPLICA_{n}": replica.uri(f"replica_{n}") for n in range(SENSORS)}
        with Installation(UDON__CORE__PARALLELISM="12", **uris) as i:
            i.hides_cgroups = os.environ.get("UDON_KILL_CGROUPS") == "hidden"
            (i.work / "locks").mkdir()
            (i.work / "story").touch()
            story = Story(i.work / "story")
            i.dag("kills", text)
            i.udon("pools", "set", "narrow", "2")
            i.start()
            i.udon("dags", "trigger", "kills", "--run-id", "r")
            killer = self.kill_fifty_times(i, story, chance)
            i.udon("health", "--wait", f"{DEADLINE:.0f}s")
            i.run("runs", "wait", "kills", "r")
            self.assertFalse([w for w in story.refresh().lines if w[0] == "overlap"], "two tries at once")
            print(f"killed: {dict(killer.killed)}; {sum(w[0] == 'begin' for w in story.lines)} commands begun, {replica.pokes} pokes", flush=True)
            self.assertEqual(i.json("runs", "show", "kills", "r")["state"], "success")
            winners = self.check_history(i, story)
            self.check_story(story, upstream, winners)
            self.check_nothing_is_left(i)

    def kill_fifty_times(self, i, story, chance):
        # A pair is killed at once; after a pair of schedulers, the second had barely begun.
        strikes = ([("scheduler",)] * 9 + [("scheduler", "scheduler")] * 2 + [("runner", "scheduler")] * 3
                   + [("runner",)] * 11 + [("task",)] * 12 + [("prober",)] * 8)
        chance.shuffle(strikes)
        killer = Killer(i, chance)
        deadline = time.monotonic() + 2 * DEADLINE
        for number, kinds in enumerate(strikes):
            # Over the whole run: by how far it has come.
            goal = number * (TASKS // 2) // len(strikes)
            while len(story.refresh().done) < goal:
                self.assertLess(time.monotonic(), deadline, f"the run does not go on: {len(story.done)} tasks are done")
                time.sleep(0.002)
            for position, kind in enumerate(kinds):
                time.sleep(chance.choice([0, chance.uniform(0, 0.02), chance.uniform(0, 0.2)]) if position == 0 else chance.uniform(0, 0.05))
                while not killer.strike(kind):
                    self.assertLess(time.monotonic(), deadline, f"no {kind} to kill")
                    self.assertIsNone(i.server.poll(), "the server has ended by itself")
        self.assertEqual(sum(killer.killed.values()), KILLS)
        return killer

    def check_history(self, i, story):
        """Each task instance succeeded once, its earlier tries each ended with a cause. Gives the try that won."""
        i.url = i.address()
        token = i.login()
        listed = i.instances("kills", "r")
        self.assertEqual(len(listed), TASKS)
        self.assertEqual({t["state"] for t in listed.values()}, {"success"})
        winners, causes = {}, collections.Counter()
        begun = collections.Counter((w[1], int(w[2]), int(w[3])) for w in story.lines if w[0] == "begin")
        for (task, index), instance in listed.items():
            mapped = f"/{index}" if index >= 0 else ""
            status, answer = i.call("GET", f"/api/v2/dags/kills/dagRuns/r/taskInstances/{task}{mapped}/tries", token=token)
            self.assertEqual(status, 200, answer)
            tries = answer["task_instances"]
            self.assertEqual([t["try_number"] for t in tries], list(range(1, instance["try_number"] + 1)), (task, index))
            for one in tries:
                told = (task, index, one)
                self.assertIsNotNone(one["end_date"], told)
                self.assertIn(begun[task, index, one["try_number"]], (0, 1), f"a try began twice: {told}")
                if one is tries[-1]:
                    self.assertEqual(one["state"], "success", told)
                    continue
                self.assertIn(one["state"], ("failed", "up_for_retry"), told)
                self.assertRegex(one["note"] or "", r"SIGKILL|left no result|prober died|exit code 1\b", told)
                causes[re.sub(r"\d{2,}", "N", one["note"])] += 1
            winners[task, index] = tries[-1]["try_number"]
        for cause, count in causes.most_common():
            print(f"  {count} × {cause}")
        for (task, index, number), count in begun.items():
            self.assertLessEqual(number, winners[task, index], "a command that no try knows of")
        return winners

    def check_story(self, story, upstream, winners):
        first_begin, end = {}, {}
        for at, words in enumerate(story.lines):
            key, number = (words[1], int(words[2])), int(words[3])
            if words[0] == "begin":
                first_begin.setdefault(key, at)
            elif words[1].startswith("seen_"):
                end.setdefault(key, at)  # met; asked again if the prober died before it could say so
            elif number == winners[key]:
                self.assertNotIn(key, end, "a try ended twice")
                end[key] = at
        self.assertEqual(set(end), set(winners), "a success without its work")
        of_task = collections.defaultdict(list)
        for key in winners:
            of_task[key[0]].append(key)
        for (task, _), at in first_begin.items():
            for before in upstream[task]:
                for key in of_task[before]:
                    self.assertLess(end[key], at, f"{task} began before {key} had succeeded")

    def check_nothing_is_left(self, i):
        until("no try has a folder any more", lambda: not i.folders_of_tries())
        token = i.login()
        self.assertEqual(i.call("GET", "/api/v2/monitor/health")[1]["scheduler"]["status"], "healthy")
        self.assertEqual(i.call("GET", "/api/v2/pools/narrow", token=token)[1]["open_slots"], 2)
        self.assertEqual([kind for kind in ("runner", "task") if Killer(i, None).processes(kind)], [])
        self.assertEqual(i.stop(), 0)
        self.assertEqual(bearers(i.work), [])
        i.udon("db", "check")


if __name__ == "__main__":
    unittest.main(verbosity=2)
