#!/usr/bin/env python3
"""The database's disk is full, answers EIO, or cannot sync, under the real server in the middle of a run, which is then
killed or goes on: no task begins twice, none is lost, and the database is whole each time."""
import collections
import errno
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import BUILD, DEADLINE, Installation, until  # noqa: E402

FAULTS = [("write", errno.ENOSPC), ("write", errno.EIO), ("sync", errno.EIO), ("sync", errno.ENOSPC)]
AFTERWARDS = ["goes on", "is killed while it fails", "is killed when healed"]
LINKS = len(FAULTS) * len(AFTERWARDS)

LINK = """
  link_{number}:
    operator: bash
    retries: 2
    retry_delay: 50ms
    after: [{after}]
    command: |
      echo "begin $UDON_TASK_ID" >> "$WORK/story"
      until [ -e "$WORK/go_{number}" ]; do sleep 0.02; done
      echo "end $UDON_TASK_ID" >> "$WORK/story"
"""


class FailingDisk(unittest.TestCase):
    def test_a_disk_that_fails_in_the_middle_of_a_run_costs_no_task_and_doubles_none(self):
        with Installation() as i:
            order, met = i.work / "fault", i.work / "fault.met"
            server = dict(i.environment, LD_PRELOAD=str(BUILD / "tests" / "libfailing_disk.so"), FAILING_DISK=str(order))
            plain = i.environment
            i.dag("chain", "dag: chain\ntasks:" + "".join(LINK.format(number=n, after="" if n == 0 else f"link_{n - 1}") for n in range(LINKS)))

            def start():
                i.environment = server
                i.start(healthy=False)
                i.environment = plain
                i.udon("health", "--wait", f"{DEADLINE:.0f}s")

            def begun():
                story = i.work / "story"
                return story.read_text().split("\n") if story.exists() else []

            start()
            i.udon("dags", "trigger", "chain", "--run-id", "r")
            number = 0
            for call, error in FAULTS:
                for afterwards in AFTERWARDS:
                    until(f"link {number} has begun", lambda: f"begin link_{number}" in begun())
                    part = i.work / "fault.part"
                    part.write_text(f"{call} {error}")
                    part.rename(order)
                    before = met.stat().st_size if met.exists() else 0
                    i.mark(f"go_{number}")  # its end has to be committed
                    until(f"{call} has failed with {errno.errorcode[error]}", lambda: met.exists() and met.stat().st_size > before + 2)
                    self.assertNotIn(f"begin link_{number + 1}", begun(), "begun by what was not committed")
                    if afterwards == "is killed while it fails":
                        i.stop(signal.SIGKILL)
                    order.unlink()
                    if afterwards == "is killed when healed":
                        i.stop(signal.SIGKILL)
                    i.udon("db", "check")
                    if afterwards != "goes on":
                        start()
                    self.assertIsNone(i.server.poll(), "the server has ended by itself")
                    number += 1
            i.run("runs", "wait", "chain", "r")
            self.assertEqual(i.json("runs", "show", "chain", "r")["state"], "success")
            expected = {f"{what} link_{n}": 1 for what in ("begin", "end") for n in range(LINKS)}
            self.assertEqual(dict(collections.Counter(filter(None, begun()))), expected)
            self.assertEqual(i.stop(), 0)
            i.udon("db", "check")


if __name__ == "__main__":
    unittest.main(verbosity=2)
