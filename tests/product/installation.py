"""An installation of Udon on a folder of its own: the real programs, driven as people and programs drive them."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

BUILD = pathlib.Path(os.environ.get("UDON_BUILD", "build")).resolve()
DEADLINE = 60.0  # met only by a failure


class Failed(AssertionError):
    pass


def until(what, condition, deadline=DEADLINE):
    """The first true value of `condition()`; asks again until then."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"still not: {what}")
        time.sleep(0.01)


def is_alive(pid):
    """Whether a process is there and not a zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def bearers(folder):
    """Pids of all that has this folder as $WORK, zombies aside: a server, its prober, tries and all that they started."""
    mark, found = f"WORK={folder}".encode(), []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            pass
    return sorted(found)


class Installation:
    program = BUILD / "udon"
    hides_cgroups = False  # as on a machine where none can be made; needs root

    def __init__(self, **environment):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="udon-product-"))
        self.home, self.dags, self.work = self.root / "home", self.root / "dags", self.root / "work"
        self.dags.mkdir(), self.work.mkdir()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("UDON")}
        self.environment |= {"UDON_HOME": str(self.home), "UDON__CORE__DAGS_FOLDER": str(self.dags), "UDON__WEB__PORT": "0",
                             "WORK": str(self.work), **environment}
        self.server = None
        self.starts = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:  # what a reader of the failure wants to see
            for log in sorted(self.root.glob("server-*.log")):
                print(f"--- {log.name}\n{log.read_text()[-6000:]}")
        if self.server and self.server.poll() is None:
            self.server.kill()
            self.server.wait()
        self.end_tries()
        shutil.rmtree(self.root, ignore_errors=True)

    def end_tries(self):
        """Whatever a test has left running."""
        for pid in bearers(self.work):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def dag(self, name, text):
        """A DAG file, whole at once: the catalog must not read half of it."""
        part = self.dags / f".{name}.part"
        part.write_text(text)
        part.rename(self.dags / f"{name}.yaml")

    def start(self, healthy=True):
        self.starts += 1
        self.log = self.root / f"server-{self.starts}.log"
        with open(self.log, "wb") as log:
            hide = ["unshare", "--mount", "sh", "-c", 'umount /sys/fs/cgroup/unified /sys/fs/cgroup 2>/dev/null; exec "$@"', "-"]
            self.server = subprocess.Popen((hide if self.hides_cgroups else []) + [BUILD / "udon", "standalone"], env=self.environment, stdout=log, stderr=log,
                                           start_new_session=True)
        if healthy:
            self.udon("health", "--wait", f"{DEADLINE:.0f}s")
            self.url = self.address()
        return self

    def address(self):
        return until("it says where it listens", lambda: re.search(r"listening on (http://\S+)", self.log.read_text())).group(1)

    def stop(self, how=signal.SIGTERM):
        self.server.send_signal(how)
        return self.server.wait(DEADLINE)

    def run(self, *words, **more):
        return subprocess.run([BUILD / "udon", *words], env=self.environment | more, capture_output=True, text=True, timeout=DEADLINE * 2)

    def udon(self, *words, code=0):
        """Standard output of a verb that must end with `code`; standard error in `self.told`."""
        ended = self.run(*words)
        self.told = ended.stderr
        if ended.returncode != code:
            raise Failed(f"udon {' '.join(words)} ended with {ended.returncode}, not {code}\n{ended.stdout}\n{ended.stderr}")
        return ended.stdout

    def json(self, *words, code=0):
        return json.loads(self.udon(*words, "--output", "json", code=code))

    def call(self, method, path, body=None, token=None, accept="application/json"):
        """(status, body) of a request over TCP; JSON is parsed."""
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Accept", accept)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                status, text, kind = answer.status, answer.read().decode(), answer.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            status, text, kind = error.code, error.read().decode(), error.headers.get("Content-Type", "")
        return status, json.loads(text) if text and kind.startswith("application/json") else text

    def login(self, name="admin", password=None):
        password = password or (self.home / "admin-password").read_text().strip()
        status, answer = self.call("POST", "/auth/token", {"username": name, "password": password})
        assert status == 201, (status, answer)
        return answer["access_token"]

    def instances(self, dag, run):
        """Task instances by (task id, map index)."""
        return {(i["task_id"], i["map_index"]): i for i in self.json("tasks", "list", dag, run)["task_instances"]}

    def state(self, dag, run, task, map_index=-1):
        return self.instances(dag, run)[task, map_index]["state"]

    def folders_of_tries(self):
        """In the spool and for staging; not the emptied ones that are kept for the tries to come."""
        return [p.name for folder in ("spool", "staging") for p in (self.home / folder).glob("[!.]*")]

    def mark(self, name):
        """A file in the folder that tasks see as $WORK."""
        (self.work / name).touch()

    def wait_for_mark(self, name):
        until(f"{name} is written", lambda: (self.work / name).exists())
        return (self.work / name).read_text()
