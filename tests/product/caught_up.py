"""A PostgreSQL server in miniature that answers what `replica_lag` asks of a replica, so that a sensor is met when a test
says so. One database a sensor; libpq speaks the extended protocol to it."""
import socket
import struct
import threading


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


READY = message(b"Z", b"I")
GREETING = (message(b"R", struct.pack("!I", 0)) + message(b"S", text("server_version") + text("15.5"))
            + message(b"S", text("client_encoding") + text("UTF8")) + message(b"S", text("standard_conforming_strings") + text("on"))
            + message(b"K", struct.pack("!II", 1, 1)) + READY)


class Replica:
    """`is_caught_up(database)` is asked at each poke."""

    def __init__(self, is_caught_up, password="p4ssword"):
        self.is_caught_up, self.password = is_caught_up, password
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.pokes = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def uri(self, database):
        return f"postgresql://reader:{self.password}@127.0.0.1:{self.port}/{database}"

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            with client, client.makefile("rb") as stream:
                self._talk(client, stream)
        except (OSError, EOFError):
            pass  # the prober was killed in the middle

    @staticmethod
    def _read(stream, count):
        data = stream.read(count)
        if len(data) != count:
            raise EOFError
        return data

    def _talk(self, client, stream):
        while True:
            body = self._read(stream, struct.unpack("!I", self._read(stream, 4))[0] - 4)
            code = struct.unpack("!I", body[:4])[0]
            if code == 196608:
                break
            client.sendall(b"N")  # neither TLS nor GSS
        words = body[4:].split(b"\0")
        database = dict(zip(words[::2], words[1::2]))[b"database"].decode()
        client.sendall(GREETING)
        query, answer, row = "", b"", ()
        while True:
            kind = self._read(stream, 1)
            body = self._read(stream, struct.unpack("!I", self._read(stream, 4))[0] - 4)
            if kind == b"X":
                return
            if kind == b"Q":  # settings
                client.sendall(message(b"C", text("SET")) + READY)
            elif kind == b"P":
                query = body.split(b"\0")[1].decode()
                answer += message(b"1")
            elif kind == b"B":
                answer += message(b"2")
            elif kind == b"D":
                columns, row = self._rows(query, database)
                answer += message(b"T", struct.pack("!H", len(columns)) + b"".join(
                    text(c) + struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0) for c in columns))
            elif kind == b"E":
                answer += message(b"D", struct.pack("!H", len(row)) + b"".join(
                    struct.pack("!I", len(v)) + v.encode() for v in row)) + message(b"C", text("SELECT 1"))
            elif kind == b"S":
                client.sendall(answer + READY)
                answer = b""

    def _rows(self, query, database):
        if "pg_is_in_recovery" in query:
            self.pokes += 1
            caught_up = self.is_caught_up(database)
            return ("recovering", "paused", "all_replayed", "age"), ("t", "f", "t" if caught_up else "f", "3600000000")
        if "pg_stat_wal_receiver" in query:
            return ("status", "age"), ("streaming", "1000")
        return ("name",), ("reader",)
