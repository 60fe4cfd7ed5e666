#!/usr/bin/env python3
"""Random files of every text format, as Python writes them, through parquet_convert: the Parquet file, read back by pyarrow
and by DuckDB, must hold what was written; and DuckDB's own readers of CSV and JSON must see the same."""
import base64
import csv
import datetime
import decimal
import gzip
import io
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

BUILD = pathlib.Path(os.environ["UDON_BUILD"])
D = decimal.Decimal
decimal.getcontext().prec = 60
UTC = datetime.timezone.utc
KOREAN = "우동 마켓 김치 국밥 가격 주문 서울 부산 원 년 월 일".split()
UGLY = ['"', '""', ",", "\n", "\r\n", "\t", "'", "\\", " ", "=1+1", "NULL", "null", "\\N", "0", "x" * 400, "{}", "[1]"]
BEYOND = ["🍜", "é", "ﬁ", "\u2028", "똠방각하", "\u0001"]
BASIC = ["a", "b c", "Zz"]


class Runner:
    """operator_runner, one process for all."""

    def __init__(self, folder):
        self.process = subprocess.Popen([BUILD / "tests/operator_runner", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, operator, **parameters):
        self.process.stdin.write(json.dumps({"operator": operator, "parameters": parameters}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait() == 0


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def by_rows(table):
    return list(zip(*[column.to_pylist() for column in table.columns]))


class Column:
    """A column of random values of one type, and how it stands in a text file."""

    def __init__(self, r, name, kind, encoding):
        self.name, self.kind, self.encoding = name, kind, encoding
        self.precision, self.scale = (lambda p: (p, r.randrange(p + 1)))(r.randrange(1, 39))
        self.bits = r.choice([8, 16, 32, 64])

    @property
    def type(self):
        return {"decimal": f"decimal({self.precision},{self.scale})", "int": f"int{self.bits}"}.get(self.kind, self.kind)

    def value(self, r):
        if r.random() < 0.15:
            return None
        if self.kind == "string":
            pool = BASIC + KOREAN + UGLY + (BEYOND if self.encoding == "utf-8" else ["똠방"] if self.encoding == "cp949" else [])
            return "".join(r.choices(pool, k=r.randrange(5)))
        if self.kind == "int":
            return r.choice([-1, 0, 1, -2 ** (self.bits - 1), 2 ** (self.bits - 1) - 1, r.randrange(-100, 100)])
        if self.kind == "decimal":
            return D(r.choice([0, 1, -1, 10 ** self.precision - 1, r.randrange(10 ** self.precision)])).scaleb(-self.scale)
        if self.kind == "double":
            return r.choice([0.0, 0.1, -1e308, 5e-324, r.random() * 10 ** r.randrange(-300, 300)])
        if self.kind == "boolean":
            return r.random() < 0.5
        if self.kind == "date":
            return datetime.date(1582, 10, 15) + datetime.timedelta(days=r.randrange(3_000_000))
        naive = datetime.datetime(1600, 1, 1) + datetime.timedelta(microseconds=r.randrange(10**16)) + datetime.timedelta(days=r.randrange(2_900_000))
        if self.kind == "timestamp":
            return naive
        return naive.replace(tzinfo=UTC).astimezone(datetime.timezone(datetime.timedelta(minutes=30 * r.randrange(-24, 25))))

    def text(self, r, value):
        if value is None:
            return None
        if self.kind == "decimal":
            return f"{value:f}"
        if self.kind == "boolean":
            return r.choice([str(value), str(value).lower(), str(int(value))])
        if self.kind in ("timestamp", "timestamptz"):
            return value.isoformat(sep=r.choice(" T"))
        return repr(value) if self.kind == "double" else str(value)

    def json(self, r, value):
        """The value's JSON text."""
        if value is None:
            return "null"
        text = self.text(r, value)
        if self.kind == "boolean":
            return str(value).lower()
        if self.kind == "int" or (self.kind == "decimal" and r.random() < 0.8):
            return text
        if self.kind == "double":
            return text
        return json.dumps(text, ensure_ascii=self.encoding != "utf-8" and r.random() < 0.3)


def names(r, n):
    made = ["id"]
    while len(made) < n:
        name = r.choice(KOREAN + ["a", "B c", "x_1", 'q"q', "콤마,"]) + str(len(made))
        made.append(name)
    return made


class Differential(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="udon-convert-")
        cls.root = pathlib.Path(cls.folder.name)
        cls.runner = Runner(cls.root)
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.runner.close()
        cls.folder.cleanup()

    def convert(self, content, name, schema, **parameters):
        type(self).count += 1
        source = self.root / f"{self.count}-{name}"
        source.write_bytes(content)
        self.source, self.out = source, self.root / f"out-{self.count}"
        return self.runner.run("parquet_convert", **{"from": str(source), "to": str(self.out), "schema": schema, **parameters})

    def rows(self, answer):
        self.assertIn("value", answer, answer)
        self.assertTrue((self.out / "_SUCCESS").exists())
        files = sorted(self.out.glob("part-*.parquet"))
        table = pq.read_table(files)
        self.assertEqual(answer["value"]["rows"], table.num_rows)
        listed = ", ".join(f"'{f}'" for f in files)
        by_duckdb = by_rows(duckdb.sql(f"select * from read_parquet([{listed}])").to_arrow_table())
        return by_rows(table), by_duckdb, table.schema

    def test_random_files_of_every_format(self):
        duckdb.sql("set timezone = 'UTC'")
        for seed in range(int(os.environ.get("FILES", "160"))):
            r = random.Random(seed)
            form = r.choice(["csv", "tsv", "ndjson", "json"])
            encoding = r.choice(["utf-8", "utf-8", "euc-kr", "cp949"])
            width = r.choice([1, 2, 5, 12])
            kinds = [r.choice(["string", "string", "int", "decimal", "double", "boolean", "date", "timestamp", "timestamptz"]) for _ in range(width)]
            columns = [Column(r, name, kind, encoding) for name, kind in zip(names(r, width), kinds)]
            values = [[c.value(r) for c in columns] for _ in range(r.choice([0, 1, 7, 300]))]
            parameters = {"format": form, "encoding": encoding}
            if form in ("csv", "tsv"):
                text = self.as_csv(r, form, columns, values, parameters)
            else:
                text = self.as_json(r, form, columns, values)
            content = text.encode(encoding)
            if encoding == "utf-8" and r.random() < 0.3:
                content = b"\xef\xbb\xbf" + content
            name, content = self.packed(r, f"f.{form}", content, parameters)
            with self.subTest(seed=seed, form=form, encoding=encoding, name=name):
                answer = self.convert(content, name, {c.name: c.type for c in columns}, **parameters)
                got, by_duckdb, schema = self.rows(answer)
                expected = [tuple(row) for row in values]
                self.assertEqual(got, expected)
                self.assertEqual(by_duckdb, expected)
                self.assertEqual(schema.names, [c.name for c in columns])

    @staticmethod
    def as_csv(r, form, columns, values, parameters):
        out = io.StringIO(newline="")
        delimiter = "\t" if form == "tsv" else r.choice(",;|")
        if form == "csv":
            parameters["delimiter"] = delimiter
        null = r.choice(["", "\\N", "NULL"]) if len(columns) > 1 else "\\N"
        parameters["null_text"] = null
        end = r.choice(["\n", "\r\n"])
        if r.random() < 0.2:
            parameters["header"] = False
        else:
            csv.writer(out, delimiter=delimiter, lineterminator=end).writerow([c.name for c in columns])
        for row in values:
            fields = []
            for column, value in zip(columns, row):
                text = column.text(r, value)
                if text is None:
                    fields.append(null)
                elif text in ("", null) or any(c in text for c in '"\r\n' + delimiter) or r.random() < 0.3:
                    fields.append('"' + text.replace('"', '""') + '"')
                else:
                    fields.append(text)
            out.write(delimiter.join(fields) + end)
        return out.getvalue()

    @staticmethod
    def as_json(r, form, columns, values):
        objects = []
        for row in values:
            members = [f"{json.dumps(c.name, ensure_ascii=r.random() < 0.3)}:{r.choice(['', ' '])}{c.json(r, v)}" for c, v in zip(columns, row)
                       if v is not None or r.random() < 0.5]
            if r.random() < 0.3:
                r.shuffle(members)
            objects.append("{" + r.choice([",", " , "]).join(members) + "}")
        if form == "ndjson":
            return "".join(o + r.choice(["\n", "\r\n", "\n\n"]) for o in objects)
        return "[" + r.choice([",", ",\n", "\n , "]).join(objects) + "]" + r.choice(["", "\n"])

    @staticmethod
    def packed(r, name, content, parameters):
        how = r.choice(["", "", "gz", "gz members", "zst", "stated"])
        if how == "gz":
            return name + ".gz", gzip.compress(content)
        if how == "gz members":
            cut = r.randrange(len(content) + 1)
            return name + ".GZ", gzip.compress(content[:cut]) + gzip.compress(b"") + gzip.compress(content[cut:])
        if how == "zst":
            return name + ".zst", zstd(content)
        if how == "stated":
            parameters["from_compression"] = "zstd"
            cut = r.randrange(len(content) + 1)
            return name, zstd(content[:cut]) + zstd(content[cut:])
        return name, content

    def test_duckdb_reads_the_same_of_the_same_file(self):
        r = random.Random(7)
        columns = [Column(r, f"c{i}", kind, "utf-8") for i, kind in enumerate(["int", "string", "decimal", "timestamp", "boolean"])]
        duck = {"int": lambda c: {8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"}[c.bits], "string": lambda c: "VARCHAR",
                "decimal": lambda c: f"DECIMAL({c.precision},{c.scale})", "timestamp": lambda c: "TIMESTAMP", "boolean": lambda c: "BOOLEAN"}
        types = "{" + ", ".join(f"'{c.name}': '{duck[c.kind](c)}'" for c in columns) + "}"
        values = [[c.value(r) for c in columns] for _ in range(500)]
        for row in values:  # what DuckDB itself rounds, or takes for its own
            row[2] = None if row[2] is None or len(row[2].as_tuple().digits) > 15 else row[2]
            row[1] = row[1] if row[1] is None else row[1].replace("\u0001", "").replace("\r", "")
        schema = {c.name: c.type for c in columns}
        parameters = {"format": "csv"}
        text = self.as_csv(random.Random(1), "tsv", columns, values, parameters)
        answer = self.convert(text.encode(), "f.csv", schema, delimiter="\t", null_text=parameters["null_text"], header=parameters.get("header", True))
        ours, _, _ = self.rows(answer)
        theirs = duckdb.sql(f"select * from read_csv('{self.source}', delim='\t', quote='\"', escape='\"', header={parameters.get('header', True)}, "
                            f"nullstr='{parameters['null_text']}', allow_quoted_nulls=false, columns={types})").fetchall()
        self.assertEqual(ours, theirs)
        answer = self.convert(self.as_json(r, "ndjson", columns, values).encode(), "f.ndjson", schema, format="ndjson")
        ours, _, _ = self.rows(answer)
        theirs = duckdb.sql(f"select * from read_json('{self.source}', format='newline_delimited', columns={types})").fetchall()
        self.assertEqual(ours, theirs)

    def test_wide_huge_and_empty_files(self):
        wide = [f"c{i}" for i in range(1000)]
        rows = [[str(i * j) for j in range(1000)] for i in range(20)]
        text = ",".join(wide) + "\n" + "".join(",".join(row) + "\n" for row in rows)
        got, _, _ = self.rows(self.convert(text.encode(), "wide.csv", {c: "int64" for c in wide}))
        self.assertEqual(got, [tuple(int(v) for v in row) for row in rows])
        ndjson = "".join("{" + ",".join(f'"{c}":{v}' for c, v in zip(wide, row)) + "}\n" for row in rows)
        got, _, _ = self.rows(self.convert(ndjson.encode(), "wide.ndjson", {c: "int64" for c in wide}, format="ndjson"))
        self.assertEqual(got, [tuple(int(v) for v in row) for row in rows])
        huge = "가" * 3_000_000
        got, _, _ = self.rows(self.convert(f'a,b\n1,"{huge}"\n2,x\n'.encode(), "huge.csv", {"a": "int8", "b": "string"}))
        self.assertEqual(got, [(1, huge), (2, "x")])
        for form, content, rows in (("ndjson", b"", 0), ("json", b"[]", 0), ("csv", b"a\n", 0), ("tsv", b"a", 0)):
            got, _, schema = self.rows(self.convert(content, "empty", {"a": "int32"}, format=form))
            self.assertEqual((len(got), str(schema.field("a").type)), (rows, "int32"))

    def test_what_is_cut_short_or_packed_otherwise_is_an_error_that_names_the_file(self):
        content = ("a,b\n" + "".join(f"{i},{i * 7919 % 1000003}\n" for i in range(50_000))).encode()
        schema = {"a": "int64", "b": "int64"}
        for suffix, packed in ((".gz", gzip.compress(content)), (".zst", zstd(content))):
            for cut in (0, 1, 5, len(packed) // 2, len(packed) - 1):
                with self.subTest(suffix=suffix, cut=cut):
                    answer = self.convert(packed[:cut], "f.csv" + suffix, schema)
                    self.assertEqual(answer.get("error"), "data", answer)
                    self.assertIn("f.csv" + suffix, answer["message"])
                    self.assertIn("is cut short" if cut != 1 or suffix == ".zst" else "", answer["message"])
                    self.assertFalse(self.out.exists())
            for bad in (packed + b"trailing", b"a,b\n1,2\n"):
                answer = self.convert(bad, "f.csv" + suffix, schema)
                self.assertEqual(answer.get("error"), "data", answer)
                self.assertIn("f.csv" + suffix, answer["message"])

    def test_zeros_behind_a_gzip_file_are_passed_over(self):
        content = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * 7919) for i in range(20_000))
        packed = gzip.compress(content)
        for padding, rows in ((bytes(4), 20_000), (bytes(600_000), 20_000), (bytes(512) + gzip.compress(b"7,8\n") + bytes(3), 20_001)):
            answer = self.convert(packed + padding, "f.csv.gz", {"a": "int64", "b": "int64"})
            self.assertEqual(len(self.rows(answer)[0]), rows, answer)
        answer = self.convert(packed + bytes(8) + b"trailing", "f.csv.gz", {"a": "int64", "b": "int64"})
        self.assertRegex(answer["message"], f"what stands from byte {len(packed) + 8} on is no gzip")

    def test_a_file_of_which_no_row_fits_replaces_nothing(self):
        good = self.convert(b"a\n1\n2\n", "f.csv", {"a": "int64"}, on_bad_row="reject")
        self.assertEqual(good["value"]["rows"], 2, good)
        out = self.out
        answer = self.convert(b"a\nx\ny\n", "f.csv", {"a": "int64"}, on_bad_row="reject", to=str(out))
        self.assertEqual(answer.get("error"), "data", answer)
        self.assertRegex(answer["message"], "none of the 2 rows fits, the first: line 2: column `a`: 'x' is not a whole number.*Nothing was published")
        self.out = out
        self.assertEqual(len(self.rows(good)[0]), 2)
        # No row at all is no such file.
        self.assertEqual(self.convert(b"a\n", "f.csv", {"a": "int64"}, on_bad_row="reject")["value"]["rows"], 0)

    def test_an_inferred_schema_holds_every_value(self):
        for seed in range(int(os.environ.get("FILES", "60"))):
            r = random.Random(1000 + seed)
            form = r.choice(["csv", "tsv", "ndjson", "json"])
            kinds = [r.choice(["string", "int", "decimal", "boolean", "date", "timestamp", "timestamptz"]) for _ in range(6)]
            columns = [Column(r, name, kind, "utf-8") for name, kind in zip(names(r, 6), kinds)]
            values = [[c.value(r) for c in columns] for _ in range(r.choice([1, 5, 200]))]
            parameters = {"format": form}
            text = self.as_csv(r, form, columns, values, parameters) if form in ("csv", "tsv") else self.as_json(r, form, columns, values)
            with self.subTest(seed=seed, form=form):
                answer = self.convert(text.encode(), f"f.{form}", "infer", **parameters)
                got, _, schema = self.rows(answer)
                order = range(6) if parameters.get("header") is False else [schema.get_field_index(c.name) for c in columns]
                for column, at, expected in zip(columns, order, zip(*values)):
                    if at < 0:  # a key that no object had
                        self.assertEqual(set(expected), {None})
                        continue
                    as_read = [row[at] for row in got]
                    if as_read == list(expected):
                        continue
                    kind = str(schema.field(at).type)
                    back = {"int": int, "decimal": D, "boolean": lambda t: t.lower() in ("true", "1"), "string": str, "date": datetime.date.fromisoformat,
                            "timestamp": datetime.datetime.fromisoformat, "timestamptz": datetime.datetime.fromisoformat}[column.kind]
                    if kind in ("int64", "bool") or kind.startswith("decimal"):  # 0 and 1 of a boolean; texts that are numbers throughout
                        self.assertIn(column.kind, ("boolean", "decimal", "int", "string"))
                        self.assertEqual([None if v is None else D(v) for v in as_read], [None if v is None else D(v) for v in expected])
                    else:
                        self.assertEqual([None if v is None else back(v) for v in as_read], list(expected), kind)
                        self.assertEqual(kind, "string")

    def test_what_is_inferred_can_be_pasted(self):
        text = "id,가격,code,at,seen,ok,empty,big\n1,1.50,007,2026-01-31 09:00:00,2026-01-31T09:00:00+09:00,true,,1\n2,20,8,2026-01-31 09:00,2026-01-31T00:00:00Z,FALSE,,12345678901234567890\n"
        answer = self.convert(text.encode(), "f.csv", "infer")
        _, _, schema = self.rows(answer)
        pasted = ('schema:\n  id: int64\n  "가격": decimal(4,2)\n  code: string\n  at: timestamp\n  seen: timestamptz\n  ok: boolean\n  empty: string\n'
                  "  big: decimal(20,0)\n")
        self.assertIn("schema inferred of all 2 rows; as it can be pasted:\n" + pasted, answer["log"])
        self.assertIn("`code`: string, 2 values, 0 NULL; no other type holds '007' on line 2 and what was before it", answer["log"])
        stated = {name.strip('" '): kind.strip() for name, kind in (line.split(":") for line in pasted.splitlines()[1:])}
        again = self.convert(text.encode(), "f.csv", stated)
        self.assertEqual(self.rows(again)[2], schema)
        json_text = '{"a":1,"b":"1","c":[1],"d":1e-3,"e":1.0}\n{"b":"x","a":2.5,"f":null}\n'
        answer = self.convert(json_text.encode(), "f.ndjson", "infer", format="ndjson")
        self.assertEqual(self.rows(answer)[0], [(D("1.0"), "1", "[1]", D("0.001"), D("1.0"), None), (D("2.5"), "x", None, None, None, None)])
        for content in (b"", b"\n"):
            self.assertEqual(self.convert(content, "f.ndjson", "infer", format="ndjson").get("error"), "data")

    def test_rows_that_do_not_fit_are_kept_with_their_line_and_why(self):
        text = 'id,name\n1,a\nx,b\n3\n4,"d"d\n5,"e\ne"\n\n6,\xff\n7,g\n'.encode("latin-1")
        schema = {"id": "int8", "name": "string"}
        answer = self.convert(text, "f.csv", schema, on_bad_row="reject")
        self.assertEqual(self.rows(answer)[0], [(1, "a"), (5, "e\ne"), (7, "g")])
        value = answer["value"]
        self.assertEqual((value["rejected"], value["rejects"]), (4, f"{self.out}/_rejects/rejects.ndjson"))
        self.assertEqual(value["certificate"]["policies"], [{"column": "", "policy": "on_bad_row=reject", "values": 4}])
        rejects = [json.loads(line) for line in pathlib.Path(value["rejects"]).read_text().splitlines()]
        self.assertEqual([(r["line"], r.get("text", r.get("base64"))) for r in rejects],
                         [(3, "x,b"), (4, "3"), (5, '4,"d"d'), (9, base64.b64encode(b"6,\xff").decode())])
        self.assertRegex(rejects[0]["reason"], "column `id`: 'x' is not a whole number")
        self.assertEqual(duckdb.sql(f"select count(*) from read_parquet('{self.out}/*.parquet')").fetchone(), (3,))
        # The same target without bad rows: they go with the old result.
        source, out = self.source, self.out
        source.write_text("id,name\n9,z\n")
        again = self.runner.run("parquet_convert", **{"from": str(source), "to": str(out), "schema": schema, "on_bad_row": "reject"})
        self.assertEqual((again["value"]["rejected"], again["value"]["rejects"]), (0, None))
        self.assertFalse((out / "_rejects").exists())
        (out / "_rejects").mkdir()
        (out / "_rejects/mine.txt").write_text("somebody's")
        refused = self.runner.run("parquet_convert", **{"from": str(source), "to": str(out), "schema": schema})
        self.assertIn("_rejects", refused["message"])

    def test_rejects_are_bounded_and_batches_of_them_alone_are_no_end(self):
        rows = ["x,y"] * 150_000
        text = ("id,n\n" + "\n".join(rows) + "\n1,2\n").encode()
        schema = {"id": "int64", "n": "int64"}
        answer = self.convert(text, "f.csv", schema, on_bad_row="reject", rejects_max=150_000)
        self.assertEqual((self.rows(answer)[0], answer["value"]["rejected"]), ([(1, 2)], 150_000))
        answer = self.convert(text, "f.csv", schema, on_bad_row="reject", rejects_max=149_999)
        self.assertRegex(answer["message"], r"more than 149999 rows do not fit \(`rejects_max`\); the one on line 150001")
        self.assertFalse(self.out.exists())
        answer = self.convert(text, "f.csv", schema, on_bad_row="reject", rejects_max=0)
        self.assertRegex(answer["message"], "more than 0 rows do not fit")

    def test_json_that_does_not_fit_is_kept_too(self):
        lines = ['{"id":1,"n":"a"}', '{"id":1.5,"n":"b"}', "{broken", '{"id":2,"id":3}', '{"id":4,"zz":1}', '{"n":"한","id":300}', "[]", '{"id":5,"n":"c"}']
        schema = {"id": "int8", "n": "string"}
        for form, text in (("ndjson", "\n".join(lines)), ("json", "[" + ",\n".join(line for line in lines if line != "{broken") + "]")):
            answer = self.convert(text.encode(), f"f.{form}", schema, format=form, on_bad_row="reject")
            self.assertEqual(self.rows(answer)[0], [(1, "a"), (5, "c")])
            kept = [json.loads(line)["text"] for line in pathlib.Path(answer["value"]["rejects"]).read_text().splitlines()]
            self.assertEqual(kept, [line for line in lines[1:-1] if form == "ndjson" or line != "{broken"])
        answer = self.convert(b'{"id":"\\uD83C","zz":1}\n{"id":1}\n', "f.ndjson", "infer", format="ndjson", on_bad_row="reject")
        self.assertEqual((self.rows(answer)[0], answer["value"]["rejected"]), ([(1,)], 1))

    # Parquet to the others.

    TABLE = pa.table({
        "n": pa.array([1, None, -2**63], pa.int64()),
        "u": pa.array([2**64 - 1, None, 0], pa.uint64()),
        "d": pa.array([D("0.10"), None, D("-9999999999999999999999999999999999.99")], pa.decimal128(36, 2)),
        "f": pa.array([0.1, None, 5e-324], pa.float64()),
        "g": pa.array([0.1, None, 3.4e38], pa.float32()),
        "t": pa.array(['우동, "x"\n\t\\', None, ""]),
        "c": pa.array(["a", None, "b"]).dictionary_encode(),
        "l": pa.array(["큰", None, "글"], pa.large_string()),
        "b": pa.array([b"\x00\xff", None, b""], pa.binary()),
        "ok": pa.array([True, None, False]),
        "day": pa.array([datetime.date(2026, 1, 31), None, datetime.date(1, 1, 1)]),
        "at": pa.array([datetime.datetime(2026, 1, 31, 9, 0, 0, 1), None, datetime.datetime(1600, 1, 1)], pa.timestamp("us")),
        "tz": pa.array([datetime.datetime(2026, 1, 31, tzinfo=UTC), None, datetime.datetime(2026, 1, 31, 1, 2, 3, 4000, tzinfo=UTC)], pa.timestamp("ms", "Asia/Seoul")),
        "xs": pa.array([[1, None], None, []], pa.list_(pa.int32())),
    })

    def parquet(self, table, **options):
        type(self).count += 1
        path = self.root / f"{self.count}.parquet"
        pq.write_table(table, path, **options)
        return path

    def convert_parquet(self, table, to_format, schema="infer", **parameters):
        self.source, self.out = self.parquet(table), self.root / f"out-{self.count}"
        return self.runner.run("parquet_convert", **{"from": str(self.source), "to": str(self.out), "schema": schema, "format": "parquet", "to_format": to_format,
                                                     **parameters})

    def text(self, answer):
        self.assertIn("value", answer, answer)
        [file] = answer["value"]["files"]
        content = pathlib.Path(file).read_bytes()
        self.assertEqual(answer["value"]["bytes"], len(content))
        return pathlib.Path(file).name, (gzip.decompress(content) if file.endswith(".gz") else content).decode()

    EXPECTED = [
        ["1", "18446744073709551615", "0.10", "0.1", "0.1", '우동, "x"\n\t\\', "a", "큰", "AP8=", "true", "2026-01-31", "2026-01-31 09:00:00.000001", "2026-01-31 00:00:00Z", "[1,null]"],
        ["-9223372036854775808", "0", "-9999999999999999999999999999999999.99", "5e-324", "3.4e+38", "", "b", "글", "", "false", "0001-01-01", "1600-01-01 00:00:00",
         "2026-01-31 01:02:03.004000Z", "[]"]]

    def test_parquet_to_csv_and_tsv_holds_the_exact_text_of_each_type(self):
        for to_format, delimiter, packed in (("csv", ",", "none"), ("tsv", "\t", "gzip"), ("csv", ";", "gzip")):
            more = {"to_delimiter": delimiter} if delimiter == ";" else {}
            name, text = self.text(self.convert_parquet(self.TABLE, to_format, compression=packed, to_null_text="\\N", **more))
            self.assertEqual(name, f"part-00000.{to_format}" + (".gz" if packed == "gzip" else ""))
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
            self.assertEqual(rows, [self.TABLE.column_names, self.EXPECTED[0], ["\\N"] * 14, self.EXPECTED[1]])
        by_duckdb = duckdb.sql(f"select d, t, \"at\" from read_csv('{self.out}/*.csv.gz', delim=';', header=true, nullstr='\\N', quote='\"', escape='\"', allow_quoted_nulls=false, all_varchar=true)")
        self.assertEqual(by_duckdb.fetchall(), [(row[2], row[5], row[11]) for row in (self.EXPECTED[0], [None] * 14, self.EXPECTED[1])])

    def test_parquet_to_json_keeps_every_digit(self):
        for to_format, packed in (("ndjson", "none"), ("json", "gzip"), ("ndjson", "gzip")):
            name, text = self.text(self.convert_parquet(self.TABLE, to_format, compression=packed))
            self.assertEqual(name, f"part-00000.{to_format}" + (".gz" if packed == "gzip" else ""))
            rows = json.loads(text, parse_float=str) if to_format == "json" else [json.loads(line, parse_float=str) for line in text.splitlines()]
            self.assertEqual([list(row) for row in rows], [self.TABLE.column_names] * 3)
            self.assertEqual(set(rows[1].values()), {None})
            for row, expected in zip((rows[0], rows[2]), self.EXPECTED):
                got = list(row.values())
                self.assertEqual(got[:2], [int(v) for v in expected[:2]])
                self.assertEqual(got[2:5], expected[2:5])
                self.assertEqual(got[5:9] + got[10:11], expected[5:9] + expected[10:11])
                self.assertEqual((got[9], got[11], got[12], got[13]), (expected[9] == "true", expected[11].replace(" ", "T"), expected[12].replace(" ", "T"), json.loads(expected[13])))
        _, text = self.text(self.convert_parquet(self.TABLE.select(["d"]), "ndjson", decimals="text"))
        self.assertEqual(json.loads(text.splitlines()[0]), {"d": "0.10"})
        for to_format, expected in (("json", []), ("ndjson", None)):
            _, text = self.text(self.convert_parquet(self.TABLE.slice(0, 0), to_format))
            self.assertEqual(json.loads(text) if text else None, expected)

    def test_json_has_no_form_for_nan(self):
        table = pa.table({"id": [1, 2, 3], "x": pa.array([1.5, float("nan"), float("-inf")], pa.float32())})
        answer = self.convert_parquet(table, "ndjson")
        self.assertRegex(answer["message"], r"column `x`, row 2: NaN has no form in JSON; say `nan: null`")
        answer = self.convert_parquet(table, "json", nan="null")
        self.assertRegex(answer["message"], r"column `x`, row 3: an infinity has no form in JSON; say `infinity: null`")
        answer = self.convert_parquet(table, "json", nan="null", infinity="null")
        self.assertEqual(json.loads(self.text(answer)[1]), [{"id": 1, "x": 1.5}, {"id": 2, "x": None}, {"id": 3, "x": None}])
        self.assertEqual([(p["policy"], p["values"]) for p in answer["value"]["certificate"]["policies"]], [("nan=null", 1), ("infinity=null", 1)])
        self.assertIn("2,NaN\n3,-Infinity\n", self.text(self.convert_parquet(table, "csv"))[1])

    def test_parquet_to_parquet_with_other_types_and_compression(self):
        answer = self.convert_parquet(self.TABLE, "parquet", compression="zstd")
        got, by_duckdb, schema = self.rows(answer)
        self.assertEqual(got, by_rows(self.TABLE))
        self.assertEqual(pq.ParquetFile(next(self.out.glob("*.parquet"))).metadata.row_group(0).column(0).compression, "ZSTD")
        self.assertEqual([str(schema.field(name).type) for name in ("u", "c", "l", "tz")], ["decimal128(20, 0)", "string", "string", "timestamp[us, tz=UTC]"])
        answer = self.convert_parquet(self.TABLE, "parquet", schema={"d": "decimal(38,4)", "n": "string", "day": "string"})
        got, _, schema = self.rows(answer)
        self.assertEqual(schema.names, ["d", "n", "day"])
        self.assertEqual(got[0], (D("0.1000"), "1", "2026-01-31"))
        answer = self.convert_parquet(self.TABLE, "parquet", schema={"n": "int8"})
        self.assertEqual(answer["error"], "data", answer)
        self.assertIn("-9223372036854775808", answer["message"])
        answer = self.convert_parquet(self.TABLE, "parquet", schema={"dayy": "date"})
        self.assertIn("has no column `dayy`; did you mean `day`?", answer["message"])

    def test_what_has_no_exact_place_is_an_error_that_names_the_column(self):
        for column, why in ((pa.array([1001], pa.timestamp("ns")), "has no exact place in timestamp"), (pa.array([{"a": 1}]), "leave it out"),
                            (pa.array([datetime.timedelta(1)]), "leave it out")):
            answer = self.convert_parquet(pa.table({"id": [1], "이상": column}), "csv")
            self.assertIn("`이상`", answer["message"])
            self.assertIn(why, answer["message"])
            self.assertIn("value", self.convert_parquet(pa.table({"id": [1], "이상": column}), "csv", schema={"id": "int64"}))
        exact = pa.table({"at": pa.array([1_000_000_001_000], pa.timestamp("ns")), "big": pa.array([D("1" * 60)], pa.decimal256(60, 0)), "h": pa.array([datetime.time(9, 0, 1)])})
        self.assertEqual(self.text(self.convert_parquet(exact, "csv"))[1].splitlines()[1], "1970-01-01 00:16:40.000001," + "1" * 60 + ",09:00:01.000000")
        type(self).count += 1
        for content in (b"", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1", self.parquet(self.TABLE).read_bytes()[:-20]):
            bad = self.root / "bad.parquet"
            bad.write_bytes(content)
            answer = self.runner.run("parquet_convert", **{"from": str(bad), "to": str(self.root / "never"), "schema": "infer", "format": "parquet"})
            self.assertIn("bad.parquet", answer["message"])
            self.assertIn("error", answer)

    def test_many_rows_there_and_back_are_the_same(self):
        r = random.Random(11)
        columns = [Column(r, f"c{i}", kind, "utf-8") for i, kind in enumerate(["int", "string", "decimal", "double", "boolean", "date", "timestamp", "timestamptz"])]
        values = [[c.value(r) for c in columns] for _ in range(20_000)]
        lines = self.as_json(r, "ndjson", columns, values)
        schema = {c.name: c.type for c in columns}
        first, _, _ = self.rows(self.convert(lines.encode(), "f.ndjson", schema, format="ndjson"))
        [parquet] = self.out.glob("*.parquet")
        for to_format in ("csv", "tsv", "ndjson", "json"):
            out = self.root / f"there-{to_format}"
            there = self.runner.run("parquet_convert", **{"from": str(parquet), "to": str(out), "schema": "infer", "format": "parquet", "to_format": to_format,
                                                          "compression": "gzip", "target_file_bytes": "200KB", "memory": "16MB"})
            self.assertIn("value", there, there)
            self.assertGreater(len(there["value"]["files"]), 1)
            again = []
            for file in there["value"]["files"]:
                back = self.runner.run("parquet_convert", **{"from": file, "to": str(self.root / "back"), "schema": schema, "format": to_format})
                self.assertIn("value", back, back)
                again += by_rows(pq.read_table(back["value"]["files"]))
            self.assertEqual(again, first)

    def test_parameters_that_do_not_fit_together(self):
        for more, why in (({"to_format": "csv", "compression": "snappy"}, "is for Parquet"), ({"to_format": "json", "compat": "hive3"}, "compat"),
                          ({"to_format": "csv", "to_delimiter": '"'}, "delimiter"), ({"to_format": "csv", "to_null_text": "a,b"}, "null_text"),
                          ({"schema": {}}, "schema")):
            parameters = {"schema": {"a": "int8"}, **more}
            answer = self.convert(b"a\n1\n", "f.csv", **parameters)
            self.assertEqual(answer.get("error"), "invalid", answer)
            self.assertIn(why, answer["message"])
            self.assertFalse(self.out.exists())

    def test_an_encoding_that_is_not_the_files(self):
        text = "id,name\n1,우동\n2,똠방각하\n"
        answer = self.convert(text.encode("cp949"), "f.csv", {"id": "int8", "name": "string"})
        self.assertRegex(answer["message"], r"f\.csv:2: column `name`: .* holds bytes that are no text")
        answer = self.convert(text.encode("cp949"), "f.csv", {"id": "int8", "name": "string"}, encoding="euc-kr")
        self.assertRegex(answer["message"], r"f\.csv:3: column `name`")
        answer = self.convert(text.encode("cp949"), "f.csv", {"id": "int8", "name": "string"}, encoding="euc-kr", invalid_text="null")
        self.assertEqual(self.rows(answer)[0], [(1, "우동"), (2, None)])
        self.assertEqual(answer["value"]["certificate"]["policies"], [{"column": "name", "policy": "invalid_text=null", "values": 1}])
        answer = self.convert(text.encode("cp949"), "f.csv", {"id": "int8", "name": "string"}, encoding="cp949")
        self.assertEqual(self.rows(answer)[0], [(1, "우동"), (2, "똠방각하")])

    def test_binary_as_base64_and_hex(self):
        content = b"\x00\xff\x10 udon"
        for form, text in (("base64", base64.b64encode(content).decode()), ("hex", content.hex())):
            got, _, _ = self.rows(self.convert(f"a,b\n1,{text}\n2,\n".encode(), "f.csv", {"a": "int8", "b": "binary"}, binary=form))
            self.assertEqual(got, [(1, content), (2, None)])
            got, _, _ = self.rows(self.convert(json.dumps({"b": text}).encode(), "f.ndjson", {"b": "binary"}, binary=form, format="ndjson"))
            self.assertEqual(got, [(content,)])
        answer = self.convert(b"b\n%%%\n", "f.csv", {"b": "binary"}, binary="base64")
        self.assertIn("f.csv:2: column `b`: '%%%' is not base64", answer["message"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
