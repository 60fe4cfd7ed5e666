#!/usr/bin/env python3
"""The example of each operator's help page, as it stands there, on a real installation with real servers."""
import base64
import datetime
import gzip
import http.server
import json
import os
import pathlib
import re
import sys
import threading
import unittest
import urllib.parse

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/data"))
import lake  # noqa: E402
from installation import Installation, until  # noqa: E402

OPERATORS = sorted(p.parent.name for p in SOURCE.glob("plugins/*/operator.json"))
ORDERS = """
create database if not exists market character set utf8mb4; use market;
create or replace table orders (id bigint primary key, email varchar(80), amount decimal(12,2), created_at datetime(6)) engine=InnoDB;
insert into orders select seq, concat('user', seq, '@우동.한국'), seq * 1.25, utc_timestamp(6) + interval 9 hour - interval seq hour from seq_1_to_96;
"""


# What the examples of trigger_dag_run and wait_for_task speak of.
OTHERS = """dag: reports
params:
  day: {type: string}
tasks:
  report: {operator: empty}
---
dag: orders
tasks:
  export: {operator: empty}
"""


def example_of(operator):
    blocks = re.findall(r"^```yaml\n(.*?)^```", (SOURCE / "plugins" / operator / "README.md").read_text(), re.M | re.S)
    dags = [b for b in blocks if b.startswith("dag: ")]
    assert len(dags) == 1, f"plugins/{operator}/README.md has {len(dags)} examples that are whole DAG files"
    return dags[0]


class Api(http.server.BaseHTTPRequestHandler):
    """What the examples of `http` and `http_job` talk with."""
    seen, keys = [], set()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        is_job = self.path.startswith("/market/v1/jobs")
        if is_job:
            self.keys.add(self.headers.get("Idempotency-Key"))
        else:
            self.seen.append((self.command, self.path, self.headers.get("Idempotency-Key"), json.loads(body or "null")))
        is_known = self.headers.get("Authorization") == "Bearer example-token"
        content = json.dumps({"id": "7", "state": "FINISHED"} if is_job else {"state": "final", "rates": {"USD": 1380.5, "JPY": 9.1}}).encode()
        self.send_response((201 if self.command == "POST" else 200) if is_known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


class ReadmeExamples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        maria, store = lake.start("mariadb"), lake.start("s3")
        cls.store = lake.Store(store)
        cls.store.bucket("udon-lake")
        lake.MariaDb(maria).run(ORDERS)
        cls.api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=cls.api.serve_forever, daemon=True).start()
        key = urllib.parse.quote(base64.b64encode(os.urandom(32)).decode(), safe="")
        cls.i = Installation(UDON_CONN_MARKET_PRIMARY=maria["UDON_MARIADB_URL"].rsplit("/", 1)[0] + "/market",
                             UDON_CONN_MARKET_REPLICA=maria["UDON_MARIADB_REPLICA_URL"].rsplit("/", 1)[0] + "/market",
                             UDON_CONN_MARKET_API=f"http://:example-token@127.0.0.1:{cls.api.server_address[1]}/market",
                             UDON_CONN_LAKE=cls.store.uri(), UDON_CONN_LAKE_MASK=f"generic://:{key}@/")
        (cls.i.dags / "partner").mkdir()
        (cls.i.dags / "partner/prices.csv").write_text((SOURCE / "dags/partner/prices.csv").read_text())
        (cls.i.dags / "partner/settlement.csv").write_text("id,won\n1,1000\n")
        for operator in OPERATORS:
            cls.i.dag(operator, example_of(operator))
        cls.i.dag("others", OTHERS)
        replica = lake.MariaDb(maria, "UDON_MARIADB_REPLICA_URL")
        until("the replica has the orders", lambda: replica.run("select count(*) from information_schema.tables where table_schema = 'market' and table_name = 'orders'") == "1\n"
              and replica.run("select count(*) from market.orders") == "96\n")
        cls.i.udon("dags", "check")
        assert "warning" not in cls.i.told, cls.i.told
        cls.i.start()

    @classmethod
    def tearDownClass(cls):
        cls.i.__exit__(None)
        cls.api.shutdown()

    def run_example(self, operator, skipped=()):
        """The XComs of its run, by task. One that is scheduled runs by itself, and then once more by hand."""
        example = example_of(operator)
        dag = re.match(r"dag: (\S+)", example).group(1)
        runs = ["manual"]
        if "start_date:" in example:
            runs.insert(0, until(f"{dag} is scheduled", lambda: self.i.json("runs", "list", dag)["dag_runs"])[0]["dag_run_id"])
        for run in runs:
            if run == "manual":
                self.i.udon("dags", "trigger", dag, "--run-id", run, "--wait")
            else:
                self.i.udon("runs", "wait", dag, run)
            states = {task: t["state"] for (task, _), t in self.i.instances(dag, run).items()}
            self.assertEqual({task for task, state in states.items() if state == "skipped"}, set(skipped), states)
            self.assertLessEqual(set(states.values()), {"success", "skipped"}, states)

        def value(task):
            return self.i.json("tasks", "xcom", dag, "manual", task, "return_value")["value"]
        return dag, value

    def test_archive(self):
        _, value = self.run_example("archive")  # of other months than this one, which has the orders
        self.assertEqual((value("old_orders")["rows"], value("old_orders")["deleted"]), (0, 0))

    def test_bash(self):
        _, value = self.run_example("bash")
        self.assertIn("Good morning, Udon Market", value("greet"))

    def test_branch(self):
        _, value = self.run_example("branch", skipped=["load_all"])
        self.assertEqual(value("how"), ["load_delta", "note"])

    def test_trigger_dag_run(self):
        _, value = self.run_example("trigger_dag_run")
        self.assertEqual(value("reports"), {"dag_id": "reports", "run_id": "after_manual", "state": "success"})

    def test_wait_for_task(self):
        run = until("it is scheduled", lambda: self.i.json("runs", "list", "reports_at_six")["dag_runs"])[0]
        at_six = datetime.datetime.fromisoformat(run["logical_date"].replace("Z", "+00:00"))
        self.i.udon("dags", "trigger", "orders", "--run-id", "at_one", "--logical-date", (at_six - datetime.timedelta(hours=5)).isoformat())
        self.i.udon("runs", "wait", "reports_at_six", run["dag_run_id"])

    def test_wait_until(self):
        _, value = self.run_example("wait_until")
        self.assertTrue(value("clocks_agree"))

    def test_short_circuit(self):
        _, value = self.run_example("short_circuit")
        self.assertEqual(value("any_rows"), True)

    def test_empty(self):
        self.run_example("empty")

    def test_http(self):
        _, value = self.run_example("http")
        self.assertEqual(value("rates")["rates"], {"USD": 1380.5, "JPY": 9.1})
        told = [r for r in Api.seen if r[2] == "manual"]
        self.assertEqual(told, [("POST", "/market/v1/messages", "manual", {"text": "우동 마켓: 2개 환율"})])
        self.assertIn("GET", {r[0] for r in Api.seen})
        self.assertTrue(all(re.fullmatch(r"/market/v1/rates\?base=KRW&day=\d{4}-\d\d-\d\d", r[1]) for r in Api.seen if r[0] == "GET"))

    def test_http_job(self):
        _, value = self.run_example("http_job")
        self.assertEqual(value("aggregate"), {"id": "7", "state": "FINISHED"})
        self.assertEqual(len(Api.keys - {None}), 1)

    def answer(self, dag, task, *words):
        self.i.udon("dags", "trigger", dag, "--run-id", "manual")
        until("somebody is asked", lambda: self.i.state(dag, "manual", task) == "deferred" and self.i.run("tasks", "respond", dag, "manual", task, *words).returncode == 0)
        self.i.udon("runs", "wait", dag, "manual")
        return {task: t["state"] for (task, _), t in self.i.instances(dag, "manual").items()}

    def test_approval(self):
        states = self.answer("monthly_close", "publish_them", "--choose", "Approve")
        self.assertEqual(set(states.values()), {"success"})

    def test_human_input(self):
        states = self.answer("repair", "ask", "--choose", "stop", "--param", "reason=seen")
        self.assertEqual((states["load"], states["stop"]), ("skipped", "success"))

    def test_replica_lag(self):
        self.run_example("replica_lag")

    def test_replica_export(self):
        _, value = self.run_example("replica_export")
        orders = value("orders")
        columns, _ = lake.columns_of(self.store.read(orders["files"][0]))
        self.assertEqual(list(columns), ["id", "email", "amount_krw", "created_at"])
        self.assertEqual((len(columns["id"]), orders["rows"]), (24, 24))  # one day's
        self.assertTrue(all(re.fullmatch("[0-9a-f]{64}", e) for e in columns["email"]))

    def test_parquet_convert(self):
        _, value = self.run_example("parquet_convert")
        prices = value("prices")
        columns, schema = lake.columns_of(self.store.read(prices["files"][0]))
        self.assertEqual(str(schema.field("price").type), "decimal128(12, 2)")
        self.assertEqual(len(columns["sku"]), prices["rows"])

    def test_csv_export(self):
        _, value = self.run_example("csv_export")
        orders = value("for_the_accountants")
        text = self.store.read(orders["files"][0]).decode("utf-8-sig")
        self.assertEqual((text.splitlines()[0], text.count("\r\n"), orders["rows"]), ("id,금액,created_at", 25, 24))
        by_day = gzip.decompress(self.store.read(value("by_day")["files"][0])).decode()
        self.assertEqual(sum(int(line.split(",")[1]) for line in by_day.splitlines()[1:]), 96)

    def test_s3_upload(self):
        _, value = self.run_example("s3_upload")
        self.assertEqual(self.store.read(value("partner_file")["uri"]), b"id,won\n1,1000\n")

    def test_s3_copy(self):
        for name in ("orders.csv", "items.csv", "notes.txt"):
            self.store.write(f"s3://udon-lake/incoming/{name}", name.encode())
        _, value = self.run_example("s3_copy")
        csv = [name for name in self.store.names("s3://udon-lake/incoming/") if name.endswith(".csv")]
        self.assertEqual((value("to_archive")["objects"], value("to_archive")["by_the_store"]), (len(csv), True))
        self.assertEqual(self.store.read(value("to_archive")["uri"] + "items.csv"), b"items.csv")

    def test_s3_delete(self):
        for name in ("incoming/orders.csv", "reports/tmp/young.csv"):
            self.store.write(f"s3://udon-lake/{name}", b"x")
        _, value = self.run_example("s3_delete")
        self.assertEqual((value("old_reports")["deleted"], value("handed_over")["deleted"]), (0, 2))
        self.assertEqual(self.store.names("s3://udon-lake/incoming/orders.csv"), [])

    def test_s3_key(self):
        for name in ("a", "b"):
            self.store.write(f"s3://udon-lake/incoming/partner_{name}.csv", b"x")
        _, value = self.run_example("s3_key")
        self.assertEqual(value("partner_files")["count"], 2)

    def test_s3_lifecycle(self):
        self.store.client.delete_bucket_lifecycle(Bucket="udon-lake")
        _, value = self.run_example("s3_lifecycle")
        self.assertEqual((value("lake_rules")["added"], value("lake_rules")["rules"]), (["old-reports"], 1))

    def test_sql(self):
        _, value = self.run_example("sql")
        self.assertEqual([r["orders"] for r in value("daily_sales")], [24])
        lines = self.store.read(value("report")["files"][0]).decode().splitlines()
        self.assertEqual(lines[0], "day,orders,amount")
        self.assertIn(",".join(str(v) for v in value("daily_sales")[0].values()), lines)

    def test_certificate_verify(self):
        _, value = self.run_example("certificate_verify")
        audit = value("audit")
        self.assertEqual((audit["same"], audit["files"]["same"], audit["source"]["same"]), (True, True, True))
        self.assertEqual(audit["certificate"], value("export")["certificate"]["id"])

    def test_connection_test(self):
        _, value = self.run_example("connection_test")
        self.assertEqual((value("replica_is_good")["ok"], value("lake_is_good")["ok"]), (True, True))
        self.assertEqual({c["feature"] for c in value("replica_is_good")["checks"]}, {"export", "split", "lag"})

    def test_sql_check(self):
        _, value = self.run_example("sql_check")
        self.assertEqual(value("enough"), {"orders": "96"})
        self.assertEqual(value("replica_has_it_all"), {"rows": 96})

    def test_tables(self):
        _, value = self.run_example("tables")
        orders = next(t for t in value("all_tables") if t["table"] == "orders")
        self.assertEqual(orders["columns"], ["id", {"name": "email", "mask": "hmac_sha256"}, {"name": "amount", "as": "amount_krw"}, "created_at"])
        index = value("all_tables").index(orders)
        exported = self.i.json("tasks", "xcom", "tables_example", "manual", "export", "return_value", "--map-index", str(index))["value"]
        self.assertEqual((exported["rows"], "/market/orders/" in exported["files"][0]), (96, True))

    def test_each_operator_has_a_test_here(self):
        self.assertEqual(OPERATORS, sorted(name.removeprefix("test_") for name in dir(self) if name.removeprefix("test_") in OPERATORS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
