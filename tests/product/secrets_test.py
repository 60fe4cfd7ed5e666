#!/usr/bin/env python3
"""No secret in anything that is kept or answered: the spool, logs, the store, events, messages, XComs, the API."""
import base64
import json
import sys
import pathlib
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from caught_up import Replica  # noqa: E402
from installation import Installation, until  # noqa: E402

OF_ENVIRONMENT = "pl4nted@env/한글+%"
OF_STORE = "pl4nted&store=ü:#"
OF_SENSOR = "pl4nted-of-the-sensor"
TOKEN = "pl4nted_token?of=a variable"
KEPT = "pl4nted stored password"
SECRETS = [OF_ENVIRONMENT, OF_STORE, OF_SENSOR, TOKEN, KEPT]


def forms(secret):
    """As it is, in URLs, in JSON, and base64 as in an Authorization header or a config."""
    raw = secret.encode()
    found = {raw, urllib.parse.quote(secret).encode(), urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote_plus(secret).encode(),
             json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
             base64.b64encode(raw), base64.urlsafe_b64encode(raw), base64.b64encode(raw).rstrip(b"="), raw.hex().encode()}
    return found - {b""}


# What its user does wrong, on purpose: prints them, in every way that is common.
LEAKS = """
dag: leaks
default_args: {retries: 0}
tasks:
  prints:
    operator: bash
    env:
      ENV: "{{ conn.market.password }}"
      STORE: "{{ conn.lake.password }}"
      URI: "postgresql://reader:{{ conn.market.password | urlencode }}@db/market"
      TOKEN: "{{ var.value.api_token }}"
      KEPT: "{{ var.value.kept_password }}"
    command: |
      for value in "$ENV" "$STORE" "$TOKEN" "$KEPT"; do
        echo "it is $value"; echo "error: $value" >&2
        printf %s "$value" | base64 -w0; echo
        python3 -c 'import json, sys; print(json.dumps(sys.argv[1])); print(json.dumps(sys.argv[1], ensure_ascii=False))' "$value"
        printf '%s' "${value:0:6}"; sleep 0.05; printf '%s\\n' "${value:6}"
      done
      env
      echo "connect to $URI failed"
      touch $WORK/printed
      until [ -e $WORK/go ]; do sleep 0.02; done
      echo "connect to $URI failed"
  pushes:
    operator: bash
    env: {ENV: "{{ conn.market.password }}", TOKEN: "{{ var.value.api_token }}"}
    command: echo "$TOKEN is the token, $ENV the password"
  fails:
    operator: bash
    env: {ENV: "{{ conn.market.password }}"}
    command: "echo no luck with $ENV; exit 7"
  wrong_template:
    operator: bash
    env: {X: "{{ conn.market.password | int + conn.lake }}"}
    command: echo never
  exports:
    operator: replica_export
    connection: market
    table: orders
    columns: '*'
    to: "/nowhere/{{ ds }}"
  uploads:
    operator: s3_upload
    from: "{{ conn.market.password }}"
    to: "s3://bucket/key"
    to_connection: lake
  waits: {operator: replica_lag, connection: replica, behind_at_most: 1s, poke_interval: 20ms}
  refused: {operator: replica_lag, connection: market, behind_at_most: 1s, poke_interval: 20ms, timeout: 300ms}
"""


class Secrets(unittest.TestCase):
    def test_no_secret_is_kept_or_answered_anywhere(self):
        met = []
        replica = Replica(lambda _: bool(met), password=OF_SENSOR)
        self.addCleanup(replica.close)
        # Port 1: nobody listens, so that messages tell of a connection that failed.
        market = f"postgresql://reader:{urllib.parse.quote(OF_ENVIRONMENT, safe='')}@127.0.0.1:1/market"
        with Installation(UDON_CONN_MARKET=market, UDON_CONN_REPLICA=replica.uri("any"), UDON_VAR_API_TOKEN=TOKEN) as i:
            i.dag("leaks", LEAKS)
            i.udon("connections", "add", "lake", f"aws://key:{urllib.parse.quote(OF_STORE, safe='')}@/?region=eu-1&endpoint_url=http%3A%2F%2F127.0.0.1%3A1")
            i.udon("variables", "set", "kept_password", KEPT)
            i.start()
            token = i.login()
            i.udon("dags", "trigger", "leaks", "--run-id", "r")
            i.wait_for_mark("printed")
            until("the sensor was poked", lambda: replica.pokes > 1)
            # While they run: their requests lie in the spool, the sensor's too.
            requests = [json.loads(p.read_text().splitlines()[0]) for p in i.home.glob("spool/[!.]*/request.json")]
            self.assertTrue({"prints", "waits"} <= {r["key"]["task_id"] for r in requests}, requests)
            self.assertTrue(all((p.stat().st_mode & 0o777) == 0o600 for p in i.home.glob("spool/[!.]*/request.json")))
            self.assertIn(str(i.dags), {r["dags_folder"] for r in requests})
            self.check_files(i)
            i.mark("go")
            met.append(True)
            i.udon("runs", "wait", "leaks", "r", code=1)
            states = {task: t["state"] for (task, _), t in i.instances("leaks", "r").items()}
            self.assertEqual(states, {"prints": "success", "pushes": "success", "fails": "failed", "wrong_template": "failed", "exports": "failed",
                                      "uploads": "failed", "waits": "success", "refused": "failed"})
            log = i.udon("tasks", "logs", "leaks", "r", "prints")
            self.assertGreaterEqual(log.count("***"), 4 * 6, log)
            self.assertIn("connect to postgresql://reader:***@db/market failed", log)
            self.assertEqual(i.json("tasks", "xcom", "leaks", "r", "pushes", "return_value")["value"], "*** is the token, *** the password")
            self.check_answers(i, token)
            i.stop()
            self.check_files(i)

    def check_files(self, i):
        for file in [*i.home.rglob("*"), *i.root.glob("*.log")]:
            # What people keep for the server is their own: the secret key does not hold these either.
            if file.is_file():
                self.check(file.read_bytes(), file)

    def check_answers(self, i, token):
        run = "/api/v2/dags/leaks/dagRuns/r"
        paths = ["/api/v2/connections", "/api/v2/connections/lake", "/api/v2/variables", "/api/v2/variables/kept_password", "/api/v2/eventLogs?limit=100",
                 run, run + "/taskInstances", "/api/v2/importErrors", "/api/v2/config", "/metrics", "/api/v2/dags/leaks/details"]
        for task in i.instances("leaks", "r"):
            paths += [f"{run}/taskInstances/{task[0]}/{what}" for what in ("tries", "logs/1", "xcomEntries")]
            paths.append(f"/api/udon/dags/leaks/dagRuns/r/taskInstances/{task[0]}/-1/why")
        for path in paths:
            status, answer = i.call("GET", path, token=token)
            self.assertEqual(status, 200, (path, answer))
            self.check(json.dumps(answer, ensure_ascii=False).encode(), path)
        for words in (("connections", "list"), ("connections", "get", "lake"), ("connections", "export"), ("variables", "list"), ("config",),
                      ("tasks", "list", "leaks", "r"), ("connections", "test", "market")):
            ended = i.run(*words)
            self.check((ended.stdout + ended.stderr).encode(), words)

    def check(self, content, where):
        for secret in SECRETS:
            for form in forms(secret):
                at = content.find(form)
                self.assertEqual(at, -1, f"{where}: {content[max(0, at - 80):at + 120]!r}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
