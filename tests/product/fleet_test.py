#!/usr/bin/env python3
"""Fleets: the tables of real databases against the files that git has, and a run of all of them in which one fails alone."""
import json
import os
import pathlib
import re
import secrets
import sys
import base64
import unittest
import urllib.parse

import yaml

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/data"))
import lake  # noqa: E402
from installation import Installation, until  # noqa: E402

MARIA = """
drop database if exists fleet_test; create database fleet_test character set utf8mb4; use fleet_test;
create table orders (id bigint unsigned primary key, buyer_email varchar(255), amount decimal(12,2), memo text) engine=InnoDB;
create table `주문 내역` (`번호` int, `이메일` varchar(80), `select` int, `a.b``c` int, primary key (`번호`, `select`)) engine=InnoDB;
create table `dotted.name` (id int primary key) engine=InnoDB;
create table USERS (other int primary key) engine=InnoDB;
create table users (id int primary key, EMAIL varchar(80), password_hash varchar(60), wide decimal(65,30)) engine=InnoDB;
create table carts_tmp (id int primary key) engine=InnoDB;
create table no_key (a int) engine=InnoDB;
create view order_view as select id from orders;
insert into orders values (1, 'a@우동.한국', 1.50, 'x'), (2, null, 2.25, null);
insert into `주문 내역` values (1, 'b@c', 2, 3);
insert into users values (1, 'c@d', 'secret-hash', 12345678901234567890123456789012345.5);
"""
POSTGRES = """
drop schema if exists fleet_test cascade; create schema fleet_test;
create table fleet_test.events (id bigint primary key, at timestamptz, user_email text) partition by range (id);
create table fleet_test.events_1 partition of fleet_test.events for values from (0) to (100);
create materialized view fleet_test.totals as select 1 as n;
"""
DAG = """
dag: market
schedule: none
tasks:
  export:
    operator: replica_export
    expand:
      item:
        tables:
          connection: maria
          except: "%_TMP"
          policies:
            - {{column: "%email%", mask: hmac_sha256}}
            - {{column: "password%", leave_out: true}}
            - {{source_type: "decimal(65,%", type: string}}
          defaults: {{timezone: Asia/Seoul}}
          overrides:
            orders: {{columns: {{amount: {{as: amount_krw}}}}, timezone: UTC}}
            no_key: {{leave_out: true}}
          file: fleets/maria.tables.yaml
    connection: "{{{{ item.connection }}}}"
    table: "{{{{ item.table }}}}"
    columns: "{{{{ item.columns }}}}"
    timezone: "{{{{ item.timezone }}}}"
    mask_key: mask
    to: "{to}/{{{{ map_index }}}}/"
"""
EVENTS = """
dag: events
schedule: none
tasks:
  - task_id: export
    operator: replica_export
    expand: {item: {tables: {connection: pg, like: "fleet_test.%", policies: [{column: "%email%", mask: hmac_sha256}], file: events.tables.yaml}}}
    connection: pg
    table: "{{ item.table }}"
    columns: "{{ item.columns }}"
    mask_key: mask
    to: /tmp/nowhere
"""


class Fleet(unittest.TestCase):
    maxDiff = 6000

    @classmethod
    def setUpClass(cls):
        cls.maria, cls.pg = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres"))
        cls.maria.run(MARIA)
        cls.pg.run(POSTGRES)
        key = urllib.parse.quote(base64.b64encode(os.urandom(32)).decode(), safe="")
        cls.i = Installation(UDON_CONN_MARIA=cls.maria.url.rsplit("/", 1)[0] + "/fleet_test", UDON_CONN_PG=cls.pg.url,
                             UDON_CONN_MASK=f"generic://:{key}@/")
        cls.to = cls.i.work / "lake"
        cls.i.dag("market", DAG.format(to=cls.to))
        (cls.i.dags / "fleets").mkdir()

    @classmethod
    def tearDownClass(cls):
        cls.i.__exit__(None)

    def changes(self, *words, code=0):
        fleets = self.i.json("fleet", "plan", *words, code=code)["fleets"]
        return {(f["dag_id"], c["change"], c["table"]): c["details"] for f in fleets for c in f["changes"]}

    def test_1_the_first_plan_writes_what_the_rules_give(self):
        i = self.i
        i.udon("dags", "check", code=1)
        checked = i.run("dags", "check").stdout
        self.assertIn("`udon fleet plan --write` makes it", checked)
        plan = i.udon("fleet", "plan", code=1)
        self.assertIn("market.export: 5 tables; since fleets/maria.tables.yaml: 5 added", plan)
        self.assertIn("\n+    - {name: buyer_email, mask: hmac_sha256}\n", plan)
        self.assertFalse((i.dags / "fleets/maria.tables.yaml").exists(), "a plan writes nothing")
        self.assertIn("written: ", i.udon("fleet", "plan", "--write"))
        entries = {e["table"]: e for e in yaml.safe_load((i.dags / "fleets/maria.tables.yaml").read_text())}
        self.assertEqual(sorted(entries), ["USERS", "`dotted.name`", "`주문 내역`", "orders", "users"])
        self.assertEqual(entries["orders"], {
            "table": "orders", "connection": "maria", "timezone": "UTC",
            "columns": ["id", {"name": "buyer_email", "mask": "hmac_sha256"}, {"name": "amount", "as": "amount_krw"}, "memo"],
            "key": ["id"], "seen": {"id": "bigint(20) unsigned", "buyer_email": "varchar(255)", "amount": "decimal(12,2)", "memo": "text"}})
        self.assertEqual(entries["users"]["columns"], ["id", {"name": "EMAIL", "mask": "hmac_sha256"}, {"name": "wide", "type": "string"}])
        self.assertIn("password_hash", entries["users"]["seen"])
        self.assertEqual(entries["USERS"]["columns"], ["other"])
        self.assertEqual(entries["`주문 내역`"]["columns"], ["번호", "이메일", "select", "a.b`c"])
        self.assertEqual(entries["`주문 내역`"]["key"], ["번호", "select"])
        i.udon("dags", "check")
        self.assertEqual(i.udon("fleet", "plan").splitlines()[0], "market.export: 5 tables, as fleets/maria.tables.yaml has them")
        # The written file is itself again.
        before = (i.dags / "fleets/maria.tables.yaml").read_bytes()
        i.udon("fleet", "plan", "--write")
        self.assertEqual((i.dags / "fleets/maria.tables.yaml").read_bytes(), before)

    def test_2_all_tables_are_exported_and_one_fails_alone(self):
        i = self.i
        i.start()
        self.maria.run("alter table users drop wide, add wide geometry; insert into orders values (3, 'x', 3, 'new')", "fleet_test")
        i.udon("dags", "trigger", "market", "--run-id", "one", "--wait", code=1)
        states = [instance["state"] for (_, _), instance in sorted(i.instances("market", "one").items())]
        self.assertEqual(sorted(states), ["failed", "success", "success", "success", "success"])
        groups = i.json("fleet", "failures", "market", "one")["failures"]
        self.assertEqual([g["count"] for g in groups], [1])
        self.assertIn("wide", groups[0]["cause"])
        rows = {p.name: lake.pq.read_table(p / "part-00000.parquet") for p in sorted(self.to.iterdir())}
        by_columns = {tuple(t.column_names): t for t in rows.values()}
        orders = by_columns["id", "buyer_email", "amount_krw", "memo"]
        self.assertEqual(orders.num_rows, 3)
        self.assertRegex(orders["buyer_email"][0].as_py(), "^[0-9a-f]{64}$")
        self.assertEqual(by_columns["번호", "이메일", "select", "a.b`c"].to_pylist(), [{"번호": 1, "이메일": "b@c", "select": 2, "a.b`c": 3}])
        self.maria.run("alter table users drop wide, add wide decimal(65,30)", "fleet_test")
        # Forty of one cause are one line.
        (i.dags / "many.yaml").write_text("""
dag: many
schedule: none
tasks:
  export:
    operator: replica_export
    expand: {item: [orders_a, orders_b, orders_c]}
    connection: maria
    table: "missing_{{ item }}"
    columns: "*"
    to: "/tmp/{{ item }}"
  other: {operator: bash, command: exit 3}
""")
        until("it is loaded", lambda: i.run("dags", "show", "many").returncode == 0)
        i.udon("dags", "trigger", "many", "--run-id", "r", "--wait", code=1)
        groups = i.json("fleet", "failures", "many")["failures"]
        self.assertEqual([(g["count"], g["instances"]) for g in groups], [(3, ["export[0]", "export[1]", "export[2]"]), (1, ["other"])])
        self.assertEqual(groups[1]["cause"], "exit code 3")

    def test_3_what_changes_in_the_database_or_the_rules_is_shown(self):
        self.maria.run("""alter table orders add gift_note varchar(20), modify amount decimal(14,2), drop memo;
            create table coupons (id int primary key, code varchar(20)); drop table `dotted.name`""", "fleet_test")
        found = self.changes(code=1)
        self.assertEqual(found["market", "added", "coupons"], [])
        self.assertEqual(found["market", "dropped", "`dotted.name`"], [])
        self.assertEqual(found["market", "changed", "orders"], [
            "column `amount`: decimal(12,2) → decimal(14,2)", "+ column `gift_note` varchar(20)", "- column `memo` text"])
        self.assertEqual(len(found), 3)
        (self.i.dags / "market.yaml").write_text(DAG.format(to=self.to).replace('"password%", leave_out: true', '"passwort%", leave_out: true'))
        found = self.changes(code=1)
        self.assertEqual(found["market", "changed", "users"], ["`password_hash` is taken now: password_hash"])
        self.assertIn("no column matches", self.i.told)
        self.i.udon("fleet", "plan", "market", "--write")
        self.i.udon("fleet", "plan")

    def test_4_mistakes_are_told(self):
        i = self.i
        text = DAG.format(to=self.to)
        for change, words in {
                ("orders: {columns: {amount:", "ordrs: {columns: {amount:"): "no table `ordrs`; did you mean `orders`?",
                ("columns: {amount:", "columns: {amont:"): "no column `amont`; did you mean `amount`?",
                ("as: amount_krw", "as: id"): "are both `id`",
                ("connection: maria", "connection: absent"): "udon connections add absent"}.items():
            (i.dags / "market.yaml").write_text(text.replace(*change, 1))
            i.udon("fleet", "plan", code=1)
            self.assertIn(words, i.told)
        (i.dags / "market.yaml").write_text(text.replace("except:", "exept:"))
        self.assertIn("exept", i.run("dags", "check").stdout)
        (i.dags / "market.yaml").write_text(text.replace('except: "%_TMP"', 'except: "{{ ds }}"'))
        self.assertIn("no templates here", i.run("dags", "check").stdout)
        (i.dags / "market.yaml").write_text(text)
        i.udon("fleet", "plan", "absent", code=1)
        self.assertIn("DAG `absent` has no task", i.told)

    def test_5_postgres_with_partitions_and_without_rights(self):
        i = self.i
        i.dag("events", EVENTS)
        i.udon("fleet", "plan", "events", "--write")
        entries = yaml.safe_load((i.dags / "events.tables.yaml").read_text())
        self.assertEqual([(e["table"], e["columns"], e["key"]) for e in entries], [
            ("fleet_test.events", ["id", "at", {"name": "user_email", "mask": "hmac_sha256"}], ["id"])])
        self.assertEqual(entries[0]["seen"]["at"], "timestamp with time zone")

    def test_6_a_thousand_tables_are_one_plan(self):
        self.maria.run("drop database if exists fleet_many; create database fleet_many; use fleet_many;" +
                       "".join(f"create table t{n:04} ({', '.join(f'c{c} int' for c in range(20))}) engine=MEMORY;" for n in range(1000)))
        self.i.environment["UDON_CONN_MANY"] = self.maria.url.rsplit("/", 1)[0] + "/fleet_many"
        self.i.dag("thousand", """
dag: thousand
schedule: none
tasks:
  export:
    operator: empty
    expand: {item: {tables: {connection: many, file: thousand.tables.yaml}}}
""")
        self.i.udon("fleet", "plan", "thousand", "--write")
        self.assertEqual(len(yaml.safe_load((self.i.dags / "thousand.tables.yaml").read_text())), 1000)
        self.i.udon("dags", "check", str(self.i.dags / "thousand.yaml"))
        self.assertEqual(self.changes("thousand"), {})
        self.maria.run("drop database fleet_many")


if __name__ == "__main__":
    unittest.main(verbosity=2)
