#!/usr/bin/env python3
"""Exports that do not read all anew, through udon standalone, with MariaDB and PostgreSQL, to a folder and to S3: by a
cursor and by windows; reruns, late rows, a crash in the middle, equal times across the border, NULLs. Read back by pyarrow
and DuckDB: every row once."""
import json
import os
import pathlib
import secrets
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
import manifest_schema  # noqa: E402
from installation import Installation, bearers, until  # noqa: E402

DAG = """
dag: {dag}
params: {{from: {{type: string, default: "2026-01-01T00:00:00Z"}}, to: {{type: string, default: "2026-01-02T00:00:00Z"}}}}
tasks:
  export:
    operator: replica_export
    connection: {connection}
    table: increment_test.{table}
    columns: [id, 이름, updated_at]
    timezone: Asia/Seoul
    to: "{to}"
    {more}
"""
CURSOR = "mode: {cursor: {by: updated_at, key: id, lag: 0s}}"
WINDOW = "mode: {window: {by: updated_at, from: '{{ params.from }}', to: '{{ params.to }}', late: 2d}}"


class Increments(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.maria, cls.postgres = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres"))
        cls.store = lake.Store(lake.start("s3"))
        cls.maria.run("drop database if exists increment_test; create database increment_test character set utf8mb4;")
        cls.postgres.run("drop schema if exists increment_test cascade; create schema increment_test;")
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        cls.installation = Installation(UDON_CONN_MARIA=cls.maria.url, UDON_CONN_PG=cls.postgres.url, **cls.store.environment())
        cls.installation.start()
        cls.lake = f"s3://{cls.store.bucket('udon-increment')}/{secrets.token_hex(4)}"
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.installation.__exit__(None)

    def places(self, name):
        """Each database, to each kind of target."""
        for connection, database, kind in (("maria", self.maria, "datetime(6)"), ("pg", self.postgres, "timestamp")):
            for where, to in (("s3", f"{self.lake}/{name}-{connection}/"), ("folder", f"{self.installation.root}/lake/{name}-{connection}/")):
                table = f"{name}_{where}"
                database.run(f"create table increment_test.{table} (id bigint not null primary key, 이름 varchar(40), updated_at {kind} not null);")
                yield connection, database, table, to

    def dag(self, connection, table, to, *more):
        Increments.count += 1
        i, dag = self.installation, f"increment_{Increments.count}"
        i.dag(dag, DAG.format(dag=dag, connection=connection, table=table, to=to, more="\n    ".join(more)))
        i.udon("dags", "check", str(i.dags / f"{dag}.yaml"))
        until(f"{dag} is loaded", lambda: i.run("dags", "show", dag).returncode == 0)
        return dag

    def run_dag(self, dag, run, fails=False, **conf):
        i = self.installation
        i.udon("dags", "trigger", dag, "--run-id", run, "--conf", json.dumps(conf), "--wait", code=1 if fails else 0)
        return i.udon("tasks", "logs", dag, run, "export") if fails else None

    def clear(self, dag, run):
        self.installation.udon("runs", "clear", dag, run)
        self.installation.udon("runs", "wait", dag, run)

    def result(self, to):
        """(rows, manifest) by the manifest, after all else was seen to fit."""
        place = self.store if to.startswith("s3://") else lake.Folder()
        manifest = json.loads(place.read(to + "_manifest.json"))
        schema = json.loads((lake.SOURCE / "docs/manifest.schema.json").read_text())
        self.assertEqual(list(manifest_schema.problems(manifest, schema)), [])
        names = [file["name"] for file in manifest["files"]]
        self.assertEqual([n for n in place.names(to) if n.endswith(".parquet")], sorted(names))
        self.assertIn("_SUCCESS", place.names(to))
        rows = []
        for file in manifest["files"]:
            columns, _ = lake.columns_of(place.read(file["uri"]))
            self.assertEqual(len(columns["id"]), file["rows"])
            rows += zip(columns["id"], columns["이름"])
        chunks = manifest["increment"]["chunks"]
        in_chunks = [name for chunk in chunks for name in chunk["files"]]
        self.assertEqual(len(in_chunks), len(set(in_chunks)))
        self.assertEqual(sum(chunk["rows"] for chunk in chunks), len(rows))
        self.assertIn("row", manifest["certificate"]["increment"]["not_seen"])
        return sorted(rows), manifest

    def test_a_cursor_adds_what_has_come_and_loses_none_at_the_border(self):
        for connection, database, table, to in self.places("cursor"):
            with self.subTest(connection=connection, to=to):
                name = f"increment_test.{table}"
                dag = self.dag(connection, table, to, CURSOR)
                self.run_dag(dag, "r0")  # an empty table
                self.assertEqual(self.result(to)[0], [])
                same = "2026-01-01 00:00:00.000001"
                database.run(f"insert into {name} values (1, '하나', '{same}'), (3, '셋', '{same}');")
                self.run_dag(dag, "r1")
                rows, manifest = self.result(to)
                self.assertEqual(rows, [(1, "하나"), (3, "셋")])
                # 09:00 on a clock in Seoul.
                self.assertEqual(manifest["increment"]["cursor"], ["2025-12-31T15:00:00.000001Z", 3])
                # Of the same time: the key decides.
                database.run(f"insert into {name} values (4, '넷', '{same}'), (5, '다섯', '2026-01-02 00:00:00');")
                self.run_dag(dag, "r2")
                self.assertEqual(self.result(to)[0], [(1, "하나"), (3, "셋"), (4, "넷"), (5, "다섯")])
                self.run_dag(dag, "r3")  # nothing new
                rows, manifest = self.result(to)
                self.assertEqual((len(rows), len(manifest["increment"]["chunks"]), manifest["certificate"]["rows"]), (4, 2, 0))
                # A rerun of the first, whose range is the same; then of the last, which goes on.
                database.run(f"insert into {name} values (2, '둘', '{same}'), (6, '여섯', '2026-01-03 00:00:00');")
                self.clear(dag, "r1")
                rows, manifest = self.result(to)
                self.assertEqual(rows, [(1, "하나"), (2, "둘"), (3, "셋"), (4, "넷"), (5, "다섯")])
                self.assertEqual(manifest["increment"]["cursor"][1], 5)
                self.clear(dag, "r2")
                self.assertEqual([i for i, _ in self.result(to)[0]], [1, 2, 3, 4, 5, 6])
                # Changed rows come again, deleted ones stay.
                database.run(f"update {name} set 이름 = 'neu', updated_at = '2026-01-04 00:00:00' where id = 1; delete from {name} where id = 2;")
                self.run_dag(dag, "r4")
                self.assertEqual(self.result(to)[0], [(1, "neu"), (1, "하나"), (2, "둘"), (3, "셋"), (4, "넷"), (5, "다섯"), (6, "여섯")])
                # What would mean something else beside what stands there.
                for change, words, folder in (("mode: {cursor: {by: updated_at, key: id, lag: 0s}}\n    where: {sql: 'id > 3'}", "where: none → id > 3", to),
                                      ("mode: {cursor: {by: updated_at, lag: 0s}}", "the primary key is (id)", to[:-1] + "-keyless/"),
                                      ("mode: {cursor: {by: updated_at, key: id, lag: 0s}}\n    where: {sql: 'id > 3) or (1 = 1'}", "a parenthesis is closed", to)):
                    self.assertIn(words, self.run_dag(self.dag(connection, table, folder, change), "r", fails=True))
                other = self.dag(connection, table, to, "mode: {cursor: {by: updated_at, key: [이름, id]}}")
                self.assertIn("and not by a cursor over (updated_at, 이름, id)", self.run_dag(other, "r", fails=True))

    def test_windows_are_replaced_and_late_rows_found(self):
        for connection, database, table, to in self.places("window"):
            with self.subTest(connection=connection, to=to):
                name = f"increment_test.{table}"
                dag = self.dag(connection, table, to, WINDOW)

                def day(n):
                    return {"from": f"2026-01-{n:02}T00:00:00+09:00", "to": f"2026-01-{n + 1:02}T00:00:00+09:00"}
                database.run(f"insert into {name} values (1, '하나', '2026-01-01 00:00:00'), (2, '둘', '2026-01-01 23:59:59.999999'), (3, '셋', '2026-01-02 00:00:00');")
                self.run_dag(dag, "d1", **day(1))
                self.assertEqual([i for i, _ in self.result(to)[0]], [1, 2])
                self.run_dag(dag, "d2", **day(2))
                self.assertEqual([i for i, _ in self.result(to)[0]], [1, 2, 3])
                # Late for the first day, one of it gone; and an empty day.
                database.run(f"insert into {name} values (4, '늦은', '2026-01-01 12:00:00'); delete from {name} where id = 2;")
                self.run_dag(dag, "d3", **day(3))
                rows, manifest = self.result(to)
                self.assertEqual([i for i, _ in rows], [1, 3, 4])
                self.assertEqual([(c["from"], c["rows"], c["run"].split()[1]) for c in manifest["increment"]["chunks"]],
                                 [("2025-12-31T15:00:00Z", 2, "d1"), ("2026-01-01T15:00:00Z", 1, "d2"), ("2026-01-02T15:00:00Z", 0, "d3")])
                # Beyond the look-back nothing is read again.
                database.run(f"delete from {name} where id = 4;")
                self.run_dag(dag, "d4", **day(4))
                self.run_dag(dag, "d9", **day(9))
                self.assertEqual([i for i, _ in self.result(to)[0]], [1, 3, 4])
                self.clear(dag, "d1")
                self.assertEqual([i for i, _ in self.result(to)[0]], [1, 3])
                self.assertIn("holds no time", self.run_dag(dag, "none", fails=True, **{"from": "2026-01-05", "to": "2026-01-05"}))

    def test_rows_that_have_no_place_are_not_lost_without_a_word(self):
        for connection, database, table, to in self.places("nulls"):
            with self.subTest(connection=connection, to=to):
                name = f"increment_test.{table}"
                database.run(f"alter table {name} " + ("modify updated_at datetime null" if connection == "maria" else "alter updated_at drop not null") + ";"
                             f"insert into {name} values (1, 'a', '2026-01-01 12:00:00'), (2, 'b', null);")
                for mode in (CURSOR, WINDOW):
                    told = self.run_dag(self.dag(connection, table, to, mode), "r", fails=True)
                    self.assertIn("column `updated_at` is NULL in some rows", told)
                dag = self.dag(connection, table, to, CURSOR, "where: {sql: updated_at is not null}")
                self.run_dag(dag, "r")
                self.assertEqual(self.result(to)[0], [(1, "a")])

    def test_a_try_that_is_killed_moves_no_cursor(self):
        for connection, database, table, to in self.places("killed"):
            with self.subTest(connection=connection, to=to):
                name, i = f"increment_test.{table}", self.installation
                many = ("with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000) "
                        if connection == "pg" else "")
                rows = (f"insert into {name} {many}select i, md5(cast(i as text)), timestamp '2026-01-01 00:00:00' + i * interval '1 second' from n;" if connection == "pg" else
                        f"insert into {name} select seq, md5(seq), timestampadd(second, seq, '2026-01-01') from seq_1_to_150000;")
                database.run(rows if connection == "pg" else "use increment_test; " + rows)
                dag = self.dag(connection, table, to, CURSOR, "memory: 16MB", "target_file_bytes: 200KB", "retries: 1", "retry_delay: 1s")
                i.udon("dags", "trigger", dag, "--run-id", "r")
                tries = len(list(i.home.glob("logs/*/*-2.log")))
                staged = lambda: next(iter(i.home.glob("staging/*/*.parquet")), None)  # noqa: E731
                until("rows are staged", staged)
                for pid in bearers(i.work):
                    try:
                        if b"udon-task" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
                            os.kill(pid, signal.SIGKILL)
                    except (FileNotFoundError, ProcessLookupError):
                        pass
                i.udon("runs", "wait", dag, "r")
                self.assertEqual(len(list(i.home.glob("logs/*/*-2.log"))), tries + 1)
                self.assertEqual(len(self.result(to)[0]), 150_000)
                self.clear(dag, "r")
                rows, manifest = self.result(to)
                self.assertEqual((len(rows), len({i for i, _ in rows}), len(manifest["increment"]["chunks"])), (150_000, 150_000, 1))

    def test_of_two_at_once_none_is_added_twice(self):
        for connection, database, table, to in self.places("rivals"):
            with self.subTest(connection=connection, to=to):
                database.run(f"insert into increment_test.{table} values (1, 'a', '2026-01-01 12:00:00'), (2, 'b', '2026-01-01 13:00:00');")
                i = self.installation
                dags = [self.dag(connection, table, to, CURSOR, "retries: 3", "retry_delay: 1s") for _ in range(2)]
                for dag in dags:
                    i.udon("dags", "trigger", dag, "--run-id", "r")
                for dag in dags:
                    i.udon("runs", "wait", dag, "r")
                self.assertEqual(self.result(to)[0], [(1, "a"), (2, "b")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
