#!/usr/bin/env python3
"""Results that grow, and tables in partitions, on the real S3: killed before the store hears of a request, and after it has
done it, at every request in turn; whatever was cut, readers see the old rows or the new ones, and the next try leaves exactly
the table's rows. Each kill goes on from what the one before has left."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import secrets
import signal
import sys
import tempfile
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
from fault_proxy import Store  # noqa: E402
from runner import Killed, Runner  # noqa: E402

DAY = "'2026-01-{:02}'"


class Growing:
    """One table, one way to export it, and what a round of changes is."""

    def __init__(self, world, name, folder):
        self.world, self.name = world, name
        self.folder = folder / name
        self.folder.mkdir()
        self.to = f"s3://{world.bucket}/{secrets.token_hex(6)}/{name}/"
        self.rounds = 0
        self.runner = None
        self.sql(f"create table {self.table()} (id int primary key, at {self.kind} not null, name varchar(40))")

    def sql(self, text):
        return self.world.maria.run(text, "killed_test")

    kind = "datetime"

    def table(self):
        return self.name

    def rows(self):
        return sorted((int(a), b) for a, b in self.server_rows())

    def server_rows(self):
        return self.world.maria.rows(["id", "name"], f"killed_test.{self.table()}")

    def parameters(self):
        return {"connection": "maria", "table": self.name, "columns": ["id", "at", "name"], "timezone": "UTC", "to": self.to, "to_connection": "s3", "mode": self.mode()}

    def attempt(self, number, store=None):
        if self.runner is None:
            self.runner = Runner(self.folder)
        connections = {"maria": self.world.maria.url.rpartition("/")[0] + "/killed_test", "pg": self.world.postgres.url, "s3": self.world.store.uri()}
        if store is not None:
            connections["s3"] = connections["s3"].replace(str(self.world.port), str(store.port)) + "&max_attempts=1"
        return self.runner.run("replica_export", self.parameters(), connections, number=2 * (self.rounds + 10) + number, run=f"r{self.rounds}")

    def end(self):
        with contextlib.suppress(OSError):
            self.runner.close()
        self.runner = None

    def published(self):
        """The rows that the manifest names; none if there is none."""
        if "_manifest.json" not in self.world.store.names(self.to):
            return []
        manifest = json.loads(self.world.store.read(self.to + "_manifest.json"))
        return self.read(file["uri"] for file in manifest["files"])

    def read(self, uris):
        rows = []
        for uri in uris:
            values = pq.read_table(pa.BufferReader(self.world.store.read(uri)))
            rows += zip(values["id"].to_pylist(), values["name"].to_pylist())
        return sorted(rows)

    def all_there(self):
        """The rows of whoever reads every Parquet file that is there."""
        return self.read(self.to + name for name in self.world.store.names(self.to) if name.endswith(".parquet"))

    def check_readers(self, old, new):
        assert self.published() in (old, new)

    def check_whole(self):
        assert self.published() == self.rows(), "what the manifest names is not what the table has"
        assert self.all_there() == self.rows(), "beside what the manifest names there is more"
        assert not self.world.store.uploads(self.to)

    def go_through(self):
        for is_before in (True, False):
            number, was_killed = 0, True
            while was_killed:
                self.rounds += 1
                old = self.rows()
                self.change()
                was_killed = self.killed_at(number, is_before)
                where = f"{self.name}: killed {'before' if is_before else 'after'} request {number}, round {self.rounds}"
                try:
                    self.check_readers(old, self.rows())
                    answer = self.attempt(2)
                    assert "error" not in answer, answer
                    self.check_whole()
                except AssertionError as error:
                    raise AssertionError(f"{where}: {error}") from error
                number += 1
            assert number > 5, number
        self.end()
        return self.rounds

    def killed_at(self, number, is_before):
        """True: the try was killed; it lived if it had no such request."""
        def at(request):
            if request == number:
                os.kill(self.runner.process.pid, signal.SIGKILL)
                self.runner.process.wait()

        nothing = lambda request: None  # noqa: E731
        if self.runner is None:
            self.runner = Runner(self.folder)
        with Store(("127.0.0.1", self.world.port), at if is_before else nothing, nothing if is_before else at) as store:
            try:
                answer = self.attempt(1, store)
            except (Killed, BrokenPipeError):
                self.end()
                return True
        assert "error" not in answer, answer
        return False


class Cursor(Growing):
    def mode(self):
        return {"cursor": {"by": "id"}}

    def change(self):
        n = self.rounds
        self.sql(f"insert into {self.name} values ({2 * n}, {DAY.format(n % 28 + 1)}, '우동 {n}'), ({2 * n + 1}, {DAY.format(n % 28 + 1)}, null)")


class Window(Growing):
    """The same day eight times, and the window before it, whose rows come late."""

    def __init__(self, world, name, folder):
        super().__init__(world, name, folder)
        self.sql(f"insert into {self.name} values (1, '2026-01-01', 'first')")
        self.rounds = -8
        assert "error" not in self.attempt(1)
        self.rounds = 0

    def mode(self):
        day = self.rounds // 8 + 2
        return {"window": {"by": "at", "from": f"2026-01-{day:02}", "to": f"2026-01-{day + 1:02}", "late": "1d"}}

    def change(self):
        n, day = self.rounds, self.rounds // 8 + 2
        self.sql(f"insert into {self.name} values ({2 * n}, {DAY.format(day)}, '우동 {n}'), ({2 * n + 1}, {DAY.format(day - 1)}, '늦은 {n}');"
                 f"update {self.name} set name = concat(name, '!') where id = {2 * n - 1} and at >= {DAY.format(day - 1)}")


class Partitioned(Growing):
    kind = "timestamp"

    def __init__(self, world, name, folder):
        super().__init__(world, name, folder)
        self.sql(f"insert into {self.table()} values (1, '2026-01-01', 'a'), (2, '2026-01-02', 'b')")

    def sql(self, text):
        return self.world.postgres.run(text + ";")

    def table(self):
        return "killed_test." + self.name

    def server_rows(self):
        return self.world.postgres.rows(["id", "name"], self.table())

    def parameters(self):
        return {**super().parameters(), "connection": "pg", "table": self.table(), "partition_by": [{"by": "at", "each": "day", "as": "dt"}]}

    def mode(self):
        return "full"

    def change(self):
        # A row comes, one changes, and on every third round one moves, so that its partition is left without rows.
        n = self.rounds
        self.sql(f"insert into {self.table()} values ({n + 10}, '2026-01-{n % 2 + 1:02}', '우동 {n}'); update {self.table()} set name = 'round {n}' where id = 1;"
                 f"update {self.table()} set at = case when at = '2026-01-03' then timestamp '2026-01-02' else '2026-01-03' end where id = 2 and {n} % 3 = 0")

    def check_readers(self, old, new):
        """Not all partitions at once, but each as a whole, and none of them twice."""
        old, new, seen = set(old), set(new), self.all_there()
        assert all(row in old or row in new for row in seen), seen

    def check_whole(self):
        assert self.all_there() == self.rows(), "the files are not what the table has"
        assert not self.world.store.uploads(self.to)


class KilledGrowth(unittest.TestCase):
    def test_killed_at_every_request(self):
        self.maria, self.postgres, self.store = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres")), lake.Store(lake.start("s3"))
        self.port = int(self.store.endpoint.rpartition(":")[2])
        self.bucket = self.store.bucket("udon-killed")
        self.maria.run("drop database if exists killed_test; create database killed_test")
        self.postgres.run("drop schema if exists killed_test cascade; create schema killed_test")
        try:
            with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(3) as pool:
                all_of_them = [make(self, "by_" + make.__name__.lower(), pathlib.Path(folder)) for make in (Cursor, Window, Partitioned)]
                running = {pool.submit(each.go_through): each for each in all_of_them}
                for done in concurrent.futures.as_completed(running):
                    print(f"{running[done].name}: {done.result()} rounds", flush=True)
        finally:
            self.maria.run("drop database killed_test")
            self.postgres.run("drop schema killed_test cascade")


if __name__ == "__main__":
    unittest.main(verbosity=2)
