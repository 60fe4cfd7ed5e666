"""Who is told: an HTTP server and a mail server that remember what they got and answer as a test says."""
import base64
import http.server
import socket
import socketserver
import ssl
import subprocess
import threading


def certificate(folder):
    """A key and a self-signed certificate for localhost, as PEM files."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return key, cert


class Webhook:
    """`answers` are statuses, one a request, the last for all that follow; "hold" lets the asker wait until `release`."""

    def __init__(self, *answers):
        self.answers, self.got, self.lock, self.release = list(answers or [200]), [], threading.Lock(), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.lock:
                    outer.got.append((self.path, dict(self.headers), body.decode()))
                    answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                if answer == "hold":
                    outer.release.wait(60)
                    self.close_connection = True
                    return
                self.send_response(answer)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"okay")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def keys(self):
        with self.lock:
            return [headers["Idempotency-Key"] for _, headers, _ in self.got]

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


class Mailbox:
    """SMTP with STARTTLS and AUTH PLAIN. `after_data`: the answer to a mail's end; None cuts the connection instead."""

    def __init__(self, key, cert, login=("udon", "pässword-1"), after_data="250 ok"):
        self.mails, self.secure, self.after_data = [], [], after_data
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def say(self, text):
                self.request.sendall(text.encode() + b"\r\n")

            def handle(self):
                try:
                    self.talk()
                except (OSError, ssl.SSLError):
                    pass

            def talk(self):
                lines = self.request.makefile("rb")
                self.say("220 here")
                for line in lines:
                    words = line.decode().strip()
                    verb = words.split(" ")[0].upper()
                    if verb in ("EHLO", "HELO"):
                        self.say("250-here\r\n250-STARTTLS\r\n250 8BITMIME")
                    elif verb == "STARTTLS":
                        self.say("220 go")
                        with context.wrap_socket(self.request, server_side=True) as self.request:
                            return self.go_on(self.request.makefile("rb"))
                    elif not self.mail(verb, words, lines, False, False):
                        return

            def go_on(self, lines):
                is_in = False
                for line in lines:
                    words = line.decode().strip()
                    verb = words.split(" ")[0].upper()
                    if verb in ("EHLO", "HELO"):
                        self.say("250-here\r\n250-AUTH PLAIN\r\n250 8BITMIME")
                    elif verb == "AUTH":
                        given = words.split(" ")[2] if len(words.split(" ")) > 2 else None
                        if given is None:
                            self.say("334 ")
                            given = lines.readline().decode().strip()
                        is_in = base64.b64decode(given).decode().split("\0")[1:] == list(login)
                        self.say("235 in" if is_in else "535 no")
                    elif not self.mail(verb, words, lines, True, is_in):
                        return

            def mail(self, verb, words, lines, is_secure, is_in):
                if verb == "QUIT":
                    self.say("221 bye")
                    return False
                if not is_in:
                    self.say("530 log in first")
                elif verb == "RCPT" and "nobody@" in words:
                    self.say("550 no such user")
                elif verb == "DATA":
                    self.say("354 go on")
                    text = b""
                    for line in lines:
                        if line == b".\r\n":
                            break
                        text += line
                    outer.secure.append(is_secure)
                    outer.mails.append(text)
                    if outer.after_data is None:
                        self.request.shutdown(socket.SHUT_RDWR)
                        return False
                    self.say(outer.after_data)
                else:
                    self.say("250 ok")
                return True

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
