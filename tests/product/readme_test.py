#!/usr/bin/env python3
"""The README's tour, pasted as a new user would paste it."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installation import BUILD  # noqa: E402

SOURCE = pathlib.Path(os.environ.get("UDON_SOURCE", ".")).resolve()


def tour():
    """The block of the section that a shell is to run."""
    section = (SOURCE / "README.md").read_text().split("## Five minutes")[1].split("\n## ")[0]
    return re.search(r"```sh\n(.*?)```", section, re.S).group(1)


class Readme(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="udon-readme-"))
        (self.folder / "build").symlink_to(BUILD)
        self.environment = {n: v for n, v in os.environ.items() if not n.startswith("UDON")} | {"UDON__WEB__PORT": "0"}

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def test_the_tour_can_be_pasted(self):
        # Each command must succeed; the last one ends the server, which is waited for.
        script = "set -e\n" + tour() + "wait %1\n"
        ran = subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("0 errors, 0 warnings", ran.stdout)
        self.assertIn("It said 'Hello, 우동'", ran.stdout)
        self.assertRegex(ran.stdout, r"hello +first +success")
        self.assertIn("replica_export", ran.stdout)

    def test_links_lead_somewhere(self):
        for target in re.findall(r"\]\(([^)#]+)\)", (SOURCE / "README.md").read_text()):
            self.assertTrue((SOURCE / target).exists(), target)


if __name__ == "__main__":
    unittest.main(verbosity=2)
