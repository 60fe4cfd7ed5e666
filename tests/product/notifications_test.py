#!/usr/bin/env python3
"""Who is told of what, with real receivers: once for each end, whatever is killed meanwhile; and no secret is left behind."""
import email
import email.policy
import json
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import Installation, until  # noqa: E402
from receivers import Mailbox, Webhook, certificate  # noqa: E402

SECRET = "T0SECRETPATH9"


class Notifications(unittest.TestCase):
    def installation(self, **environment):
        i = Installation(**environment)
        self.addCleanup(lambda: i.__exit__(None, None, None))
        return i

    def webhook(self, *answers):
        hook = Webhook(*answers)
        self.addCleanup(hook.close)
        return hook

    def told(self, i, **wanted):
        rows = i.json("notifications", "list")["notifications"]
        return [r for r in rows if all(r[k] == v for k, v in wanted.items())]

    def settled(self, i, count):
        return until("all is told", lambda: (lambda rows: rows if len(rows) == count and
                                             all(r["state"] in ("sent", "failed", "unknown") for r in rows) else None)(self.told(i)))

    def test_each_end_is_told_once_in_slacks_form(self):
        hook = self.webhook()
        i = self.installation(UDON_CONN_SLACK=f"{hook.url}/services/{SECRET}/x", UDON_VAR_ROOM="데이터")
        i.dag("orders", """
dag: orders
on_failure: {webhook: slack, body: {run: "{{ run_id }}", why: "{{ reason }}", state: "{{ dag_run.state }}"}}
default_args:
  on_success: {webhook: slack, text: "{{ var.value.room }} {{ ti.task_id }} {{ map_index }}"}
  on_failure:
    - {webhook: slack, text: "{{ ti.task_id }} {{ exception }} {{ ti.log_url }}"}
    - webhook: slack
  on_retry: {webhook: slack, text: "again {{ try_number }} {{ event }}"}
tasks:
  good: {operator: bash, command: "true", expand: {item: [1, 2]}}
  bad: {operator: bash, command: "exit 3", retries: 1, retry_delay: 10ms}
  never: {operator: empty, after: [bad]}
""")
        i.start()
        i.udon("dags", "trigger", "orders", "--run-id", "r1", "--wait", code=1)
        rows = self.settled(i, 6)
        self.assertEqual({r["state"] for r in rows}, {"sent"})
        texts = sorted(json.loads(body).get("text", "") for _, _, body in hook.got)
        self.assertEqual(len(texts), 6)
        self.assertEqual(len(set(hook.keys())), 6)
        self.assertEqual([t for t in texts if t.startswith("데이터")], ["데이터 good 0", "데이터 good 1"])
        self.assertIn("again 1 retry", texts)
        link = f"{i.url}/api/v2/dags/orders/dagRuns/r1/taskInstances/bad/logs/2"
        self.assertIn(f"bad exit code 3 {link}", texts)
        self.assertIn(f"orders/r1/bad failed: exit code 3\n{link}", texts)
        self.assertIn({"run": "r1", "why": "failed: `bad`", "state": "failed"}, [json.loads(body) for _, _, body in hook.got])
        self.assertEqual({path for path, _, _ in hook.got}, {f"/services/{SECRET}/x"})
        # The room's name and the webhook's path are in neither store nor log.
        for file in [*i.home.glob("udon.db*"), i.log]:
            self.assertNotIn(SECRET.encode(), file.read_bytes())
            self.assertNotIn("데이터".encode(), file.read_bytes())
        # A restart tells nothing twice.
        i.stop()
        i.start()
        self.assertEqual(len(self.told(i)), 6)
        self.assertEqual(len(hook.got), 6)

    def test_what_is_refused_is_shown_and_can_be_sent_again(self):
        hook = self.webhook(404, 200)
        i = self.installation(UDON_CONN_SLACK=f"{hook.url}/services/{SECRET}")
        i.dag("a", "dag: a\ntasks:\n  t: {operator: empty, on_success: {webhook: slack, text: done}}\n")
        i.dag("b", "dag: b\ntasks:\n  t: {operator: empty, on_success: {webhook: slack, text: '{{ nothing.here }}'}}\n")
        i.start()
        i.udon("dags", "trigger", "a", "--run-id", "r1", "--wait")
        [row] = self.settled(i, 1)
        self.assertEqual((row["state"], row["note"]), ("failed", "HTTP 404: okay"))
        i.udon("notifications", "resend", str(row["id"]))
        until("it is sent", lambda: self.told(i, state="sent"))
        self.assertEqual(len(hook.keys()), 2)
        self.assertEqual(len(set(hook.keys())), 1)
        i.udon("notifications", "resend", "99", code=1)
        self.assertIn("no notification 99", i.told)
        i.udon("dags", "trigger", "b", "--run-id", "r1", "--wait")
        [row] = until("it has failed", lambda: self.told(i, state="failed"))
        self.assertIn("nothing", row["note"])

    def test_what_surely_did_not_arrive_is_sent_again_by_itself(self):
        hook = self.webhook(503, 200)
        i = self.installation(UDON_CONN_SLACK=f"{hook.url}/x")
        i.dag("a", "dag: a\non_success: {webhook: slack, text: done}\ntasks:\n  t: {operator: empty}\n")
        i.start()
        i.udon("dags", "trigger", "a", "--run-id", "r1", "--wait")
        [row] = self.settled(i, 1)
        self.assertEqual((row["state"], row["sends"]), ("sent", 2))
        self.assertEqual(len(set(hook.keys())), 1)

    def test_killed_while_sending_it_is_unknown_and_not_sent_again_unless_so_asked(self):
        left, resent = self.webhook("hold", 200), self.webhook("hold", 200)
        i = self.installation(UDON_CONN_LEFT=f"{left.url}/x", UDON_CONN_RESENT=f"{resent.url}/x")
        i.dag("a", """
dag: a
tasks:
  t:
    operator: empty
    on_success:
      - {webhook: left, text: a}
      - {webhook: resent, text: b, when_unknown: resend}
""")
        i.start()
        i.udon("dags", "trigger", "a", "--run-id", "r1", "--wait")
        until("both are on their way", lambda: left.got and resent.got)
        self.assertEqual(len(self.told(i, state="sending")), 2)
        i.stop(signal.SIGKILL)
        i.start()
        rows = {r["connection_id"]: r for r in self.settled(i, 2)}
        self.assertEqual(rows["left"]["state"], "unknown")
        self.assertIn("it may have arrived", rows["left"]["note"])
        self.assertEqual(rows["resent"]["state"], "sent")
        self.assertEqual(len(left.got), 1)
        self.assertEqual(len(resent.got), 2)
        self.assertEqual(len(set(resent.keys())), 1)
        # What was acknowledged stays so over further deaths.
        i.stop(signal.SIGKILL)
        i.start()
        self.settled(i, 2)
        self.assertEqual((len(left.got), len(resent.got)), (1, 2))

    def test_a_mail_in_korean_over_verified_tls(self):
        i = self.installation()
        key, cert = certificate(i.root)
        good, cut = Mailbox(key, cert), Mailbox(key, cert, after_data=None)
        self.addCleanup(good.close)
        self.addCleanup(cut.close)
        uri = "smtp://udon:p%C3%A4ssword-1@localhost:{}?from=udon%40example.com&ssl_ca=" + str(cert)
        i.environment |= {"UDON_CONN_MAIL": uri.format(good.port), "UDON_CONN_CUT": uri.format(cut.port),
                          "UDON_CONN_WRONG": uri.format(good.port).replace("ssword", "ss"),
                          "UDON_CONN_STRANGE": uri.format(good.port).replace(str(cert), "/etc/ssl/certs/ca-certificates.crt")}
        i.dag("mails", """
dag: mails
tasks:
  보고:
    operator: bash
    command: "echo 합계가 맞지 않는다 >&2; exit 4"
    on_failure:
      - {email: mail, to: ["데이터 팀 <data@example.com>", ops@example.com], subject: "주문 적재가 실패했습니다: {{ ti.task_id }} — 확인이 필요합니다, 이것은 긴 제목입니다",
         text: "이유: {{ exception }}\\n"}
      - {email: cut, to: data@example.com}
      - {email: wrong, to: data@example.com}
      - {email: strange, to: data@example.com}
      - {email: mail, to: nobody@example.com}
""")
        i.start()
        i.udon("dags", "trigger", "mails", "--run-id", "r1", "--wait", code=1)
        rows = self.settled(i, 5)
        by_index = {int(r["key"].split("-")[4]): r for r in rows}
        self.assertEqual([by_index[n]["state"] for n in range(5)], ["sent", "unknown", "failed", "failed", "failed"], rows)
        self.assertIn("login or password", by_index[2]["note"])
        self.assertIn("certificate", by_index[3]["note"])
        self.assertNotIn("ssword-1", json.dumps(rows, ensure_ascii=False))
        self.assertEqual((len(good.mails), len(cut.mails), good.secure), (1, 1, [True]))
        mail = email.message_from_bytes(good.mails[0], policy=email.policy.default)
        self.assertEqual(mail["Subject"], "주문 적재가 실패했습니다: 보고 — 확인이 필요합니다, 이것은 긴 제목입니다")
        self.assertEqual([a.addr_spec for a in mail["To"].addresses], ["data@example.com", "ops@example.com"])
        self.assertEqual(mail["To"].addresses[0].display_name, "데이터 팀")
        self.assertIn("이유: exit code 4", mail.get_content())
        self.assertIn(by_index[0]["key"], mail["Message-ID"])

    def test_a_command_gets_words_and_context_and_is_ended_in_time(self):
        i = self.installation()
        i.dag("c", """
dag: c
tasks:
  t:
    operator: empty
    on_success:
      - {command: [sh, -c, 'cat > "$WORK/context"; echo "$1" > "$WORK/words"; touch "$WORK/done"', sh, "{{ ti.task_id }}; $(touch x) '끝'"]}
      - {command: [sh, -c, 'echo broken >&2; exit 7'], retries: 0}
      - {command: [sleep, '1000'], timeout: 300ms}
      - {command: [/no/such/program]}
""")
        i.start()
        i.udon("dags", "trigger", "c", "--run-id", "r1", "--wait")
        rows = {int(r["key"].split("-")[4]): r for r in self.settled(i, 4)}
        self.assertEqual([rows[n]["state"] for n in range(4)], ["sent", "failed", "unknown", "failed"], rows)
        self.assertIn("exit code 7: broken", rows[1]["note"])
        self.assertEqual(i.wait_for_mark("words"), "t; $(touch x) '끝'\n")
        context = json.loads((i.work / "context").read_text())
        self.assertEqual((context["event"], context["ti"]["state"], context["run_id"]), ("success", "success", "r1"))
        status, answer = i.call("GET", "/api/udon/notifications?state=failed&dag_id=c&limit=1", token=i.login())
        self.assertEqual((status, answer["total_entries"], len(answer["notifications"])), (200, 2, 1))


if __name__ == "__main__":
    unittest.main()
