#!/usr/bin/env python3
"""Tables in partitions, through udon standalone, with MariaDB and PostgreSQL, to a folder and to S3: a window with late
rows, a partition that has lost all its rows, values in Korean and NULL, a crash between two partitions, several readers.
Read back by DuckDB and pyarrow as tables of Hive's form."""
import json
import os
import pathlib
import secrets
import signal
import sys
import unittest

import duckdb

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
import manifest_schema  # noqa: E402
from installation import Installation, bearers, until  # noqa: E402

DAG = """
dag: {dag}
params: {{from: {{type: string, default: "2026-01-01"}}, to: {{type: string, default: "2026-01-02"}}}}
tasks:
  export:
    operator: replica_export
    connection: {connection}
    table: partition_test.{table}
    columns: [id, 가게, at]
    timezone: Asia/Seoul
    to: "{to}"
    {more}
"""
DAYS = "partition_by: [{by: at, each: day, as: dt}]"
SHOPS = "partition_by: [{by: at, each: month, as: month}, {by: 가게, as: shop}]"
WINDOW = "mode: {window: {by: at, from: '{{ params.from }}', to: '{{ params.to }}', late: 1d}}"
NONE = "__HIVE_DEFAULT_PARTITION__"


class Partitions(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.maria, cls.postgres = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres"))
        cls.store = lake.Store(lake.start("s3"))
        cls.maria.run("drop database if exists partition_test; create database partition_test character set utf8mb4;")
        cls.postgres.run("drop schema if exists partition_test cascade; create schema partition_test;")
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        cls.installation = Installation(UDON_CONN_MARIA=cls.maria.url, UDON_CONN_PG=cls.postgres.url, **cls.store.environment())
        cls.installation.start()
        cls.lake = f"s3://{cls.store.bucket('udon-partition')}/{secrets.token_hex(4)}"
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.installation.__exit__(None)

    def places(self, name):
        for connection, database, kind in (("maria", self.maria, "datetime"), ("pg", self.postgres, "timestamp")):
            for where, to in (("s3", f"{self.lake}/{name}-{connection}/"), ("folder", f"{self.installation.root}/lake/{name}-{connection}/")):
                table = f"{name}_{where}"
                database.run(f"create table partition_test.{table} (id bigint not null primary key, 가게 varchar(40), at {kind} null);")
                yield connection, database, f"partition_test.{table}", to

    def dag(self, connection, table, to, *more):
        Partitions.count += 1
        i, dag = self.installation, f"partition_{Partitions.count}"
        i.dag(dag, DAG.format(dag=dag, connection=connection, table=table.split(".")[1], to=to, more="\n    ".join(more)))
        i.udon("dags", "check", str(i.dags / f"{dag}.yaml"))
        until(f"{dag} is loaded", lambda: i.run("dags", "show", dag).returncode == 0)
        return dag

    def run_dag(self, dag, run, fails=False, **conf):
        i = self.installation
        i.udon("dags", "trigger", dag, "--run-id", run, "--conf", json.dumps(conf), "--wait", code=1 if fails else 0)
        if fails:
            return i.udon("tasks", "logs", dag, run, "export")
        return i.json("tasks", "xcom", dag, run, "export", "return_value")["value"]

    def place(self, to):
        return self.store if to.startswith("s3://") else lake.Folder()

    def names(self, to):
        """Of all files below the folder."""
        if to.startswith("s3://"):
            return self.store.names(to)
        return sorted(str(p.relative_to(to)) for p in pathlib.Path(to).rglob("*") if p.is_file())

    def result(self, to, value):
        """{folder: [ids]}, after manifests, marks, certificates and sums were seen to fit."""
        place, schema = self.place(to), json.loads((lake.SOURCE / "docs/manifest.schema.json").read_text())
        root = json.loads(place.read(to + "_manifest.json"))
        self.assertEqual(list(manifest_schema.problems(root, schema)), [])
        self.assertEqual(root["certificate"], value["certificate"])
        names = self.names(to)
        folders = {name.removesuffix("/_manifest.json") for name in names if name.endswith("/_manifest.json")}
        self.assertEqual([n for n in names if n not in ("_manifest.json", "_SUCCESS") and not any(n.startswith(f + "/") for f in folders)], [])
        found, sums = {}, {}
        for folder in sorted(folders):
            manifest = json.loads(place.read(f"{to}{folder}/_manifest.json"))
            self.assertEqual(list(manifest_schema.problems(manifest, schema)), [])
            self.assertEqual(sorted(n for n in names if n.startswith(folder + "/")),
                             sorted(f"{folder}/{n}" for n in [f["name"] for f in manifest["files"]] + ["_manifest.json", "_SUCCESS"]
                                    + (["_symlink_format_manifest/manifest"] if f"{folder}/_symlink_format_manifest/manifest" in names else [])))
            ids = []
            for file in manifest["files"]:
                ids += lake.columns_of(place.read(file["uri"]))[0]["id"]
            found[folder] = sorted(ids)
            self.assertEqual(manifest["certificate"]["rows"], len(ids))
            sums[folder] = manifest["certificate"]
        touched = [sums[p["name"]] for p in root["partitions"]]
        for number in [lambda c: int(c["row_sum"]), *(lambda c, k=k: int(c["columns"][k]["sum"]) for k in range(3))]:
            self.assertEqual(sum(map(number, touched)) % 2**64, number(root["certificate"]))
        self.assertEqual(sum(c["rows"] for c in touched), value["rows"])
        return found

    def test_late_rows_rewrite_their_days_and_no_others(self):
        for connection, database, table, to in self.places("days"):
            database.run(f"insert into {table} values (1, 'a', '2026-01-01 00:00:00'), (2, 'b', '2026-01-01 23:59:59'), (3, 'c', '2026-01-02 00:00:00');")
            database.run(f"alter table {table} " + ("modify at datetime not null" if connection == "maria" else "alter at set not null") + ";")
            dag = self.dag(connection, table, to, DAYS, WINDOW)
            value = self.run_dag(dag, "d1", **{"from": "2026-01-01", "to": "2026-01-02"})
            self.assertEqual(self.result(to, value), {"dt=2026-01-01": [1, 2]})
            value = self.run_dag(dag, "d2", **{"from": "2026-01-02", "to": "2026-01-03"})
            self.assertEqual(self.result(to, value), {"dt=2026-01-01": [1, 2], "dt=2026-01-02": [3]})
            # A late row of the first day; hours of the third, which is made whole.
            database.run(f"insert into {table} values (4, '늦은', '2026-01-02 12:00:00'), (5, 'd', '2026-01-03 01:00:00'), (6, 'e', '2026-01-03 20:00:00'), (7, 'late', '2026-01-01 05:00:00');")
            value = self.run_dag(dag, "d3", **{"from": "2026-01-03T09:00:00+09:00", "to": "2026-01-03T10:00:00+09:00"})
            self.assertEqual(self.result(to, value), {"dt=2026-01-01": [1, 2], "dt=2026-01-02": [3, 4], "dt=2026-01-03": [5, 6]})
            # A day that has lost its rows is there without any; one beyond the look-back is as it was.
            database.run(f"delete from {table} where id in (1, 3, 4);")
            value = self.run_dag(dag, "again", **{"from": "2026-01-03", "to": "2026-01-04"})
            self.assertEqual(self.result(to, value), {"dt=2026-01-01": [1, 2], "dt=2026-01-02": [], "dt=2026-01-03": [5, 6]})
            value = self.run_dag(dag, "empty", **{"from": "2026-02-03", "to": "2026-02-04"})
            self.assertEqual((value["rows"], len(self.result(to, value))), (0, 3))
            self.assertIn("has partitions by", self.run_dag(self.dag(connection, table, to, SHOPS), "r", fails=True))
            if not to.startswith("s3://"):
                rows = duckdb.sql(f"select id, dt::text from read_parquet('{to}*/*.parquet', hive_partitioning = true) order by id").fetchall()
                self.assertEqual(rows, [(1, "2026-01-01"), (2, "2026-01-01"), (5, "2026-01-03"), (6, "2026-01-03")])

    def test_values_months_and_nulls_by_several_readers(self):
        for connection, database, table, to in self.places("shops"):
            shops = ["'강남/역'", "'홍대 50%'", "null", "''"]
            rows = [f"({n}, {shops[n % 4]}, '2026-0{n % 3 + 1}-01 00:00:00')" for n in range(1, 25)] + ["(25, 'x', null)"]
            database.run(f"insert into {table} values {', '.join(rows)};")
            expected = {}
            for n in range(1, 25):
                shop = ["강남%2F역", "홍대 50%25", NONE, NONE][n % 4]
                expected.setdefault(f"month=2026-0{n % 3 + 1}/shop={shop}", []).append(n)
            expected[f"month={NONE}/shop=x"] = [25]
            dag = self.dag(connection, table, to, SHOPS, "split: {into: 2, by: id}")
            self.assertEqual(self.result(to, self.run_dag(dag, "r1")), expected)
            # All is made anew; what has no rows any more is empty.
            database.run(f"delete from {table} where id = 25;")
            expected[f"month={NONE}/shop=x"] = []
            self.assertEqual(self.result(to, self.run_dag(dag, "r2")), expected)
            few = self.dag(connection, table, to, SHOPS, "where: {sql: 'id < 3'}")
            value = self.run_dag(few, "r")
            changed = {folder: [n for n in ids if n < 3] if any(n < 3 for n in ids) else ids for folder, ids in expected.items()}
            self.assertEqual(self.result(to, value), changed)

    def test_a_try_that_is_killed_between_partitions_is_made_good(self):
        for connection, database, table, to in self.places("killed"):
            values = ", ".join(f"({n}, 'a', '2026-01-{n % 28 + 1:02} 12:00:00')" for n in range(1, 1001))
            database.run(f"insert into {table} values {values};")
            i, dag = self.installation, self.dag(connection, table, to, DAYS, "retries: 1", "retry_delay: 1s")
            tries = len(list(i.home.glob("logs/*/*-2.log")))
            i.udon("dags", "trigger", dag, "--run-id", "r")
            until("a partition is there", lambda: any(n.endswith("_manifest.json") for n in self.names(to)))
            for pid in bearers(i.work):
                try:
                    if b"udon-task" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
                        os.kill(pid, signal.SIGKILL)
                except (FileNotFoundError, ProcessLookupError):
                    pass
            i.udon("runs", "wait", dag, "r")
            self.assertEqual(len(list(i.home.glob("logs/*/*-2.log"))), tries + 1)
            value = i.json("tasks", "xcom", dag, "r", "export", "return_value")["value"]
            found = self.result(to, value)
            self.assertEqual((len(found), sorted(n for ids in found.values() for n in ids)), (28, list(range(1, 1001))))
            self.assertEqual([n for n in self.names(to) if "/." in n or n.startswith(".")], [])

    def test_what_does_not_go_together_is_refused(self):
        for connection, database, table, to in self.places("refused"):
            database.run(f"insert into {table} values (1, 'a', '2026-01-01 00:00:00');")
            for more, words in (((DAYS, "mode: {cursor: {by: at, key: id}}"), "a cursor reads only what has come"),
                                (("partition_by: [{by: 가게, as: shop}]", WINDOW), "add {by: at, each: day, as: dt}"),
                                (("partition_by: [{by: 가게, as: id}]",), "also a column of the files")):
                self.assertIn(words, self.run_dag(self.dag(connection, table, to, *more), "r", fails=True))
            self.run_dag(self.dag(connection, table, to), "r")
            self.assertIn("holds a result that has no partitions", self.run_dag(self.dag(connection, table, to, DAYS), "r", fails=True))


if __name__ == "__main__":
    unittest.main(verbosity=2)
