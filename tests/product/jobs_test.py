#!/usr/bin/env python3
"""External jobs over HTTP: by the real program and a real server of jobs, with what goes wrong on the way."""
import http.server
import json
import pathlib
import signal
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import Installation, until  # noqa: E402

TASK = """
dag: {dag}
is_paused_upon_creation: false
tasks:
  job:
    operator: http_job
    connection: jobs
    submit_url: jobs
    body: {{name: "우동"}}
    {key}
    id_path: job.id
    status_url: "jobs/{{id}}"
    state_path: state
    message_path: said
    result_path: result
    success_states: [FINISHED]
    failure_states: [FAILED]
    cancel_url: "jobs/{{id}}"
    log_url: "http://logs/{{id}}"
    poke_interval: 20ms
    retry_delay: 10ms
    {more}
"""
KEY = "idempotency_header: Idempotency-Key"


class Jobs(http.server.ThreadingHTTPServer):
    """What a system of jobs is to its clients. `lose`: so many answers to submissions are cut."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.jobs, self.keys, self.submissions, self.lose, self.hold, self.page = {}, {}, 0, 0, None, None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        server, key = self.server, self.headers.get("Idempotency-Key")
        with server.lock:
            server.submissions += 1
            job = server.keys.get(key) if key else None
            if job is None:
                job = f"j{len(server.jobs) + 1}"
                server.jobs[job] = {"state": "RUNNING", "said": "", "result": None}
                if key:
                    server.keys[key] = job
            loses = server.lose > 0
            server.lose -= loses
            hold = server.hold
        if hold:
            hold.wait(60)
        if loses:
            self.connection.close()
            return
        self.answer(201, {"job": {"id": job}})

    def do_GET(self):
        with self.server.lock:
            job = self.server.jobs.get(self.path.rsplit("/", 1)[1])
        if self.server.page:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.page)
            return
        self.answer(200 if job else 404, job or {})

    def do_DELETE(self):
        with self.server.lock:
            self.server.jobs[self.path.rsplit("/", 1)[1]]["state"] = "CANCELED"
        self.answer(200, {})


class ExternalJobs(unittest.TestCase):
    def setUp(self):
        self.jobs = Jobs()
        self.addCleanup(self.jobs.server_close)
        self.addCleanup(self.jobs.shutdown)

    def started(self, key=KEY, more="retries: 0"):
        i = Installation(UDON_CONN_JOBS=f"http://127.0.0.1:{self.jobs.server_port}")
        i.dag("jobs", TASK.format(dag="jobs", key=key, more=more))
        i.start()
        i.udon("dags", "trigger", "jobs", "--run-id", "r1")
        return i

    def end(self, job, state, **more):
        with self.jobs.lock:
            self.jobs.jobs[job].update(state=state, **more)

    def test_a_job_is_submitted_once_and_waited_for_over_restarts(self):
        with self.started() as i:
            until("it is waited for", lambda: "job j1: RUNNING" in i.udon("tasks", "why", "jobs", "r1", "job"))
            self.assertEqual(i.state("jobs", "r1", "job"), "deferred")
            i.stop(signal.SIGKILL)
            i.start()
            until("it is waited for again", lambda: "job j1: RUNNING" in i.udon("tasks", "why", "jobs", "r1", "job"))
            self.end("j1", "FINISHED", result={"rows": 7})
            i.udon("runs", "wait", "jobs", "r1")
            self.assertEqual(json.loads(i.udon("tasks", "xcom", "jobs", "r1", "job", "return_value")), {"rows": 7})
            self.assertIn("http://logs/j1", i.udon("tasks", "logs", "jobs", "r1", "job"))
            self.assertEqual((self.jobs.submissions, len(self.jobs.jobs)), (1, 1))

    def test_a_lost_answer_submits_again_with_the_same_key(self):
        self.jobs.lose = 2
        with self.started() as i:
            until("it is waited for", lambda: "job j1: RUNNING" in i.udon("tasks", "why", "jobs", "r1", "job"))
            self.end("j1", "FINISHED")
            i.udon("runs", "wait", "jobs", "r1")
            self.assertEqual((self.jobs.submissions, len(self.jobs.jobs)), (3, 1))

    def test_killed_in_the_middle_of_the_submission_it_is_one_job_all_the_same(self):
        self.jobs.hold = threading.Event()
        with self.started() as i:
            until("it is submitted", lambda: self.jobs.submissions == 1)
            i.stop(signal.SIGKILL)
            self.jobs.hold.set()
            i.start()
            until("it is waited for", lambda: "job j1: RUNNING" in i.udon("tasks", "why", "jobs", "r1", "job"))
            self.end("j1", "FINISHED")
            i.udon("runs", "wait", "jobs", "r1")
            self.assertEqual(len(self.jobs.jobs), 1)

    def test_where_the_system_knows_no_keys_a_lost_answer_fails_the_try(self):
        self.jobs.lose = 1
        with self.started(key="doc: no key") as i:
            i.udon("runs", "wait", "jobs", "r1", code=1)
            self.assertIn("it is not known whether the job was submitted", i.udon("tasks", "logs", "jobs", "r1", "job"))
            self.assertEqual((self.jobs.submissions, len(self.jobs.jobs)), (1, 1))

    def test_a_failed_job_is_tried_again_as_another(self):
        with self.started(more="retries: 1") as i:
            until("it is waited for", lambda: "job j1: RUNNING" in i.udon("tasks", "why", "jobs", "r1", "job"))
            self.end("j1", "FAILED", said="out of memory")
            until("the next one is waited for", lambda: "job j2: RUNNING" in i.udon("tasks", "why", "jobs", "r1", "job"))
            self.assertIn("job j1: FAILED: out of memory", i.udon("tasks", "logs", "jobs", "r1", "job", "--try", "1"))
            self.end("j2", "FINISHED")
            i.udon("runs", "wait", "jobs", "r1")

    def test_a_kill_cancels_the_job(self):
        with self.started() as i:
            until("it is waited for", lambda: "job j1: RUNNING" in i.udon("tasks", "why", "jobs", "r1", "job"))
            i.udon("tasks", "kill", "jobs", "r1", "job")
            until("it has failed", lambda: i.state("jobs", "r1", "job") == "failed")
            self.assertEqual(self.jobs.jobs["j1"]["state"], "CANCELED")

    def test_an_answer_that_is_no_json_is_shown(self):
        self.jobs.page = b"<html>please log in</html>"
        with self.started() as i:
            until("it has failed", lambda: i.state("jobs", "r1", "job") == "failed")
            log = i.udon("tasks", "logs", "jobs", "r1", "job") + i.udon("tasks", "why", "jobs", "r1", "job")
            self.assertIn("the answer is not the JSON that it has to be", log)
            self.assertIn("<html>please log in</html>", log)
            self.assertNotIn("response: text", log)

    def test_a_timeout_cancels_the_job_and_is_tried_again(self):
        with self.started(more="retries: 1\n    timeout: 1s") as i:
            until("the second is there", lambda: "j2" in self.jobs.jobs)
            self.assertEqual(self.jobs.jobs["j1"]["state"], "CANCELED")


if __name__ == "__main__":
    unittest.main()
