"""Stands for a database of RDS with IAM authentication: over TLS it asks for the password in clear, holds the token against
botocore's, and passes a client whose token is right on to the real server, as that server's own user."""
import base64
import datetime
import hashlib
import hmac
import os
import pathlib
import re
import select
import socket
import ssl
import struct
import threading
import urllib.parse

import boto3
import botocore.auth

CLIENT_SSL, CLIENT_CONNECT_ATTRS, CLIENT_LENENC, CLIENT_PLUGIN_AUTH = 1 << 11, 1 << 20, 1 << 21, 1 << 19
CLIENT_SECURE, CLIENT_WITH_DB = 1 << 15, 1 << 3
one_at_a_time = threading.Lock()  # of botocore's clock


def is_botocores(token, host, port, user, region, key, secret):
    """Whether botocore, at the token's own time, makes the same; and that time is now."""
    fields = dict(urllib.parse.parse_qsl(token.partition("?")[2]))
    try:
        then = datetime.datetime.strptime(fields.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ")
    except ValueError:
        return False
    client = boto3.client("rds", region_name=region, aws_access_key_id=key, aws_secret_access_key=secret)
    with one_at_a_time:
        real, botocore.auth.get_current_datetime = botocore.auth.get_current_datetime, lambda remove_tzinfo=True: then
        try:
            expected = client.generate_db_auth_token(host, port, user)
        finally:
            botocore.auth.get_current_datetime = real
    age = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - then
    return token == expected and abs(age.total_seconds()) < 900


def exactly(peer, count):
    content = b""
    while len(content) < count:
        part = peer.recv(count - len(content))
        if not part:
            raise EOFError
        content += part
    return content


class StandIn:
    def __init__(self, url, certificate, region, key, secret, offers_tls=True):
        self.user, self.password, self.real_host, port = re.match(r"\w+://(\w+):(\w+)@([\d.]+):(\d+)", url).groups()
        self.real_port, self.region, self.key, self.secret, self.offers_tls = int(port), region, key, secret, offers_tls
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, pathlib.Path(certificate).with_suffix(".key"))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.tokens, self.taken, self.clients = [], 0, 0  # what came as a password; how many were right; who knocked
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.clients += 1
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = socket.create_connection((self.real_host, self.real_port))
        ends = [client, server]
        try:
            ends[:] = self.log_in(client, server)
            self.pass_on(*ends)
        except (EOFError, OSError):  # also of TLS: a client that does not trust us
            pass
        finally:
            for end in (*ends, client, server):
                end.close()

    @staticmethod
    def pass_on(client, server):
        """By one thread: two may not use one TLS session at once."""
        client.setblocking(False)
        while True:
            ready, _, _ = select.select([client, server], [], [])
            if server in ready:
                rest = memoryview(server.recv(65536))
                if not rest:
                    return
                while rest:
                    try:
                        rest = rest[client.send(rest):]
                    except (ssl.SSLWantWriteError, BlockingIOError):
                        select.select([], [client], [])
                    except ssl.SSLWantReadError:
                        select.select([client], [], [])
            if client in ready:
                try:
                    while part := client.recv(65536):
                        server.sendall(part)
                    return
                except (ssl.SSLWantReadError, BlockingIOError):
                    pass

    def wrapped(self, client):
        """Closed by whoever hears of a failure."""
        made = self.tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        try:
            made.do_handshake()
        except OSError:
            made.close()
            raise
        return made

    def is_right(self, token, user):
        self.tokens.append(token)
        right = is_botocores(token, "127.0.0.1", self.port, user, self.region, self.key, self.secret)
        self.taken += right
        return right

    def close(self):
        self.listener.close()


class MariaDbStandIn(StandIn):
    @staticmethod
    def read(peer):
        head = exactly(peer, 4)
        return exactly(peer, int.from_bytes(head[:3], "little")), head[3]

    @staticmethod
    def write(peer, payload, number):
        peer.sendall(len(payload).to_bytes(3, "little") + bytes([number]) + payload)

    def log_in(self, client, server):
        greeting, _ = self.read(server)
        version_end = greeting.index(b"\0", 1)
        scramble = greeting[version_end + 5:version_end + 13]
        rest = greeting[version_end + 14:]  # capabilities (2), charset, status (2), capabilities (2), length, 6 + 4 bytes, the rest of the scramble
        scramble += rest[18:30]
        if not self.offers_tls:
            low = int.from_bytes(rest[:2], "little") & ~CLIENT_SSL
            greeting = greeting[:version_end + 14] + low.to_bytes(2, "little") + rest[2:]
        self.write(client, greeting, 0)
        request, _ = self.read(client)
        if struct.unpack_from("<I", request)[0] & CLIENT_SSL:
            client = self.wrapped(client)
            request, _ = self.read(client)
        capabilities, = struct.unpack_from("<I", request)
        user, _, after = request[32:].partition(b"\0")
        assert capabilities & CLIENT_LENENC and after[0] < 251  # of one byte
        after = after[1 + after[0]:]
        database = after.partition(b"\0")[0] if capabilities & CLIENT_WITH_DB else b""
        self.write(client, b"\xfemysql_clear_password\0", 2 if not isinstance(client, ssl.SSLSocket) else 3)
        answer, number = self.read(client)
        if not self.is_right(answer.rstrip(b"\0").decode(), user.decode()):
            refusal = f"Access denied for user '{user.decode()}'@'127.0.0.1' (using password: YES)"
            self.write(client, b"\xff" + (1045).to_bytes(2, "little") + b"#28000" + refusal.encode(), number + 1)
            raise EOFError
        once = hashlib.sha1(self.password.encode()).digest()
        mask = hashlib.sha1(scramble + hashlib.sha1(once).digest()).digest()
        capabilities &= ~(CLIENT_SSL | CLIENT_CONNECT_ATTRS | CLIENT_LENENC)
        proof = bytes(a ^ b for a, b in zip(once, mask, strict=True))
        self.write(server, struct.pack("<I", capabilities) + request[4:32] + self.user.encode() + b"\0" + bytes([len(proof)]) + proof +
                   (database + b"\0" if capabilities & CLIENT_WITH_DB else b"") + b"mysql_native_password\0", 1)
        result, _ = self.read(server)
        self.write(client, result, number + 1)
        return client, server


class PostgresStandIn(StandIn):
    @staticmethod
    def read(peer):
        kind = exactly(peer, 1)
        return kind, exactly(peer, int.from_bytes(exactly(peer, 4), "big") - 4)

    @staticmethod
    def write(peer, kind, payload):
        peer.sendall(kind + (len(payload) + 4).to_bytes(4, "big") + payload)

    def log_in(self, client, server):
        start = exactly(client, int.from_bytes(exactly(client, 4), "big") - 4)
        code = int.from_bytes(start[:4], "big")
        if code == 80877102:  # a cancellation comes by a session of its own
            self.write(server, b"", start)
            return client, server
        if code == 80877103:
            client.sendall(b"S" if self.offers_tls else b"N")
            if self.offers_tls:
                client = self.wrapped(client)
            start = exactly(client, int.from_bytes(exactly(client, 4), "big") - 4)
        words = start[4:].split(b"\0")
        settings = dict(zip(words[0:-2:2], words[1::2]))
        user = settings[b"user"].decode()
        self.write(client, b"R", (3).to_bytes(4, "big"))
        _, answer = self.read(client)
        if not self.is_right(answer.rstrip(b"\0").decode(), user):
            self.write(client, b"E", f"SFATAL\0VFATAL\0C28000\0MPAM authentication failed for user \"{user}\"\0\0".encode())
            raise EOFError
        settings[b"user"] = self.user.encode()
        self.write(server, b"", start[:4] + b"".join(k + b"\0" + v + b"\0" for k, v in settings.items()) + b"\0")
        self.scram(server)
        self.write(client, b"R", (0).to_bytes(4, "big"))
        return client, server

    def scram(self, server):
        kind, offer = self.read(server)
        assert kind == b"R" and offer[:4] == (10).to_bytes(4, "big"), offer
        nonce = base64.b64encode(os.urandom(18))
        first = b"n=,r=" + nonce
        self.write(server, b"p", b"SCRAM-SHA-256\0" + (len(first) + 3).to_bytes(4, "big") + b"n,," + first)
        _, challenge = self.read(server)
        given = dict(part.split(b"=", 1) for part in challenge[4:].split(b","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(given[b"s"]), int(given[b"i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        last = b"c=biws,r=" + given[b"r"]
        signed = hmac.digest(hashlib.sha256(client_key).digest(), first + b"," + challenge[4:] + b"," + last, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signed, strict=True))
        self.write(server, b"p", last + b",p=" + base64.b64encode(proof))
        self.read(server)
        kind, done = self.read(server)
        assert kind == b"R" and done == (0).to_bytes(4, "big"), done
