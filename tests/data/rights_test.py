#!/usr/bin/env python3
"""udon connections test, and docs/rights.md: users with exactly those rights, and with one right less."""
import http.server
import json
import pathlib
import re
import secrets
import sqlite3
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
from installation import Installation, until  # noqa: E402

PAGE = (lake.SOURCE / "docs/rights.md").read_text()
RIGHTS = {(server, feature): sql.strip().splitlines()
          for server, feature, sql in re.findall(r"<!-- (\w+): (\w+) -->\n```sql\n(.*?)```", PAGE, re.S)}
PASSWORD = "geheim" + secrets.token_hex(8)


class Server(http.server.BaseHTTPRequestHandler):
    seen = []

    def do_GET(self):
        self.seen.append((self.path, self.headers.get("Authorization")))
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Refusing(http.server.BaseHTTPRequestHandler):
    """A store whose policy lacks one action."""
    lacking = ""

    def action(self):
        if self.command == "GET" and "uploads" in self.path.split("?")[-1] and "uploadId" not in self.path:
            return "s3:ListBucketMultipartUploads"
        if self.command == "DELETE":
            return "s3:AbortMultipartUpload" if "uploadId" in self.path else "s3:DeleteObject"
        if self.command == "GET":
            return "s3:ListBucket" if "list-type" in self.path else "s3:GetObject"
        return {"PUT": "s3:PutObject", "POST": "s3:PutObject"}.get(self.command, "s3:GetObject")

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action, status, body = self.action(), 200, ""
        if action == self.lacking:
            status, body = 403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        elif action == "s3:ListBucket":
            body = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        elif action == "s3:ListBucketMultipartUploads":
            body = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
        elif action == "s3:GetObject":
            body = "x"
        elif self.command == "POST":
            body = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
        self.send_response(204 if self.command == "DELETE" and status == 200 else status)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body.encode())

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

    def log_message(self, *_):
        pass


class Rights(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.maria, cls.postgres, cls.store = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres")), lake.Store(lake.start("s3"))
        # An odd database, as names are quoted in what is printed; the page's names stand for these.
        cls.tag = "r" + secrets.token_hex(4)
        cls.shop = f"가게`{cls.tag}"
        cls.quoted = cls.shop.replace("`", "``")
        cls.maria.run(f"create database `{cls.quoted}` character set utf8mb4; use `{cls.quoted}`; create table orders (id int primary key, amount decimal(10,2));"
                      "insert into orders select seq, seq from seq_1_to_1000; create sql security invoker view orders_view as select * from orders;"
                      "create definer=current_user view definers_view as select * from orders;")
        cls.postgres.run(f'create schema "{cls.tag}"; create table "{cls.tag}".orders (id int primary key, amount numeric(10,2));'
                         f'insert into "{cls.tag}".orders select n, n from generate_series(1, 1000) n;')
        cls.i = Installation(UDON_CONN_LAKE=cls.store.uri())
        cls.i.start()

    @classmethod
    def tearDownClass(cls):
        cls.i.__exit__(None)
        cls.maria.run(f"drop database `{cls.quoted}`;" + "".join(f"drop user if exists '{u}'@'%';" for u in cls.users))
        cls.postgres.run(f'drop schema "{cls.tag}" cascade;' + "".join(f'drop owned by "{u}"; drop role "{u}";' for u in cls.roles))

    users, roles = [], []

    def user(self, statements):
        """A MariaDB user with these grants of the page; the name of its connection."""
        name = f"u{secrets.token_hex(4)}"
        self.users.append(name)
        self.maria.run(f"create user '{name}'@'%' identified by '{PASSWORD}';" + "".join(self.named(s, name) for s in statements))
        self.i.environment[f"UDON_CONN_{name.upper()}"] = f"mysql://{name}:{PASSWORD}@{self.maria.host}:{self.maria.port}/" + lake.urllib.parse.quote(self.shop)
        return name

    def named(self, statement, user):
        return statement.replace("udon_reader", user).replace("`shop`", f"`{self.quoted}`")

    def role(self, statements):
        name = f"u{secrets.token_hex(4)}"
        self.roles.append(name)
        self.postgres.run(f"create role {name} login password '{PASSWORD}';" + "".join(self.of_role(s, name) for s in statements))
        self.i.environment[f"UDON_CONN_{name.upper()}"] = re.sub(r"//\w+:\w+@", f"//{name}:{PASSWORD}@", self.postgres.url)
        return name

    def of_role(self, statement, role):
        return statement.replace("udon_reader", role).replace("shop", f'"{self.tag}"')

    def look(self, connection, *arguments, code=0):
        ended = self.i.run("connections", "test", connection, *arguments, "--output", "json")
        self.assertEqual(ended.returncode, code, ended.stdout + ended.stderr)
        self.assertNotIn(PASSWORD, ended.stdout + ended.stderr)
        return json.loads(ended.stdout)

    def remedies(self, connection, *arguments, code=1):
        return [c["remedy"] for c in self.look(connection, *arguments, code=code)["checks"] if c["state"] == "missing"]

    def check_one_less(self, make, named, rights, arguments, besides=()):
        """All of them: nothing is missing. Each one left out: that very statement is named, and once it was run it is good again."""
        self.look(make([*besides, *rights]), *arguments)
        for left_out in rights:
            user = make([*besides, *(r for r in rights if r != left_out)])
            remedies = self.remedies(user, *arguments)
            # PostgreSQL's page shows plain names; what is printed has them in quotes.
            bare = (lambda text: text.replace('"', "")) if make == self.role else str
            self.assertEqual([bare(r) for r in remedies], [bare(named(left_out, user))])
            (self.postgres if make == self.role else self.maria).run(remedies[0])
            self.look(user, *arguments)

    def export(self, user, table, fails=False):
        """An export as that user on a server that sees its connection; its XCom, or its log if it has to fail."""
        dag = f"d{secrets.token_hex(4)}"
        # The server was started before the user was made: the connection goes into its store.
        self.i.udon("connections", "add", f"c_{user}", self.i.environment[f"UDON_CONN_{user.upper()}"], "--replace")
        self.i.dag(dag, f"dag: {dag}\ntasks:\n  export:\n    operator: replica_export\n    connection: c_{user}\n    table: {table}\n"
                        f"    to: {self.i.root}/lake/{dag}\n    split: {{into: 2, by: id}}\n    columns: [id, amount]\n")
        until(f"{dag} is loaded", lambda: self.i.run("dags", "show", dag).returncode == 0)
        ended = self.i.run("dags", "trigger", dag, "--run-id", "r", "--wait")
        log = self.i.run("tasks", "logs", dag, "r", "export").stdout
        self.assertEqual(ended.returncode != 0, fails, ended.stdout + ended.stderr + log)
        if fails:
            return log
        return self.i.json("tasks", "xcom", dag, "r", "export", "return_value")["value"]

    def test_mariadb_users_of_the_page_have_what_they_need_and_not_one_right_too_many(self):
        for feature in ("export", "split", "position", "lag", "archive"):
            with self.subTest(feature):
                besides = [] if feature == "export" else RIGHTS["mariadb", "export"]
                self.check_one_less(self.user, self.named, RIGHTS["mariadb", feature], ("--table", "orders", "--for", feature), besides)
        view = RIGHTS["mariadb", "view"]
        self.look(self.user([*RIGHTS["mariadb", "export"], *view]), "--table", "orders_view", "--for", "export")
        user = self.user([*RIGHTS["mariadb", "export"], view[0]])
        self.assertEqual(self.remedies(user, "--table", "orders_view", "--for", "export"), [self.named(view[1], user)])

    def test_postgresql_roles_of_the_page_have_what_they_need_and_not_one_right_too_many(self):
        for feature in ("export", "lag", "archive"):
            with self.subTest(feature):
                besides = [] if feature == "export" else RIGHTS["postgres", "export"]
                self.check_one_less(self.role, self.of_role, RIGHTS["postgres", feature], ("--table", f"{self.tag}.orders", "--for", feature), besides)

    def test_users_of_the_page_export(self):
        user = self.user([*RIGHTS["mariadb", "export"], *RIGHTS["mariadb", "split"], *RIGHTS["mariadb", "position"]])
        told = self.export(user, "orders")
        self.assertEqual(told["rows"], 1000)
        self.assertTrue(told["certificate"]["mechanism"].startswith("2 readers"), told["certificate"]["mechanism"])
        less = self.user(RIGHTS["mariadb", "export"])
        self.assertEqual(self.remedies(less, "--table", "orders", "--for", "split"), [self.named(RIGHTS["mariadb", "split"][0], less)])
        told = self.export(less, "orders")
        self.assertIn("not several: LOCK TABLES", told["certificate"]["mechanism"])
        told = self.export(self.role(RIGHTS["postgres", "export"]), f"{self.tag}.orders")
        self.assertEqual(told["rows"], 1000)
        self.assertTrue(told["certificate"]["mechanism"].startswith("2 readers"), told["certificate"]["mechanism"])

    def test_facts_tell_server_user_and_who_takes_writes(self):
        user = self.user(RIGHTS["mariadb", "export"])
        facts = self.look(user, "--table", "orders", "--for", "export")["facts"]
        self.assertEqual((facts["address"], facts["user"]), (f"{self.maria.host}:{self.maria.port}", f"{user}@%"))
        self.assertIn("MariaDB", facts["server"])
        self.assertTrue(facts["tls"].startswith("no") and facts["writes"].startswith("taken") and facts["took_ms"] >= 0, facts)
        self.i.environment["UDON_CONN_REPLICA"] = lake.start("postgres")["UDON_POSTGRES_REPLICA_URL"]
        facts = self.look("replica", "--for", "lag")["facts"]
        self.assertEqual(facts["writes"], "refused: a replica (in recovery)")
        printed = self.i.udon("connections", "test", user, "--table", "orders", "--for", "split", code=1)
        self.assertIn(f"  missing  split: several readers cannot have one snapshot: LOCK TABLES is refused\n           GRANT LOCK TABLES ON `{self.quoted}`.* TO '{user}'@'%';\n1 missing\n", printed)

    def test_row_security_that_hides_rows_is_told(self):
        role = self.role(RIGHTS["postgres", "export"])
        self.postgres.run(f'create table "{self.tag}".hidden (id int); alter table "{self.tag}".hidden enable row level security; grant select on "{self.tag}".hidden to {role};')
        self.assertEqual(self.remedies(role, "--table", f"{self.tag}.hidden", "--for", "export"), [f"ALTER ROLE {role} BYPASSRLS;"])

    def test_a_table_whose_rows_are_hidden_is_not_exported_as_if_it_were_whole(self):
        role = self.role(RIGHTS["postgres", "export"])
        table = f'"{self.tag}".partly'
        self.postgres.run(f"create table {table} (id int primary key, amount int); insert into {table} select n, n from generate_series(1, 100) n;"
                          f"grant select on {table} to {role};")
        self.assertEqual(self.export(role, f"{self.tag}.partly")["rows"], 100)
        self.postgres.run(f"alter table {table} enable row level security; create policy few on {table} to {role} using (id <= 10);")
        log = self.export(role, f"{self.tag}.partly", fails=True)
        self.assertIn(f"ALTER ROLE {role} BYPASSRLS, or the connection's option row_security=on", log)
        variable = f"UDON_CONN_{role.upper()}"
        without = self.i.environment[variable]
        self.i.environment[variable] = without + ("&" if "?" in without else "?") + "row_security=on"
        self.assertEqual(self.export(role, f"{self.tag}.partly")["rows"], 10)
        self.i.environment[variable] = without
        self.postgres.run(f"alter role {role} bypassrls;")
        self.assertEqual(self.export(role, f"{self.tag}.partly")["rows"], 100)

    def test_a_misspelt_option_of_tls_is_refused_and_localhost_is_the_port_that_is_named(self):
        user = self.user(RIGHTS["mariadb", "export"])
        uri = self.i.environment[f"UDON_CONN_{user.upper()}"]
        self.i.environment["UDON_CONN_NEAR"] = uri.replace(self.maria.host, "localhost")
        facts = self.look("near", "--for", "export", "--table", "orders")["facts"]
        self.assertEqual(facts["address"], f"localhost:{self.maria.port}")
        for base, option, meant in ((uri, "ssl_mdoe=required", "ssl_mode"), (uri, "sslmode=verify-full", "ssl_mode"),
                                    (self.postgres.url, "sslmoode=require", "sslmode")):
            self.i.environment["UDON_CONN_NEAR"] = base + ("&" if "?" in base else "?") + option
            ended = self.i.run("connections", "test", "near")
            self.assertNotEqual(ended.returncode, 0, ended.stdout)
            self.assertIn(f"there is no option `{option.split('=')[0]}`", ended.stderr)
            self.assertIn(f"did you mean `{meant}`?", ended.stderr)

    def test_a_certificate_that_nobody_knows_is_told_as_that_and_not_as_a_wrong_password(self):
        user = self.user(RIGHTS["mariadb", "export"])
        authorities = "/etc/ssl/certs/ca-certificates.crt"
        for base in (self.i.environment[f"UDON_CONN_{user.upper()}"], self.postgres.url):
            # A file of TLS is named: the server is verified on loopback, too.
            self.i.environment["UDON_CONN_NEAR"] = base + ("&" if "?" in base else "?") + "ssl_ca=" + authorities
            ended = self.i.run("connections", "test", "near")
            self.assertNotEqual(ended.returncode, 0, ended.stdout)
            self.assertIn("ssl_ca", ended.stderr)
            self.assertNotIn("password", ended.stderr)
        self.i.environment["UDON_CONN_NEAR"] = self.i.environment[f"UDON_CONN_{user.upper()}"] + "?ssl_mode=REQUIRED"
        self.assertIn("nobody has verified", self.look("near", "--for", "export", "--table", "orders")["facts"]["tls"])

    def test_a_database_without_tables_is_no_fault_of_one_who_may_read_it(self):
        empty = f"{self.tag}_empty"
        self.maria.run(f"create database {empty}")
        self.addCleanup(self.maria.run, f"drop database {empty}")
        for grants, remedies in (([f"GRANT SELECT ON {empty}.* TO 'udon_reader'@'%';"], []), ([], [f"GRANT SELECT ON `{empty}`.* TO '%s'@'%%';"])):
            user = self.user(grants)
            variable = f"UDON_CONN_{user.upper()}"
            self.i.environment[variable] = self.i.environment[variable].rsplit("/", 1)[0] + "/" + empty
            self.assertEqual(self.remedies(user, "--for", "export", code=len(remedies)), [r % user for r in remedies])

    def test_columns_that_may_be_read_are_named_and_no_fault(self):
        user = self.user(["GRANT SELECT (id) ON `shop`.orders TO 'udon_reader'@'%';"])
        checks = self.look(user, "--table", "orders", "--for", "export")["checks"]
        self.assertEqual([c["found"] for c in checks], [f"of `{self.quoted}`.`orders` only these columns may be read: id"])

    def test_what_cannot_be_opened_is_told_with_the_next_step_and_without_its_password(self):
        for uri, says in ((f"mysql://nobody:{PASSWORD}@{self.maria.host}:{self.maria.port}/", "`udon connections add shut URI --replace`"),
                          (f"mysql://u:{PASSWORD}@127.0.0.1:1/", "127.0.0.1:1"), (f"mysql://u:{PASSWORD}@127.0.0.1:1/", "firewall"),
                          (f"aws://u:{PASSWORD}@/", "uri: say s3://bucket/prefix/"),
                          (f"generic://u:{PASSWORD}@host/", "is of type generic, which cannot be opened"),
                          ("sqlite:////nowhere/at/all.db", "/nowhere/at/all.db")):
            self.i.environment["UDON_CONN_SHUT"] = uri
            ended = self.i.run("connections", "test", "shut")
            self.assertNotEqual(ended.returncode, 0)
            self.assertIn(says, ended.stderr)
            self.assertNotIn(PASSWORD, ended.stdout + ended.stderr)
        self.assertIn("no `lag`", self.i.run("connections", "test", "lake", "--for", "lag").stderr)

    def test_a_store_is_written_read_and_left_as_it_was(self):
        bucket = self.store.bucket("udon-rights")
        folder = f"s3://{bucket}/{self.tag}/"
        checks = self.look("lake", "--uri", folder)["checks"]
        self.assertEqual({c["state"] for c in checks}, {"ok"})
        for action in ("ListBucket", "PutObject", "GetObject", "DeleteObject", "ListBucketMultipartUploads", "AbortMultipartUpload"):
            self.assertTrue(any(c["found"].endswith(f"s3:{action}") for c in checks), (action, checks))
        self.assertEqual((self.store.names(folder), self.store.uploads(folder)), ([], []))

    def test_the_iam_action_that_a_policy_lacks_is_named(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.i.environment["UDON_CONN_POLICY"] = f"aws://key:{PASSWORD}@/?endpoint_url=http%3A%2F%2F127.0.0.1%3A{server.server_address[1]}&region_name=us-east-1"
        for action, resource in (("s3:ListBucket", "lake"), ("s3:PutObject", "lake/m/*"), ("s3:GetObject", "lake/m/*"), ("s3:DeleteObject", "lake/m/*"),
                                 ("s3:ListBucketMultipartUploads", "lake"), ("s3:AbortMultipartUpload", "lake/m/*")):
            with self.subTest(action):
                Refusing.lacking = action
                found = {json.dumps(json.loads(r), sort_keys=True) for r in self.remedies("policy", "--uri", "s3://lake/m/")}
                self.assertEqual(found, {json.dumps({"Action": action, "Effect": "Allow", "Resource": f"arn:aws:s3:::{resource}"}, sort_keys=True)})

    def test_a_file_and_an_address_are_looked_at(self):
        with sqlite3.connect(self.i.root / "a.db") as db:
            db.execute("create table orders (id)")
        self.i.environment["UDON_CONN_FILE"] = f"sqlite:///{self.i.root}/a.db"
        self.assertIn("SQLite", self.look("file", "--table", "orders")["facts"]["server"])
        self.look("file", "--table", "nothing", code=1)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.i.environment["UDON_CONN_WEB"] = f"http://u:{PASSWORD}@127.0.0.1:{server.server_address[1]}/hook/secret"
        self.look("web")
        self.assertEqual(Server.seen, [("/", None)])
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
