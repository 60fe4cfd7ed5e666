#!/usr/bin/env python3
"""The files that `sql` writes, on a real installation, as pyarrow, DuckDB and Python's csv read them."""
import csv
import decimal
import io
import json
import pathlib
import sqlite3
import sys
import tempfile
import unittest

import duckdb
import pyarrow.csv

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/data"))
sys.path.insert(0, str(SOURCE / "tests/product"))
import lake  # noqa: E402
from installation import Installation  # noqa: E402

TEXTS = ["우동", "a,b", 'say "hi"', "두\n줄\r\n셋", "", None, " edge ", "\\N", "NULL", "'); drop table t; --", "\u200b😀"]
SQL = "select id, t, d, n from sql_files order by id"


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        maria, postgres, store = lake.start("mariadb"), lake.start("postgres"), lake.start("s3")
        cls.store = lake.Store(store)
        cls.store.bucket("udon-lake")
        cls.maria, cls.postgres = lake.MariaDb(maria), lake.Postgres(postgres)
        cls.i = Installation(UDON_CONN_MARIADB=maria["UDON_MARIADB_URL"], UDON_CONN_POSTGRES=postgres["UDON_POSTGRES_URL"],
                             UDON_CONN_LAKE=cls.store.uri())
        cls.file = cls.i.root / "파일.db"
        cls.i.environment["UDON_CONN_SQLITE"] = f"sqlite:///{cls.file}"
        sqlite3.connect(cls.file).execute("vacuum")
        for name in ("mariadb", "postgres", "sqlite"):
            cls.i.dag(name, cls.dag_of(name))
        cls.i.udon("dags", "check")
        assert "warning" not in cls.i.told, cls.i.told
        cls.i.start()

    @classmethod
    def tearDownClass(cls):
        cls.i.__exit__(None)

    @classmethod
    def dag_of(cls, name):
        """Makes a table by bound values, one row a mapped task instance, and writes it as CSV and Parquet."""
        kind = {"mariadb": "varchar(100) character set utf8mb4", "postgres": "text", "sqlite": "text"}[name]
        tasks = {
            "make": {"operator": "sql", "connection": name,
                     "sql": ["drop table if exists sql_files", f"create table sql_files (id int primary key, t {kind}, d decimal(20,4), n double precision)"]},
            "fill": {"operator": "sql", "connection": name, "after": ["make"], "pool": "default_pool", "max_active_tis_per_dagrun": 1,
                     "expand": {"row": [{"id": i, "t": t} for i, t in enumerate(TEXTS)]},
                     "sql": "insert into sql_files values (:id, :t, 1234567890123.4567, :id / 8.0)",
                     "parameters": {"id": "{{ row.id }}", "t": "{{ row.t }}"}},
            "rows": {"operator": "sql", "connection": name, "after": ["fill"], "sql": SQL},
        }
        for form in ("csv", "parquet"):
            tasks[form] = {"operator": "sql", "connection": name, "after": ["fill"], "sql": SQL, "format": form,
                           "to": f"s3://udon-lake/sql_files/{name}/{form}/", "to_connection": "lake"}
        tasks["local"] = {"operator": "sql", "connection": name, "after": ["fill"], "sql": SQL, "format": "csv", "delimiter": "\t", "header": False,
                          "null_text": "\\N", "line_end": "crlf", "to": str(cls.i.root / "lake" / name)}
        return "# JSON is YAML\n" + json.dumps({"dag": name, "tasks": tasks}, ensure_ascii=False)

    def check(self, name):
        amount = 1234567890123.4567 if name == "sqlite" else decimal.Decimal("1234567890123.4567")
        expected = {"id": list(range(len(TEXTS))), "t": TEXTS, "d": [amount] * len(TEXTS), "n": [i / 8 for i in range(len(TEXTS))]}
        for run in ("first", "second"):  # a rerun replaces
            self.i.udon("dags", "trigger", name, "--run-id", run, "--wait")

        def value(task):
            return self.i.json("tasks", "xcom", name, "second", task, "return_value")["value"]

        rows = value("rows")
        self.assertEqual([r["t"] for r in rows], TEXTS)
        self.assertEqual([r["d"] for r in rows], [amount if name == "sqlite" else str(amount)] * len(TEXTS))

        columns, schema = lake.columns_of(self.store.read(value("parquet")["files"][0]))
        self.assertEqual(columns, expected)
        if name != "sqlite":
            self.assertEqual(str(schema.field("d").type), "decimal128(20, 4)")

        written = value("csv")
        self.assertEqual(written["files"], [f"s3://udon-lake/sql_files/{name}/csv/part-00000.csv"])
        self.assertEqual(self.store.names(f"s3://udon-lake/sql_files/{name}/csv/"), ["_SUCCESS", "_manifest.json", "part-00000.csv"])
        self.assertEqual(self.store.client.head_object(Bucket="udon-lake", Key=f"sql_files/{name}/csv/part-00000.csv")["ContentType"], "text/csv")
        content = self.store.read(written["files"][0])
        self.assertEqual((written["rows"], written["bytes"]), (len(TEXTS), len(content)))
        text = [f"{amount:.4f}" if name != "sqlite" else repr(amount)][0]
        self.assertEqual(list(csv.reader(io.StringIO(content.decode(), newline=""))),
                         [["id", "t", "d", "n"]] + [[str(i), t or "", text, f"{i / 8:g}"] for i, t in enumerate(TEXTS)])
        options = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""],
                                             column_types={"d": "float64" if name == "sqlite" else pyarrow.decimal128(20, 4)})
        table = pyarrow.csv.read_csv(io.BytesIO(content), convert_options=options, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True))
        self.assertEqual(table.to_pydict(), expected)
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(content)
            file.flush()
            number = "DOUBLE" if name == "sqlite" else "DECIMAL(20,4)"
            read = duckdb.sql(f"select * from read_csv('{file.name}', delim=',', quote='\"', escape='\"', header=true, allow_quoted_nulls=false, nullstr='',"
                              f" columns={{'id': 'INT', 't': 'VARCHAR', 'd': '{number}', 'n': 'DOUBLE'}})").fetchall()
        self.assertEqual(sorted(read), [tuple(expected[c][i] for c in expected) for i in range(len(TEXTS))])

        local = (self.i.root / "lake" / name / "part-00000.csv").read_bytes().decode()
        self.assertEqual([r[1] for r in csv.reader(io.StringIO(local, newline=""), delimiter="\t")], [r"\N" if t is None else t for t in TEXTS])
        self.assertIn(f"5\t\\N\t{text}\t0.625\r\n6\t\" edge \"\t", local)
        self.assertIn("7\t\"\\N\"\t", local)
        log = self.i.udon("tasks", "logs", name, "second", "csv")
        self.assertIn("verified at level rows", log)

    def test_mariadb(self):
        self.check("mariadb")

    def test_postgres(self):
        self.check("postgres")

    def test_sqlite(self):
        self.check("sqlite")

    def test_somebodys_text_is_no_sql(self):
        self.i.dag("spliced", "dag: spliced\nparams: {name: {type: string, default: x}}\ntasks:\n"
                              "  a: {operator: sql, connection: sqlite, sql: \"select '{{ params.name }}' as n\"}\n"
                              "  b: {operator: sql, connection: sqlite, sql: [select 1 as one, \"select '{{ params.name }}' as n\"]}\n")
        try:
            self.i.udon("dags", "check", code=1)
            told = self.i.run("dags", "check")
            self.assertEqual((told.stdout + told.stderr).count("would become part of SQL; write `:name`"), 2)
            self.assertIn("in `parameters`, which binds it", told.stdout + told.stderr)
        finally:
            (self.i.dags / "spliced.yaml").unlink()


if __name__ == "__main__":
    unittest.main(verbosity=2)
