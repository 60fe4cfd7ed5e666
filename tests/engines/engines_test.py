#!/usr/bin/env python3
"""Exports of every type, of MariaDB and PostgreSQL, read by Spark and Trino to the very values that pyarrow reads; what pyarrow
reads is held against the databases elsewhere (tests/data). Run by scripts/test_engines."""
import datetime
import decimal
import json
import math
import os
import pathlib
import re
import struct
import subprocess
import sys
import time
import unittest
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/data"))
import lake  # noqa: E402
import pyarrow as pa  # noqa: E402
from installation import Installation  # noqa: E402

MARIA = """
drop database if exists engines_test; create database engines_test character set utf8mb4; use engines_test;
create table types (id bigint primary key, t tinyint, tu tinyint unsigned, s smallint, su smallint unsigned, m mediumint, i int, iu int unsigned, bu bigint unsigned,
  b1 bit(1), b8 bit(8), d decimal(12,2), dw decimal(38,10), f float, g double, dt date, ts datetime(6), tz timestamp(6) null, tm time(3), y year,
  c char(10), v varchar(80), tx text, k varchar(40) character set euckr, bn binary(4), vb varbinary(20), bl blob, e enum('a','ㄴ'), st set('x','y'), j json) engine=InnoDB;
insert into types values
 (1, -128, 255, -32768, 65535, -8388608, -2147483648, 4294967295, 18446744073709551615, b'1', b'10101010', -9999999999.99, 1234567890123456789012345678.0123456789,
  1.5, 0.1, '1583-01-01', '1600-02-29 23:59:59.999999', '1970-01-01 00:00:01.000001', '-838:59:59', 1901, 'a', '우동 "q" \\\\ '' ☕🍜', repeat('가', 300), '한글', x'00ff0001', x'', x'e9',
  'ㄴ', 'x,y', '{"a": [1, null, "우동"]}'),
 (2, 127, 0, 32767, 0, 8388607, 2147483647, 0, 0, b'0', b'0', 9999999999.99, -0.0000000001, -3.4028234e38, 1.7976931348623157e308, '9999-12-31', '9999-12-31 23:59:59.999999',
  '2038-01-19 03:14:07.999999', '00:00:00.001', 2155, '', '', '', '', x'00000000', x'0a', x'', 'a', '', '[]'),
 (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
 (4, 0, 1, 0, 1, 0, 0, 1, 1, b'1', b'1', 0, 0, 0, -0.0, '2026-02-28', '2026-03-08 02:30:00', '2026-03-08 02:30:00', '12:00:00', 2026, 'z', 'line\\nbreak\\ttab', 'NULL', 'ㅎ', x'ffffffff', x'ff', x'00', 'a', 'y', '0');
"""
POSTGRES = """
drop schema if exists engines_test cascade; create schema engines_test; set search_path = engines_test;
create type mood as enum ('sad', '기쁨');
create table types (id bigint primary key, b boolean, s smallint, i int, o oid, r real, g double precision, n numeric(20,5), nx numeric, m money, d date, ts timestamp, tz timestamptz,
  tm time, iv interval, c char(5), v varchar(20), t text, e mood, u uuid, by bytea, j json, jb jsonb, ip inet, ia int[], ta text[], da date[], x xml);
insert into types values
 (1, true, -32768, -2147483648, 4294967295, 1.5, 0.1, -123456789012345.67891, 123456789012345678901234567890123456789012345.5, -92233720368547758.08, '1583-01-01', '1600-02-29 23:59:59.999999',
  '1970-01-01 00:00:00.000001+00', '23:59:59.999999', '1 year 2 mons 3 days 04:05:06.789', 'a', '우동', 'x''y\\z', '기쁨', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\\x00ff', '{"a" : 1}', '{"b": [1, null]}', '10.0.0.1/8',
  '{1,null,-3}', '{"a b",null,"우동","q\\"r"}', '{2026-01-31}', '<a>b</a>'),
 (2, false, 32767, 2147483647, 0, 'NaN', 'Infinity', 0.00001, 0, 0, '9999-12-31', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999+00', '00:00', '-1 day', '', '', '', 'sad',
  '00000000-0000-0000-0000-000000000000', '\\x', '[]', '{}', '::1', '{}', '{}', '{}', ''),
 (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
"""
DAG = """
dag: engines
schedule: none
tasks:
  maria: {{operator: replica_export, connection: maria, table: types, columns: "*", to: "{to}/maria", certify: source}}
  maria_seoul: {{operator: replica_export, connection: maria, table: types, columns: "*", timezone: Asia/Seoul, to: "{to}/maria_seoul", where: {{sql: "id <> 2"}}}}
  maria_hive: {{operator: replica_export, connection: maria, table: types, columns: "*", compat: hive3, to: "{to}/maria_hive"}}
  postgres: {{operator: replica_export, connection: pg, table: engines_test.types, columns: "*", to: "{to}/postgres"}}
  split: {{operator: replica_export, connection: pg, table: engines_test.types, columns: "*", to: "{to}/split", compression: zstd, target_file_bytes: 1KB, split: {{into: 2, by: id}}}}
"""
RESULTS = ["maria", "maria_seoul", "maria_hive", "postgres", "split"]


def exact(value, kind):
    """A value as pyarrow gives it → what both engines are brought to."""
    if value is None:
        return None
    if pa.types.is_boolean(kind):
        return "true" if value else "false"
    if pa.types.is_float32(kind):
        return ("f", struct.pack("<f", value) if not math.isnan(value) else "nan")
    if pa.types.is_float64(kind):
        return ("d", struct.pack("<d", value) if not math.isnan(value) else "nan")
    if pa.types.is_decimal(kind):
        return ("n", decimal.Decimal(value).as_tuple())
    if pa.types.is_binary(kind):
        return value.hex()
    if pa.types.is_timestamp(kind):
        return value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    if pa.types.is_list(kind):
        return json.dumps([v.isoformat() if isinstance(v, datetime.date) else v for v in value], ensure_ascii=False)
    return str(value)


def of_engine(text, kind):
    """The text that an engine printed → the same."""
    if text is None:
        return None
    if pa.types.is_float32(kind) or pa.types.is_float64(kind):
        value = float(text)
        form, sign = ("<f", "f") if pa.types.is_float32(kind) else ("<d", "d")
        return (sign, "nan" if math.isnan(value) else struct.pack(form, value))
    if pa.types.is_decimal(kind):
        return ("n", decimal.Decimal(text).as_tuple())
    if pa.types.is_timestamp(kind):
        whole, _, fraction = text.replace(" UTC", "").partition(".")
        return f"{whole}.{fraction.ljust(6, '0')}"
    if pa.types.is_list(kind):
        return json.dumps(json.loads(text), ensure_ascii=False)
    return text


class Trino:
    def __init__(self, variables):
        self.url = variables["UDON_TRINO_URL"]

    def rows(self, sql, patience=60):
        """A node that has just started is told of to the coordinator a moment later."""
        end = time.monotonic() + patience
        while True:
            try:
                return self.ask(sql)
            except AssertionError as error:
                if "No nodes available" not in str(error) or time.monotonic() > end:
                    raise
            time.sleep(0.5)

    def ask(self, sql):
        request = urllib.request.Request(self.url + "/v1/statement", data=sql.encode(), headers={"X-Trino-User": "udon", "X-Trino-Catalog": "hive", "X-Trino-Schema": "udon"})
        answer, rows = json.load(urllib.request.urlopen(request)), []
        while True:
            rows += answer.get("data", [])
            if "error" in answer:
                raise AssertionError(f"{answer['error']['message']}\n{sql}")
            if "nextUri" not in answer:
                return rows
            answer = json.load(urllib.request.urlopen(answer["nextUri"]))


def trino_type(kind):
    if pa.types.is_list(kind):
        return f"array({trino_type(kind.value_type)})"
    if pa.types.is_dictionary(kind):
        return trino_type(kind.value_type)
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    names = {"bool": "boolean", "int8": "tinyint", "int16": "smallint", "int32": "integer", "int64": "bigint", "float": "real", "double": "double", "string": "varchar",
             "binary": "varbinary", "date32[day]": "date"}
    return "timestamp(6)" if pa.types.is_timestamp(kind) else names[str(kind)]


class Engines(unittest.TestCase):
    maxDiff = 3000

    @classmethod
    def setUpClass(cls):
        maria, pg = lake.MariaDb(lake.start("mariadb")), lake.Postgres(lake.start("postgres"))
        maria.run(MARIA)
        pg.run(POSTGRES)
        cls.i = Installation(UDON_CONN_MARIA=maria.url.rsplit("/", 1)[0] + "/engines_test", UDON_CONN_PG=pg.url)
        cls.lake = cls.i.work / "lake"
        cls.i.dag("engines", DAG.format(to=cls.lake))
        cls.i.udon("dags", "check")
        cls.i.start()
        cls.i.udon("dags", "trigger", "engines", "--run-id", "r", "--wait")
        cls.tables = {name: lake.pq.read_table(cls.lake / name, coerce_int96_timestamp_unit="us").sort_by("id") for name in RESULTS}

    @classmethod
    def tearDownClass(cls):
        cls.i.__exit__(None)

    def expected(self, name):
        table = self.tables[name]
        return [[exact(v, f.type) for v, f in zip(row.values(), table.schema)] for row in table.to_pylist()]

    def check(self, name, rows, engine):
        schema = self.tables[name].schema
        got = [[of_engine(v, f.type) for v, f in zip(row, schema)] for row in sorted(rows, key=lambda row: int(row[0]))]
        for row, wanted in zip(got, self.expected(name), strict=True):
            for field, value, right in zip(schema, row, wanted, strict=True):
                self.assertEqual(value, right, f"{engine}, {name}, id {row[0]}, column {field.name} ({field.type})")

    def test_spark(self):
        python = SOURCE / ".deps/engines/bin/python"
        ran = subprocess.run([python, SOURCE / "tests/engines/spark_rows.py", *(str(self.lake / name) for name in RESULTS)], capture_output=True, text=True,
                             env=os.environ | {"PYSPARK_PYTHON": str(python), "SPARK_LOCAL_IP": "127.0.0.1"})
        self.assertEqual(ran.returncode, 0, ran.stderr[-4000:])
        found = json.loads(re.search("^ROWS (.*)$", ran.stdout, re.M).group(1))
        for name in RESULTS:
            with self.subTest(name):
                self.assertEqual(list(found[str(self.lake / name)]["types"]), self.tables[name].column_names)
                self.check(name, found[str(self.lake / name)]["rows"], "Spark")

    def test_trino(self):
        trino = Trino(lake.start("trino"))
        trino.rows("create schema if not exists hive.udon")
        for name in RESULTS:
            with self.subTest(name):
                schema = self.tables[name].schema
                columns = ", ".join(f'"{f.name}" {trino_type(f.type)}' for f in schema)
                trino.rows(f"drop table if exists hive.udon.{name}")
                trino.rows(f"create table hive.udon.{name} ({columns}) with (external_location = 'file://{self.lake / name}', format = 'PARQUET')")
                select = ", ".join(f'lower(to_hex("{f.name}"))' if pa.types.is_binary(f.type) else f'json_format(cast("{f.name}" as json))' if pa.types.is_list(f.type)
                                   else f'cast("{f.name}" as varchar)' for f in schema)
                self.check(name, trino.rows(f"select {select} from hive.udon.{name}"), "Trino")


if __name__ == "__main__":
    unittest.main(verbosity=2)
