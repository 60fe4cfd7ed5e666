#!/usr/bin/env python3
"""Every operator that talks over a network, behind one that refuses, cuts, delays, stalls, or a store that is overloaded: a try
gives the right result or fails and says of whom, never hangs, tells no secret and leaves nothing that can be mistaken for a
result; and the next try is right."""
import concurrent.futures
import contextlib
import csv
import http.server
import io
import json
import os
import pathlib
import queue
import secrets
import shutil
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
from fault_proxy import Cut, Delay, Pass, Proxy, Stall, Store, address_of_nobody  # noqa: E402
from runner import Runner  # noqa: E402

ROWS = 2000
PASSWORD = "geheim" + secrets.token_hex(6)
BUCKET = "udon-faults"
PLACE = secrets.token_hex(4)  # below which all of this run lies
EXPECTED = [(n, f"주문 {n} " + "x" * (n % 90)) for n in range(1, ROWS + 1)]
WHOLE = ["_SUCCESS", "_manifest.json"]


class World:
    """The servers, what is on them, and what a case needs to know of them."""

    def __init__(self):
        maria, postgres = lake.start("mariadb"), lake.start("postgres")
        self.maria, self.postgres, self.store = lake.MariaDb(maria), lake.Postgres(postgres), lake.Store(lake.start("s3"))
        self.replicas = {"mysql": lake.MariaDb(maria, "UDON_MARIADB_REPLICA_URL").url, "postgresql": postgres["UDON_POSTGRES_REPLICA_URL"]}
        self.maria.run(f"""create database if not exists faults_test; use faults_test; create or replace user faults@'127.0.0.1' identified by '{PASSWORD}';
            grant all on faults_test.* to faults@'127.0.0.1'; grant slave monitor, binlog monitor on *.* to faults@'127.0.0.1';
            create or replace table orders (id int primary key, name text character set utf8mb4 not null);
            insert into orders select seq, concat('주문 ', seq, ' ', repeat('x', seq % 90)) from seq_1_to_{ROWS}""")
        self.postgres.run(f"""drop schema if exists faults_test cascade; drop role if exists faults; create role faults superuser login password '{PASSWORD}';
            create schema faults_test; create table faults_test.orders (id int primary key, name text not null);
            insert into faults_test.orders select n, '주문 ' || n || ' ' || repeat('x', n % 90) from generate_series(1, {ROWS}) n""")
        self.store.bucket(BUCKET)
        host = urllib.parse.urlsplit(self.store.endpoint)
        self.addresses = {"s3": (host.hostname, host.port), "mysql": (self.maria.host, int(self.maria.port)),
                          "postgresql": ("127.0.0.1", urllib.parse.urlsplit(self.postgres.url).port)}
        for kind, url in self.replicas.items():
            self.addresses[kind + "-replica"] = ("127.0.0.1", urllib.parse.urlsplit(url).port)
        self.api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=self.api.serve_forever, daemon=True).start()
        self.addresses["http"] = self.api.server_address
        self.sources = {}
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("id", "name"), *EXPECTED])
        self.csv = text.getvalue().encode()

    def close(self):
        self.maria.run("drop database faults_test; drop user faults@'127.0.0.1'")
        self.postgres.run("drop schema faults_test cascade; drop role faults")
        self.api.shutdown()

    def uri(self, kind, port):
        if kind == "s3":
            endpoint = urllib.parse.quote(f"http://127.0.0.1:{port}", safe="")
            return f"aws://{self.store.key}:{self.store.secret}@/?endpoint_url={endpoint}&region_name=us-east-1&max_attempts=2"
        if kind == "http":
            return f"http://:{PASSWORD}@127.0.0.1:{port}/"
        server = kind.split("-")[0]
        return f"{server}://faults:{PASSWORD}@127.0.0.1:{port}/{'faults_test' if server == 'mysql' else 'udon'}?connect_timeout=2"


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"rows": [list(row) for row in EXPECTED[:300]]}).encode()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def handle(self):
        with contextlib.suppress(OSError):  # cut
            super().handle()

    def log_message(self, *_):
        pass


class Case:
    """One operator by one way. `net`: whose network is bad. A case is used for one bad try and the good one after it."""
    operator = None
    retries_itself = False  # a network that is bad once must not be seen
    asks_again = False  # how many bytes go differs from try to try

    def __init__(self, world, net, folder, **how):
        self.world, self.net, self.how = world, net, how
        self.name = secrets.token_hex(6)
        self.local = folder / self.name
        self.prefix = f"s3://{BUCKET}/{PLACE}/{self.name}/"
        self.prepare()

    def prepare(self):
        pass

    def connections(self, port=None):
        """`port`: that of the bad network."""
        return {kind: self.world.uri(kind, port if port is not None and kind == self.net else address[1])
                for kind, address in self.world.addresses.items()}

    def parameters(self):
        raise NotImplementedError

    def check(self, answer):
        """After a try that said it was right."""

    def check_no_leftovers(self):
        """After a try over a good network. Before it there may be an upload whose beginning was answered to nobody."""

    def check_nothing_is_half(self):
        """After any try."""


class Writes(Case):
    """What publishes a table: a folder with _SUCCESS holds all rows, and without it there is no manifest either."""
    where = "local"
    suffix = ".parquet"
    retries_itself = True

    def target(self):
        return self.prefix + "out/" if self.how.get("to") == "s3" else str(self.local / "out")

    def to(self):
        return {"to": self.target(), "to_connection": "s3"}

    def names(self):
        return self.world.store.names(self.target()) if self.how.get("to") == "s3" else lake.Folder().names(self.target())

    def rows(self):
        content = [(self.world.store.read(self.target() + n) if self.how.get("to") == "s3" else (self.local / "out" / n).read_bytes())
                   for n in self.names() if n.endswith(self.suffix)]
        rows = []
        for each in content:
            if self.suffix == ".csv":
                rows += [(int(a), b) for a, b in list(csv.reader(io.StringIO(each.decode())))[1:]]
            else:
                values = lake.columns_of(each)[0]
                rows += zip(values["id"], values["name"])
        return sorted(rows)

    def check(self, answer):
        assert answer["value"]["rows"] == ROWS, answer
        names = self.names()
        # A reader that others are quicker than has nothing to read, and no file; what was kept of a first reading has its own.
        readers = self.how.get("files", 1)
        files = len(names) - len(WHOLE)
        assert [n for n in names if n.startswith("_")] == WHOLE and 1 <= files <= (1 if readers == 1 else 2 * readers), names
        assert self.rows() == EXPECTED
        if self.how.get("to") != "s3":
            assert [p.name for p in self.local.iterdir()] == ["out"], list(self.local.iterdir())

    def check_no_leftovers(self):
        assert not self.world.store.uploads(self.prefix), "an upload is left unfinished"

    def check_nothing_is_half(self):
        names = self.names()
        if "_SUCCESS" in names:
            assert self.rows() == EXPECTED
        else:
            assert "_manifest.json" not in names or self.how.get("to") == "s3", names
        if self.how.get("to") != "s3" and self.local.exists():
            assert not [p.name for p in self.local.iterdir() if p.name != "out"], list(self.local.iterdir())


class Export(Writes):
    operator = "replica_export"

    def parameters(self):
        return {"connection": self.how["source"], "table": "orders" if self.how["source"] == "mysql" else "faults_test.orders",
                "columns": ["id", "name"], **self.how.get("more", {}), **self.to()}


class CsvExport(Export):
    operator, suffix = "csv_export", ".csv"


class Sql(Writes):
    operator = "sql"
    retries_itself = False

    def parameters(self):
        table = "orders" if self.how["source"] == "mysql" else "faults_test.orders"
        return {"connection": self.how["source"], "sql": f"select id, name from {table} order by id", **self.to()}


class SqlToXcom(Case):
    operator = "sql"

    def parameters(self):
        table = "orders" if self.net == "mysql" else "faults_test.orders"
        return {"connection": self.net, "sql": f"select id, name from {table} order by id limit 500"}

    def check(self, answer):
        assert [(r["id"], r["name"]) for r in answer["value"]] == EXPECTED[:500]


class SqlCheck(Case):
    operator = "sql_check"

    def parameters(self):
        return {"connection": "mysql", "sql": "select id, name from orders", "other_connection": "postgresql",
                "other_sql": "select id, name from faults_test.orders", "check": "reconcile", "key": ["id"]}

    def check(self, answer):
        assert answer["value"]["rows"] == ROWS, answer


class Convert(Writes):
    operator = "parquet_convert"

    def prepare(self):
        self.source = self.prefix + "in/orders.csv"
        if self.how["source"] == "s3":
            self.world.store.write(self.source, self.world.csv)
        else:
            self.source = f"{self.local}.csv"
            pathlib.Path(self.source).write_bytes(self.world.csv)

    def parameters(self):
        return {"from": self.source, "from_connection": "s3", "schema": {"id": "int64", "name": "string"}, **self.to()}


class Archive(Writes):
    """From a table of its own; what is not in the archive is in the table."""
    operator = "archive"
    retries_itself = False

    def prepare(self):
        self.table = "a_" + self.name
        if self.how["source"] == "mysql":
            self.world.maria.run(f"create table {self.table} as select * from orders; alter table {self.table} add primary key (id)", "faults_test")
        else:
            self.world.postgres.run(f"create table faults_test.{self.table} as select * from faults_test.orders; alter table faults_test.{self.table} add primary key (id);")

    def parameters(self):
        return {"connection": self.how["source"], "table": self.table if self.how["source"] == "mysql" else "faults_test." + self.table,
                "where": {"sql": "id > :n", "n": 0}, "pause": "0s", "batch_rows": 500, **self.to()}

    def remaining(self):
        sql = f"select count(*) from faults_test.{self.table};"
        return int((self.world.maria if self.how["source"] == "mysql" else self.world.postgres).run(sql))

    def check(self, answer):
        super().check(answer)
        assert self.remaining() == 0, self.remaining()

    def check_nothing_is_half(self):
        super().check_nothing_is_half()
        if self.remaining() != ROWS:
            assert "_SUCCESS" in self.names(), "rows are gone that are not archived"


class Verify(Case):
    operator = "certificate_verify"

    def prepare(self):
        self.export = Export(self.world, None, self.local.parent, source="postgresql", to="s3")
        self.manifest = self.export.target() + "_manifest.json"
        made = Case.runner_of_preparations.run("replica_export", self.export.parameters(), self.export.connections())
        assert "error" not in made, made

    def parameters(self):
        return {"manifest": self.manifest, "from_connection": "s3", "connection": "postgresql"}

    def check(self, answer):
        assert answer["value"]["same"], answer


class Upload(Case):
    operator = "s3_upload"
    retries_itself = True

    def prepare(self):
        self.local.mkdir()
        self.files = {f"우동 {n}.txt": os.urandom(1000 * n + 1) for n in range(1, 6)} if self.how["tree"] else {"one.bin": os.urandom(6 << 20)}
        for name, content in self.files.items():
            (self.local / name).write_bytes(content)

    def parameters(self):
        if self.how["tree"]:
            return {"from": f"{self.local}/", "to": self.prefix, "to_connection": "s3", "parallel": 2}
        return {"from": str(self.local / "one.bin"), "to": self.prefix + "one.bin", "to_connection": "s3", "part_size": 5 << 20}

    def check(self, answer):
        assert self.world.store.names(self.prefix) == sorted(self.files)
        self.check_nothing_is_half()

    def check_no_leftovers(self):
        assert not self.world.store.uploads(self.prefix), "an upload is left unfinished"

    def check_nothing_is_half(self):
        for name in self.world.store.names(self.prefix):
            assert self.world.store.read(self.prefix + name) == self.files[name], name


class Copy(Upload):
    operator = "s3_copy"

    def prepare(self):
        self.files = {f"우동 {n}.txt": os.urandom(500 * n + 1) for n in range(1, 4)}
        for name, content in self.files.items():
            self.world.store.write(f"s3://{BUCKET}/{PLACE}-from/{self.name}/{name}", content)

    def parameters(self):
        return {"from": f"s3://{BUCKET}/{PLACE}-from/{self.name}/", "to": self.prefix, "from_connection": "s3", "to_connection": "s3", "parallel": 2}


class Delete(Case):
    operator = "s3_delete"
    retries_itself = True

    def prepare(self):
        for n in range(4):
            self.world.store.write(f"{self.prefix}{n}.tmp", b"x")
        self.world.store.write(f"{self.prefix}kept.txt", b"x")

    def parameters(self):
        return {"prefix": self.prefix, "include": ["*.tmp"], "connection": "s3"}

    def check(self, answer):
        assert self.world.store.names(self.prefix) == ["kept.txt"]

    def check_nothing_is_half(self):
        assert "kept.txt" in self.world.store.names(self.prefix)


class Key(Case):
    operator = "s3_key"
    retries_itself = True

    def prepare(self):
        self.world.store.write(self.prefix + "done.txt", b"12345")

    def parameters(self):
        return {"key": self.prefix + "*.txt", "connection": "s3", "bytes_at_least": 5}

    def check(self, answer):
        assert answer["met"] and answer["value"]["count"] == 1, answer


class Lifecycle(Case):
    operator = "s3_lifecycle"
    retries_itself = True

    def prepare(self):
        self.bucket = self.world.store.bucket("udon-faults-" + self.name)

    def parameters(self):
        return {"bucket": self.bucket, "connection": "s3", "rules": [{"id": "old", "prefix": "tmp/", "expire_after_days": 30}]}

    def check(self, answer):
        rules = self.world.store.client.get_bucket_lifecycle_configuration(Bucket=self.bucket)["Rules"]
        assert [r["ID"] for r in rules] == ["old"], rules


class Lag(Case):
    operator = "replica_lag"
    asks_again = True  # until the replica is there: more or fewer bytes

    def parameters(self):
        return {"connection": self.net, "primary_connection": self.net.split("-")[0], "behind_at_most": "10m"}

    def check(self, answer):
        assert answer["met"], answer


class Tables(Case):
    operator = "tables"

    def parameters(self):
        return {"connection": self.net, "like": "orders" if self.net == "mysql" else "faults_test.orders"}

    def check(self, answer):
        assert len(answer["value"]) == 1 and answer["value"][0]["table"].endswith("orders"), answer


class Http(Case):
    operator = "http"

    def parameters(self):
        return {"connection": "http", "url": "v1/rows", **({"body": {"a": "x" * 5000}} if self.how.get("post") else {})}

    def check(self, answer):
        assert answer["value"] == {"rows": [list(row) for row in EXPECTED[:300]]}


CASES = {
    "export of MySQL": (Export, "mysql", {"source": "mysql"}),
    "export of MySQL by three readers": (Export, "mysql", {"source": "mysql", "more": {"split": {"by": "id", "into": 3}}, "files": 3}),
    "export of PostgreSQL": (Export, "postgresql", {"source": "postgresql"}),
    "export of MySQL to S3": (Export, "s3", {"source": "mysql", "to": "s3"}),
    "export of PostgreSQL to S3": (Export, "s3", {"source": "postgresql", "to": "s3"}),
    "sql of MySQL": (Sql, "mysql", {"source": "mysql"}),
    "sql of PostgreSQL": (Sql, "postgresql", {"source": "postgresql"}),
    "sql of PostgreSQL to S3": (Sql, "s3", {"source": "postgresql", "to": "s3"}),
    "sql of MySQL to an XCom": (SqlToXcom, "mysql", {}),
    "sql of PostgreSQL to an XCom": (SqlToXcom, "postgresql", {}),
    "sql_check, MySQL": (SqlCheck, "mysql", {}),
    "sql_check, PostgreSQL": (SqlCheck, "postgresql", {}),
    "csv_export of MySQL": (CsvExport, "mysql", {"source": "mysql"}),
    "csv_export of PostgreSQL to S3": (CsvExport, "s3", {"source": "postgresql", "to": "s3"}),
    "parquet_convert from S3": (Convert, "s3", {"source": "s3"}),
    "parquet_convert to S3": (Convert, "s3", {"source": "local", "to": "s3"}),
    "archive of MySQL": (Archive, "mysql", {"source": "mysql"}),
    "archive of PostgreSQL": (Archive, "postgresql", {"source": "postgresql"}),
    "archive of PostgreSQL to S3": (Archive, "s3", {"source": "postgresql", "to": "s3"}),
    "certificate_verify, files": (Verify, "s3", {}),
    "certificate_verify, source": (Verify, "postgresql", {}),
    "s3_upload of a file": (Upload, "s3", {"tree": False}),
    "s3_upload of a folder": (Upload, "s3", {"tree": True}),
    "s3_copy": (Copy, "s3", {}),
    "s3_delete": (Delete, "s3", {}),
    "s3_key": (Key, "s3", {}),
    "s3_lifecycle": (Lifecycle, "s3", {}),
    "replica_lag of MySQL": (Lag, "mysql-replica", {}),
    "replica_lag of PostgreSQL": (Lag, "postgresql-replica", {}),
    "tables of MySQL": (Tables, "mysql", {}),
    "tables of PostgreSQL": (Tables, "postgresql", {}),
    "http": (Http, "http", {}),
    "http that sends": (Http, "http", {"post": True}),
}
TRANSIENT = ("unavailable", "timeout")


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        Case.runner_of_preparations = cls.runner("preparations")

    @classmethod
    def tearDownClass(cls):
        Case.runner_of_preparations.close()
        cls.world.close()
        cls.temporary.cleanup()

    @classmethod
    def runner(cls, name):
        folder = cls.folder / name
        folder.mkdir(exist_ok=True)
        return Runner(folder)

    def attempt(self, runner, case, port, stop_after=None, number=1, attempts=2):
        """`attempts`: how often the store is asked."""
        connections = {id: uri.replace("max_attempts=2", f"max_attempts={attempts}") for id, uri in case.connections(port).items()}
        answer = runner.run(case.operator, case.parameters(), connections, stop_after, number, deadline=120)
        told = json.dumps(answer, ensure_ascii=False)
        for secret in (PASSWORD, self.world.store.secret):
            assert secret not in told, told
        return answer

    def judge(self, case, answer, port, kinds=TRANSIENT):
        """Right, or failed as a network's fault should be told."""
        case.check_nothing_is_half()
        if "error" not in answer:
            case.check(answer)
            return
        assert answer["error"] in kinds, answer
        # A stop may come while it waits for another server.
        assert f"127.0.0.1:{'' if answer['error'] == 'cancelled' else port}" in answer["message"], answer

    def right(self, case, answer):
        assert "error" not in answer, answer
        case.check(answer)

    def go_through(self, runner, name, say):
        make, net, how = CASES[name]
        server = self.world.addresses[net]

        def new():
            return make(self.world, net, runner.folder, **how)

        def then_right(case):
            self.right(case, self.attempt(runner, case, None, number=2))
            case.check_no_leftovers()

        say("nothing")
        sent = []
        for _ in range(5 if new().asks_again else 1):
            case = new()
            with Proxy(server, Pass()) as proxy:
                self.right(case, self.attempt(runner, case, proxy.port))
                sent.append(proxy.fault.sent)
        total = min(sent)
        assert total > 100

        say("nobody listens")
        case, port = new(), address_of_nobody()
        answer = self.attempt(runner, case, port)
        assert answer.get("error") == "unavailable", answer
        self.judge(case, answer, port)
        then_right(case)

        for after in sorted({1, total // 5, total // 2, total * 4 // 5}):
            say(f"cut for good after {after} of {total} bytes")
            case = new()
            with Proxy(server, Cut(after)) as proxy:
                self.judge(case, self.attempt(runner, case, proxy.port), proxy.port)
                assert proxy.fault.happened
            then_right(case)

        for after in (total // 3, total * 9 // 10):
            say(f"cut once after {after} of {total} bytes")
            case = new()
            with Proxy(server, Cut(after, once=True)) as proxy:
                answer = self.attempt(runner, case, proxy.port)
                if case.retries_itself and net == "s3":
                    self.right(case, answer)
                else:
                    self.judge(case, answer, proxy.port)
            then_right(case)

        for what, fault in (("every packet waits", Delay(0.002)), ("a trickle", Delay(0.0005, 4096))):
            say(what)
            case = new()
            with Proxy(server, fault) as proxy:
                self.right(case, self.attempt(runner, case, proxy.port))

        for after in (0, total // 2):
            say(f"silence after {after} of {total} bytes")
            case = new()
            with Proxy(server, Stall(after)) as proxy:
                answer = self.attempt(runner, case, proxy.port, stop_after=0.5)
                self.judge(case, answer, proxy.port, (*TRANSIENT, "cancelled"))
            then_right(case)

        if net in ("s3", "http"):
            say("every other request is answered 503 or 500")
            case = new()
            # Requests come from several threads: one may meet the refusals of others.
            with Store(server, lambda number: (503, None, 500, None)[number % 4]) as proxy:
                answer = self.attempt(runner, case, proxy.port, attempts=12)
                assert proxy.refused > 0
                if net == "s3":
                    self.right(case, answer)
                else:
                    self.judge(case, answer, proxy.port)
            say("after the first requests all are answered 503")
            case = new()
            with Store(server, lambda number: 503 if number > 1 else None) as proxy:
                self.judge(case, self.attempt(runner, case, proxy.port), proxy.port)
            then_right(case)

    def test_each_operator_over_each_kind_of_bad_network(self):
        chosen = [name for name in CASES if os.environ.get("ONLY", "") in name]
        waiting = queue.Queue()
        for name in chosen:
            waiting.put(name)
        failures = []

        def work(number):
            runner, made = None, 0
            with contextlib.suppress(queue.Empty):
                while True:
                    name, fault = waiting.get_nowait(), [""]
                    if runner is None:
                        runner = self.runner(f"{number}-{made}")
                        runner.folder = self.folder / f"{number}-{made}"
                        made += 1
                    begun = time.monotonic()
                    at = [time.monotonic()]

                    def say(text):
                        now = time.monotonic()
                        if "TIMES" in os.environ:
                            print(f"    {now - at[0]:6.2f} {name}: {fault[0]}", flush=True)
                        at[0], fault[0] = now, text
                    try:
                        self.go_through(runner, name, say)
                        say("")
                    except Exception as error:  # noqa: BLE001: all are wanted
                        failures.append(f"{name}: {fault[0]}: {type(error).__name__} {str(error)[:1500]}")
                        with contextlib.suppress(Exception):
                            runner.close()
                        runner = None
                    print(f"{time.monotonic() - begun:6.1f} s  {name}", flush=True)
            if runner:
                runner.close()

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work, n) for n in range(4)]:
                done.result()
        self.assertFalse(failures, "\n\n" + "\n\n".join(failures))


if __name__ == "__main__":
    unittest.main(verbosity=2)
