"""Stands between an operator and a real server, and does to the bytes what networks and overloaded stores do."""
import select
import socket
import struct
import threading


def address_of_nobody():
    """A port at which nobody listens, as none has since it was taken and given back."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def reset(peer):
    """Closes with a reset, as a firewall or a dying host does; whoever sends or waits hears of it at once."""
    try:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    except OSError:
        pass


class Pass:
    """Nothing happens. `sent`: what the server has sent, over all connections."""

    def __init__(self):
        self.sent, self.connections, self.closed = 0, 0, threading.Event()

    def admits(self):
        return True

    def lets(self, count, from_server):
        """How many of so many bytes may go on now; None: the connection ends."""
        return count


class Cut(Pass):
    """Once the server has sent so many bytes the connection is cut, and all others too; `once`: later ones are good."""

    def __init__(self, after, once=False):
        super().__init__()
        self.after, self.once, self.happened = after, once, False

    def admits(self):
        return self.once or not self.happened

    def lets(self, count, from_server):
        if self.happened:
            return count if self.once else None
        if from_server and self.sent + count >= self.after:
            self.happened = True
            return None
        return count


class Delay(Pass):
    """Each packet waits, and is cut into small ones if `piece` is given."""

    def __init__(self, seconds, piece=None):
        super().__init__()
        self.seconds, self.piece = seconds, piece

    def lets(self, count, from_server):
        self.closed.wait(self.seconds)
        return min(count, self.piece) if self.piece and from_server else count


class Stall(Pass):
    """Once the server has sent so many bytes nothing flows any more, and nobody is told."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def lets(self, count, from_server):
        return 0 if self.sent >= self.after else count


class Proxy:
    def __init__(self, server, fault):
        self.server, self.fault = server, fault
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.fault.closed.set()
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.fault.connections += 1
            if not self.fault.admits():
                reset(client)
                continue
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            server = socket.create_connection(self.server, timeout=30)
            server.settimeout(None)
        except OSError:
            reset(client)
            return
        try:
            self.flow(client, server)
        except OSError:
            pass
        finally:
            reset(client), reset(server)

    def flow(self, client, server):
        waiting = {client: b"", server: b""}  # read from it, not yet sent to the other
        closed = set()
        while not self.fault.closed.is_set():
            readable, _, _ = select.select([s for s in waiting if s not in closed and not waiting[s]], [], [], 0.005 if any(waiting.values()) else 0.2)
            for source in readable:
                part = source.recv(65536)
                if part:
                    waiting[source] = part
                else:
                    closed.add(source)
            for source, sink in ((client, server), (server, client)):
                while waiting[source]:
                    with self.lock:
                        allowed = self.fault.lets(len(waiting[source]), source is server)
                        if allowed is None:
                            return
                        if source is server:
                            self.fault.sent += allowed
                    if allowed == 0:
                        break
                    sink.sendall(waiting[source][:allowed])
                    waiting[source] = waiting[source][allowed:]
                if source in closed and not waiting[source]:
                    return


class Store(Proxy):
    """Of HTTP: each request by a connection of its own to the server; those that `refuse` names get its status instead.
    `after` is told the number of each that the server has done, before the client hears of it."""

    def __init__(self, server, refuse, after=lambda number: None):
        super().__init__(server, Pass())
        self.refuse, self.after = refuse, after
        self.requests, self.refused = 0, 0

    def serve(self, client):
        stream = client.makefile("rb")
        try:
            while self.one(client, stream):
                pass
        except (OSError, ValueError):
            pass
        finally:
            stream.close(), client.close()

    def one(self, client, stream):
        lines = []
        while (line := stream.readline()) not in (b"\r\n", b""):
            lines.append(line)
        if not lines:
            return False
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        with self.lock:
            number, self.requests = self.requests, self.requests + 1
            status = self.refuse(number)
            self.refused += status is not None
        if status is not None and b"expect" in headers:  # before the body is sent
            client.sendall(self.refusal(status))
            return False
        if b"expect" in headers:
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if b"chunked" in headers.get(b"transfer-encoding", b""):
            body = b""
            while size := int(line := stream.readline(), 16):
                body += line + stream.read(size + 2)
            body += b"0\r\n" + stream.readline()
        else:
            body = stream.read(int(headers.get(b"content-length", 0)))
        if status is not None:
            client.sendall(self.refusal(status))
            return False
        kept = [line for line in lines[1:] if line.partition(b":")[0].lower() not in (b"connection", b"expect")]
        with socket.create_connection(self.server, timeout=60) as server:
            server.sendall(lines[0] + b"".join(kept) + b"Connection: close\r\n\r\n" + body)
            answer = b""
            while part := server.recv(65536):
                answer += part
        self.after(number)
        client.sendall(answer)
        return False

    @staticmethod
    def refusal(status):
        body = b"<Error><Code>" + {503: b"SlowDown", 500: b"InternalError"}[status] + b"</Code><Message>the store's words</Message></Error>"
        return f"HTTP/1.1 {status} no\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
