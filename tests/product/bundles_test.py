#!/usr/bin/env python3
"""DAG files out of git repositories: real git, real pushes, and what goes wrong with them."""
import hashlib
import hmac
import json
import pathlib
import signal
import sys
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from git_server import Repository, Server  # noqa: E402
from installation import Installation, until  # noqa: E402


def dag(name, words="true"):
    return f"dag: {name}\ntasks:\n  a: {{operator: bash, working_directory: ., command: \"{words}\"}}\n"


class Bundles(unittest.TestCase):
    def installation(self, text, **environment):
        i = Installation(**environment)
        i.home.mkdir()
        (i.home / "bundles.yaml").write_text(text)
        return i

    def bundle(self, i, name="etl"):
        return next(row for row in i.json("bundles", "list")["bundles"] if row["name"] == name)

    def ids(self, i):
        return sorted(row["dag_id"] for row in i.json("dags", "list")["dags"])

    def wait_for(self, i, commit, name="etl"):
        until(f"commit {commit} is in use", lambda: self.bundle(i, name)["version"] == commit)

    def checkouts(self, i):
        return sorted(path.name for path in (i.home / "bundles/etl/checkouts").iterdir())

    def test_what_is_pushed_is_run_and_each_version_tells_its_commit(self):
        i = self.installation("")
        with i:
            shop = Repository(i.root / "git")
            first = shop.push(files={"dags/주문.yaml": dag("orders", "cat 자료/값"), "dags/자료/값": "하나\n", "other.yaml": dag("other")})
            (i.home / "bundles.yaml").write_text(f"etl: {{url: 'file://{shop.bare}', subfolder: dags, every: 1s}}\n")
            i.dag("here", dag("here"))
            i.start()
            self.wait_for(i, first)
            until("both are there", lambda: self.ids(i) == ["here", "orders"])
            shown = i.json("dags", "show", "orders")
            self.assertEqual((shown["bundle_name"], shown["bundle_version"], shown["relative_fileloc"]), ("etl", first, "@etl/주문.yaml"))
            self.assertEqual(i.json("dags", "show", "here")["bundle_name"], "dags-folder")
            # Relative paths start from the commit's files.
            i.udon("dags", "trigger", "orders", "--run-id", "r1", "--wait")
            self.assertIn("하나", i.udon("tasks", "logs", "orders", "r1", "a"))
            second = shop.push(files={"dags/자료/값": "둘\n"})
            self.wait_for(i, second)
            i.udon("dags", "trigger", "orders", "--run-id", "r2", "--wait")
            self.assertIn("둘", i.udon("tasks", "logs", "orders", "r2", "a"))
            third = shop.push(files={"dags/주문.yaml": dag("orders", "echo 셋"), "dags/more.yaml": dag("more")})
            self.wait_for(i, third)
            until("the new DAG is there", lambda: self.ids(i) == ["here", "more", "orders"])
            versions = i.json("dags", "versions", "orders")["dag_versions"]
            self.assertEqual([(v["version_number"], v["bundle_name"], v["bundle_version"]) for v in versions],
                             [(1, "etl", first), (2, "etl", third)])
            self.assertIn("+  a: {operator: bash, working_directory: ., command: \"echo 셋\"}", i.udon("dags", "diff", "orders"))
            fourth = shop.push(files={"dags/more.yaml": None})
            self.wait_for(i, fourth)
            until("it is gone", lambda: self.ids(i) == ["here", "orders"])
            # The folder in use, and the one before.
            until("old folders are gone", lambda: self.checkouts(i) == sorted([third, fourth]))

    def test_a_broken_push_leaves_the_last_good_commit_in_use_and_says_so_once(self):
        i = self.installation("")
        with i:
            shop = Repository(i.root / "git")
            good = shop.push(files={"orders.yaml": dag("orders"), "items.yaml": dag("items")})
            (i.home / "bundles.yaml").write_text(f"etl: {{url: 'file://{shop.bare}', every: 1s}}\n")
            i.start()
            self.wait_for(i, good)
            until("both are there", lambda: self.ids(i) == ["items", "orders"])
            broken = shop.push(files={"orders.yaml": "dag: orders\ntasks: [\n", "items.yaml": dag("items", "echo new")})
            until("it is refused", lambda: self.bundle(i)["refused_version"] == broken)
            told = self.bundle(i)
            self.assertEqual(told["version"], good)
            self.assertIn(f"the files of commit {broken[:12]} have errors (orders.yaml", told["problem"])
            i.udon("bundles", "refresh", "etl", code=1)
            token = i.login()
            until("the errors are shown", lambda: "@etl/orders.yaml" in json.dumps(i.call("GET", "/api/v2/importErrors", token=token)))
            i.udon("dags", "list")
            self.assertIn("`orders`", i.told)
            i.udon("dags", "list", "--pattern", "nothing")
            self.assertIn("bundle `etl` has errors; see `udon bundles list`", i.told)
            # A whole commit or none: what runs is of one.
            self.assertEqual(i.json("dags", "show", "items")["bundle_version"], good)
            looked = self.bundle(i)["last_refreshed"]
            until("it has looked again", lambda: self.bundle(i)["last_refreshed"] > looked)
            self.assertEqual(i.log.read_text().count("have errors (orders.yaml"), 1)
            # A restart loads the good one, also without the repository.
            shop.bare.rename(i.root / "away")
            i.stop(signal.SIGKILL)
            i.start()
            until("both are there", lambda: self.ids(i) == ["items", "orders"])
            until("it says what is wrong", lambda: "git fetch" in (self.bundle(i)["problem"] or ""))
            i.udon("dags", "trigger", "orders", "--wait")
            looked = self.bundle(i)["last_refreshed"]
            until("it has looked again", lambda: self.bundle(i)["last_refreshed"] > looked)
            self.assertEqual(i.log.read_text().count("stays in use"), 1)
            (i.root / "away").rename(shop.bare)
            # History that is written anew is followed.
            shop.run("reset", "-q", "--hard", good)
            anew = shop.push("--force", files={"orders.yaml": dag("orders", "echo anew")})
            self.wait_for(i, anew)
            self.assertIsNone(self.bundle(i)["problem"])
            shop.run("push", "-q", "origin", "HEAD:refs/heads/other")
            shop.run("symbolic-ref", "HEAD", "refs/heads/other", cwd=shop.bare)
            shop.run("push", "-q", "origin", ":refs/heads/main")
            until("the branch is missed", lambda: "refs/heads/main" in (self.bundle(i)["problem"] or ""))
            self.assertEqual(self.bundle(i)["version"], anew)

    def test_a_webhook_makes_it_look_at_once_and_passwords_are_nowhere_to_be_seen(self):
        i = self.installation("", UDON_CONN_GIT_ETL="http://bot:s3cr%2Ft-t0ken@git", UDON_CONN_HOOK="http://:hook-s3cret@git")
        with i:
            shop = Repository(i.root / "git")
            first = shop.push(files={"orders.yaml": dag("orders")})
            server = Server(i.root / "git", login="bot:s3cr/t-t0ken")
            self.addCleanup(server.close)
            (i.home / "bundles.yaml").write_text(
                f"etl: {{url: '{server.url}/shop.git', every: 1h, connection: git_etl, webhook_connection: hook}}\n"
                f"wrong: {{url: '{server.url}/shop.git', every: 1h, password_file: '{i.root}/wrong'}}\n")
            (i.root / "wrong").write_text("no-such-s3cret\n")
            i.start()
            self.wait_for(i, first)
            until("the wrong password is told", lambda: self.bundle(i, "wrong")["problem"])
            self.assertIn("Authentication failed", self.bundle(i, "wrong")["problem"])
            second = shop.push(files={"orders.yaml": dag("orders", "echo 2")})
            body = json.dumps({"ref": "refs/heads/main"}).encode()

            def post(secret, name="etl", event="push"):
                signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
                request = urllib.request.Request(f"{i.url}/api/udon/bundles/{name}/webhook", data=body, method="POST", headers={
                    "X-Hub-Signature-256": signature, "X-GitHub-Event": event, "Content-Type": "application/json"})
                try:
                    with urllib.request.urlopen(request, timeout=60) as answer:
                        return answer.status
                except urllib.error.HTTPError as refused:
                    return refused.code

            self.assertEqual([post("guess"), post("hook-s3cret", name="wrong"), post("hook-s3cret", name="nobody")], [403] * 3)
            self.assertEqual(post("hook-s3cret", event="ping"), 200)
            server.go.clear()
            server.asked.clear()
            self.assertEqual(post("hook-s3cret"), 202)
            server.asked.wait(60)
            # While git is at work: what every user of the machine can see of it.
            seen = "".join(path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                           for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if path.exists())
            self.assertIn(f"{server.url}/shop.git", seen)
            server.go.set()
            self.wait_for(i, second)
            for secret in ("s3cr/t-t0ken", "s3cr%2Ft-t0ken", "hook-s3cret", "no-such-s3cret"):
                self.assertNotIn(secret, seen)
                self.assertNotIn(secret, i.log.read_text())
                for file in (i.home / "bundles").rglob("*"):
                    if file.is_file():
                        self.assertNotIn(secret.encode(), file.read_bytes(), file)

    def test_a_kill_in_the_middle_of_a_fetch_spoils_nothing(self):
        i = self.installation("")
        with i:
            shop = Repository(i.root / "git")
            first = shop.push(files={"orders.yaml": dag("orders")})
            server = Server(i.root / "git")
            self.addCleanup(server.close)
            (i.home / "bundles.yaml").write_text(f"etl: {{url: '{server.url}/shop.git', every: 1s}}\n")
            i.start()
            self.wait_for(i, first)
            for attempt in range(3):
                commit = shop.push(files={"orders.yaml": dag("orders", f"echo {attempt}")})
                server.go.clear()
                server.asked.clear()
                self.assertTrue(server.asked.wait(60))
                i.stop(signal.SIGKILL)
                # What a git that was killed too may leave behind.
                repository = i.home / "bundles/etl/repository.git"
                (repository / "shallow.lock").write_text("")
                (repository / "refs/udon/head.lock").write_text("")
                half = i.home / f"bundles/etl/checkouts/.half-done-{commit}"
                half.mkdir()
                (half / "orders.yaml").write_text("dag: half\n")
                if attempt == 1:  # power was lost
                    for pack in (repository / "objects/pack").glob("*.pack"):
                        pack.chmod(0o600)
                        pack.write_bytes(b"")
                    for loose in repository.glob("objects/??/*"):
                        loose.chmod(0o600)
                        loose.write_bytes(b"")
                i.start()
                until("the last good one is there", lambda: self.ids(i) == ["orders"])
                server.go.set()
                self.wait_for(i, commit)
            self.assertFalse([name for name in self.checkouts(i) if name.startswith(".")])

    def test_a_tag_and_a_commit_stay_where_they_are(self):
        i = self.installation("")
        with i:
            shop = Repository(i.root / "git")
            first = shop.push(files={"orders.yaml": dag("orders")})
            shop.run("tag", "-a", "-m", "v1", "v1")
            shop.run("push", "-q", "origin", "v1")
            second = shop.push(files={"orders.yaml": dag("items"), ".gitmodules": ""})
            shop.push(files={"orders.yaml": dag("more")})
            (i.home / "bundles.yaml").write_text(f"tagged: {{url: 'file://{shop.bare}', tag: v1}}\n"
                                                 f"fixed: {{url: 'file://{shop.bare}', commit: {second}}}\n"
                                                 f"nowhere: {{url: 'file://{shop.bare}', subfolder: no/such}}\n")
            i.start()
            self.wait_for(i, first, "tagged")
            self.wait_for(i, second, "fixed")
            until("both are there", lambda: self.ids(i) == ["items", "orders"])
            self.assertIn("submodules", self.bundle(i, "fixed")["warning"])
            until("the subfolder is missed", lambda: "no folder `no/such`" in (self.bundle(i, "nowhere")["problem"] or ""))

    def test_the_file_of_bundles_is_read_again_when_it_changes(self):
        i = self.installation("")
        with i:
            file = i.home / "bundles.yaml"
            file.unlink()
            i.dag("here", dag("here"))
            i.start()
            until("what is there is there", lambda: self.ids(i) == ["here"])
            shop, more = Repository(i.root / "git"), Repository(i.root / "more")
            shop.push(files={"old/orders.yaml": dag("old_orders"), "new/orders.yaml": dag("orders")})
            first = shop.push(files={"readme.md": "x"})
            second = more.push(files={"items.yaml": dag("items")})
            # Added, without a restart.
            file.write_text(f"etl: {{url: 'file://{shop.bare}', subfolder: old, every: 1h}}\n")
            until("the repository is run", lambda: self.ids(i) == ["here", "old_orders"])
            self.assertEqual(self.bundle(i)["version"], first)
            looked = self.bundle(i)["last_refreshed"]
            # One changed, one added.
            file.write_text(f"etl: {{url: 'file://{shop.bare}', subfolder: new, every: 1h}}\nml: {{url: 'file://{more.bare}', every: 1h}}\n")
            until("both are run", lambda: self.ids(i) == ["here", "items", "orders"])
            self.assertGreater(self.bundle(i)["last_refreshed"], looked)
            self.assertEqual(self.bundle(i, "ml")["version"], second)
            i.udon("bundles", "refresh", "ml")
            # A broken file keeps what the last good one said, and says so everywhere.
            looked = self.bundle(i, "ml")["last_refreshed"]
            file.write_text(f"etl: {{url: 'file://{shop.bare}', brunch: new}}\n")
            until("the mistake is told", lambda: i.json("bundles", "list")["problem_of_file"])
            words = "bundles.yaml:1:"
            self.assertIn(words, i.json("bundles", "list")["problem_of_file"])
            i.udon("bundles", "list")
            self.assertIn("unknown key `brunch`; did you mean `branch`?; what it said before stays in use", i.told)
            token = i.login()
            until("it is an import error", lambda: "brunch" in json.dumps(i.call("GET", "/api/v2/importErrors", token=token)))
            self.assertEqual(self.ids(i), ["here", "items", "orders"])
            i.udon("bundles", "refresh", "ml")
            self.assertGreater(self.bundle(i, "ml")["last_refreshed"], looked)
            self.assertEqual(i.log.read_text().count("brunch"), 1)
            # Removed; what was as before goes on without another look.
            looked = self.bundle(i, "ml")["last_refreshed"]
            file.write_text(f"ml: {{url: 'file://{more.bare}', every: 1h}}\n")
            until("its DAGs are gone", lambda: self.ids(i) == ["here", "items"])
            shown = i.json("bundles", "list")
            self.assertIsNone(shown["problem_of_file"])
            self.assertEqual([(row["name"], row["last_refreshed"]) for row in shown["bundles"]], [("ml", looked)])
            i.udon("bundles", "refresh", "etl", code=1)
            until("the mistake is forgotten", lambda: "brunch" not in json.dumps(i.call("GET", "/api/v2/importErrors", token=token)))
            file.unlink()
            until("all of them are gone", lambda: self.ids(i) == ["here"])
            # Back again: the commit that is there is taken at once.
            file.write_text(f"etl: {{url: 'file://{shop.bare}', subfolder: new, every: 1h}}\n")
            until("it is back", lambda: self.ids(i) == ["here", "orders"])

    def test_another_subfolder_is_in_use_once_its_files_are_no_worse(self):
        i = self.installation("")
        with i:
            file = i.home / "bundles.yaml"
            shop = Repository(i.root / "git")
            first = shop.push(files={"old/orders.yaml": dag("orders"), "new/orders.yaml": "dag: orders\ntasks: [\n"})
            of = lambda subfolder: f"etl: {{url: 'file://{shop.bare}', subfolder: {subfolder}, every: 1s}}\n"
            file.write_text(of("old"))
            i.start()
            self.wait_for(i, first)
            until("it is there", lambda: self.ids(i) == ["orders"])
            token = i.login()
            errors = lambda: json.dumps(i.call("GET", "/api/v2/importErrors", token=token))
            for subfolder, words in (("no/such", f"commit {first[:12]} has no folder `no/such`; "),
                                     ("new", f"the files of commit {first[:12]} in `new` have errors (orders.yaml); ")):
                file.write_text(of(subfolder))
                until("it is told", lambda: words + f"commit {first[:12]}, its folder `old`, stays in use" in errors())
                self.assertIn(words.rstrip("; "), self.bundle(i)["problem"])
                self.assertEqual(self.bundle(i)["version"], first)
                shown = i.json("dags", "show", "orders")
                self.assertEqual((shown["bundle_version"], shown["has_import_errors"]), (first, subfolder == "new"))
            self.assertEqual(self.bundle(i)["refused_version"], first)
            # Back again, and to the other once more, which is right now.
            file.write_text(of("old"))
            until("nothing is wrong", lambda: self.bundle(i)["problem"] is None and "orders" not in errors())
            file.write_text(of("new"))
            second = shop.push(files={"new/orders.yaml": dag("orders"), "new/items.yaml": dag("items")})
            self.wait_for(i, second)
            until("both are there", lambda: self.ids(i) == ["items", "orders"])
            self.assertIsNone(self.bundle(i)["problem"])
            # Of one commit, too.
            file.write_text(of("old"))
            until("one of them is gone", lambda: self.ids(i) == ["orders"])
            self.assertEqual(self.bundle(i)["version"], second)

    def test_a_dag_of_a_bundle_is_checked_tried_and_played_forward_without_a_server(self):
        i = self.installation("")
        with i:
            shop = Repository(i.root / "git")
            files = {"dags/orders.yaml": dag("orders", "cat data/value").replace("tasks:", "schedule: '@hourly'\nstart_date: 2026-01-01\ntasks:"),
                     "dags/data/value": "하나\n", "dags/items.yaml": "dag: items\ntasks:\n  a: {operator: bash, comand: x}\n"}
            first = shop.push(files=files)
            (i.home / "bundles.yaml").write_text(f"etl: {{url: 'file://{shop.bare}', subfolder: dags, every: 1s}}\n")
            i.dag("here", dag("here"))
            i.start()
            self.wait_for(i, first)
            until("it is there", lambda: "orders" in self.ids(i))
            # The server refuses what comes next; these look at the commit that is in use.
            broken = shop.push(files={"dags/orders.yaml": "dag: orders\ntasks: [\n"})
            until("it is refused", lambda: self.bundle(i)["refused_version"] == broken)
            for _ in range(2):  # with a server, and without
                self.assertIn("1 DAG in 1 file: 0 errors", i.udon("dags", "check", "orders"))
                self.assertIn("하나", i.udon("dags", "test", "orders"))
                runs = i.json("dags", "simulate", "orders", "--from", "2026-03-01", "--to", "2026-03-02")["runs"]
                self.assertEqual({run["dag_id"] for run in runs}, {"orders"})
                due, = i.json("dags", "next-execution", "orders", "--from", "2026-03-01")["executions"]
                self.assertEqual(due["run_after"], "2026-03-01T00:00:00+00:00")
                told = i.udon("dags", "check", "items", code=1)
                self.assertIn("@etl/items.yaml:3:23", told)
                self.assertIn("did you mean `command`?", told)
                self.assertNotIn("orders", told)
                for verb in ("test", "next-execution"):
                    i.udon("dags", verb, "items", code=1)
                    self.assertIn("the file of `items` has errors", i.told)
                i.udon("dags", "check", "ordres", code=1)
                self.assertIn("did you mean `orders`?", i.told)
                self.assertIn("1 DAG in 1 file", i.udon("dags", "check", "here"))
                # Without a name it is the DAGs folder, as before a push.
                self.assertIn("1 DAG in 1 file", i.udon("dags", "check"))
                if i.server.poll() is None:
                    i.stop()

    def test_a_file_of_bundles_that_makes_no_sense_is_refused_with_its_place(self):
        for text, words in (("etl: {url: x, brunch: a}\n", "bundles.yaml:1:15: unknown key `brunch`; did you mean `branch`?"),
                            ("etl: {branch: main}\n", "bundle `etl` has no `url`"),
                            ("etl: {url: 'https://a:s3cret@x/y'}\n", "a password has no place in it"),
                            ("etl: {url: x, branch: a, tag: b}\n", "give one of `branch`, `tag` and `commit`"),
                            ("etl: {url: x, commit: abc}\n", "expected all 40 hexadecimal digits"),
                            ("etl: {url: x, subfolder: ../..}\n", "a path inside of the repository"),
                            ("etl: {url: '--upload-pack=x'}\n", "expected the URL of a git repository"),
                            ("etl: {url: x, branch: '--x'}\n", "cannot be one's name"),
                            ("Etl: {url: x}\n", "small letters"),
                            ("etl: {url: 'ext::sh -c true'}\n", "remote helpers")):
            with self.installation(text) as i:
                i.start(healthy=False)
                self.assertNotEqual(i.server.wait(60), 0)
                self.assertIn(words, i.log.read_text())
                self.assertNotIn("s3cret", i.log.read_text())


if __name__ == "__main__":
    unittest.main()
