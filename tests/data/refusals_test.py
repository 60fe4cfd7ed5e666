#!/usr/bin/env python3
"""What an export says where it must not write or cannot know what is meant, and what a verification says of nothing."""
import pathlib
import secrets
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
from runner import Runner  # noqa: E402

DAYS = [{"by": "at", "each": "day", "as": "dt"}]


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.maria, cls.postgres, cls.store = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres")), lake.Store(lake.start("s3"))
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.runner = Runner(cls.folder)
        cls.bucket = cls.store.bucket("udon-refusals")
        cls.maria.run("drop database if exists refusals_test; create database refusals_test; use refusals_test;"
                      "create table orders (id int primary key, at datetime not null, seen timestamp not null);"
                      "insert into orders select seq, '2026-01-01' + interval seq hour, '2026-01-01' + interval seq hour from seq_1_to_60;"
                      "create table nothing like orders")
        cls.postgres.run("drop schema if exists refusals_test cascade; create schema refusals_test;"
                         "create table refusals_test.orders (id int primary key, at timestamp not null, seen timestamptz not null);"
                         "insert into refusals_test.orders select n, '2026-01-01'::timestamp + n * interval '1 hour', '2026-01-01'::timestamptz + n * interval '1 hour'"
                         " from generate_series(1, 60) n; create table refusals_test.nothing (like refusals_test.orders including all)")

    @classmethod
    def tearDownClass(cls):
        cls.maria.run("drop database refusals_test")
        cls.postgres.run("drop schema refusals_test cascade")
        cls.runner.close()
        cls.temporary.cleanup()

    def places(self):
        for connection in ("maria", "pg"):
            yield connection, f"s3://{self.bucket}/{secrets.token_hex(6)}/orders/"
            yield connection, f"{self.folder}/{secrets.token_hex(6)}/orders/"

    def run_operator(self, operator, **parameters):
        connections = {"maria": self.maria.url.rpartition("/")[0] + "/refusals_test", "pg": self.postgres.url, "s3": self.store.uri()}
        return self.runner.run(operator, parameters, connections)

    def export(self, connection, to, table="orders", **more):
        if to.startswith("s3:"):
            more["to_connection"] = "s3"
        return self.run_operator("replica_export", connection=connection, table=table if connection == "maria" else f"refusals_test.{table}",
                                 columns=["id", "at", "seen"], to=to, **{"timezone": "Asia/Seoul", **more})

    def check_refused(self, answer, *words):
        self.assertEqual(answer.get("error"), "invalid", answer)
        for word in words:
            self.assertIn(word, answer["message"])

    def names(self, to):
        if to.startswith("s3:"):
            return self.store.names(to)
        return sorted(str(p.relative_to(to)) for p in pathlib.Path(to).rglob("*") if p.is_file())

    def test_nothing_is_written_over_or_among_partitions(self):
        for connection, to in self.places():
            with self.subTest(f"{connection} {to}"):
                self.assertNotIn("error", self.export(connection, to, partition_by=DAYS))
                before = self.names(to)
                self.assertIn("dt=2026-01-02/_manifest.json", before)
                self.check_refused(self.export(connection, to), to, 'holds a result with partitions by ["dt"]', "Name another folder")
                self.check_refused(self.export(connection, to, mode={"cursor": {"by": "id"}}), to, "holds a result with partitions")
                self.check_refused(self.run_operator("csv_export", connection=connection, sql="select 1 as one", to=to,
                                                     **({"to_connection": "s3"} if to.startswith("s3:") else {})), "holds a result with partitions")
                for folder in ("dt=2026-01-02", "dt=2026-01-02/", "dt=2027-05-05/"):
                    self.check_refused(self.export(connection, to + folder), to + folder, f"a partition's folder of the result at {to}", "mode: {window: …}")
                self.check_refused(self.export(connection, to + "dt=2026-01-02/", partition_by=[{"by": "id", "as": "n"}]), "a partition's folder")
                self.assertEqual(self.names(to), before)
                # It itself is made anew, and beside it there is room.
                self.assertNotIn("error", self.export(connection, to, partition_by=DAYS))
                self.assertNotIn("error", self.export(connection, to.removesuffix("/") + "_of/dt=2026-01-02/"))

    def test_an_empty_table_with_partitions_is_verified(self):
        for connection, to in self.places():
            with self.subTest(f"{connection} {to}"):
                self.assertNotIn("error", self.export(connection, to, table="nothing", partition_by=DAYS))
                said = self.run_operator("certificate_verify", manifest=to + "_manifest.json", from_connection="s3", connection=connection)
                self.assertEqual(said.get("message"), "as certified", said)
                self.assertEqual((said["value"]["same"], said["value"]["files"]["same"]), (True, True))
                self.assertIn("there were no rows", said["value"]["files"]["note"])

    def test_a_cursor_over_times_without_zone_says_what_to_write(self):
        for connection, to in self.places():
            with self.subTest(f"{connection} {to}"):
                by_at = {"cursor": {"by": "at", "key": "id"}}
                self.check_refused(self.export(connection, to, timezone=None, mode=by_at), "`at` (" + ("datetime" if connection == "maria" else "timestamp"),
                                   "has no zone", "`lag`, 5m unless said otherwise,", "`timezone: Asia/Seoul`", "`lag: 0s`")
                self.check_refused(self.export(connection, to, timezone=None, mode={"cursor": {"by": "at", "key": "id", "lag": "1h"}}), "`at`", "and `lag` is")
                self.assertEqual(self.export(connection, to, timezone=None, mode={"cursor": {"by": "at", "key": "id", "lag": "0s"}})["value"]["rows"], 60)
                self.assertEqual(self.export(connection, to + "of-instants/", timezone=None, mode={"cursor": {"by": "seen", "key": "id"}})["value"]["rows"], 60)
                self.assertEqual(self.export(connection, to + "in-a-zone/", mode=by_at)["value"]["rows"], 60)


if __name__ == "__main__":
    unittest.main(verbosity=2)
