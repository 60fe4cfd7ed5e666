#!/usr/bin/env python3
"""auth=aws_iam: sessions by tokens, before a server that holds them against botocore's and is the real one behind."""
import json
import pathlib
import sys
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
from iam_stand_in import MariaDbStandIn, PostgresStandIn  # noqa: E402
from runner import Runner  # noqa: E402

REGION, KEY, SECRET = "ap-northeast-2", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class Iam(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        maria, postgres = lake.start("mariadb"), lake.start("postgres")
        cls.maria, cls.postgres = lake.MariaDb(maria), lake.Postgres(postgres)
        cls.certificates = {"mysql": maria["UDON_MARIADB_CA"], "postgresql": postgres["UDON_POSTGRES_CA"]}
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.maria.run("create database if not exists iam_test; use iam_test; create or replace table orders (id int primary key, name text character set utf8mb4);"
                      "insert into orders select seq, concat('주문 ', seq) from seq_1_to_500")
        cls.postgres.run("drop schema if exists iam_test cascade; create schema iam_test; create table iam_test.orders (id int primary key, name text);"
                         "insert into iam_test.orders select n, '주문 ' || n from generate_series(1, 500) n")

    @classmethod
    def tearDownClass(cls):
        cls.maria.run("drop database iam_test")
        cls.postgres.run("drop schema iam_test cascade")
        cls.temporary.cleanup()

    def setUp(self):
        self.open = []

    def tearDown(self):
        for each in self.open:
            each.close()

    def stand_in(self, kind, offers_tls=True):
        make, real = (MariaDbStandIn, self.maria) if kind == "mysql" else (PostgresStandIn, self.postgres)
        made = make(real.url, self.certificates[kind], REGION, KEY, SECRET, offers_tls)
        self.open.append(made)
        return made

    def runner(self, **environment):
        """Without keys of the machine that this runs on."""
        none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
                              "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"))
        made = Runner(self.folder, **none | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent",
                                             "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", **environment})
        self.open.append(made)
        return made

    def uri(self, kind, server, user="udon_reader", **options):
        options = {"auth": "aws_iam", "region": REGION, "ssl_ca": self.certificates[kind], **options}
        database = "iam_test" if kind == "mysql" else "udon"
        return (f"{kind}://{user}@127.0.0.1:{server.port}/{database}?" +
                urllib.parse.urlencode({k: v for k, v in options.items() if v is not None}))

    def export(self, runner, kind, uri, **parameters):
        target = self.folder / f"{self.id()}-{kind}"
        answer = runner.run("replica_export", {"connection": "shop", "table": "orders" if kind == "mysql" else "iam_test.orders", "columns": ["id", "name"],
                                               "to": str(target), **parameters}, {"shop": uri})
        return answer, target

    def check_secret(self, answer, *servers):
        """Neither the key nor a token, nor the part of it that makes it one."""
        told = json.dumps(answer)
        self.assertNotIn(SECRET, told)
        for server in servers:
            for token in server.tokens:
                self.assertNotIn(token, told)
                self.assertNotIn(token.rpartition("X-Amz-Signature=")[2], told)

    def check_fails(self, answer, kind, *words):
        self.assertEqual(answer.get("error"), kind, answer)
        for word in words:
            self.assertIn(word, answer["message"])

    def test_an_export_logs_in_by_tokens_each_of_its_readers_by_one_of_its_own(self):
        for kind in ("mysql", "postgresql"):
            with self.subTest(kind):
                server = self.stand_in(kind)
                answer, target = self.export(self.runner(AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET), kind, self.uri(kind, server),
                                             split={"by": "id", "into": 3})
                self.assertNotIn("error", answer)
                rows = []
                for file in sorted(target.glob("*.parquet")):
                    values = lake.columns_of(file.read_bytes())[0]
                    rows += zip(values["id"], values["name"])
                self.assertEqual(sorted(rows), [(n, f"주문 {n}") for n in range(1, 501)])
                self.assertGreaterEqual(server.taken, 3)
                self.assertEqual(server.taken, len(server.tokens))
                self.check_secret(answer, server)

    def test_the_region_comes_from_AWS_settings_too_and_keys_from_a_profile(self):
        (self.folder / "credentials").write_text(f"[shop]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\nregion = {REGION}\n")
        server = self.stand_in("mysql")
        answer, _ = self.export(self.runner(AWS_SHARED_CREDENTIALS_FILE=str(self.folder / "credentials")), "mysql",
                                self.uri("mysql", server, region=None, profile_name="shop"))
        self.assertNotIn("error", answer)
        self.assertGreaterEqual(server.taken, 1)

    def test_a_token_that_is_not_taken_is_explained_also_by_connections_test(self):
        runner = self.runner(AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY="another" + SECRET)
        for kind, remedy in (("mysql", "IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'"), ("postgresql", "GRANT rds_iam TO")):
            with self.subTest(kind):
                server = self.stand_in(kind)
                uri = self.uri(kind, server)
                for answer in (self.export(runner, kind, uri)[0], runner.run("connection_test", {"connection": "shop"}, {"shop": uri})):
                    self.check_fails(answer, "denied", f"127.0.0.1:{server.port}", "the environment (AWS_ACCESS_KEY_ID)", "rds-db:connect",
                                     "`udon_reader`", REGION, remedy)
                    self.check_secret(answer, server)
                self.assertGreaterEqual(len(server.tokens), 2)
                self.assertEqual(server.taken, 0)

    def test_without_a_verified_server_no_token_is_made_nor_sent(self):
        runner = self.runner(AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET)
        for kind, options in (("mysql", {"ssl_mode": "required"}), ("mysql", {"ssl_mode": "disabled"}), ("mysql", {"unix_socket": "/tmp/x"}),
                              ("postgresql", {"ssl_mode": "required"}), ("postgresql", {"ssl_mode": "disabled"}),
                              ("postgresql", {"sslmode": "require"}), ("postgresql", {"sslmode": "prefer"}), ("postgresql", {"sslmode": "verify-ca"})):
            with self.subTest(f"{kind} {options}"):
                server = self.stand_in(kind)
                answer, _ = self.export(runner, kind, self.uri(kind, server, **options))
                self.check_fails(answer, "invalid", "connection `shop`: with auth=aws_iam")
                self.assertEqual(server.clients, 0)
        for kind in ("mysql", "postgresql"):
            with self.subTest(f"{kind}: another's certificate"):
                server = self.stand_in(kind)
                answer, _ = self.export(runner, kind, self.uri(kind, server, ssl_ca="/etc/ssl/certs/ca-certificates.crt"))
                self.check_fails(answer, "denied", "certificate")
                self.assertNotIn("rds-db:connect", answer["message"])
                self.assertEqual(server.tokens, [])
            with self.subTest(f"{kind}: no TLS there"):
                server = self.stand_in(kind, offers_tls=False)
                answer, _ = self.export(runner, kind, self.uri(kind, server))
                self.assertIn(answer.get("error"), ("denied", "unavailable"), answer)
                self.assertIn("SSL", answer["message"])
                self.assertEqual(server.tokens, [])

    def test_a_server_gets_an_ordinary_password_in_clear_from_no_MySQL_connection(self):
        for options in ({"ssl_mode": "disabled"}, {"ssl_mode": "required"}, {}):
            with self.subTest(options):
                server = self.stand_in("mysql")
                uri = self.uri("mysql", server, user="udon:geheim123", auth=None, region=None, **options)
                answer, _ = self.export(self.runner(), "mysql", uri)
                self.check_fails(answer, "denied", "in clear", "auth=aws_iam")
                self.assertEqual(server.tokens, [])
                self.assertGreaterEqual(server.clients, 1)

    def test_what_contradicts_itself_or_is_missing_is_said_before_anybody_is_asked(self):
        runner = self.runner(AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET)
        for kind in ("mysql", "postgresql"):
            for how, words in (({"user": "udon:geheim123"}, "take the one in the URI out"), ({"user": ""}, "must name the database's user"),
                               ({"region": None}, "write region=…"), ({"auth": "aws_ima"}, "did you mean `aws_iam`?")):
                with self.subTest(f"{kind} {how}"):
                    server = self.stand_in(kind)
                    answer, _ = self.export(runner, kind, self.uri(kind, server, **how))
                    self.check_fails(answer, "invalid", words, "`shop`")
                    self.assertNotIn("geheim123", json.dumps(answer))
                    self.assertEqual(server.clients, 0)
            with self.subTest(f"{kind} without keys"):
                server = self.stand_in(kind)
                answer, _ = self.export(self.runner(), kind, self.uri(kind, server))
                self.check_fails(answer, "denied", "no IAM token for 127.0.0.1", "no AWS credentials", "looked in")
                self.assertEqual(server.clients, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
