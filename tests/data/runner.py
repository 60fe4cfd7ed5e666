"""operator_runner, for tests that drive operators out of their shared objects."""
import json
import os
import pathlib
import signal
import subprocess
import threading

PROGRAM = pathlib.Path(os.environ["UDON_BUILD"]) / "tests/operator_runner"


class Hung(AssertionError):
    pass


class Killed(AssertionError):
    pass


class Runner:
    """One process for all that a test asks of it."""

    def __init__(self, folder, **environment):
        self.process = subprocess.Popen([PROGRAM, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={name: value for name, value in (os.environ | environment).items() if value is not None})

    def run(self, operator, parameters, connections=None, stop_after=None, number=1, run="run", deadline=120):
        """What it answers: value and message, or error and message; log; left. `deadline` is met by a failure only."""
        order = {"operator": operator, "parameters": parameters, "connections": connections or {}, "try": number, "run": run}
        if stop_after is not None:
            order["stop_after"] = stop_after
        hung = threading.Event()

        def end():
            hung.set()
            self.process.kill()

        watch = threading.Timer(deadline, end)
        watch.start()
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            code = self.process.wait()
            if hung.is_set():
                raise Hung(f"{operator} did not end: {order}")
            if code == -signal.SIGKILL:
                raise Killed
            raise AssertionError(f"{operator} crashed with {code}: {order}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()
