#!/usr/bin/env python3
"""Each value of published tables is the database's own, as its own clients and Python tell it: through udon standalone and
replica_export, from MariaDB and PostgreSQL, to a folder and to S3, read by pyarrow and by DuckDB."""
import base64
import datetime
import decimal
import hashlib
import hmac
import json
import os
import secrets
import struct
import unittest
import urllib.parse
import zoneinfo

import lake
import manifest_schema
from installation import Installation, until

UTC, SEOUL = zoneinfo.ZoneInfo("UTC"), zoneinfo.ZoneInfo("Asia/Seoul")
MASK_KEY = bytes(range(32))


# From the database's text to the value that belongs into the file.
def text(t): return t
def integer(t): return int(t)
def exact(t): return decimal.Decimal(t)
def floating(t): return float(t.replace("Infinity", "inf"))
def boolean(t): return {"1": True, "0": False, "true": True, "false": False}[t]
def raw(t): return bytes.fromhex(t)
def day(t): return datetime.date.fromisoformat(t)
def wall(t): return datetime.datetime.fromisoformat(t)
def seoul(t): return wall(t).replace(tzinfo=SEOUL).astimezone(UTC)
def instant(t): return wall(t).replace(tzinfo=UTC)
def instant_with_offset(t): return datetime.datetime.fromisoformat(t + ":00" if t[-3] in "+-" else t).astimezone(UTC)
def listed(t): return json.loads(t)
def masked(canonical): return lambda t: hmac.new(MASK_KEY, canonical(t), hashlib.sha256).hexdigest()
masked_text = masked(str.encode)
masked_integer = masked(lambda t: struct.pack("<q", int(t)))
masked_decimal = masked(lambda t: int(t).to_bytes(16, "little", signed=True))


class Table:
    """A table, what is asked for of it, and for each column of the file: SQL that tells the value, and its meaning."""

    def __init__(self, name, columns, where="", columns_asked="'*'", more=""):
        self.name, self.columns, self.where, self.asked, self.more = name, columns, where, columns_asked, more


MARIADB_SQL = """
drop database if exists values_test; create database values_test character set utf8mb4; use values_test;
set time_zone = '+00:00', sql_mode = 'NO_BACKSLASH_ESCAPES,NO_UNSIGNED_SUBTRACTION';
create table orders (
  id bigint not null primary key, user_id bigint unsigned not null, item_id int unsigned not null, quantity smallint unsigned,
  tiny tinyint, flag tinyint(1), amount decimal(12,2) not null, credit decimal(38,10), huge decimal(65,30), coupon varchar(60),
  status enum('placed','paid','') not null, marketing set('email','push','sms'), memo text, old_memo varchar(40) character set euckr,
  latin varchar(40) character set latin1, code char(5), created_at datetime(6) not null, made datetime, updated_at timestamp(6) null,
  birth date, opens time(6), short time, made_year year, weight float, rating double, one bit(1), flags bit(10), wide bit(64),
  attributes json, picture varbinary(16), padded binary(4), photo blob, ip inet6, session uuid, email varchar(120)) engine=InnoDB;
insert into orders select seq - 150, seq * 48271, seq, if(seq % 7 = 0, null, seq), seq % 256 - 128, seq % 3 - 1,
  (seq - 150) * 1.25, if(seq % 5 = 0, null, (seq - 150) / 7), (seq - 150) / 3 * 1e20, if(seq % 4 = 0, null, concat('UDON', seq)),
  elt(1 + seq % 3, 'placed', 'paid', ''), seq % 8, case seq % 5 when 0 then '' when 1 then '문 앞에 놓아 주세요 🍜' when 2 then null
  when 3 then concat('"quoted", \\n', char(9), char(10), 'line') else 'NULL' end, if(seq % 2, '우동', null), if(seq % 2, 'né ü', ''), 'ab ',
  '2026-01-01' + interval seq * 5200 second + interval seq * 3331 microsecond, if(seq % 6 = 0, null, '2026-06-30 23:59:59'),
  if(seq % 9 = 0, null, '2026-01-01' + interval seq * 777777 microsecond), if(seq % 11 = 0, null, '1950-01-01' + interval seq * 97 day),
  sec_to_time(seq * 61.5), '00:00:01', 1901 + seq % 255, if(seq % 13 = 0, null, seq / 3), if(seq % 17 = 0, null, seq / 7e10), seq % 2,
  seq, seq * 60000000000000, if(seq % 6 = 0, null, json_object('size', seq, '원산지', '한국')), if(seq % 3 = 0, null, unhex(md5(seq))),
  unhex('00ff'), if(seq % 4 = 0, null, repeat(char(seq % 256 using binary), seq)), concat('2001:db8::', hex(seq)), uuid(),
  if(seq % 10 = 0, null, concat('user', seq, '@우동.한국')) from seq_1_to_300;
insert into orders values
  (9223372036854775807, 18446744073709551615, 4294967295, 65535, 127, 127, 9999999999.99, 9999999999999999999999999999.9999999999,
   99999999999999999999999999999999999.999999999999999999999999999999, '', 'paid', 'email,push,sms', '', '', '', '', '9999-12-31 23:59:59.999999',
   '1582-10-15 00:00:00', '2038-01-19 03:14:07.999999', '9999-12-31', '838:59:59.000000', '-838:59:59', 2155, 3.4028234e38,
   1.7976931348623157e308, 1, 1023, 18446744073709551615, 'null', '', '', '', '::', '00000000-0000-0000-0000-000000000000', ''),
  (-9223372036854775808, 0, 0, 0, -128, -128, -9999999999.99, -9999999999999999999999999999.9999999999, -0.000000000000000000000000000001,
   'it''s \\ "x"', '', '', concat('a', char(13), char(10), 'b'), null, null, 'abcde', '1582-10-15 00:00:00.000001', null, '1970-01-01 00:00:01',
   '1582-10-15', '-838:59:59.000000', '838:59:59', 0, -1.17549435e-38, -5e-324, 0, 0, 0, '{"a": [1, 2.50, "é"]}', x'00', x'ffffffff',
   x'0001fe', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'a@b');
create table empty_table like orders;
create table again (id int not null primary key, note varchar(20), amount decimal(12,2));
insert into again select seq, concat('first ', seq), seq * 0.5 from seq_1_to_1000;
"""
MARIADB = [
    Table("orders", {
        "id": ("id", integer), "user_id": ("user_id", exact), "item_id": ("item_id", integer), "quantity": ("quantity", integer),
        "tiny": ("tiny", integer), "flag": ("flag", integer), "amount": ("amount", exact), "credit": ("credit", exact), "huge": ("huge", text),
        "coupon": ("coupon", text), "status": ("status", text), "marketing": ("marketing", text), "memo": ("memo", text),
        "old_memo": ("old_memo", text), "latin": ("latin", text), "code": ("code", text), "created_at": ("created_at", seoul),
        "made": ("made", seoul), "updated_at": ("updated_at", instant), "birth": ("birth", day), "opens": ("opens", text), "short": ("short", lambda t: t + ".000000"),
        "made_year": ("made_year", lambda t: int(t)), "weight": ("weight + 0e0", floating), "rating": ("rating", floating),
        "one": ("one + 0", boolean), "flags": ("flags + 0", integer), "wide": ("wide + 0", exact), "attributes": ("attributes", text),
        "picture": ("hex(picture)", raw), "padded": ("hex(padded)", raw), "photo": ("hex(photo)", raw), "ip": ("ip", text),
        "session": ("session", text), "email": ("email", text)}, more="timezone: Asia/Seoul"),
    # Chosen, renamed, masked, filtered; zone-less times stay zone-less.
    Table("orders", {
        "no": ("id", integer), "user": ("user_id", masked_decimal), "item": ("item_id", masked_integer), "mail": ("email", masked_text),
        "memo": ("memo", masked_text), "created_at": ("created_at", wall), "amount_krw": ("amount", exact)},
        where="created_at >= '2026-01-05' and created_at < '2026-01-10' or amount < -100",
        columns_asked="[{name: id, as: no}, {name: user_id, as: user, mask: hmac_sha256}, {name: item_id, as: item, mask: hmac_sha256},"
                      " {name: email, as: mail, mask: hmac_sha256}, {name: memo, mask: hmac_sha256}, created_at, {name: amount, as: amount_krw}]",
        more="mask_key: mask\n    where: {sql: 'created_at >= :from and created_at < :to or amount < :least', from: '2026-01-05', to: '2026-01-10', least: -100}"),
    Table("empty_table", {"id": ("id", integer), "amount": ("amount", exact), "created_at": ("created_at", seoul)},
          columns_asked="[id, amount, created_at]", more="timezone: Asia/Seoul"),
]
POSTGRES_SQL = """
drop schema if exists values_test cascade; create schema values_test; set search_path to values_test; set timezone to 'UTC';
create type mood as enum ('좋음', 'so so', ''); create domain positive as integer check (value > 0);
create table events (
  id bigserial primary key, user_id bigint, small smallint, kind text not null, payload jsonb, original json, tags text[], numbers int[],
  amount numeric(12,2), exact_rate numeric, long numeric(38,10), longer numeric(60,20), ip inet, net cidr, session uuid not null,
  took interval, at timestamptz(6) not null, local_at timestamp not null, day date not null, clock time, clock_at timetz,
  is_mobile boolean, raw bytea, single real, rate double precision, price money, code char(5), feeling mood, level positive, bits bit(10), number oid);
insert into events (user_id, small, kind, payload, original, tags, numbers, amount, exact_rate, long, longer, ip, net, session, took, at, local_at,
  day, clock, clock_at, is_mobile, raw, single, rate, price, code, feeling, level, bits, number)
select case when i % 10 = 0 then null else i - 150 end, i - 150, (array['view', '검색', 'share 🍜', '', E'a\\tb\\nc\\\\N'])[1 + i % 5],
  case i % 4 when 0 then null when 1 then 'null'::jsonb else jsonb_build_object('item', i, '검색어', '우동 ' || i, 'price', i * 1.25) end,
  case i % 3 when 0 then null else '{"b": 1,  "a": [1.50, null], "b": 2}'::json end,
  case i % 4 when 0 then null when 1 then '{}'::text[] else array['a' || i, null, '태그,"쉼표"', ''] end, array[i, null, -i],
  case when i % 5 = 0 then null else (i - 150) * 0.01 end, case when i % 9 = 0 then null else (i - 150) / 7.0::numeric end, (i - 150) / 3.0, -i / 7.0,
  ('10.0.' || i % 256 || '.1/24')::inet, ('10.0.' || i % 256 || '.0/24')::cidr, md5(i::text)::uuid,
  make_interval(secs => i % 86400 + 0.000001, days => i % 40 - 20, months => i % 30 - 15),
  timestamptz '2026-01-01 00:00:00+09' + make_interval(secs => i * 60.000001), timestamp '2026-01-01 00:00:00.123456' + make_interval(secs => i * 60),
  date '2026-01-01' + i % 365, time '00:00:00.000001' + make_interval(secs => i * 200), timetz '12:34:56.5+09',
  case i % 3 when 0 then null when 1 then true else false end, case when i % 7 = 0 then null else decode(md5(i::text), 'hex') end,
  case when i % 11 = 0 then null else i / 3.0 end, i / 7e10, (i - 150) * 1.01::numeric::money, 'A' || i % 100,
  (array['좋음', 'so so', ''])[1 + i % 3]::mood, i, i::bit(10), i from generate_series(1, 300) i;
insert into events values
  (9223372036854775807, -9223372036854775808, -32768, E'it''s "x"', '{}', '[]', array[null]::text[], '{}', 9999999999.99,
   123456789012345678901234567890.123456789, 9999999999999999999999999999.9999999999, -9999999999999999999999999999999999999999.99999999999999999999,
   '2001:db8::1', '::/0', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '-1 mon 2 days -03:04:05.000006', '9999-12-31 23:59:59.999999+00', '1582-10-15', '9999-12-31',
   '24:00:00', '00:00:00-15:59', null, '\\x00ff', '-Infinity', 'NaN', '-92233720368547758.08', 'abcde', '', 2147483647, b'1111111111', 4294967295),
  (-1, 0, 0, '', null, null, null, null, -0.01, -0.000000000000000000000000000001, -0.0000000001, 0, '::', '0.0.0.0/0', '00000000-0000-0000-0000-000000000000',
   '0', '1969-12-31 23:59:59.999999+00', '1969-12-31 23:59:59.999999', '1582-10-15', '00:00:00', '23:59:59.999999+15:59', true, '', '-0', 'Infinity', 0, '', null, null, b'0000000000', 0);
create table empty_table (like events);
create table again (id int primary key, note text, amount numeric(12,2));
insert into again select i, 'first ' || i, i * 0.5 from generate_series(1, 1000) i;
"""
POSTGRES = [
    Table("values_test.events", {
        "id": ("id", integer), "user_id": ("user_id", integer), "small": ("small", integer), "kind": ("kind", text), "payload": ("payload", text),
        "original": ("original", text), "tags": ("to_json(tags)", listed), "numbers": ("to_json(numbers)", listed), "amount": ("amount", exact),
        "exact_rate": ("exact_rate", text), "long": ("long", exact), "longer": ("longer", text), "ip": ("format('%s', ip)", text), "net": ("net", text),
        "session": ("session", text), "took": ("took", text), "at": ("at", instant_with_offset), "local_at": ("local_at", seoul), "day": ("day", day),
        "clock": ("clock", text), "clock_at": ("clock_at", text), "is_mobile": ("is_mobile", boolean), "raw": ("encode(raw, 'hex')", raw),
        "single": ("single::float8", floating), "rate": ("rate", floating), "price": ("price::numeric", exact), "code": ("to_json(code)#>>'{}'", text),
        "feeling": ("feeling", text), "level": ("level", integer), "bits": ("bits", text), "number": ("number", integer)}, more="timezone: Asia/Seoul"),
    Table("values_test.events", {"id": ("id", masked_integer), "kind": ("kind", masked_text), "day": ("day", day), "local_at": ("local_at", wall)},
          where="day >= '2026-02-01' and (kind = '검색' or amount < -1)",
          columns_asked="[{name: id, mask: hmac_sha256}, {name: kind, mask: hmac_sha256}, day, local_at]",
          more="mask_key: mask\n    where: {sql: 'day >= :from and (kind = :kind or amount < :least)', from: '2026-02-01', kind: 검색, least: -1}"),
    Table("values_test.empty_table", {"id": ("id", integer), "tags": ("to_json(tags)", listed)}, columns_asked="[id, tags]"),
]
EXPORT = """
dag: {dag}
tasks:
  export:
    operator: replica_export
    connection: {connection}
    table: {table}
    columns: {columns}
    to: "{to}"
    {more}
"""


class Values(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.maria = lake.MariaDb(lake.start("mariadb"))
        cls.postgres = lake.Postgres(lake.start("postgres"))
        cls.store = lake.Store(lake.start("s3"))
        cls.lake = f"s3://{cls.store.bucket('udon-values')}/{secrets.token_hex(4)}"
        cls.maria.run(MARIADB_SQL)
        cls.postgres.run(POSTGRES_SQL)
        key = urllib.parse.quote(base64.b64encode(MASK_KEY).decode(), safe="")
        environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        for name in environment:
            del os.environ[name]
        # No connection aws_default: the store's keys are where AWS's own programs look for them.
        cls.installation = Installation(UDON_CONN_MARIA=cls.maria.url.rsplit("/", 1)[0] + "/values_test", UDON_CONN_PG=cls.postgres.url,
                                        UDON_CONN_MASK=f"generic://:{key}@/", **cls.store.environment())
        cls.installation.start()
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.installation.__exit__(None)

    def export(self, connection, table, to, columns="'*'", more="", succeeds=True):
        """Runs one export of its own DAG; its XCom, or its log."""
        Values.count += 1
        i, dag = self.installation, f"export_{Values.count}"
        i.dag(dag, EXPORT.format(dag=dag, connection=connection, table=table, columns=columns, to=to, more=more))
        if i.run("dags", "check", str(i.dags / f"{dag}.yaml")).returncode != 0:
            i.udon("dags", "check")
        until(f"{dag} is loaded", lambda: i.run("dags", "show", dag).returncode == 0)
        i.udon("dags", "trigger", dag, "--run-id", "r", "--wait", code=0 if succeeds else 1)
        log = i.udon("tasks", "logs", dag, "r", "export")
        for secret in (self.store.secret, base64.b64encode(MASK_KEY).decode()):
            self.assertNotIn(secret, log)
        if not succeeds:
            return log
        return i.json("tasks", "xcom", dag, "r", "export", "return_value")["value"]

    def read(self, value, to):
        """The columns of what was published, after its manifest, its marks and its certificate were seen to fit."""
        place = self.store if to.startswith("s3://") else lake.Folder()
        self.assertEqual(place.names(to), ["_SUCCESS", "_manifest.json", "part-00000.parquet"])
        manifest = json.loads(place.read(value["manifest"]))
        schema = json.loads((lake.SOURCE / "docs/manifest.schema.json").read_text())
        self.assertEqual(list(manifest_schema.problems(manifest, schema)), [])
        file = manifest["files"][0]
        content = place.read(file["uri"])
        self.assertEqual((file["uri"], manifest["certificate"]), (value["files"][0], value["certificate"]))
        self.assertEqual((file["bytes"], file["sha256"]), (len(content), hashlib.sha256(content).hexdigest()))
        if place is self.store:
            self.assertEqual(file["etag"], self.store.etag(file["uri"]))
            self.assertEqual(self.store.uploads(to), [])
        columns, _ = lake.columns_of(content)
        self.assertEqual([c["name"] for c in manifest["certificate"]["columns"]], list(columns))
        for column in manifest["certificate"]["columns"]:
            values = columns[column["name"]]
            self.assertEqual((column["nulls"], column["count"]), (values.count(None), len(values) - values.count(None)), column)
        self.assertEqual({value["rows"], file["rows"], manifest["certificate"]["rows"]}, {len(next(iter(columns.values())))})
        return columns

    def places(self, name):
        yield f"{self.lake}/{name}/dt=2026-01-01/"
        yield f"{self.installation.root}/lake/{name}/dt=2026-01-01/"

    def check(self, database, connection, tables):
        for number, table in enumerate(tables):
            source = table.name + (f" where {table.where}" if table.where else "")
            expected = database.rows([sql for sql, _ in table.columns.values()], source)
            for to in self.places(f"{connection}-{number}"):
                with self.subTest(table=table.name, number=number, to=to):
                    got = self.read(self.export(connection, table.name, to, table.asked, table.more), to)
                    self.assertEqual(list(got), list(table.columns))
                    rows = sorted(zip(*got.values()), key=repr)
                    self.assertEqual(len(rows), len(expected))
                    meant = sorted((tuple(None if t is None else meaning(t) for t, (_, meaning) in zip(row, table.columns.values()))
                                    for row in expected), key=repr)
                    for ours, theirs in zip(rows, meant):
                        for name, a, b in zip(table.columns, ours, theirs):
                            self.assertEqual(repr(a), repr(b), f"column {name} of {theirs[0]}")

    def test_mariadb(self):
        self.check(MariaInValues(self.maria), "maria", MARIADB)

    def test_postgresql(self):
        self.check(self.postgres, "pg", POSTGRES)

    def test_a_second_run_replaces_the_first_with_fewer_rows_another_schema_and_no_rows(self):
        for database, connection, table in ((MariaInValues(self.maria), "maria", "again"), (self.postgres, "pg", "values_test.again")):
            for place, to in enumerate(self.places(f"again-{connection}")):
                with self.subTest(connection=connection, to=to):
                    database.run(f"delete from {table}; " + (f"alter table {table} add column if not exists note text, drop column if exists extra; ")
                                 + f"insert into {table} (id, note, amount) values " + ", ".join(f"({n}, 'first', {n}.5)" for n in range(1000)) + ";")
                    first = self.read(self.export(connection, table, to), to)
                    self.assertEqual((list(first), len(first["id"])), (["id", "amount", "note"] if place else ["id", "note", "amount"], 1000))
                    database.run(f"delete from {table} where id >= 3;")
                    self.assertEqual(self.read(self.export(connection, table, to), to)["id"], [0, 1, 2])
                    database.run(f"alter table {table} drop column note, add column extra bigint; update {table} set extra = -1;")
                    self.assertIn("`note` is gone", self.export(connection, table, to, succeeds=False))
                    other = self.read(self.export(connection, table, to, more="on_dropped_column: ignore"), to)
                    self.assertEqual(other, {"id": [0, 1, 2], "amount": [decimal.Decimal(f"{n}.50") for n in range(3)], "extra": [-1] * 3})
                    database.run(f"delete from {table};")
                    self.assertEqual(self.read(self.export(connection, table, to), to), {"id": [], "amount": [], "extra": []})

    def test_somebodys_file_in_the_target_is_left_alone_and_named(self):
        for to in self.places("foreign"):
            with self.subTest(to=to):
                place = self.store if to.startswith("s3://") else lake.Folder()
                self.export("maria", "empty_table", to)
                place.write(to + "from_spark.parquet", b"mine")
                log = self.export("maria", "empty_table", to, succeeds=False)
                self.assertIn("from_spark.parquet", log)
                self.assertIn("Name another folder", log)
                self.assertEqual(place.names(to), ["_SUCCESS", "_manifest.json", "from_spark.parquet", "part-00000.parquet"])
                self.assertEqual(place.read(to + "from_spark.parquet"), b"mine")


class MariaInValues:
    """Statements in the test's own database."""

    def __init__(self, maria):
        self.maria = maria

    def run(self, sql):
        return self.maria.run("use values_test; " + sql)

    def rows(self, expressions, source):
        return self.maria.rows(expressions, "values_test." + source)


if __name__ == "__main__":
    unittest.main(verbosity=2)
