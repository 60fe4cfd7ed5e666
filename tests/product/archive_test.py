#!/usr/bin/env python3
"""Rows out of real tables into an archive: none is deleted that the archive does not hold just as it was, whatever happens in
between: changes, kill -9, a second run, an archive that somebody touched."""
import io
import os
import pathlib
import random
import secrets
import signal
import sys
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/data"))
import lake  # noqa: E402
from installation import Installation, until  # noqa: E402

ROWS = 400
MARIA = f"""
drop table if exists children; drop table if exists logs; drop table if exists plain; drop table if exists audited; drop table if exists keyless; drop table if exists quick;
create table logs (shop varchar(20) collate utf8mb4_general_ci, at datetime(6), id bigint unsigned, name varchar(40), kind enum('a','ㄴ'),
  amount decimal(30,10), ratio float, raw varbinary(8), big longtext, hidden int invisible default 7, primary key (shop, at, id)) engine=InnoDB;
insert into logs (shop, at, id, name, kind, amount, ratio, raw, big)
  select elt(1 + seq % 4, '서울', 'busan', 'O''Brien', 'a\\\\b:c'), '2026-01-01 00:00:00.000001' + interval seq % 200 hour, 18446744073709551615 - seq,
    if(seq % 7 = 0, null, concat('이름', seq)), elt(1 + seq % 2, 'a', 'ㄴ'), seq * 1.0000000001, seq / 3, unhex(lpad(hex(seq), 4, '0')), repeat('x', seq)
  from seq_1_to_{ROWS};
"""
POSTGRES = f"""
drop schema if exists archive_test cascade; create schema archive_test; set search_path = archive_test;
create table logs (id uuid, at timestamptz, day date, name text, amount numeric(30,10), tags text[], body jsonb, raw bytea, primary key (id, day)) partition by range (day);
create table logs_1 partition of logs for values from ('2026-01-01') to ('2026-02-01');
create table logs_2 partition of logs for values from ('2026-02-01') to ('2027-01-01');
insert into logs select md5(n::text)::uuid, '2026-01-01'::timestamptz + n * interval '1 hour', '2026-01-01'::date + n % 60, case when n % 7 > 0 then '이름' || n end,
  n * 1.0000000001, array['a', n::text, null], jsonb_build_object('n', n), decode(lpad(to_hex(n), 4, '0'), 'hex') from generate_series(1, {ROWS}) n;
"""


class Archive(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.maria, cls.pg = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres"))
        cls.maria.run("create database if not exists archive_test character set utf8mb4")
        cls.store = lake.Store(lake.start("s3"))
        cls.i = Installation(UDON_CONN_MARIA=cls.maria.url.rsplit("/", 1)[0] + "/archive_test", UDON_CONN_PG=cls.pg.url,
                             UDON_CONN_LAKE=cls.store.uri())
        cls.i.start()
        cls.bucket = cls.store.bucket("udon-archive")
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.i.__exit__(None)

    def setUp(self):
        self.maria.run(MARIA, "archive_test")
        self.pg.run(POSTGRES)

    def place(self):
        return f"s3://{self.bucket}/{secrets.token_hex(6)}/"

    def load(self, more, connection="maria", retries=0):
        Archive.count += 1
        dag = f"archive_{self.count}"
        lines = "\n    ".join(more)
        self.i.dag(dag, f"dag: {dag}\nschedule: none\ntasks:\n  move:\n    operator: archive\n    connection: {connection}\n    to_connection: lake\n"
                        f"    retries: {retries}\n    retry_delay: 0s\n    {lines}\n")
        self.i.udon("dags", "check", str(self.i.dags / f"{dag}.yaml"))
        until("loaded", lambda: self.i.run("dags", "show", dag).returncode == 0)
        return dag

    def value(self, dag, run):
        return self.i.json("tasks", "xcom", dag, run, "move", "return_value")["value"]

    def move(self, more, code=0, **how):
        """XCom of a run that succeeds, or what the log says."""
        dag = self.load(more, **how)
        self.i.udon("dags", "trigger", dag, "--run-id", "r", "--wait", code=code)
        return self.value(dag, "r") if code == 0 else self.i.udon("tasks", "logs", dag, "r", "move")

    def archived(self, value):
        rows = []
        for uri in value["files"]:
            rows += lake.pq.read_table(io.BytesIO(self.store.read(uri)) if uri.startswith("s3://") else uri).to_pylist()
        return rows

    def left(self, where="true"):
        return int(self.maria.run(f"select count(*) from logs where {where}", "archive_test"))

    OLD = 'where: {sql: "at < :before", before: "2026-01-05 04:00:00"}'

    def test_rows_move_and_the_rest_stays(self):
        old = self.left("at < '2026-01-05 04:00:00'")
        expected = self.maria.rows(["shop", "at", "id", "name", "kind", "amount", "hex(raw)", "length(big)", "hidden"], "archive_test.logs where at < '2026-01-05 04:00:00'")
        to = self.place()
        value = self.move(["table: logs", self.OLD, f"to: {to}", "batch_rows: 37", "certify: source"])
        self.assertEqual((value["rows"], value["deleted"], value["changed"], value["gone"]), (old, old, 0, 0))
        self.assertEqual((self.left(), self.left("at < '2026-01-05 04:00:00'")), (ROWS - old, 0))
        found = [[r["shop"], str(r["at"]), str(r["id"]), r["name"], r["kind"], str(r["amount"]), r["raw"].hex().upper(), str(len(r["big"])), str(r["hidden"])]
                 for r in self.archived(value)]
        self.assertEqual(sorted(map(str, found)), sorted(map(str, expected)))
        # Once more: nothing is written anew, nothing is lost.
        dag = self.load(["table: logs", self.OLD, f"to: {to}"])
        self.i.udon("dags", "trigger", dag, "--run-id", "r", "--wait")
        again = self.value(dag, "r")
        self.assertEqual((again["rows"], again["deleted"], again["deleted_earlier"], again["gone"], len(self.archived(again))), (old, 0, old, 0, old))
        # Other rows to the same folder: refused.
        log = self.move(["table: logs", 'where: {sql: "at < :before", before: "2026-01-06"}', f"to: {to}"], code=1)
        self.assertIn("holds another archive", log)
        self.assertEqual(self.left(), ROWS - old)

    def test_postgres_with_partitions(self):
        value = self.move(["table: archive_test.logs", 'where: {sql: "day < :d", d: "2026-02-10"}', f"to: {self.i.work}/pg-{secrets.token_hex(4)}", "batch_rows: 50",
                           "target_file_bytes: 4KB"], connection="pg")
        self.assertEqual(int(self.pg.run("select count(*) from archive_test.logs where day < '2026-02-10'")), 0)
        self.assertEqual(value["deleted"] + int(self.pg.run("select count(*) from archive_test.logs")), ROWS)
        self.assertEqual(len(self.archived(value)), value["deleted"])

    def test_nothing_to_move(self):
        value = self.move(["table: logs", 'where: {sql: "at < :before", before: "2020-01-01"}', f"to: {self.place()}"])
        self.assertEqual((value["rows"], value["deleted"], self.left()), (0, 0, ROWS))

    def test_a_row_that_changed_stays(self):
        for connection in ("maria", "pg"):
            table, where = ("logs", "1 = 1") if connection == "maria" else ("archive_test.logs", "true")
            dag = self.load([f"table: {table}", f'where: {{sql: "{where}"}}', f"to: {self.place()}", "batch_rows: 10", "pause: 100ms"], connection)
            self.i.udon("dags", "trigger", dag, "--run-id", "r")

            def count():
                return self.left() if connection == "maria" else int(self.pg.run("select count(*) from archive_test.logs"))
            until("some are gone", lambda: count() < ROWS - 20)
            if connection == "maria":
                self.maria.run("update logs set name = concat(coalesce(name, ''), '!') order by shop desc, at desc, id desc limit 5;"
                               "insert into logs (shop, at, id) values ('new', '2026-01-01', 1)", "archive_test")
            else:
                self.pg.run("update archive_test.logs set body = '{}' where id in (select id from archive_test.logs order by ctid desc limit 5);")
            self.i.udon("runs", "wait", dag, "r")
            value = self.value(dag, "r")
            self.assertEqual((value["rows"], value["changed"], value["deleted"]), (ROWS, 5, ROWS - 5), connection)
            self.assertEqual(count(), 6 if connection == "maria" else 5)
            note = self.i.instances(dag, "r")["move", -1]["note"]
            self.assertIn("5 changed since and kept", note)

    def test_killed_again_and_again(self):
        for connection in ("maria", "pg"):
            table, where = ("logs", "1 = 1") if connection == "maria" else ("archive_test.logs", "true")
            to = self.place()
            dag = self.load([f"table: {table}", f'where: {{sql: "{where}"}}', f"to: {to}", "batch_rows: 5", "pause: 60ms"], connection, retries=200)
            self.i.udon("dags", "trigger", dag, "--run-id", "r")
            chance, kills = random.Random(7), 0
            while self.i.instances(dag, "r")["move", -1]["state"] not in ("success", "failed"):
                time.sleep(chance.uniform(0.0, 1.0))
                pid = self.i.instances(dag, "r")["move", -1].get("pid")
                try:
                    if pid and self.i.instances(dag, "r")["move", -1]["state"] == "running" and kills < 12:
                        os.kill(pid, signal.SIGKILL)
                        kills += 1
                except ProcessLookupError:
                    pass
            value = self.value(dag, "r")
            self.assertGreaterEqual(kills, 5)
            left = self.left() if connection == "maria" else int(self.pg.run("select count(*) from archive_test.logs"))
            self.assertEqual((left, value["rows"], value["changed"], value["gone"], value["deleted"] + value["deleted_earlier"]), (0, ROWS, 0, 0, ROWS), connection)
            self.assertEqual(len(self.archived(value)), ROWS)

    def test_an_archive_that_somebody_touched_deletes_nothing(self):
        to = self.i.work / f"touched-{secrets.token_hex(4)}"
        dag = self.load(["table: logs", self.OLD, f"to: {to}", "batch_rows: 5", "pause: 30s"])
        self.i.udon("dags", "trigger", dag, "--run-id", "r")
        until("the first batch is gone", lambda: self.left() < ROWS)
        left = self.left()
        self.i.call("PATCH", f"/api/v2/dags/{dag}/dagRuns/r", {"state": "failed"}, self.i.login())
        until("it has ended", lambda: self.i.instances(dag, "r")["move", -1]["state"] == "failed")
        self.assertEqual(self.left(), left)
        file = to / "part-00000.parquet"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        self.i.udon("dags", "trigger", dag, "--run-id", "again", "--wait", code=1)
        self.assertIn("is not what was certified", self.i.udon("tasks", "logs", dag, "again", "move"))
        self.assertEqual(self.left(), left)

    def test_two_at_once_to_one_folder(self):
        to = self.place()
        dag = self.load(["table: logs", self.OLD, f"to: {to}", "batch_rows: 5", "pause: 100ms"])
        self.i.udon("dags", "trigger", dag, "--run-id", "a")
        until("it deletes", lambda: self.left() < ROWS)
        self.i.udon("dags", "trigger", dag, "--run-id", "b", "--wait", code=1)
        self.assertIn("another try archives to", self.i.udon("tasks", "logs", dag, "b", "move"))
        self.i.udon("runs", "wait", dag, "a")

    def test_what_would_take_more_with_it_is_refused(self):
        self.maria.run("""create table plain (id int primary key) engine=InnoDB; insert into plain values (1), (2);
            create table children (id int primary key, p int, foreign key (p) references plain (id) on delete cascade) engine=InnoDB;
            create table keyless (id int) engine=InnoDB; create table quick (id int primary key) engine=Aria""", "archive_test")
        self.pg.run("""create table archive_test.parents (id int primary key); create table archive_test.kids (p int references archive_test.parents on delete set null);
            create table archive_test.ruled (id int primary key); create rule r as on delete to archive_test.ruled do instead nothing;
            create table archive_test.doubles (id double precision primary key); insert into archive_test.doubles values (1.5);
            create table archive_test.audited (id int primary key); insert into archive_test.audited values (1);
            create function archive_test.audit() returns trigger language plpgsql as 'begin return old; end';
            create trigger audit after delete on archive_test.audited for each row execute function archive_test.audit()""")
        everything = 'where: {sql: "1 = 1"}'
        for connection, table, words in (
                ("maria", "plain", "children"), ("pg", "archive_test.audited", "`with_triggers: true`"), ("maria", "keyless", "no primary key"),
                ("maria", "quick", "no transactions"), ("maria", "absent", "no table"), ("pg", "archive_test.parents", "archive_test.kids"),
                ("pg", "archive_test.ruled", "rule"), ("pg", "archive_test.doubles", "primary key of type double")):
            self.assertIn(words, self.move([f"table: {table}", everything, f"to: {self.place()}"], connection=connection, code=1))
        self.assertEqual(self.maria.run("select count(*) from plain", "archive_test"), "2\n")
        value = self.move(["table: archive_test.audited", everything, f"to: {self.place()}", "with_triggers: true"], connection="pg")
        self.assertEqual(value["deleted"], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
