#!/usr/bin/env python3
"""Overrides (`type:`), policies and `compat` through the product, on MariaDB and PostgreSQL: random values of each kind,
compared with the database's own text after pyarrow and DuckDB have read the file. The seed is printed; UDON_TEST_SEED
repeats it."""
import base64
import datetime
import decimal
import hashlib
import hmac
import json
import os
import pathlib
import random
import re
import unittest
import uuid
import urllib.parse
import zoneinfo

import duckdb
import pyarrow.parquet as pq

import lake
import manifest_schema
from installation import Installation, until

UTC = zoneinfo.ZoneInfo("UTC")
SEED = int(os.environ.get("UDON_TEST_SEED", random.SystemRandom().randrange(2**32)))
MASK_KEY = bytes(range(32))
ROWS = 200
decimal.getcontext().prec = 80


# Random values, as the text that an INSERT quotes.
def integers(least, greatest):
    edges = [v for v in (least, greatest, 0, 1, -1, 10, 1000) if least <= v <= greatest]
    return lambda r: str(r.choice(edges) if r.random() < 0.2 else r.randint(least, greatest))


def decimals(digits, scale, negative=True):
    def value(r):
        whole = str(r.randrange(10 ** r.randint(0, digits - scale)))
        text = whole + (f".{r.randrange(10 ** r.randint(0, scale)):d}" if scale else "")
        if scale:  # no more digits behind the point than the scale
            point = text.index(".")
            text = text[:point + 1 + scale]
        return ("-" if negative and r.random() < 0.5 and float(text) != 0 else "") + text
    return value


def one_of(*texts): return lambda r: r.choice(texts)


def days(least=1583, greatest=9999, edges=()):
    first, last = datetime.date(least, 1, 1).toordinal(), datetime.date(greatest, 12, 31).toordinal()
    return lambda r: r.choice(edges) if edges and r.random() < 0.2 else datetime.date.fromordinal(r.randint(first, last)).isoformat()


def clocks(least=1583, greatest=9999, fraction=6, edges=()):
    day = days(least, greatest)
    def value(r):
        if edges and r.random() < 0.2:
            return r.choice(edges)
        text = f"{day(r)} {r.randrange(24):02}:{r.randrange(60):02}:{r.randrange(60):02}"
        return text + (f".{r.randrange(10 ** fraction):0{fraction}}" if fraction else "")
    return value


def times(hours, negative, fraction):
    def value(r):
        text = f"{r.randint(0, hours):02}:{r.randrange(60):02}:{r.randrange(60):02}"
        if fraction:
            text += f".{r.randrange(10 ** fraction):0{fraction}}"
        return ("-" if negative and r.random() < 0.5 else "") + text
    return value


def words(r): return "".join(r.choice("aZ09 '\"\\\\,\n\t우동가é🍜{}") for _ in range(r.randrange(12)))
def floats(r): return repr(r.choice([0.0, 1.0, -0.5, 1e-300, 1.7976931348623157e308, 5e-324, 0.1, r.uniform(-1, 1), r.uniform(-1e15, 1e15)]))
def singles(r): return repr(r.randint(-10**6, 10**6) / 1000)


# From the server's text to what must be in the file.
def text(t): return t
def integer(t): return int(t)
def floating(t): return float(t.replace("Infinity", "inf"))
def boolean(t): return {"1": True, "0": False, "true": True, "false": False}[t]
def fixed(scale): return lambda t: decimal.Decimal(t).quantize(decimal.Decimal(1).scaleb(-scale))
def day(t): return datetime.date.fromisoformat(t)
def day_of_clock(t): return datetime.datetime.fromisoformat(t).date()
def wall(t): return datetime.datetime.fromisoformat(t)
def instant(t): return datetime.datetime.fromisoformat(t + ":00" if re.search(r"[+-]\d\d$", t) else t).astimezone(UTC)
def time(t): return datetime.time.fromisoformat(t)
def raw_text(t): return bytes.fromhex(t).decode()
def raw(t): return t.encode()


def microseconds(t):
    sign, hours, minutes, seconds, fraction = re.match(r"(-?)(\d+):(\d+):(\d+)(?:\.(\d+))?$", t).groups()
    us = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 10**6 + int((fraction or "0").ljust(6, "0"))
    return -us if sign else us


class Column:
    """A column of a source type, `type:` for it, its values, and SQL and meaning of what belongs into the file."""

    def __init__(self, ddl, type, value, meaning, sql="{}", literal="'{}'"):
        self.ddl, self.type, self.value, self.meaning, self.sql, self.literal = ddl, type, value, meaning, sql, literal


BIG = 2**63 - 1
MARIADB = [
    Column("tinyint(1)", "boolean", integers(0, 1), boolean), Column("smallint unsigned", "int8", integers(0, 127), integer),
    Column("int", "decimal(12,2)", integers(-2**31, 2**31 - 1), fixed(2)), Column("int", "double", integers(-2**31, 2**31 - 1), floating),
    Column("smallint", "float", integers(-2**15, 2**15 - 1), floating), Column("bigint unsigned", "int64", integers(0, BIG), integer),
    Column("bigint unsigned", "string", integers(0, 2**64 - 1), text), Column("int(8) zerofill", "string", integers(0, 2**32 - 1), text),
    Column("bigint", "decimal(38,18)", integers(-BIG - 1, BIG), fixed(18)), Column("year", "int64", integers(1901, 2155), integer),
    Column("year", "string", integers(1901, 2155), text), Column("bit(10)", "int16", integers(0, 1023), integer, "{} + 0", "{}"),
    Column("bit(10)", "string", integers(0, 1023), text, "lpad(bin({} + 0), 10, '0')", "{}"), Column("bit(1)", "int8", integers(0, 1), integer, "{} + 0", "{}"),
    Column("decimal(65,30)", "decimal(38,10)", decimals(38, 10), fixed(10)), Column("decimal(65,30)", "string", decimals(65, 30), text),
    Column("decimal(12,2)", "double", decimals(12, 2), floating), Column("decimal(12,2)", "decimal(38,4)", decimals(12, 2), fixed(4)),
    Column("decimal(12,2)", "decimal(10,1)", decimals(10, 1), fixed(1)), Column("decimal(30,10)", "int64", integers(-BIG - 1, BIG), lambda t: int(decimal.Decimal(t))),
    Column("decimal(38,38)", "string", decimals(38, 38), text), Column("double", "decimal(15,4)", decimals(15, 4), lambda t: fixed(4)(repr(float(t)))),
    Column("double", "int32", integers(-2**31, 2**31 - 1), lambda t: int(float(t))), Column("double", "string", floats, text),
    Column("float", "double", singles, floating, "{} + 0e0"), Column("float", "decimal(9,3)", singles, fixed(3), "round({} + 0e0, 3)"),
    Column("float", "string", singles, text, "{} + 0e0"), Column("varchar(30)", "int64", integers(-BIG - 1, BIG), integer),
    Column("varchar(40)", "decimal(20,5)", decimals(20, 5), fixed(5)), Column("text", "double", decimals(15, 5), floating),
    Column("varchar(30)", "date", days(), day), Column("char(30)", "timestamp", clocks(), wall),
    Column("varchar(40)", "timestamptz", lambda r: clocks(1600, 9998)(r) + r.choice(["Z", "+09", "+09:00", "-0330"]), instant),
    Column("varchar(80)", "binary", words, raw), Column("blob", "string", words, raw_text, "hex({})"),
    Column("enum('a','한국','')", "string", one_of("a", "한국", ""), text), Column("json", "string", one_of('{"a": 1.50}', "null", "[]"), text),
    Column("date", "timestamp", days(), wall), Column("date", "string", days(edges=("0000-00-00", "2024-02-00", "0001-01-01")), text),
    Column("datetime(6)", "string", clocks(edges=("0000-00-00 00:00:00.000000",)), text), Column("datetime", "date", days(), day_of_clock),
    Column("timestamp(6) null", "string", clocks(1971, 2037), lambda t: t + "+00"), Column("time(6)", "time", times(23, False, 6), time),
    Column("time(6)", "interval_us", times(838, True, 5), microseconds), Column("time", "interval_us", times(838, True, 0), microseconds),
]
POSTGRES = [
    Column("smallint", "boolean", integers(0, 1), boolean), Column("bigint", "int8", integers(-128, 127), integer),
    Column("bigint", "string", integers(-BIG - 1, BIG), text), Column("boolean", "int32", one_of("true", "false"), lambda t: int(boolean(t))),
    Column("boolean", "string", one_of("true", "false"), text), Column("numeric", "decimal(38,10)", decimals(38, 10), fixed(10)),
    Column("numeric", "double", lambda r: r.choice(["NaN", "Infinity", "-Infinity", decimals(15, 5)(r)]), floating),
    Column("numeric", "int64", integers(-BIG - 1, BIG), integer), Column("numeric(65,30)", "decimal(38,10)", decimals(38, 10), fixed(10)),
    Column("numeric(12,2)", "string", lambda r: r.choice(["NaN", decimals(12, 2)(r)]), text), Column("numeric(12,2)", "double", decimals(12, 2), floating),
    Column("money", "decimal(38,4)", decimals(16, 2), fixed(4), "{}::numeric"), Column("money", "string", decimals(16, 2), text, "{}::numeric(19,2)"),
    Column("double precision", "decimal(15,4)", decimals(15, 4), fixed(4)), Column("double precision", "string", lambda r: r.choice(["NaN", floats(r)]), text),
    Column("real", "double", singles, floating, "{}::float8"), Column("real", "string", singles, text),
    Column("text", "int64", integers(-BIG - 1, BIG), integer), Column("varchar(40)", "decimal(20,5)", decimals(20, 5), fixed(5)),
    Column("text", "date", days(), day), Column("text", "timestamp", clocks(), wall), Column("text", "binary", words, raw),
    Column("bytea", "string", words, raw_text, "encode({}, 'hex')", "convert_to('{}', 'UTF8')"),
    Column("date", "string", days(edges=("infinity", "-infinity", "4713-01-01 BC", "5874897-12-31")), text), Column("date", "timestamp", days(), wall),
    Column("timestamp", "string", clocks(edges=("infinity", "294276-12-31 23:59:59.999999", "0001-01-01 00:00:00 BC")), text),
    Column("timestamp", "date", days(), day_of_clock), Column("timestamptz", "string", clocks(edges=("-infinity",)), text),
    Column("time", "time", times(23, False, 6), time), Column("time", "interval_us", times(23, False, 6), microseconds),
    Column("time", "string", lambda r: r.choice(["24:00:00", times(23, False, 6)(r)]), text),
    Column("interval", "interval_us", times(99999, True, 6), lambda t: int(decimal.Decimal(t) * 10**6), "extract(epoch from {})"),
    Column("int[]", "string", one_of("{}", "{1,NULL,-3}", "{{1,2},{3,4}}"), text), Column("inet", "string", one_of("10.0.0.1/24", "::1"), text, "nullif(format('%s', {}), '')"),
    Column("uuid", "string", lambda r: "%032x" % r.randrange(2**128), text), Column("jsonb", "string", one_of('{"a": 1.50}', "null"), text),
]

# What must fail: source type, literal, `type:` and more of the column, what the log says, what it must not say.
REFUSED_BY_MARIADB = [
    ("tinyint(1)", "2", "type: boolean", "id = 7: 2 is neither 0 nor 1", "~"),
    ("bigint unsigned", "18446744073709551615", "type: int64", "id = 7: 18446744073709551615 does not fit into int64", "~"),
    ("decimal(12,2)", "1.25", "type: 'decimal(12,1)', mask: hmac_sha256", "id = 7: the value has more digits behind the point", "1.25"),
    ("double", "0.125", "type: 'decimal(9,2)'", "id = 7: 0.125 has more digits behind the point", "~"),
    ("varchar(9)", "007", "type: int64, mask: hmac_sha256", "id = 7: the value is no number written plainly", "007"),
    ("varchar(9)", "2024-2-9", "type: date", "id = 7: '2024-2-9' is no day written 2026-01-31", "~"),
    ("time", "-00:00:01", "type: time", "id = 7: '-00:00:01.000000' is no time of a day", "~"),
    ("blob", "1.5", "type: 'decimal(9,2)'", "it can be string, binary", "~"),
    ("timestamp", "2026-01-01", "type: timestamp", "it can be string, timestamptz", "~"),
    ("datetime", "2026-01-01", "type: timestamptz", "say its zone: `timezone: Asia/Seoul`", "~"),
    ("point", "", "type: string", "it can be binary", "~"),
]
REFUSED_BY_POSTGRES = [
    ("numeric", "NaN", "type: 'decimal(9,2)'", "id = 7: 'NaN' has no place in decimal(9,2); choose `nan: 'null'`", "~"),
    ("numeric", "1e40", "type: 'decimal(38,0)'", "does not fit into decimal(38,0)", "~"),
    ("time", "24:00:00", "type: time", "id = 7: '24:00:00' is no time of a day", "~"),
    ("interval", "1 mon", "type: interval_us", "id = 7: 'P1M' holds days, months or years", "~"),
    ("timetz", "12:00+09", "type: time", "it can be string", "~"),
    ("timestamptz", "2026-01-01", "type: date", "it can be string, timestamptz", "~"),
]

# Policies: source type, values, the policy, what becomes of the values, how many it was used for.
OF_MARIADB = [
    ("date", ["0000-00-00", "2024-02-00", "2024-01-31"], "zero_dates: 'null'", [None, None, datetime.date(2024, 1, 31)], 2),
    ("datetime not null default '2024-01-01'", ["0000-00-00"], "zero_dates: 'null'", [None], 1),
    ("date", ["1582-10-14", "1582-10-15"], "ancient_dates: 'null'", [None, datetime.date(1582, 10, 15)], 1),
    ("datetime", ["0001-01-01", "1582-10-15"], "ancient_dates: keep", [datetime.datetime(1, 1, 1), datetime.datetime(1582, 10, 15)], 1),
    ("varchar(9) character set ucs2", [b"\xd8\0\0a"], "invalid_text: replace", ["\uFFFD\uFFFD\uFFFDa"], 1),
    ("varchar(9) character set ucs2", [b"\xd8\0\0a", "b"], "invalid_text: 'null'", [None, "b"], 1),
]
OF_POSTGRES = [
    ("date", ["infinity", "-infinity", "2024-01-31"], "infinity: 'null'", [None, None, datetime.date(2024, 1, 31)], 2),
    ("timestamptz not null", ["infinity"], "infinity: 'null'", [None], 1),
    ("timestamp", ["1500-01-01", "1582-10-15"], "ancient_dates: 'null'", [None, datetime.datetime(1582, 10, 15)], 1),
    ("date", ["1500-01-01"], "ancient_dates: keep", [datetime.date(1500, 1, 1)], 1),
    ("numeric(5,2)", ["NaN", "1.5"], "nan: 'null'", [None, decimal.Decimal("1.50")], 1),
    ("numeric(5,2)[]", ["{NaN,1.5}"], "nan: 'null'", [[None, decimal.Decimal("1.50")]], 1),
    ("date[]", ["{infinity,2024-01-31}"], "infinity: 'null'", [[None, datetime.date(2024, 1, 31)]], 1),
]


class Types(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        print(f"seed {SEED}")
        cls.maria = lake.MariaDb(lake.start("mariadb"))
        cls.postgres = lake.Postgres(lake.start("postgres"))
        cls.maria.run("drop database if exists types_test; create database types_test character set utf8mb4;")
        cls.postgres.run("drop schema if exists types_test cascade; create schema types_test;")
        key = urllib.parse.quote(base64.b64encode(MASK_KEY).decode(), safe="")
        cls.installation = Installation(UDON_CONN_MARIA=cls.maria.url.rsplit("/", 1)[0] + "/types_test", UDON_CONN_PG=cls.postgres.url,
                                        UDON_CONN_MASK=f"generic://:{key}@/")
        cls.installation.start()
        cls.random = random.Random(SEED)

    @classmethod
    def tearDownClass(cls):
        cls.installation.__exit__(None)

    def to(self, dag, task): return f"{self.installation.root}/lake/{dag}/{task}"

    def run_dag(self, dag, connection, tasks, succeeds=True):
        """{task: (table, columns, more)} → each task's log."""
        i = self.installation
        lines = [f"dag: {dag}", "tasks:"]
        for task, (table, columns, more) in tasks.items():
            lines += [f"  {task}:", "    operator: replica_export", f"    connection: {connection}", f"    table: types_test.{table}",
                      f"    columns: {columns}", f"    to: {self.to(dag, task)}", *(f"    {line}" for line in more)]
        i.dag(dag, "\n".join(lines) + "\n")
        i.udon("dags", "check", str(i.dags / f"{dag}.yaml"))
        until(f"{dag} is loaded", lambda: i.run("dags", "show", dag).returncode == 0)
        i.udon("dags", "trigger", dag, "--run-id", "r", "--wait", code=0 if succeeds else 1)
        return {task: i.udon("tasks", "logs", dag, "r", task) for task in tasks}

    def published(self, dag, task):
        """The columns, the certificate."""
        to = pathlib.Path(self.to(dag, task))
        manifest = json.loads((to / "_manifest.json").read_text())
        schema = json.loads((lake.SOURCE / "docs/manifest.schema.json").read_text())
        self.assertEqual(list(manifest_schema.problems(manifest, schema)), [])
        columns, _ = lake.columns_of((to / manifest["files"][0]["name"]).read_bytes())
        return columns, manifest["certificate"]

    def in_maria(self, sql): self.maria.run("use types_test; set time_zone = '+00:00', sql_mode = 'NO_BACKSLASH_ESCAPES'; " + sql)
    def in_postgres(self, sql): self.postgres.run("set timezone to 'UTC'; set search_path to types_test; " + sql)

    def check_random(self, dag, connection, run, rows, columns, quoted):
        names = [f"c{n}" for n in range(len(columns))]
        run(f"create table random_values (id int primary key, {', '.join(f'{name} {column.ddl}' for name, column in zip(names, columns))});")
        made = []
        for n in range(ROWS):
            values = ["null" if self.random.random() < 0.1 else column.literal.format(quoted(column.value(self.random))) for column in columns]
            made.append(f"({n}, {', '.join(values)})")
        run(f"insert into random_values values {', '.join(made)};")
        asked = ", ".join(f"{{name: {name}, type: '{column.type}'}}" for name, column in zip(names, columns))
        log = self.run_dag(dag, connection, {"export": ("random_values", f"[id, {asked}]", ["certify: source"])})["export"]
        got, certificate = self.published(dag, "export")
        expected = rows(["id"] + [column.sql.format(name) for name, column in zip(names, columns)], "types_test.random_values order by id")
        self.assertEqual(len(got["id"]), ROWS)
        order = {id: n for n, id in enumerate(got["id"])}
        for c, (name, column) in enumerate(zip(names, columns)):
            for row in expected:
                meant = None if row[c + 1] is None else column.meaning(row[c + 1])
                self.assertEqual(repr(got[name][order[int(row[0])]]), repr(meant),
                                 f"{column.ddl} as {column.type}: the server's {row[c + 1]!r} in row {row[0]}, seed {SEED}")
            told = certificate["columns"][c + 1]
            self.assertEqual(told["recast"], column.type if told["after_transform"] else "")
            self.assertEqual(told["nulls"], got[name].count(None))
        self.assertEqual(certificate["policies"], [])
        self.assertIn("`c0` (", log.split("recast: ")[1])

    def test_random_values_of_mariadb_in_other_types_are_the_servers_own(self):
        self.check_random("maria_random", "maria", self.in_maria, self.maria.rows, MARIADB, lambda t: t.replace("'", "''"))

    def test_random_values_of_postgresql_in_other_types_are_the_servers_own(self):
        self.check_random("pg_random", "pg", self.in_postgres, self.postgres.rows, POSTGRES, lambda t: t.replace("'", "''"))

    def check_refused(self, dag, connection, run, cases):
        tasks = {}
        for n, (ddl, literal, column, _, _) in enumerate(cases):
            value = f"'{literal}'" if literal else "null"
            run(f"create table refused_{n} (id int primary key, v {ddl}); insert into refused_{n} values (7, {value});")
            tasks[f"t{n}"] = (f"refused_{n}", f"[id, {{name: v, {column}}}]", ["mask_key: mask"])
        logs = self.run_dag(dag, connection, tasks, succeeds=False)
        for n, (ddl, _, column, said, unsaid) in enumerate(cases):
            with self.subTest(ddl=ddl, column=column):
                self.assertIn(said, logs[f"t{n}"])
                self.assertNotIn(unsaid, logs[f"t{n}"])
                self.assertFalse(pathlib.Path(self.to(dag, f"t{n}")).exists())

    def test_what_does_not_fit_stops_the_export_of_mariadb(self):
        self.check_refused("maria_refused", "maria", self.in_maria, REFUSED_BY_MARIADB)

    def test_what_does_not_fit_stops_the_export_of_postgresql(self):
        self.check_refused("pg_refused", "pg", self.in_postgres, REFUSED_BY_POSTGRES)

    def check_policies(self, dag, connection, run, cases, literal):
        allowed, refused = {}, {}
        for n, (ddl, values, policy, _, _) in enumerate(cases):
            rows = ", ".join(f"({id}, {literal(value)})" for id, value in enumerate(values))
            run(f"create table policy_{n} (id int primary key, v {ddl}); insert into policy_{n} values {rows};")
            allowed[f"t{n}"], refused[f"t{n}"] = (f"policy_{n}", "[id, v]", [policy]), (f"policy_{n}", "[id, v]", [])
        logs = self.run_dag(dag, connection, allowed)
        errors = self.run_dag(dag + "_error", connection, refused, succeeds=False)
        for n, (ddl, values, policy, expected, uses) in enumerate(cases):
            with self.subTest(ddl=ddl, policy=policy):
                columns, certificate = self.published(dag, f"t{n}")
                self.assertEqual(columns, {"id": list(range(len(values))), "v": expected})
                name, choice = policy.replace("'", "").split(": ")
                self.assertEqual(certificate["policies"], [{"column": "v", "policy": f"{name}={choice}", "values": uses}])
                self.assertIn(f"policies used: {name}={choice} in column `v` ({uses} value{'s' if uses > 1 else ''})", logs[f"t{n}"])
                self.assertIn(f"`{policy}`", errors[f"t{n}"])

    def test_each_policy_of_mariadb_makes_of_its_values_what_it_says_and_counts_them(self):
        self.check_policies("maria_policies", "maria", self.in_maria, OF_MARIADB,
                            lambda v: f"_ucs2 x'{v.hex()}'" if isinstance(v, bytes) else f"'{v}'")

    def test_each_policy_of_postgresql_makes_of_its_values_what_it_says_and_counts_them(self):
        self.check_policies("pg_policies", "pg", self.in_postgres, OF_POSTGRES, lambda v: f"'{v}'")

    def test_policies_reach_recast_columns_and_a_mask_is_of_the_recast_value(self):
        self.in_postgres("create table recast_policies (id int primary key, v numeric, m numeric(20,0));"
                         "insert into recast_policies values (1, 'NaN', 12), (2, '-Infinity', null), (3, 1.5, -1);")
        log = self.run_dag("recast_policies", "pg", {"export": (
            "recast_policies", "[{name: id, type: null}, {name: v, type: 'decimal(9,2)'}, {name: m, type: int64, mask: hmac_sha256}]",
            ["mask_key: mask", "nan: 'null'", "infinity: 'null'"])})["export"]
        columns, certificate = self.published("recast_policies", "export")
        masked = [None if n is None else hmac.new(MASK_KEY, n.to_bytes(8, "little", signed=True), hashlib.sha256).hexdigest() for n in (12, None, -1)]
        self.assertEqual(columns, {"id": [1, 2, 3], "v": [None, None, decimal.Decimal("1.50")], "m": masked})
        self.assertEqual([(p["policy"], p["values"]) for p in certificate["policies"]], [("infinity=null", 1), ("nan=null", 1)])
        self.assertEqual([(c["after_transform"], c["recast"]) for c in certificate["columns"]], [(False, ""), (True, "decimal(9,2)"), (True, "int64")])
        self.assertIn("infinity=null in column `v` (1 value), nan=null in column `v` (1 value)", log)

    def test_compat_hive3_writes_int96_and_refuses_a_time(self):
        self.in_maria("create table hive (id int primary key, v datetime(6), w timestamp(6) null, opens time);"
                      "insert into hive values (1, '9999-12-31 23:59:59.999999', '2026-01-31 00:00:00.000001', '09:00:00'), (2, '1582-10-15', null, null),"
                      " (3, '1969-12-31 23:59:59.999999', '1970-01-01 00:00:01', null);")
        self.run_dag("hive", "maria", {"t": ("hive", "[id, v, w]", ["compat: hive3"]), "rows": ("hive", "[id, v, w]", ["compat: hive3", "certify: rows"])})
        for task in ("t", "rows"):
            file = pq.ParquetFile(self.to("hive", task) + "/part-00000.parquet", coerce_int96_timestamp_unit="us")
            self.assertEqual([file.schema.column(c).physical_type for c in range(3)], ["INT32", "INT96", "INT96"])
            got = file.read().to_pydict()
            self.assertEqual(got["v"], [wall("9999-12-31 23:59:59.999999"), wall("1582-10-15"), wall("1969-12-31 23:59:59.999999")])
            self.assertEqual([t and t.replace(tzinfo=None) for t in got["w"]], [wall("2026-01-31 00:00:00.000001"), None, wall("1970-01-01 00:00:01")])
        log = self.run_dag("hive_time", "maria", {"t": ("hive", "[id, {name: opens, type: time}]", ["compat: hive3"])}, succeeds=False)["t"]
        self.assertIn("column `opens`: Hive knows no TIME", log)

    def test_uuids_of_either_database_are_parquets_own_if_asked_for(self):
        uuids = [uuid.UUID(int=self.random.randrange(2**128), version=4) for _ in range(20)] + [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]
        rows = lambda literal: ", ".join(f"({n}, {literal.format(u)}, '{u}')" for n, u in enumerate(uuids))
        self.in_maria(f"create table uuids (id int primary key, b binary(16), u uuid, c char(36)); insert into uuids (id, b, u) values "
                      + rows("unhex(replace('{}', '-', ''))") + "; update uuids set c = u; insert into uuids (id) values (99);")
        self.in_postgres("create table uuids (id int primary key, b bytea, u uuid, c text); insert into uuids (id, b, u) values "
                         + rows("decode(replace('{}', '-', ''), 'hex')") + "; update uuids set c = u; insert into uuids (id) values (99);")
        asked = "[id, {name: b, type: uuid}, {name: u, type: uuid}, {name: c, type: uuid}]"
        for connection in ("maria", "pg"):
            with self.subTest(connection=connection):
                dag = f"uuids_{connection}"
                self.run_dag(dag, connection, {"t": ("uuids", asked, []), "rows": ("uuids", asked, ["certify: rows"])})
                for task in ("t", "rows"):
                    path = self.to(dag, task) + "/part-00000.parquet"
                    got = pq.read_table(path, arrow_extensions_enabled=True).sort_by("id").to_pydict()
                    self.assertEqual((got["b"], got["u"], got["c"]), (uuids + [None],) * 3)
                    self.assertEqual(duckdb.sql(f"select b, u, c from '{path}' order by id").fetchall(), [(u, u, u) for u in uuids + [None]])
                log = self.run_dag(dag + "_hive", connection, {"t": ("uuids", asked, ["compat: hive3"])}, succeeds=False)["t"]
                self.assertIn("column `b`: Hive knows no UUID", log)

    def test_dags_check_knows_the_types(self):
        i = self.installation
        path = i.work / "typo.yaml"
        path.write_text("dag: typo\ntasks:\n  t: {operator: replica_export, connection: maria, table: t, to: /tmp/t,\n"
                        "      columns: [{name: a, type: 'decimal(39,2)'}, {name: b, type: timestmap}]}\n")
        ended = i.run("dags", "check", str(path))
        self.assertEqual(ended.returncode, 1)
        self.assertIn("1 ≤ p ≤ 38", ended.stdout + ended.stderr)
        self.assertIn("did you mean `timestamp`?", ended.stdout + ended.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
