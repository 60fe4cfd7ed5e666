#!/usr/bin/env python3
"""A split export that is killed: the next try takes up what it may, starts over where it may not, and says which; no row is
ever lost or doubled."""
import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import pyarrow.parquet as pq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
from runner import Hung, Runner  # noqa: E402

ROWS = 8000
# The texts of rows from here on are behind a lock that the test holds: a try comes to the middle, and not beyond.
BEHIND_GATE = 4000
GATED = {"pg": "resume_test.gated(id, v)",  # stable, as it says: only whoever asks for the text waits
         "maria": f"if(id >= {BEHIND_GATE} and not (get_lock('resume_test', 600) and release_lock('resume_test')), null, v)"}


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.maria, cls.postgres = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres"))
        cls.maria.run("drop database if exists resume_test; create database resume_test character set utf8mb4;")
        cls.postgres.run("set client_min_messages = error; drop schema if exists resume_test cascade; create schema resume_test;"
                         "create function resume_test.gated(id int, v text) returns text stable language plpgsql as $$ begin "
                         f"if id >= {BEHIND_GATE} then perform pg_advisory_xact_lock_shared(471147); end if; return v; end $$;")
        cls.databases = {"pg": cls.postgres, "maria": cls.maria}
        cls.connections = {"pg": cls.postgres.url, "maria": cls.maria.url}

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.tries = 0

    def table(self, database):
        name = "t" + secrets.token_hex(4)
        rows = (f"select i, '우동 ' || repeat(md5(i::text), 4) from generate_series(1, {ROWS}) i" if database == "pg"
                else f"select seq, concat('우동 ', repeat(md5(seq), 4)) from seq_1_to_{ROWS}")
        use = "use resume_test; " if database == "maria" else ""
        self.databases[database].run(f"{use}create table resume_test.{name} (id int primary key, v text); insert into resume_test.{name} {rows};")
        self.addCleanup(self.databases[database].run, f"drop view if exists resume_test.{name}_v; drop table resume_test.{name};")
        return name

    def make_view(self, database, table, text):
        self.databases[database].run(f"drop view if exists resume_test.{table}_v; create view resume_test.{table}_v as select id, {text} as v from resume_test.{table};")

    def order(self, database, table, **more):
        return {"connection": database, "table": f"resume_test.{table}", "columns": ["id", "v"], "to": f"{self.folder}/lake/",
                "split": {"into": 4, "by": "id"}, "target_file_bytes": 1, **more}

    def runner(self):
        return Runner(self.folder, UDON_CONN_UNUSED=None)

    def export(self, runner, order):
        self.tries += 1
        return runner.run("replica_export", order, {order["connection"]: self.connections[order["connection"]]}, number=self.tries, deadline=600)

    def whole(self, order):
        """The next try, to its end: what it says, its log as one text."""
        runner = self.runner()
        answer = self.export(runner, order)
        runner.close()
        return answer, "\n".join(answer["log"])

    def chunks(self):
        return list(self.folder.glob("staging/resume/*/*.json"))

    def kept(self):
        return [path for path in self.chunks() if path.name != "plan.json"]

    def killed(self, order, is_time):
        """A try that is killed when it is time, or as soon as it has ended. True: it was killed."""
        runner = self.runner()
        ended = threading.Event()

        def run():
            try:
                self.export(runner, order)
            except (Hung, OSError, ValueError):
                pass  # as it must, once it is killed
            ended.set()

        thread = threading.Thread(target=run)
        thread.start()
        deadline = time.monotonic() + 300
        while not is_time() and not ended.is_set():
            self.assertLess(time.monotonic(), deadline, "the try did not come so far")
            time.sleep(0.001)
        was_alive = not ended.is_set()
        os.kill(runner.process.pid, signal.SIGKILL)
        thread.join()
        runner.process.wait()
        for pipe in (runner.process.stdin, runner.process.stdout):
            with contextlib.suppress(OSError):  # what it was to read
                pipe.close()
        return was_alive

    def at_gate(self, order):
        """A try that is killed in the middle: all that it may read is kept."""
        database = self.databases[order["connection"]]
        # The lock is a session's own: a client that waits for its input holds it.
        if order["connection"] == "pg":
            holder = subprocess.Popen(["psql", "-X", "-q", "-tA", database.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            holder.stdin.write("select 'held' from (select pg_advisory_lock(471147)) s;\n")
        else:
            holder = subprocess.Popen(["mariadb", "--no-defaults", f"-h{database.host}", f"-P{database.port}", f"-u{database.user}", "-N", "--skip-ssl",
                                       "--unbuffered"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      env={**os.environ, "MYSQL_PWD": database.password})
            holder.stdin.write("select concat('held', get_lock('resume_test', 60));\n")
        holder.stdin.flush()
        self.assertIn("held", holder.stdout.readline())
        try:
            # Of sixteen ranges those below the gate that no reader stands before are finished.
            self.assertTrue(self.killed(order, lambda: len(self.kept()) >= 5))
        finally:
            holder.stdin.close()
            holder.wait()
            holder.stdout.close()
        return len(self.kept())

    def check_whole(self, order, answer):
        self.assertNotIn("error", answer, answer)
        database, table = order["connection"], order["table"].removesuffix("_v")
        expected = [(int(n), v) for n, v in self.databases[database].rows(["id", "v"], f"{table} order by id")]
        rows = []
        for file in answer["value"]["files"]:
            part = pq.read_table(file.removeprefix("file://")).to_pydict()
            rows += zip(part["id"], part["v"])
        self.assertEqual(len(rows), len(expected))
        self.assertEqual(sorted(rows), expected)
        self.assertEqual(answer["value"]["rows"], len(expected))
        self.assertEqual(self.chunks(), [], "what was kept is gone with the success")

    def gated(self, database, **more):
        table = self.table(database)
        self.make_view(database, table, GATED[database])
        return self.order(database, table + "_v", split={"into": 4, "by": "id", "stable": True}, **more)

    def test_finished_chunks_of_a_killed_try_are_taken_up_where_the_table_is_declared_stable(self):
        for database in self.databases:
            with self.subTest(database):
                order = self.gated(database)
                kept = self.at_gate(order)
                self.databases[database].run(f"insert into {order['table'].removesuffix('_v')} values ({ROWS + 1}, '나중에');")  # behind all others
                answer, log = self.whole(order)
                self.check_whole(order, answer)
                self.assertRegex(log, rf"{kept} of \d+ ranges \(\d+ rows\) were read before at .+, and are taken as unchanged")
                self.assertIn("`split: stable`", answer["value"]["certificate"]["mechanism"])

    def test_rows_that_have_gone_from_a_finished_range_start_it_over_and_the_log_says_so(self):
        for database in self.databases:
            with self.subTest(database):
                order = self.gated(database)
                self.at_gate(order)
                self.databases[database].run(f"delete from {order['table'].removesuffix('_v')} where id < {BEHIND_GATE} and id % 10 = 3;")
                answer, log = self.whole(order)
                self.check_whole(order, answer)
                self.assertRegex(log, r"nothing that was read before is taken up: `split` says `stable: true`, but in ranges of which \d+ rows were read the server counts \d+")
                self.assertNotIn("taken as unchanged", log)

    def test_without_stable_a_source_that_has_moved_on_starts_it_over(self):
        for database in self.databases:
            with self.subTest(database):
                order = self.gated(database)
                order["split"] = {"into": 4, "by": "id"}
                self.at_gate(order)
                self.databases[database].run(f"update {order['table'].removesuffix('_v')} set v = 'anders' where id = 7;")
                answer, log = self.whole(order)
                self.check_whole(order, answer)
                self.assertIn("nothing proves that the source is where it was", log)
                self.assertIn("`split` does not say `stable: true`", log)

    def test_a_changed_request_or_table_starts_it_over_and_the_log_names_what_has_changed(self):
        for database in self.databases:
            for name in ("columns", "compression", "column 2: v"):
                with self.subTest(f"{database} {name}"):
                    order = self.gated(database)
                    self.at_gate(order)
                    if name == "columns":
                        order["columns"] = ["id", {"name": "v", "as": "w"}]
                    elif name == "compression":
                        order["compression"] = "zstd"
                    else:
                        self.make_view(database, order["table"].removeprefix("resume_test.").removesuffix("_v"), "cast(v as char(200))")
                    answer, log = self.whole(order)
                    self.assertIn("nothing that was read before is taken up", log)
                    self.assertIn(name, log)
                    self.assertEqual(answer["value"]["rows"], ROWS)
                    if name == "compression":
                        self.check_whole(order, answer)

    def test_where_nothing_is_kept_the_log_says_so_and_why(self):
        for why, more in {"with `mode`": {"mode": {"cursor": {"by": "id", "key": "id"}}},
                          "with `partition_by`": {"partition_by": [{"by": "id", "as": "n"}], "where": {"sql": "id <= 3"}}}.items():
            with self.subTest(why):
                answer, log = self.whole(self.order("pg", self.table("pg"), **more))
                self.assertIn(f"nothing is kept for a next try, and nothing of an earlier one taken up: {why}", log, answer)
                self.assertEqual(self.chunks(), [])
                shutil.rmtree(self.folder / "lake", ignore_errors=True)

    def test_a_chunk_that_was_damaged_is_read_again(self):
        order = self.gated("pg")
        self.at_gate(order)
        damaged = sorted(self.folder.glob("staging/resume/*/*.parquet"))[0]
        damaged.write_bytes(damaged.read_bytes()[:-40] + b"x" * 40)
        answer, log = self.whole(order)
        self.check_whole(order, answer)
        self.assertIn("is not what it was when it was kept", log)
        self.assertRegex(log, r"\d+ of \d+ ranges \(\d+ rows\) were read before")

    def test_killed_again_and_again_at_any_point_no_row_is_lost_or_doubled(self):
        for database in self.databases:
            with self.subTest(database):
                table = self.table(database)
                order = self.order(database, table, split={"into": 4, "by": "id", "stable": True})
                for chunks in (0, 1, 2, 4, 7, 11, 15):
                    self.killed(order, lambda: len(self.kept()) >= chunks)
                answer, _ = self.whole(order)
                self.check_whole(order, answer)


if __name__ == "__main__":
    unittest.main()
