#!/usr/bin/env python3
"""Exports within the bounds of their servers, over all DAGs: never more readers than are allowed, waiting for a replica that is
behind or a server that is busy, with a reason; a killed try and a restarted server leave nobody waiting for ever."""
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

SOURCE = pathlib.Path(os.environ.get("UDON_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(SOURCE / "tests/data"))
import lake  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from installation import BUILD, Installation, until  # noqa: E402

ROWS, FEW = 20_000, 600
MARIA = f"""
create or replace database gentle character set utf8mb4; use gentle;
create table orders (id int primary key, name varchar(40), pad varchar(1000) not null) engine=InnoDB;
insert into orders select seq, concat('주문', seq), repeat('x', 1000) from seq_1_to_{ROWS};  -- more than sockets hold
create table small (id int primary key, name varchar(40)) engine=InnoDB;
insert into small select seq, concat('주문', seq) from seq_1_to_{FEW};
create or replace user poor@'127.0.0.1' identified by 'poor-poor'; grant select on gentle.* to poor@'127.0.0.1';
"""
POSTGRES = f"""
drop schema if exists gentle cascade; create schema gentle;
create table gentle.small as select n as id, '주문' || n as name from generate_series(1, {FEW}) n;
create table gentle.orders as select n as id, '주문' || n as name, repeat('x', 1000) as pad from generate_series(1, {ROWS}) n;
drop role if exists poor; create role poor login password 'poor-poor'; grant usage on schema gentle to poor; grant select on gentle.small to poor;
"""


def with_options(url, options, user=None):
    scheme, rest = url.split("://", 1)
    login, place = rest.split("@", 1)
    host, database = place.split("/", 1)
    return f"{scheme}://{user or login}@{host}/{'gentle' if scheme == 'mysql' else database}?{options}"


class Gentle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Servers of its own: it stops replication, and counts what others run.
        os.environ["UDON_SERVICES_DIR"] = str(BUILD / "gentle-services")
        maria, postgres = lake.start("mariadb"), lake.start("postgres")
        cls.maria, cls.pg = lake.MariaDb(maria), lake.Postgres(postgres)
        cls.replica, cls.standby = lake.MariaDb(maria, "UDON_MARIADB_REPLICA_URL"), lake.Postgres(postgres, "UDON_POSTGRES_REPLICA_URL")
        cls.maria.run(MARIA), cls.pg.run(POSTGRES)
        until("the replica has all", lambda: cls.maria.run("select @@gtid_binlog_pos") == cls.replica.run("select @@gtid_slave_pos"))
        cls.i = Installation().start()
        cls.count, cls.connections = 0, set()

    @classmethod
    def tearDownClass(cls):
        cls.i.__exit__(None)
        for name in ("mariadb", "postgres"):
            subprocess.run([SOURCE / "scripts/services" / name, "stop"], check=True, capture_output=True)

    def tearDown(self):
        for name in self.connections:  # a bound of one is a bound of all
            self.i.run("connections", "delete", name)
        self.connections.clear()

    def connect(self, name, url):
        self.connections.add(name)
        self.i.run("connections", "delete", name)
        self.i.udon("connections", "add", name, url)

    def begin(self, connection, table, more=""):
        """The DAG of a run that has begun."""
        Gentle.count += 1
        dag = f"gentle_{self.count}"
        self.i.dag(dag, f"dag: {dag}\nschedule: none\ntasks:\n  export:\n    operator: replica_export\n    connection: {connection}\n    table: {table}\n"
                        f"    columns: '*'\n    to: {self.i.work}/{dag}/\n    retries: 0\n    {more}\n")
        until("loaded", lambda: self.i.run("dags", "show", dag).returncode == 0)
        self.i.udon("dags", "trigger", dag, "--run-id", "r")
        return dag

    def log(self, dag):
        return self.i.run("tasks", "logs", dag, "r", "export").stdout

    def says(self, dag, *words):
        until(f"{dag} says {words}", lambda: all(w in self.log(dag) for w in words))

    def ends(self, dag, rows):
        """It succeeds, with each row once."""
        state = until(f"{dag} ends", lambda: (s := self.i.state(dag, "r", "export")) in ("success", "failed") and s, 200)
        self.assertEqual(state, "success", self.log(dag))
        values = pq.read_table(self.i.work / dag).to_pydict()
        self.assertEqual(sorted(zip(values["id"], values["name"])), [(n, f"주문{n}") for n in range(1, rows + 1)])
        return self.log(dag)

    def fails(self, dag):
        until(f"{dag} fails", lambda: self.i.state(dag, "r", "export") == "failed")
        return self.log(dag)

    def readers(self):
        return int(self.maria.run("select count(*) from information_schema.processlist where info like 'select %from `gentle`.%' and id <> connection_id()"))

    def is_reading(self):
        """One reader, for a while: the last query of an export before it is listed for a moment, too."""
        for _ in range(10):
            if self.readers() != 1:
                return False
            time.sleep(0.1)
        return True

    def test_three_dags_share_two_readers(self):
        self.connect("two", with_options(self.maria.url, f"max_readers=2&max_rows_per_second={ROWS // 15}"))
        self.connect("free", with_options(self.maria.url, ""))  # the same server: its bounds hold here too
        most, seen = [0], threading.Event()

        def watch():
            while not seen.wait(0.05):
                most[0] = max(most[0], self.readers())
        watching = threading.Thread(target=watch)
        watching.start()
        try:
            dags = [self.begin(c, "orders", more) for c, more in (("two", ""), ("free", ""), ("two", "split: {into: 3}"))]
            logs = [self.ends(dag, ROWS) for dag in dags]
        finally:
            seen.set(), watching.join()
        self.assertGreaterEqual(most[0], 1)
        self.assertLessEqual(most[0], 2)
        waited = [log for log in logs if "waiting to read mysql://127.0.0.1" in log and "max_readers=2" in log]
        self.assertTrue(waited, logs)

    def test_statements_and_checks_wait_for_a_reader_too(self):
        self.connect("one", with_options(self.maria.url, "max_readers=1"))
        first = self.begin("one", "small")
        self.ends(first, FEW)
        self.connect("one", with_options(self.maria.url, "max_readers=1&max_rows_per_second=150"))
        long = self.begin("one", "orders")
        until("it reads", self.is_reading)
        dag = "gentle_statements"
        self.i.dag(dag, f'''dag: {dag}
tasks:
  rows: {{operator: sql, connection: one, sql: "select count(*) as n from small"}}
  changes: {{operator: sql, connection: one, sql: ["delete from small where id = 0", "select count(*) as n from small"]}}
  check: {{operator: sql_check, connection: one, sql: "select count(*) = {FEW} as complete from small"}}
  verify: {{operator: certificate_verify, connection: one, manifest: {self.i.work}/{first}/_manifest.json}}
''')
        until("loaded", lambda: self.i.run("dags", "show", dag).returncode == 0)
        self.i.udon("dags", "trigger", dag, "--run-id", "r")
        tasks = ("rows", "changes", "check", "verify")
        for task in tasks:
            until(f"{task} waits", lambda: f": `{long}/export` reads" in self.i.run("tasks", "logs", dag, "r", task).stdout)
            # It runs; what for is told to who asks, too.
            until(f"why {task} waits", lambda: f"; waiting to read mysql://127.0.0.1:{self.maria.port}: `{long}/export` reads"
                                               in self.i.run("tasks", "why", dag, "r", task).stdout)
        self.assertEqual(self.i.json("tasks", "why", dag, "r", "rows")["kind"], "source_bounds")
        self.assertEqual(self.readers(), 1)
        self.connect("one", with_options(self.maria.url, "max_readers=1"))
        self.ends(long, ROWS)
        for task in tasks:
            until(f"{task} ends", lambda: self.i.state(dag, "r", task) == "success", 200)
            self.assertIn(f"reading mysql://127.0.0.1:{self.maria.port} after", self.i.run("tasks", "logs", dag, "r", task).stdout)

    def test_a_killed_try_frees_its_share_and_a_restarted_server_learns_who_has_it(self):
        self.connect("one", with_options(self.maria.url, "max_readers=1&max_rows_per_second=150"))
        long = self.begin("one", "orders")
        until("it reads", self.is_reading)
        short = self.begin("one", "small")
        self.says(short, f"waiting to read mysql://127.0.0.1:{self.maria.port}: `{long}/export` reads")
        self.i.stop(signal.SIGKILL)
        self.i.start()
        def is_known():
            """A try that asks now is told who reads, no more that nobody knows."""
            asks = self.begin("one", "small")
            self.says(asks, "waiting to read")
            return f": `{long}/export` reads" in self.log(asks)
        until("the server has learnt who reads", is_known)
        self.assertEqual(self.i.state(long, "r", "export"), "running")
        self.assertEqual(self.readers(), 1)
        runners = [int(p.name) for p in pathlib.Path("/proc").glob("[0-9]*") if self.is_runner_of(p, long)]
        self.assertEqual(len(runners), 1)
        os.kill(runners[0], signal.SIGKILL)
        self.assertIn(f"reading mysql://127.0.0.1:{self.maria.port} after", self.ends(short, FEW))

    def is_runner_of(self, process, dag):
        try:
            if not (process / "cmdline").read_bytes().split(b"\0")[0].endswith(b"/udon-task"):
                return False
            tries = (process / "cmdline").read_bytes().decode().split("\0")
            return f'"{dag}"' in (self.i.home / "spool" / tries[2] / "request.json").read_text()
        except (OSError, IndexError):
            return False

    def test_a_replica_that_is_behind_is_waited_for(self):
        self.connect("behind", with_options(self.replica.url, "max_lag=30s"))
        self.replica.run("stop slave sql_thread")
        try:
            dag = self.begin("behind", "small")
            self.says(dag, "waiting to read mysql://", "the SQL thread is not running", "max_lag=30s")
        finally:
            self.replica.run("start slave")
        self.assertIn("reading mysql://", self.ends(dag, FEW))
        self.connect("primary", with_options(self.maria.url, "max_lag=30s"))
        self.assertIn("is no replica", self.fails(self.begin("primary", "small")))

    def test_a_busy_server_is_read_when_it_has_time(self):
        self.connect("busy", with_options(self.maria.url, "max_threads_running=3&max_rows_per_second=400"))
        dag = self.begin("busy", "orders")
        until("it reads", self.is_reading)
        others = [subprocess.Popen(["mariadb", "--no-defaults", f"-h{self.maria.host}", f"-P{self.maria.port}", f"-u{self.maria.user}", "--skip-ssl",
                                    "-e", "select sleep(1000) /* others */"], env={**os.environ, "MYSQL_PWD": self.maria.password},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(6)]
        try:
            self.says(dag, "standing still, reading mysql://", "threads running beside our readers, max_threads_running=3")
        finally:
            for number in self.maria.run("select id from information_schema.processlist where info like '%sleep(1000) /* others */' and id <> connection_id()").split():
                self.maria.run(f"kill {number}")
            for other in others:
                other.kill(), other.wait()
        self.connect("busy", with_options(self.maria.url, "max_threads_running=3"))  # taken up while it runs
        log = self.ends(dag, ROWS)
        self.assertRegex(log, r"reading mysql://\S+ after .*threads? running beside our readers; at most \d+ rows/s at first")

    def test_old_snapshots_are_waited_for_and_ours_does_not_become_one(self):
        url = with_options(self.pg.url, "max_snapshot_age=2s")
        self.connect("pg", url)
        other = subprocess.Popen(["psql", "-X", "-q", self.pg.url, "-c", "begin isolation level repeatable read; select pg_sleep(1000) /* others */"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until("it sleeps", lambda: self.pg.run("select 1 from pg_stat_activity where query like '%/* others */' and xact_start < now() - interval '2 s' and pid <> pg_backend_pid()"))
            dag = self.begin("pg", "gentle.small")
            self.says(dag, "waiting to read postgresql://", "a transaction of others is", "max_snapshot_age=2s")
        finally:
            self.pg.run("select pg_terminate_backend(pid) from pg_stat_activity where query like '%/* others */' and pid <> pg_backend_pid()")
            other.wait()
        self.ends(dag, FEW)
        self.connect("pg", url + "&max_rows_per_second=60")
        log = self.fails(self.begin("pg", "gentle.small"))
        self.assertIn("the snapshot of this try is", log)
        self.assertIn("Read in less time or less at once (an export by `split`", log)

    def test_a_standby_that_cancels_a_query_is_explained_and_the_table_read_again(self):
        self.standby.run("alter system set hot_standby_feedback = off; alter system set max_standby_streaming_delay = '10ms'; select pg_reload_conf();")
        try:
            until("the primary keeps no rows for it", lambda: self.pg.run("select xmin is null from pg_replication_slots where slot_name = 'replica'").strip() == "t")
            self.connect("standby", with_options(self.standby.url, f"max_rows_per_second={ROWS // 20}"))
            dag = self.begin("standby", "gentle.orders")
            until("it reads", lambda: self.standby.run("select 1 from pg_stat_activity where state = 'active' and query ilike 'copy%orders%'"))
            self.pg.run("update gentle.orders set name = name")
            self.pg.run("vacuum gentle.orders")
            self.says(dag, "conflict with recovery", "hot_standby_feedback", "max_standby_streaming_delay", "`split`", "all is read from the beginning, once")
            self.ends(dag, ROWS)
        finally:
            self.standby.run("alter system reset hot_standby_feedback; alter system reset max_standby_streaming_delay; select pg_reload_conf();")

    def test_a_right_that_a_bound_needs_is_named(self):
        for url, bound, right in ((self.maria.url, "max_snapshot_age=1h", "GRANT PROCESS ON *.*"), (self.maria.url, "max_lag=1h", "GRANT SLAVE MONITOR ON *.*"),
                                  (self.pg.url, "max_threads_running=50", "GRANT pg_read_all_stats TO poor"), (self.pg.url, "max_snapshot_age=1h", "GRANT pg_read_all_stats TO poor")):
            with self.subTest(bound=bound, right=right):
                self.connect("poor", with_options(url, bound, "poor:poor-poor"))
                table = "small" if url.startswith("mysql") else "gentle.small"
                # What the connection said before may hold for some seconds more.
                until(f"{right} is named", lambda: right in self.fails(self.begin("poor", table)))
                looked = self.i.run("connections", "test", "poor")
                self.assertEqual(looked.returncode, 1)
                self.assertIn("bounds", looked.stdout)
                self.assertIn(right, looked.stdout)
        self.connect("poor", with_options(self.maria.url, "max_reader=4"))
        self.assertIn("did you mean `max_readers`", self.fails(self.begin("poor", "small")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
