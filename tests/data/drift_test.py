#!/usr/bin/env python3
"""Columns that come, go and change between two exports, through udon standalone, with MariaDB and PostgreSQL, in a folder
and in S3: what is exported, what stops the export, and what the message says."""
import json
import os
import pathlib
import secrets
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
import manifest_schema  # noqa: E402
from installation import Installation, until  # noqa: E402

DAG = """
dag: {dag}
tasks:
  export:
    operator: replica_export
    connection: {connection}
    table: drift_test.{table}
    to: "{to}"
    {more}
"""


class Drift(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.maria, cls.postgres = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres"))
        cls.store = lake.Store(lake.start("s3"))
        cls.maria.run("drop database if exists drift_test; create database drift_test character set utf8mb4;")
        cls.postgres.run("drop schema if exists drift_test cascade; create schema drift_test;")
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        cls.installation = Installation(UDON_CONN_MARIA=cls.maria.url, UDON_CONN_PG=cls.postgres.url, **cls.store.environment())
        cls.installation.start()
        cls.lake = f"s3://{cls.store.bucket('udon-drift')}/{secrets.token_hex(4)}"
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.installation.__exit__(None)

    def export(self, connection, table, to, *more, fails=False):
        Drift.count += 1
        i, dag = self.installation, f"drift_{Drift.count}"
        i.dag(dag, DAG.format(dag=dag, connection=connection, table=table, to=to, more="\n    ".join(more)))
        i.udon("dags", "check", str(i.dags / f"{dag}.yaml"))
        until(f"{dag} is loaded", lambda: i.run("dags", "show", dag).returncode == 0)
        i.udon("dags", "trigger", dag, "--run-id", "r", "--wait", code=1 if fails else 0)
        log = i.udon("tasks", "logs", dag, "r", "export")
        if fails:
            return log
        value = i.json("tasks", "xcom", dag, "r", "export", "return_value")["value"]
        place = self.store if to.startswith("s3://") else lake.Folder()
        manifest = json.loads(place.read(value["manifest"]))
        schema = json.loads((lake.SOURCE / "docs/manifest.schema.json").read_text())
        self.assertEqual(list(manifest_schema.problems(manifest, schema)), [])
        columns, types = lake.columns_of(place.read(value["files"][0]))
        return columns, types, log

    def test_columns_come_and_go(self):
        for connection, database, text in (("maria", self.maria, "varchar(40)"), ("pg", self.postgres, "text")):
            for to in (f"{self.lake}/{connection}/dt=2026-01-0", f"{self.installation.root}/lake/{connection}/dt=2026-01-0"):
                with self.subTest(connection=connection, to=to):
                    database.run("drop table if exists drift_test.orders; "
                                 f"create table drift_test.orders (id int primary key, 이름 {text}, amount int);"
                                 "insert into drift_test.orders values (1, '우동', 5);")
                    listed, all_columns = "columns: [id, 이름]", "columns: '*'"
                    self.export(connection, "orders", to + "1/", listed)
                    columns, _, _ = self.export(connection, "orders", to + "2-all/", all_columns, "leave_out: [amount]")
                    self.assertEqual(list(columns), ["id", "이름"])
                    database.run(f"alter table drift_test.orders add column phone {text};")
                    # The folder of the day before is the last result.
                    told = self.export(connection, "orders", to + "3/", listed, "on_new_column: error", fails=True)
                    for words in (f"`phone` ({text}) is new", "leave_out: [phone]", "column  before", "<-"):
                        self.assertIn(words, told)
                    columns, _, _ = self.export(connection, "orders", to + "3/", listed, "leave_out: [phone]", "on_new_column: error")
                    self.assertEqual(list(columns), ["id", "이름"])
                    columns, _, log = self.export(connection, "orders", to + "4/", all_columns)
                    self.assertEqual(columns, {"id": [1], "이름": ["우동"], "amount": [5], "phone": [None]})
                    self.assertIn("and exported: `amount`, `phone`", log)

                    database.run("alter table drift_test.orders rename column 이름 to 성명;")
                    told = self.export(connection, "orders", to + "5/", all_columns, fails=True)
                    self.assertIn("`이름` is gone, and `성명` of the same type is new: renamed?", told)
                    self.assertIn("columns: [id, amount, phone, {name: 성명, as: 이름}]", told)
                    columns, _, _ = self.export(connection, "orders", to + "5/", "columns: [id, {name: 성명, as: 이름}]")
                    self.assertEqual(list(columns), ["id", "이름"])
                    database.run("alter table drift_test.orders drop column 성명;")
                    told = self.export(connection, "orders", to + "6/", "columns: [id, {name: 성명, as: 이름}]", fails=True)
                    self.assertIn("`성명` is gone", told)
                    columns, _, log = self.export(connection, "orders", to + "6/", all_columns, "on_dropped_column: ignore")
                    self.assertEqual(list(columns), ["id", "amount", "phone"])
                    self.assertIn("gone from the source since the last result", log)

    def test_types_change(self):
        for connection, database, change in (("maria", self.maria, "modify n bigint"), ("pg", self.postgres, "alter n type bigint")):
            for to in (f"{self.lake}/types-{connection}/", f"{self.installation.root}/lake/types-{connection}"):
                with self.subTest(connection=connection, to=to):
                    database.run("drop table if exists drift_test.types; create table drift_test.types (id int primary key, n int, s varchar(10));"
                                 "insert into drift_test.types values (1, 5, 'a');")
                    self.export(connection, "types", to, "columns: '*'")
                    database.run(f"alter table drift_test.types {change}; "
                                 + ("alter table drift_test.types modify s varchar(20);" if connection == "maria" else "alter table drift_test.types alter s type varchar(20);"))
                    told = self.export(connection, "types", to, "columns: '*'", fails=True)
                    self.assertIn("`n` was int", told)
                    self.assertIn("on_type_change: widen", told)
                    self.assertNotIn("`s` was", told)
                    _, schema, log = self.export(connection, "types", to, "columns: '*'", "on_type_change: widen")
                    self.assertEqual(str(schema.field("n").type), "int64")
                    self.assertIn("now int64", log)
                    database.run("alter table drift_test.types " + ("modify n int" if connection == "maria" else "alter n type int") + ";")
                    for _ in range(2):  # and so it stays
                        columns, schema, _ = self.export(connection, "types", to, "columns: '*'", "on_type_change: widen")
                        self.assertEqual((str(schema.field("n").type), columns["n"]), ("int64", [5]))
                    columns, schema, _ = self.export(connection, "types", to, "columns: [id, {name: n, type: int32}, s]")
                    self.assertEqual(str(schema.field("n").type), "int32")


if __name__ == "__main__":
    unittest.main(verbosity=2)
