#!/usr/bin/env python3
"""Two runs of the real product that write to one target of the real store at once: the earlier is held up in mid-upload
until the later has published."""
import http.client
import http.server
import json
import pathlib
import sys
import threading
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
from installation import DEADLINE, Installation, until  # noqa: E402

BUCKET = "udon-rivals"


def hold_first_part_before(endpoint):
    """A server that passes on to the store, and lets the first part that comes wait until `go` is set."""
    class Between(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        lock, held, go = threading.Lock(), threading.Event(), threading.Event()

        def pass_on(self):
            if "partNumber=" in self.path:
                with self.lock:
                    is_first = not self.held.is_set()
                    self.held.set()
                if is_first:
                    self.go.wait(DEADLINE)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            store = http.client.HTTPConnection(urllib.parse.urlsplit(endpoint).netloc)
            store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    store.putheader(name, value)
            store.endheaders(body)
            answer = store.getresponse()
            content = answer.read()
            store.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "date", "server") and (self.command == "HEAD" or name.lower() != "content-length"):
                    self.send_header(name, value)
            if self.command != "HEAD" and answer.status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, Between


class Rivals(unittest.TestCase):
    def publish_both(self, retries):
        """(the installation, the manifest at the end) of run `early`, held up, and run `late`."""
        store = lake.Store(lake.start("s3"))
        store.bucket(BUCKET)
        server, between = hold_first_part_before(store.endpoint)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.addCleanup(between.go.set)
        uri = store.uri().replace(urllib.parse.quote(store.endpoint, safe=""), urllib.parse.quote(f"http://127.0.0.1:{server.server_address[1]}", safe=""))
        i = self.enterContext(Installation(UDON_CONN_LAKE=uri))
        to = f"s3://{BUCKET}/{i.root.name}/"
        for run in ("early", "late"):
            (i.dags / f"{run}.csv").write_text(f"run\n{run}\n")
        i.dag("same", f"""
dag: same
tasks:
  prices:
    operator: parquet_convert
    from: "{{{{ run_id }}}}.csv"
    schema: {{run: string}}
    to: {to}
    to_connection: lake
    retries: {retries}
    retry_delay: 1s
""")
        i.start()
        i.udon("dags", "trigger", "same", "--run-id", "early")
        until("the earlier one is in mid-upload", between.held.is_set)
        i.udon("dags", "trigger", "same", "--run-id", "late", "--wait")
        begun = store.client.list_multipart_uploads(Bucket=BUCKET, Prefix=i.root.name).get("Uploads", [])
        self.assertEqual(len(begun), 1, "the earlier one's upload lives")
        between.go.set()
        i.udon("runs", "wait", "same", "early", code=0 if retries else 1)
        self.assertNotIn("Uploads", store.client.list_multipart_uploads(Bucket=BUCKET, Prefix=i.root.name))
        self.assertEqual(list((i.home / "uploads").iterdir()), [])
        manifest = json.loads(store.read(to + "_manifest.json"))
        self.assertEqual(manifest["files"][0]["etag"], store.client.head_object(Bucket=BUCKET, Key=f"{i.root.name}/part-00000.parquet")["ETag"].strip('"'))
        columns, _ = lake.columns_of(store.read(to + "part-00000.parquet"))
        return i, columns["run"], manifest

    def test_the_later_one_wins_and_the_earlier_says_why(self):
        i, content, manifest = self.publish_both(retries=0)
        self.assertEqual(content, ["late"])
        said = i.udon("tasks", "logs", "same", "early", "prices")
        self.assertIn(f"was published by try {manifest['try']}, which is later than this one", said)
        self.assertIn("give each export a target of its own, or let them run one after the other", said)

    def test_a_retry_of_the_earlier_one_is_later_than_both(self):
        i, content, manifest = self.publish_both(retries=1)
        self.assertEqual(content, ["early"])
        self.assertEqual(i.instances("same", "early")["prices", -1]["try_number"], 2)
        self.assertIn("was published by try", i.udon("tasks", "logs", "same", "early", "prices", "--try", "1"))
        self.assertEqual(manifest["certificate"], i.json("tasks", "xcom", "same", "early", "prices", "return_value")["value"]["certificate"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
