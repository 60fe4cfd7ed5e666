#!/usr/bin/env python3
"""The demo, twice: what it publishes equals the databases, and the second run replaces the first."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import boto3

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import BUILD  # noqa: E402

SOURCE = pathlib.Path(os.environ.get("UDON_SOURCE", ".")).resolve()
ROWS = {"orders": "500,000", "users": "50,001", "items": "2,002", "market.events": "200,000", "market.ledger": "20,000", "prices.csv": "500", "reviews.ndjson": "300"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="udon-demo-"))
        self.folder.chmod(0o755)  # PostgreSQL's servers run as its own user where we are root
        self.environment = {n: v for n, v in os.environ.items() if not n.startswith("UDON")}
        self.environment |= {"CI": "true", "UDON_BUILD": str(BUILD), "UDON_DEMO_DIR": str(self.folder / "demo"), "UDON__WEB__PORT": free_port()}

    def tearDown(self):
        self.service("stop", "s3")
        shutil.rmtree(self.folder, ignore_errors=True)

    def service(self, verb, name):
        return subprocess.run([SOURCE / "scripts/services" / name, verb], capture_output=True, text=True,
                              env=self.environment | {"UDON_SERVICES_DIR": str(self.folder / "demo/services")}).stdout

    def demo(self):
        ran = subprocess.run([SOURCE / "scripts/demo"], env=self.environment, capture_output=True, text=True, timeout=300)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        table = {line.split()[0]: line.split() for line in ran.stdout.splitlines() if "s3://udon-lake/" in line and "yes" in line}
        self.assertEqual({name: words[1] for name, words in table.items()}, ROWS, ran.stdout)
        for words in table.values():
            self.assertEqual(words[3:5], ["yes", "wire"], ran.stdout)
        return ran.stdout

    def objects(self):
        settings = dict(re.findall(r"(\w+)='?([^\s']+)", self.service("start", "s3")))
        client = boto3.client("s3", endpoint_url=settings["AWS_ENDPOINT_URL_S3"], aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
                              aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="udon-lake")
        return {o["Key"]: o["LastModified"] for page in pages for o in page.get("Contents", [])}

    def test_two_runs(self):
        self.assertIn("scripts/read_back.py s3://udon-lake/", self.demo())
        first = self.objects()
        self.assertEqual({k.rsplit("/", 1)[1] for k in first if "/_" in k}, {"_SUCCESS", "_manifest.json"})
        self.assertEqual(sum(k.endswith(".parquet") for k in first), len(ROWS))
        self.demo()
        second = self.objects()
        self.assertEqual(set(second), set(first))
        for key in second:
            if key.startswith("partner_original/"):  # s3_upload leaves alone what is there already
                self.assertEqual(second[key], first[key], key)
            else:
                self.assertGreater(second[key], first[key], key)


if __name__ == "__main__":
    unittest.main(verbosity=2)
