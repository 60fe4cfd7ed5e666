"""A git repository that people push to, and a server of it over HTTP as git itself has one (git http-backend)."""
import base64
import http.server
import os
import pathlib
import subprocess
import threading


class Repository:
    """A bare repository and a working copy that pushes into it."""

    def __init__(self, root, name="shop.git"):
        self.root = pathlib.Path(root)
        self.bare = self.root / name
        self.copy = self.root / "copy"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        self.environment |= {"HOME": str(self.root), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
                             "GIT_COMMITTER_NAME": "ada", "GIT_COMMITTER_EMAIL": "ada@example.com"}
        self.root.mkdir(parents=True, exist_ok=True)
        self.run("init", "-q", "--bare", "-b", "main", str(self.bare), cwd=self.root)
        self.run("init", "-q", "-b", "main", str(self.copy), cwd=self.root)
        self.run("remote", "add", "origin", str(self.bare))

    def run(self, *words, cwd=None):
        return subprocess.run(["git", *words], cwd=cwd or self.copy, env=self.environment, check=True, capture_output=True,
                              text=True).stdout.strip()

    def push(self, *options, branch="main", **files):
        """Files by path (None: it goes); gives the commit."""
        for path, text in files.pop("files", files).items():
            file = self.copy / path
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        self.run("add", "-A")
        self.run("commit", "-q", "--allow-empty", "-m", "바뀜")
        self.run("push", "-q", *options, "origin", f"HEAD:refs/heads/{branch}")
        return self.run("rev-parse", "HEAD")


class Server:
    """Serves a folder of repositories to who knows the password; `hold` keeps each answer back until `go` is set."""

    def __init__(self, folder, login=None):
        self.folder, self.login = str(folder), login
        self.asked = threading.Event()
        self.go = threading.Event()
        self.go.set()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(b"")

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def answer(self, body):
                server.asked.set()
                server.go.wait(60)
                expected = None if server.login is None else "Basic " + base64.b64encode(server.login.encode()).decode()
                if expected is not None and self.headers.get("Authorization") != expected:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                path, _, query = self.path.partition("?")
                environment = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": server.folder, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
                               "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                               "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                               "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_USER": "ada", "REMOTE_ADDR": "127.0.0.1",
                               "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
                answer = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True).stdout
                head, _, content = answer.partition(b"\r\n\r\n")
                status, headers = 200, []
                for line in head.decode().split("\r\n"):
                    name, _, value = line.partition(": ")
                    if name == "Status":
                        status = int(value.split()[0])
                    elif name:
                        headers.append((name, value))
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                try:
                    self.wfile.write(content)
                except OSError:
                    pass  # the client was killed

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def close(self):
        self.go.set()
        self.http.shutdown()
        self.http.server_close()
