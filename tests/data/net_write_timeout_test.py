#!/usr/bin/env python3
"""A MySQL server that ends a session whose rows are not taken for its net_write_timeout: the table is read once more from the
beginning, and where that happens again, the error says what ends such sessions. Exports ask for a week; here something between
makes two seconds of it, and then lets no row through."""
import pathlib
import shutil
import socket
import sys
import tempfile
import threading
import time
import unittest

import pyarrow.parquet as pq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
from fault_proxy import Pass, Proxy  # noqa: E402
from runner import Runner  # noqa: E402

ROWS = 30_000  # more than sockets hold
WEEK, SHORT = b"net_write_timeout = 604800", b"net_write_timeout = 2     "


class Held(Pass):
    """From the rows on nothing goes to the client, until it is let go."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def lets(self, count, from_server):
        return 0 if from_server and self.sent > 200_000 and not self.go.is_set() else count


class Impatient(Proxy):
    """Lets the server hear of two seconds where the client says a week."""
    changed = 0

    def flow(self, client, server):
        ours, theirs = socket.socketpair()
        threading.Thread(target=self.shorten, args=(client, theirs), daemon=True).start()
        try:
            super().flow(ours, server)
        finally:
            ours.close()

    def shorten(self, client, inner):
        def back():
            try:
                while part := inner.recv(65536):
                    client.sendall(part)
            except OSError:
                pass
            finally:
                end(client)
        threading.Thread(target=back, daemon=True).start()
        try:
            while part := client.recv(65536):
                self.changed += part.count(WEEK)
                inner.sendall(part.replace(WEEK, SHORT))
        except OSError:
            pass
        finally:
            end(inner)


def end(peer):
    try:
        peer.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class NetWriteTimeout(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.maria = lake.MariaDb(lake.start("mariadb"))
        cls.maria.run(f"""drop database if exists net_write_test; create database net_write_test; use net_write_test;
            create table net_write_test.orders (id int primary key, pad varchar(1000) not null);
            insert into net_write_test.orders select seq, repeat('x', 1000) from seq_1_to_{ROWS}""")

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def readers(self):
        return int(self.maria.run("select count(*) from information_schema.processlist where info like 'select %from `net_write_test`.%' and id <> connection_id()"))

    def wait(self, what, condition):
        deadline = time.monotonic() + 120
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)

    def export(self, times):
        """With sessions that are held until the server has ended them, so many times: what the try answers."""
        fault = Held()
        with Impatient((self.maria.host, int(self.maria.port)), fault) as proxy:
            connection = f"mysql://{self.maria.user}:{self.maria.password}@127.0.0.1:{proxy.port}/net_write_test"
            answers = []
            runner = Runner(self.folder)
            trying = threading.Thread(target=lambda: answers.append(runner.run(
                "replica_export", {"connection": "source", "table": "orders", "columns": "*", "to": f"{self.folder}/lake/"}, {"source": connection})))
            trying.start()
            for _ in range(times):
                self.wait("its rows are on their way", lambda: fault.sent > 200_000 and self.readers() == 1)
                self.wait("the server ends the session", lambda: self.readers() == 0)
                # The next session is held from its first rows on, too.
                seen = fault.connections
                fault.go.set()
                self.wait("it comes back, or gives up", lambda: fault.connections > seen or not trying.is_alive())
                fault.sent = 0
                if times > 1: fault.go.clear()
            fault.go.set()
            trying.join()
            runner.close()
        self.assertGreaterEqual(proxy.changed, times)
        return answers[0]

    def test_the_table_is_read_once_more_and_is_whole(self):
        answer = self.export(1)
        self.assertNotIn("error", answer, answer)
        log = "\n".join(answer["log"])
        self.assertIn("net_write_timeout", log)
        self.assertIn("its snapshot is lost; all is read from the beginning, once", log)
        self.assertEqual(pq.read_table(self.folder / "lake")["id"].to_pylist(), list(range(1, ROWS + 1)))

    def test_what_ends_such_sessions_is_told(self):
        answer = self.export(2)
        self.assertEqual(answer.get("error"), "unavailable", answer)
        for words in ("ends a session whose rows are not taken in time (net_write_timeout", "a proxy or firewall",
                      "all was read from the beginning already"):
            self.assertIn(words, answer["message"])
        self.assertFalse((self.folder / "lake").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
