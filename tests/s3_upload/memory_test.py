#!/usr/bin/env python3
"""s3_upload stays below the 64 MB that its page promises: for a file of many parts, for a folder of files that go 64 at a time, and for
one of very many names."""
import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("UDON_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(SOURCE / "tests/data"))
import lake  # noqa: E402

PROGRAM = pathlib.Path(os.environ["UDON_BUILD"]) / "tests/operator_runner"
MB = 1 << 20


class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.store = lake.Store(lake.start("s3"))
        cls.bucket = cls.store.bucket("udon-upload-memory")
        cls.folder = tempfile.TemporaryDirectory()
        cls.at_rest = cls.upload("at_rest", cls.made("at_rest", 1, 1))["peak_rss"]

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def made(cls, name, files, size):
        """A folder of so many files, none like another."""
        folder = pathlib.Path(cls.folder.name) / name
        folder.mkdir()
        for n in range(files):
            with open(folder / f"주문-{n:06d}.bin", "wb") as file:
                file.write(f"{n}".encode()[:size])
                file.truncate(size)
        return folder

    @classmethod
    def upload(cls, name, source, **more):
        order = {"operator": "s3_upload", "connections": {"lake": cls.store.uri()},
                 "parameters": {"from": str(source), "to": f"s3://{cls.bucket}/{secrets.token_hex(4)}/{name}", "to_connection": "lake", **more}}
        with tempfile.TemporaryDirectory() as staging:
            ended = subprocess.run([PROGRAM, staging], input=json.dumps(order) + "\n", capture_output=True, text=True, check=True)
        answer = json.loads(ended.stdout)
        if "error" in answer:
            raise AssertionError(answer)
        return answer

    def within(self, name, source, **more):
        used = self.upload(name, source, **more)["peak_rss"] - self.at_rest
        print(f"{name}: {used / MB:.0f} MB over {self.at_rest / MB:.0f} MB", file=sys.stderr, flush=True)
        self.assertLess(used, 64 * MB)

    def test_a_file_of_many_parts(self):
        folder = self.made("file", 1, 320 * MB)
        self.within("file", next(folder.iterdir()))

    def test_a_file_of_large_parts(self):
        folder = self.made("parts", 1, 320 * MB + 1)
        self.within("parts", next(folder.iterdir()), part_size="128MiB")

    def test_a_folder_of_files_that_go_64_at_a_time(self):
        self.within("tree", self.made("tree", 96, 4 * MB))

    def test_a_folder_of_very_many_names(self):
        self.within("names", self.made("names", 20_000, 3))


if __name__ == "__main__":
    unittest.main(verbosity=2)
