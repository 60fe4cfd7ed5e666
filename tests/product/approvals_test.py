#!/usr/bin/env python3
"""Tasks that ask people: by the real program, over restarts and kills."""
import json
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import Installation, until  # noqa: E402

FILE = """
dag: 내보내기
is_paused_upon_creation: false
tasks:
  count: {operator: bash, command: 'echo "{\\"return_value\\": 12345}" > $UDON_XCOM_FILE'}
  ok:
    operator: approval
    after: [count]
    subject: "Publish {{ ti.xcom_pull('count') }} rows?"
    body: "**{{ run_id }}**"
    form: {remark: {type: string, minLength: 2}}
    on_asked: {command: [sh, -c, 'echo "$0" >> $WORK/told', "{{ question.subject }}"]}
  publish: {operator: bash, after: [ok], command: "echo {{ ti.xcom_pull('ok')['params_input']['remark'] }} > $WORK/published"}
---
dag: in_time
is_paused_upon_creation: false
tasks:
  ok: {operator: approval, subject: "?", timeout: 300ms, defaults: Reject}
  after: {operator: bash, after: [ok], command: "true"}
  late: {operator: human_input, subject: "?", timeout: 300ms}
---
dag: wrong
is_paused_upon_creation: false
tasks:
  ask: {operator: human_input, subject: "?", options: [a, b], defaults: c}
"""


class Approvals(unittest.TestCase):
    def started(self):
        i = Installation()
        i.dag("approvals", FILE)
        i.start()
        return i

    def waiting(self, i):
        return i.json("tasks", "approvals")["hitl_details"]

    def test_a_person_approves_and_what_follows_goes_on_whatever_dies_meanwhile(self):
        with self.started() as i:
            i.udon("dags", "trigger", "내보내기", "--run-id", "r1")
            row = until("somebody is asked", lambda: next(iter(self.waiting(i)), None))
            self.assertEqual((row["subject"], row["body"], row["task_instance"]["task_id"]), ("Publish 12345 rows?", "**r1**", "ok"))
            self.assertIn("waits for an answer of anybody who may change runs since", i.udon("tasks", "why", "내보내기", "r1", "ok"))
            until("it was told", lambda: (i.work / "told").exists() and (i.work / "told").read_text() == "Publish 12345 rows?\n")
            i.stop(signal.SIGKILL)
            i.start()
            self.assertEqual([row["subject"] for row in self.waiting(i)], ["Publish 12345 rows?"])
            i.udon("tasks", "respond", "내보내기", "r1", "ok", "--choose", "Aprove", code=1)
            self.assertIn("did you mean `Approve`", i.told)
            i.udon("tasks", "respond", "내보내기", "r1", "ok", "--choose", "Approve", code=1)
            self.assertIn("param `remark` is to be filled in", i.told)
            i.udon("tasks", "respond", "내보내기", "r1", "ok", "--choose", "Approve", "--param", "remark=좋아요")
            i.udon("runs", "wait", "내보내기", "r1")
            self.assertEqual((i.work / "published").read_text(), "좋아요\n")
            i.udon("tasks", "respond", "내보내기", "r1", "ok", "--choose", "Reject", code=1)
            self.assertIn("waits for no answer: it is success: answered by ", i.told)
            self.assertEqual(self.waiting(i), [])
            kept = i.json("tasks", "approvals", "--all")["hitl_details"]
            self.assertEqual([(row["chosen_options"], row["params_input"]) for row in kept], [(["Approve"], {"remark": "좋아요"})])
            self.assertEqual((i.work / "told").read_text(), "Publish 12345 rows?\n")

    def test_a_killed_question_takes_no_answer_and_a_cleared_one_asks_anew(self):
        with self.started() as i:
            i.udon("dags", "trigger", "내보내기", "--run-id", "r1")
            until("somebody is asked", lambda: self.waiting(i))
            i.udon("tasks", "kill", "내보내기", "r1", "ok")
            until("it has failed", lambda: i.state("내보내기", "r1", "ok") == "failed")
            i.udon("tasks", "respond", "내보내기", "r1", "ok", "--choose", "Approve", "--param", "remark=ok", code=1)
            i.udon("tasks", "clear", "내보내기", "r1", "ok", "--downstream")
            until("somebody is asked again", lambda: self.waiting(i))
            i.udon("tasks", "respond", "내보내기", "r1", "ok", "--choose", "Reject", "--param", "remark=no")
            i.udon("runs", "wait", "내보내기", "r1")
            self.assertEqual((i.state("내보내기", "r1", "ok"), i.state("내보내기", "r1", "publish")), ("success", "skipped"))
            self.assertFalse((i.work / "published").exists())

    def test_nobody_answers_in_time(self):
        with self.started() as i:
            i.udon("dags", "trigger", "in_time", "--run-id", "r1")
            i.udon("runs", "wait", "in_time", "r1", code=1)
            self.assertEqual([i.state("in_time", "r1", task) for task in ("ok", "after", "late")], ["success", "skipped", "failed"])
            value = json.loads(i.udon("tasks", "xcom", "in_time", "r1", "ok", "return_value"))
            self.assertEqual((value["chosen_options"], value["responded_by_user"], value["timedout"]), (["Reject"], None, True))

    def test_what_makes_no_sense_fails_and_says_so(self):
        with self.started() as i:
            i.udon("dags", "trigger", "wrong", "--run-id", "r1")
            i.udon("runs", "wait", "wrong", "r1", code=1)
            self.assertIn("`defaults`: `c` is no option", i.udon("tasks", "logs", "wrong", "r1", "ask"))


if __name__ == "__main__":
    unittest.main()
