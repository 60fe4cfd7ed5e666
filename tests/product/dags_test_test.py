#!/usr/bin/env python3
"""`udon dags test`: one real run without a server, of which nothing stays."""
import os
import pathlib
import pty
import select
import signal
import subprocess
import unittest

from installation import BUILD, DEADLINE, Installation, bearers, until

FILE = """
dag: 시험
schedule: {cron: "0 6 * * *", interval: true}
timezone: Asia/Seoul
start_date: 2020-01-01
catchup: true
params:
  bad: {type: integer, default: 0}
tasks:
  list: {operator: bash, command: "echo begin; echo '{\\"return_value\\": [1, 2, 3]}' > $UDON_XCOM_FILE"}
  load:
    operator: bash
    after: [list]
    expand: {n: {xcom: list}}
    retries: 1
    retry_delay: 1s
    env: {N: "{{ n }}", BAD: "{{ params.bad }}", DS: "{{ ds }}", FROM: "{{ data_interval_start }}"}
    command: 'echo "우동 $N of $DS from $FROM" | tee -a $WORK/seen; test "$N" != "$BAD"'
  end: {operator: bash, after: [load], command: "echo end >> $WORK/seen"}
---
dag: asks
schedule: "@hourly"
is_paused_upon_creation: true
tasks:
  ask:
    operator: sql
    connection: here
    sql: "create table if not exists t (a); insert into t values (1); select count(*) as n, :place as place from t"
    parameters: {place: "{{ var.value.place }}"}
    pool: narrow
---
dag: slow
schedule: none
tasks:
  sleep: {operator: bash, command: "echo asleep; sleep 1000"}
  after: {operator: bash, after: [sleep], command: "echo end >> $WORK/seen"}
"""

CLOSE = """
dag: close
schedule: none
tasks:
  publish: {operator: approval, subject: "Publish?", assignees: [유진]}
  form:
    operator: human_input
    after: [publish]
    subject: Which, and why
    options: [a, b, c]
    multiple: true
    form: {reason: {type: string, minLength: 2}}
  each: {operator: human_input, after: [form], subject: "{{ n }}?", options: ["yes", "no"], expand: {n: [1, 2]}}
  said:
    operator: bash
    after: [each]
    env: {SAID: "{{ ti.xcom_pull('form')['chosen_options'] | join(' ') }} {{ ti.xcom_pull('form')['params_input']['reason'] }}"}
    command: echo "$SAID"
"""


class DagsTest(unittest.TestCase):
    def installation(self):
        udon = Installation()
        self.homes = udon.root / "tmp"
        self.homes.mkdir()
        udon.environment["TMPDIR"] = str(self.homes)
        udon.dag("시험", FILE)
        return udon

    def seen(self, udon):
        file = udon.work / "seen"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def assert_nothing_stays(self, udon):
        self.assertEqual(list(self.homes.iterdir()), [])
        self.assertEqual(bearers(udon.work), [os.getpid()] if "WORK" in os.environ else [])

    def test_a_run_that_succeeds(self):
        with self.installation() as udon:
            text = udon.udon("dags", "test", "시험", "--logical-date", "2026-03-02T03:00:00Z")
            for line in ["list | begin", "load[2] | 우동 3 of 2026-03-02 from 2026-02-28 21:00:00+00:00"]:
                self.assertIn(line + "\n", text)
            self.assertIn("시험: success in", udon.told)
            # The calendar's own runs are not begun.
            self.assertEqual(len(self.seen(udon)), 4)
            result = udon.json("dags", "test", "시험", "--mark-success-pattern", "^end$")
            self.assertEqual(result["state"], "success")
            self.assertEqual([(task["task_id"], task["map_index"], task["state"], task["return_value"]) for task in result["task_instances"]][:2],
                             [("list", -1, "success", [1, 2, 3]), ("end", -1, "success", None)])
            self.assertEqual(len(self.seen(udon)), 3)
            self.assertFalse(udon.home.exists())
            self.assert_nothing_stays(udon)

    def test_a_run_that_fails(self):
        with self.installation() as udon:
            text = udon.udon("dags", "test", "시험", "--conf", '{"bad": 2}', code=1)
            self.assertIn("load[1] | udon: failed", text)
            self.assertEqual(len(self.seen(udon)), 3)  # no retry
            text = udon.udon("dags", "test", "시험", "--conf", '{"bad": 2}', "--retries", code=1)
            self.assertIn("load[1] | udon: try 2 of 2", text)
            self.assertEqual(len(self.seen(udon)), 4)
            udon.udon("dags", "test", "시험", "--conf", '{"bad": "x"}', code=1)
            self.assertIn("bad", udon.told)
            udon.udon("dags", "test", "slwo", code=1)
            self.assertIn("did you mean `slow`", udon.told)
            udon.udon("dags", "test", "시험", "--mark-success-pattern", "(", code=1)
            self.assertIn("is no regular expression", udon.told)
            udon.udon("dags", "test", "시험", "--logical-date", "yesterday", code=2)
            udon.dag("시험", FILE.replace("operator: sql", "operator: sqll"))
            udon.udon("dags", "test", "asks", code=1)
            self.assertIn("udon dags check", udon.told)
            self.assert_nothing_stays(udon)

    def test_what_the_installation_knows(self):
        with self.installation() as udon:
            udon.udon("connections", "add", "here", f"sqlite:///{udon.work}/data.db?mode=rwc")
            udon.udon("variables", "set", "place", "부산")
            udon.udon("pools", "set", "narrow", "1")
            for times in [1, 2]:
                task, = udon.json("dags", "test", "asks")["task_instances"]
                self.assertEqual((task["state"], task["return_value"]), ("success", [{"n": times, "place": "부산"}]))
                # The same beside a server, which does not see the run.
                udon.start() if times == 1 else udon.stop()
            self.assertEqual(udon.json("runs", "list", "asks")["total_entries"], 0)
            self.assert_nothing_stays(udon)

    def test_questions_are_answered_on_the_command_line_or_at_the_terminal(self):
        with self.installation() as udon:
            udon.dag("close", CLOSE)
            text = udon.udon("dags", "test", "close", "--answer", "publish=Approve", "--answer", "form=b", "--answer", "form=c",
                             "--answer-param", "form:reason=새로 고침", "--answer", "each[1]=no", "--answer", "each=yes")
            self.assertIn("said | b c 새로 고침", text)
            tasks = udon.json("dags", "test", "close", "--answer", "publish=Approve", "--answer", "form=a", "--answer-param", "form:reason=x12",
                              "--answer", "each[1]=no", "--answer", "each=yes")["task_instances"]
            chosen = {task["map_index"]: task["return_value"]["chosen_options"] for task in tasks if task["task_id"] == "each"}
            self.assertEqual(chosen, {0: ["yes"], 1: ["no"]})
            # In a pipe, without an answer: what to give is said, and nothing waits.
            udon.udon("dags", "test", "close", "--answer", "publish=Approve", code=1)
            self.assertIn("give --answer 'form=a' --answer-param 'form:reason=…'", udon.told)
            udon.udon("dags", "test", "close", "--answer", "publish=Perhaps", code=1)
            self.assertIn("the answer for `publish`", udon.told)
            udon.udon("dags", "test", "close", "--answer", "publish", code=1)
            self.assertIn("expected TASK=OPTION", udon.told)
            self.assert_nothing_stays(udon)

    def test_questions_are_asked_at_the_terminal(self):
        with self.installation() as udon:
            udon.dag("close", CLOSE)
            terminal, inside = pty.openpty()
            test = subprocess.Popen([BUILD / "udon", "dags", "test", "close", "--answer", "each=yes"], env=udon.environment,
                                    stdin=inside, stdout=inside, stderr=inside, start_new_session=True)
            os.close(inside)
            seen = b""

            def until_asked(words, answer):
                nonlocal seen
                while words.encode() not in seen:
                    self.assertTrue(select.select([terminal], [], [], DEADLINE)[0], seen.decode())
                    seen += os.read(terminal, 4096)
                seen = b""
                os.write(terminal, answer.encode() + b"\n")

            until_asked("Number or text:", "Perhaps")   # there is no such option
            until_asked("Number or text:", "1")
            until_asked("commas between:", "1, c")
            until_asked("reason:", "x")                 # too short: all of it once more
            until_asked("commas between:", "a,b")
            until_asked("reason:", "다시")
            rest = b""
            while test.poll() is None or select.select([terminal], [], [], 0)[0]:
                if select.select([terminal], [], [], 0.05)[0]:
                    try:
                        rest += os.read(terminal, 4096)
                    except OSError:
                        break
            self.assertEqual(test.wait(DEADLINE), 0, rest.decode())
            self.assertIn("said | a b 다시", rest.decode())
            os.close(terminal)
            self.assert_nothing_stays(udon)

    def test_who_stops_it_stops_its_tasks(self):
        with self.installation() as udon:
            for how in [signal.SIGINT, signal.SIGTERM]:
                test = subprocess.Popen([BUILD / "udon", "dags", "test", "slow"], env=udon.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                until("it sleeps", lambda: any(b"sleep\0001000" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in bearers(udon.work)))
                test.send_signal(how)
                out, told = test.communicate(timeout=DEADLINE)
                self.assertEqual(test.returncode, 1, told)
                self.assertIn("sleep | asleep", out)
                self.assertIn("stopping", told)
                self.assertEqual(self.seen(udon), [])
                self.assert_nothing_stays(udon)


if __name__ == "__main__":
    unittest.main(verbosity=2)
