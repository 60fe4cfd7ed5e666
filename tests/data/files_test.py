#!/usr/bin/env python3
"""A table in several files, through udon standalone: to a folder and to S3, read back by pyarrow and by DuckDB to the
database's own rows; then fewer rows, in one file, and none."""
import decimal
import hashlib
import json
import os
import pathlib
import secrets
import sys
import unittest

import duckdb

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
import manifest_schema  # noqa: E402
from installation import Installation, until  # noqa: E402

ROWS = 120_000
DAG = """
dag: {dag}
tasks:
  export:
    operator: {operator}
    to: "{to}"
    target_file_bytes: 1MB
    memory: 32MB
    {more}
"""
SYMLINKS = "_symlink_format_manifest/manifest"


class Files(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.maria, cls.postgres = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres"))
        cls.store = lake.Store(lake.start("s3"))
        cls.maria.run("drop database if exists files_test; create database files_test character set utf8mb4; use files_test;"
                      "create table orders (id bigint not null primary key, note varchar(80), amount decimal(12,2)) engine=InnoDB;")
        cls.postgres.run("drop schema if exists files_test cascade; create schema files_test;"
                         "create table files_test.orders (id bigint primary key, note text, amount numeric(12,2));")
        environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        for name in environment:
            del os.environ[name]
        cls.installation = Installation(UDON_CONN_MARIA=cls.maria.url.rsplit("/", 1)[0] + "/files_test", UDON_CONN_PG=cls.postgres.url,
                                        **cls.store.environment())
        cls.installation.start()
        cls.lake = f"s3://{cls.store.bucket('udon-files')}/{secrets.token_hex(4)}"
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.installation.__exit__(None)

    def run_task(self, operator, to, more):
        Files.count += 1
        i, dag = self.installation, f"files_{Files.count}"
        i.dag(dag, DAG.format(dag=dag, operator=operator, to=to, more="\n    ".join(more)))
        i.udon("dags", "check", str(i.dags / f"{dag}.yaml"))
        until(f"{dag} is loaded", lambda: i.run("dags", "show", dag).returncode == 0)
        i.udon("dags", "trigger", dag, "--run-id", "r", "--wait")
        return i.json("tasks", "xcom", dag, "r", "export", "return_value")["value"]

    def rows(self, value, to):
        """The rows of all files, sorted, after manifest, marks and names were seen to fit; and the names of the files."""
        is_s3 = to.startswith("s3://")
        place = self.store if is_s3 else lake.Folder()
        manifest = json.loads(place.read(value["manifest"]))
        schema = json.loads((lake.SOURCE / "docs/manifest.schema.json").read_text())
        self.assertEqual(list(manifest_schema.problems(manifest, schema)), [])
        self.assertEqual(manifest["certificate"], value["certificate"])
        uris = [file["uri"] for file in manifest["files"]]
        self.assertEqual((uris, [f["uri"] for f in manifest["certificate"]["files"]]), (value["files"], uris))
        names = [uri.removeprefix(to) for uri in uris]
        others = ["_SUCCESS", "_manifest.json"]
        if is_s3 and (len(uris) > 1 or SYMLINKS in place.names(to)):
            others.append(SYMLINKS)
            self.assertEqual(place.read(to + SYMLINKS).decode().splitlines(), sorted(uris))
        self.assertEqual(place.names(to), sorted(names + others))
        if is_s3:
            self.assertEqual(self.store.uploads(to), [])
        rows = []
        for file in manifest["files"]:
            content = place.read(file["uri"])
            self.assertEqual((file["bytes"], file["sha256"]), (len(content), hashlib.sha256(content).hexdigest()))
            if is_s3:
                self.assertEqual(file["etag"], self.store.etag(file["uri"]))
            columns, _ = lake.columns_of(content)
            self.assertEqual(list(columns), ["id", "note", "amount"])
            self.assertEqual(len(columns["id"]), file["rows"])
            rows += zip(*columns.values())
        if not is_s3:  # as a reader of tables does
            count = duckdb.sql(f"select count(*), count(distinct id) from read_parquet('{to}*.parquet')").fetchone()
            self.assertEqual(count, (len(rows), len(rows)))
        self.assertEqual((value["rows"], manifest["certificate"]["rows"]), (len(rows), len(rows)))
        self.assertEqual(list((self.installation.home / "uploads").glob("*")), [])
        return sorted(rows), names

    def check(self, operator, to, more, expected):
        rows, names = self.rows(self.run_task(operator, to, more), to)
        self.assertEqual(len(rows), len(expected))
        self.assertEqual([pair for pair in zip(rows, expected) if pair[0] != pair[1]][:3], [])
        return names

    def places(self, name):
        return f"{self.lake}/{name}/dt=2026-01-01/", f"{self.installation.root}/lake/{name}/dt=2026-01-01/"

    def test_a_table_in_several_files_and_its_reruns(self):
        for name, database, fill, table in (
                ("maria", self.maria, f"use files_test; insert into files_test.orders select seq, concat(md5(seq), '우동', md5(-seq)), seq * 0.25 from seq_1_to_{ROWS};",
                 "files_test.orders"),
                ("pg", self.postgres, f"insert into files_test.orders select i, md5(i::text) || '우동' || md5((-i)::text), i * 0.25 from generate_series(1, {ROWS}) i;",
                 "files_test.orders")):
            for to in self.places(name):
                with self.subTest(database=name, to=to):
                    more = [f"connection: {name}", f"table: {table}", "columns: [id, note, amount]"]
                    database.run(f"delete from {table}; {fill}")
                    first = self.check("replica_export", to, more, self.expected(database, table))
                    self.assertGreater(len(first), 2)
                    again = self.check("replica_export", to, more, self.expected(database, table))
                    self.assertEqual(len(again), len(first))
                    self.assertEqual(set(again) & set(first), set() if to.startswith("s3://") else set(first))
                    database.run(f"delete from {table} where id > 3;")
                    self.assertEqual(self.check("replica_export", to, more, self.expected(database, table)), ["part-00000.parquet"])
                    database.run(f"delete from {table};")
                    self.assertEqual(self.check("replica_export", to, more, []), ["part-00000.parquet"])

    def test_a_table_read_by_several_readers(self):
        for name, database, table, fill in (
                ("maria", self.maria, "files_test.many", "use files_test; create table files_test.many (primary key (id)) engine=InnoDB as select seq as id, "
                 "concat('우동 ', md5(seq)) as note, cast(seq * 0.25 as decimal(12,2)) as amount from seq_1_to_30000;"),
                ("pg", self.postgres, "files_test.many", "create table files_test.many as select i as id, '우동 ' || md5(i::text) as note, "
                 "(i * 0.25)::numeric(12,2) as amount from generate_series(1, 30000) i;")):
            database.run(fill)
            more = [f"connection: {name}", f"table: {table}", "columns: [id, note, amount]"]
            expected = self.expected(database, table)
            for to in self.places(f"split-{name}"):
                with self.subTest(database=name, to=to):
                    one = self.run_task("replica_export", to, more)
                    self.check("replica_export", to, more + ["where: {sql: 'id < :n', n: 2}"], expected[:1])
                    value = self.run_task("replica_export", to, more + ["split: {into: 3}"])
                    rows, names = self.rows(value, to)
                    self.assertEqual(rows, expected)
                    self.assertGreaterEqual(len(names), 3)
                    self.assertRegex(value["certificate"]["mechanism"], r"^3 readers.* split: \d+ ranges of ")
                    for sums in ("rows", "row_sum", "columns"):
                        self.assertEqual(value["certificate"][sums], one["certificate"][sums])
                    self.check("replica_export", to, more + ["split: {into: 2, by: id}" if name == "maria" else "split: {into: 2}"], expected)

    @staticmethod
    def expected(database, table):
        return sorted((int(i), note, decimal.Decimal(amount)) for i, note, amount in database.rows(["id", "note", "amount"], table))

    def test_a_csv_file_in_several_files(self):
        expected = [(n, hashlib.sha256(str(n).encode()).hexdigest(), decimal.Decimal(n) / 4) for n in range(ROWS)]
        source = self.installation.dags / "orders.csv"
        source.write_text("id,note,amount\n" + "".join(f"{i},{note},{amount:.2f}\n" for i, note, amount in expected))
        for to in self.places("csv"):
            with self.subTest(to=to):
                more = ["from: orders.csv", "schema: {id: int64, note: string, amount: 'decimal(12,2)'}"]
                self.assertGreater(len(self.check("parquet_convert", to, more, expected)), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
