#!/usr/bin/env python3
"""udon certificates list, show, verify: what an export vouches for, held against files and sources that were changed."""
import base64
import json
import pathlib
import re
import secrets
import subprocess
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lake  # noqa: E402
from installation import Installation, until  # noqa: E402

KEY = urllib.parse.quote(base64.b64encode(bytes(range(32))).decode(), safe="")
TABLE = """create table {name} (id int primary key, email varchar(80), amount decimal(12,2), day date);
insert into {name} values (1, '김@우동.kr', 10.50, '2024-01-01'), (2, null, -1.25, '2024-01-02'), (3, 'b@우동.kr', 0, null), (9, 'late', 1, '2030-01-01');"""


class Certificates(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.maria, cls.postgres, cls.store = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres")), lake.Store(lake.start("s3"))
        cls.maria.run("drop database if exists certificates_test; create database certificates_test character set utf8mb4;")
        cls.postgres.run("drop schema if exists certificates_test cascade; create schema certificates_test;")
        cls.installation = Installation(UDON_CONN_MARIA=cls.maria.url.rsplit("/", 1)[0] + "/certificates_test", UDON_CONN_PG=cls.postgres.url,
                                        UDON_CONN_MASK=f"generic://:{KEY}@/", UDON_CONN_LAKE=cls.store.uri())
        cls.installation.start()
        cls.bucket = f"s3://{cls.store.bucket('udon-certificates')}/{secrets.token_hex(4)}"

    @classmethod
    def tearDownClass(cls):
        cls.installation.__exit__(None)

    def export(self, dag, connection, to, more=()):
        """Makes the table, exports it; what runs SQL on it, and the export's XCom."""
        server = self.maria if connection == "maria" else self.postgres
        run = (lambda sql: self.maria.run(sql, "certificates_test")) if connection == "maria" else server.run
        table = dag if connection == "maria" else f"certificates_test.{dag}"
        run(TABLE.format(name=table))
        i = self.installation
        more = "".join(f"\n    {line}" for line in more)
        i.dag(dag, f"""dag: {dag}
tasks:
  export:
    operator: replica_export
    connection: {connection}
    table: {table}
    columns: [id, {{name: email, mask: hmac_sha256}}, amount, day]
    where: {{sql: "id < :below", below: 9}}
    mask_key: mask
    certify: source
    to: "{to}"{more}
""")
        self.run_dag(dag)
        return lambda sql: run(sql.format(t=table)), i.json("tasks", "xcom", dag, "r", "export", "return_value")["value"]

    def run_dag(self, dag, code=0):
        i = self.installation
        i.udon("dags", "check", str(i.dags / f"{dag}.yaml"))
        until(f"{dag} is loaded", lambda: i.run("dags", "show", dag).returncode == 0)
        i.udon("dags", "trigger", dag, "--run-id", "r", "--wait", code=code)

    def verify(self, *arguments):
        """The exit code, and what it says."""
        ended = self.installation.run("certificates", "verify", *arguments, "--output", "json")
        self.assertEqual(ended.stderr, "", arguments)
        return ended.returncode, json.loads(ended.stdout)

    def test_they_are_listed_and_shown_by_id_by_its_beginning_and_by_manifest(self):
        _, first = self.export("listed", "maria", f"{self.installation.root}/lake/listed")
        i = self.installation
        id = first["certificate"]["id"]
        rows = i.json("certificates", "list", "listed")["certificates"]
        self.assertEqual([(r["certificate_id"], r["dag_id"], r["dag_run_id"], r["task_id"], r["rows"], r["level"], r["manifest"]) for r in rows],
                         [(id, "listed", "r", "export", 3, "source", first["manifest"])])
        self.assertEqual(i.json("certificates", "list", "listed", "--task", "another")["certificates"], [])
        _, second = self.export("listed_later", "pg", f"{self.installation.root}/lake/listed_later")
        made = [r["made_at"] for r in i.json("certificates", "list")["certificates"]]
        self.assertEqual(made, sorted(made, reverse=True))
        self.assertEqual(len(i.json("certificates", "list", "--limit", "1")["certificates"]), 1)
        for named in (id, id[:-3], first["manifest"]):
            shown = i.json("certificates", "show", named)
            self.assertEqual((shown["certificate"], shown["dag_id"]), (first["certificate"], "listed"))
        text = i.udon("certificates", "show", second["certificate"]["id"])
        for word in ("certificates_test.listed_later", "id < :below", "9.25", "part-00000.parquet", "numeric(12,2)", "all anew"):
            self.assertIn(word, text)
        missing = i.run("certificates", "show", "01234567-no-such-id")
        self.assertEqual((missing.returncode, "was not found" in missing.stderr), (1, True))
        self.assertEqual(i.run("certificates", "show", "0").returncode, 1)

    def check_verified(self, connection):
        to = f"{self.installation.root}/lake/verified_{connection}"
        sql, exported = self.export(f"verified_{connection}", connection, to)
        id = exported["certificate"]["id"]
        code, said = self.verify(id)
        self.assertEqual((code, said["same"], said["files"]["same"], said["source"]["same"]), (0, True, True, True), said)
        self.assertIn("without `mask_key`", said["source"]["note"])
        self.assertIn("read as it is now", said["source"]["note"])
        code, said = self.verify(id, "--mask-key", "mask")
        self.assertEqual((code, said["source"]["differences"]), (0, []))
        self.assertIn("certified", self.installation.udon("certificates", "verify", id))

        # A row outside the condition is none of its business.
        sql("insert into {t} values (10, 'c', 1, null)")
        self.assertEqual(self.verify(id, "--mask-key", "mask")[0], 0)
        # A value that only its checksum tells; masked.
        sql("update {t} set email = 'x@우동.kr' where id = 1")
        code, said = self.verify(id, "--mask-key", "mask")
        self.assertEqual((code, said["source"]["differences"]), (1, ["column `email`: the checksum of its values is another"]))
        self.assertEqual(said["files"]["differences"], [])
        self.assertEqual(self.verify(id)[0], 0)  # only counted
        sql("delete from {t} where id = 2")
        code, said = self.verify(id)
        self.assertEqual(code, 1)
        self.assertIn("2 rows, not 3", said["source"]["differences"])
        self.assertIn("column `email`: 2 values and 0 NULLs, not 2 and 1", said["source"]["differences"])
        # It has moved on, and that is told.
        code, said = self.verify(id, "--source-may-differ")
        self.assertEqual((code, said["same"], said["source"]["same"]), (0, True, False))
        self.assertEqual(self.verify(id, "--files-only")[1]["source"]["looked"], False)
        sql("alter table {t} drop column day")
        code, said = self.verify(id)
        self.assertEqual(code, 1)
        self.assertIn("cannot be read as it was", said["source"]["differences"][0])

        # One byte of the file.
        file = pathlib.Path(exported["files"][0])
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        code, said = self.verify(id, "--files-only")
        self.assertEqual(code, 1)
        self.assertRegex(said["files"]["differences"][0], re.escape(str(file)) + ": its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}")
        file.write_bytes(bytes(content) + b"x")
        self.assertIn("bytes, not", self.verify(id, "--files-only")[1]["files"]["differences"][0])
        file.unlink()
        code, said = self.verify(id, "--files-only")
        self.assertEqual((code, said["files"]["differences"]), (1, [f"{file}: is not there"]))

    def test_verify_finds_what_was_changed_of_mariadb(self): self.check_verified("maria")
    def test_verify_finds_what_was_changed_of_postgresql(self): self.check_verified("pg")

    def test_a_result_in_s3_that_another_has_replaced_names_its_successor(self):
        sql, first = self.export("replaced", "maria", f"{self.bucket}/replaced/", ["to_connection: lake"])
        id, manifest = first["certificate"]["id"], first["manifest"]
        self.assertEqual(self.verify(id, "--from-connection", "lake")[0], 0)
        sql("update {t} set amount = 11 where id = 1")
        self.installation.udon("dags", "trigger", "replaced", "--run-id", "second", "--wait")
        code, said = self.verify(id, "--from-connection", "lake", "--files-only")
        self.assertEqual(code, 1)
        newest = self.installation.json("certificates", "show", manifest)["certificate_id"]
        self.assertNotEqual(newest, id)
        self.assertIn(newest, said["files"]["note"])
        self.assertEqual(self.verify(manifest, "--from-connection", "lake", "--mask-key", "mask")[0], 0)

    def test_as_a_task_it_fails_where_something_differs_and_says_what(self):
        to = f"{self.installation.root}/lake/audited"
        sql, exported = self.export("audited", "pg", to)
        i = self.installation
        for dag, more, code in (("audit_same", "", 0), ("audit_moved", "", 1), ("audit_told", "source: inform", 0)):
            i.dag(dag, f"dag: {dag}\ntasks:\n  audit:\n    operator: certificate_verify\n    manifest: {to}/_manifest.json\n"
                       f"    connection: pg\n    mask_key: mask\n    {more}\n")
            self.run_dag(dag, code)
            log = i.udon("tasks", "logs", dag, "r", "audit")
            self.assertNotIn(KEY, log)
            if dag == "audit_same":
                self.assertIn("source: as certified", log)
                sql("update {t} set amount = amount + 1 where id = 3")
            else:
                self.assertIn("column `amount`: the checksum of its values is another", log)
        self.assertEqual(i.json("tasks", "xcom", "audit_told", "r", "audit", "return_value")["value"]["same"], True)

    def test_nothing_of_a_verification_stays_on_the_disk(self):
        _, exported = self.export("private", "maria", f"{self.installation.root}/lake/private")
        self.assertEqual(self.verify(exported["certificate"]["id"])[0], 0)
        found = subprocess.run(["grep", "-rl", "김@우동", str(self.installation.root)], capture_output=True, text=True).stdout
        self.assertEqual(found, "")
        self.assertEqual(list((pathlib.Path(self.installation.root) / ".udon/staging").glob("once-*")), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
