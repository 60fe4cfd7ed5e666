#!/usr/bin/env python3
"""Every YAML example of docs/dag-files.md passes `udon dags check`. A block that begins with a comment naming a file is
that file, for the examples that include it."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

udon, page = sys.argv[1:]
blocks = re.findall(r"^```(?:yaml|text)\n(.*?)^```$", pathlib.Path(page).read_text(), re.M | re.S)
with tempfile.TemporaryDirectory() as folder:
    dags = pathlib.Path(folder) / "dags"
    dags.mkdir()
    expected = 0
    for number, block in enumerate(blocks):
        named = re.match(r"# (\S+\.(?:yaml|txt))\n", block)
        expected += len(re.findall(r"^dag: ", block, re.M))
        (dags / (named.group(1) if named else f"example-{number}.yaml")).write_text(block)
    assert len(blocks) >= 5 and expected >= 5, "the page has lost its examples"
    environment = {"PATH": os.environ["PATH"], "UDON_HOME": folder + "/home"}
    done = subprocess.run([udon, "dags", "check", str(dags), "--pools", "default_pool", "--connections", "replica,aws_default"],
                          env=environment, capture_output=True, text=True)
    print(done.stdout + done.stderr)
    # The included list is a YAML file beside them, and no DAG file.
    assert done.returncode == 0, "an example is refused"
    assert re.search(rf"^{expected} DAGs in \d+ files: 0 errors, 0 warnings$", done.stdout, re.M), "not all examples are DAGs"
