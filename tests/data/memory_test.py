#!/usr/bin/env python3
"""A try of replica_export stays within `memory`: the peak of its process over that of an export of the same table without rows (code and
libraries, which no budget can change) is at most the budget, whatever the rows are like, with one reader and with several."""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import pyarrow.parquet as pq

import lake

BUILD = pathlib.Path(os.environ["UDON_BUILD"])
MB = 1 << 20
SLACK = 8 * MB  # stacks of threads and what the allocator keeps between blocks: they differ from run to run
ROWS = {"large": 240, "narrow": 1_000_000, "wide": 12_000, "parted": 300_000, "wide_parted": 192}

# A value of 1 MB that does not shrink: random bytes behind a head of its own for each row.
MARIADB_SQL = """
drop database if exists memory_test; create database memory_test character set utf8mb4; use memory_test; set group_concat_max_len = 100000000;
create table large (id int primary key, body longblob, note longtext);
set @random = (select group_concat(random_bytes(1024) separator '') from seq_1_to_1000), @text = (select group_concat(hex(random_bytes(500)) separator '') from seq_1_to_1000);
insert into large select seq, concat(random_bytes(64), @random), if(seq % 4 = 0, concat(seq, @text), null) from seq_1_to_240;
create table narrow (id int primary key, n smallint, flag tinyint(1), code varchar(20));
insert into narrow select seq, seq % 1000, seq % 2, concat('code ', seq * 48271) from seq_1_to_1000000;
create table wide (id int primary key, {columns}){charset};
insert into wide select seq, {values} from seq_1_to_3000;
insert into wide (id) select seq from seq_3001_to_12000;
create table wide_parted (id int primary key, shop smallint, {columns}){charset};
insert into wide_parted select seq, seq % 64, {values} from seq_1_to_192;
create table parted (id int primary key, shop smallint, amount decimal(12,2), name varchar(40), note varchar(300));
insert into parted select seq, seq % 64, seq / 7, concat('주문 ', seq), repeat(md5(seq), 7) from seq_1_to_300000;
create table huge (id int primary key, body longblob, note longtext);
insert into huge values (1, 'a', 'b'), (2, repeat(@random, 100), null), (3, 'c', 'd'), (4, null, repeat(@text, 100)), (5, '', '끝');
create table no_huge like huge; create table no_large like large; create table no_narrow like narrow; create table no_wide like wide; create table no_parted like parted; create table no_wide_parted like wide_parted;
"""
POSTGRES_SQL = """
drop schema if exists memory_test cascade; create schema memory_test; set search_path to memory_test;
create function random_bytes(n int) returns bytea language sql as $$ select string_agg(sha512((random()::text || i)::bytea), '') from generate_series(1, n / 64) i $$;
create table large (id int primary key, body bytea, note text);
alter table large alter body set storage external, alter note set storage external;
insert into large with x as materialized (select random_bytes(1000000) as bytes, encode(random_bytes(500000), 'hex') as text)
  select i, random_bytes(64) || bytes, case when i % 4 = 0 then i || text end from generate_series(1, 240) i, x;
create table narrow (id int primary key, n smallint, flag boolean, code text);
insert into narrow select i, i % 1000, i % 2 = 0, 'code ' || i::int8 * 48271 from generate_series(1, 1000000) i;
create table wide (id int primary key, {columns}){charset};
insert into wide select i, {values} from generate_series(1, 3000) i;
insert into wide (id) select i from generate_series(3001, 12000) i;
create table wide_parted (id int primary key, shop smallint, {columns}){charset};
insert into wide_parted select i, i % 64, {values} from generate_series(1, 192) i;
create table parted (id int primary key, shop smallint, amount numeric(12,2), name text, note text);
insert into parted select i, i % 64, i / 7.0, '주문 ' || i, repeat(md5(i::text), 7) from generate_series(1, 300000) i;
create table huge (id int primary key, body bytea, note text);
alter table huge alter body set storage external, alter note set storage external;
insert into huge select i, case i when 2 then (select string_agg(body, '' order by id) from (select * from large order by id limit 100) l) else 'a' end,
  case i when 4 then (select string_agg(note, '' order by id) from (select * from large where note is not null order by id limit 60) l) when 5 then '끝' end from generate_series(1, 5) i;
create table no_huge (like huge including all); create table no_large (like large including all); create table no_narrow (like narrow including all); create table no_wide (like wide including all); create table no_parted (like parted including all); create table no_wide_parted (like wide_parted including all);
vacuum analyze huge, large, narrow, parted, wide, wide_parted;
"""


def wide(sql, row, charset=""):
    """1,000 columns: numbers, and short texts that are few and many."""
    kinds = [("smallint", f"{row} %% 1000 * 7 + %d"), ("varchar(8)", f"concat('n', {row} %% 10)"), ("smallint", "%d"), ("varchar(8)", f"concat('n', {row} * %d)")]
    columns = [(f"c{i}", *kinds[i % 4]) for i in range(999)]
    return sql.format(charset=charset, columns=", ".join(f"{name} {kind}" for name, kind, _ in columns),
                      values=", ".join(value % i if "%d" in value else value.replace("%%", "%") for i, (_, _, value) in enumerate(columns)))


class MemoryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.databases = {"mariadb": lake.MariaDb(lake.start("mariadb")), "postgres": lake.Postgres(lake.start("postgres"))}
        if not os.environ.get("KEEP"):
            cls.databases["mariadb"].run(wide(MARIADB_SQL, "seq", " character set latin1"))
            cls.databases["postgres"].run(wide(POSTGRES_SQL, "i"))

    def export(self, database, table, look=None, **parameters):
        """The runner's answer, of a process of its own, and the Parquet files."""
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/tmp")) as folder:
            order = {"operator": "replica_export", "connections": {"source": self.databases[database].url},
                     "parameters": {"connection": "source", "table": f"memory_test.{table}", "columns": "*", "to": f"{folder}/to", **parameters}}
            ended = subprocess.run([BUILD / "tests/operator_runner", folder], input=json.dumps(order) + "\n", capture_output=True, text=True, check=True)
            answer = json.loads(ended.stdout)
            if look: answer["rows"] = look(pathlib.Path(folder) / "to")
            return answer

    def over_empty(self, database, table, memory, readers, **more):
        split = {"split": {"into": readers}} if readers > 1 else {}
        if (database, table) not in self.at_rest:
            at_rest = self.export(database, f"no_{table}")
            self.assertNotIn("error", at_rest, at_rest)
            self.at_rest[database, table] = at_rest["peak_rss"]
        answer = self.export(database, table, memory=f"{memory}MB", **split, **more)
        self.assertNotIn("error", answer, answer)
        self.assertEqual(answer["value"]["rows"], ROWS[table])
        return answer["peak_rss"] - self.at_rest[database, table]
    at_rest = {}

    def test_a_value_over_an_eighth_is_refused_before_it_fills_the_memory(self):
        for database in self.databases:
            with self.subTest(database=database):
                at_rest = self.export(database, "no_huge")["peak_rss"]
                answer = self.export(database, "huge", memory="64MB")
                self.assertEqual(answer.get("error"), "data")
                for word in ["`body`", "id", "2", "large_values: stream"]:
                    self.assertIn(word, answer["message"])
                self.assertLessEqual(answer["peak_rss"] - at_rest, 64 * MB + SLACK)

    def test_a_value_of_100_mb_is_streamed_within_the_budget_and_is_the_servers_own(self):
        def digests(folder):
            rows = []
            for file in sorted(folder.glob("*.parquet")):
                for group in range(pq.ParquetFile(file).num_row_groups):
                    for row in pq.ParquetFile(file).read_row_group(group).to_pylist():
                        rows.append([str(row["id"]), *[None if v is None else hashlib.md5(v if isinstance(v, bytes) else v.encode()).hexdigest() for v in (row["body"], row["note"])]])
            return sorted(rows)

        for database in self.databases:
            with self.subTest(database=database):
                at_rest = self.export(database, "no_huge")["peak_rss"]
                answer = self.export(database, "huge", look=digests, memory="640MB", large_values="stream")
                self.assertNotIn("error", answer, answer)
                own = self.databases[database].rows(["id", "md5(body)", "md5(note)"], "memory_test.huge")
                self.assertEqual(answer["rows"], sorted(own))
                print(f"{database} huge: {(answer['peak_rss'] - at_rest) / MB:.0f} MB", file=sys.stderr, flush=True)
                self.assertLessEqual(answer["peak_rss"] - at_rest, 640 * MB + SLACK)
                refused = self.export(database, "huge", memory="256MB", large_values="stream")
                self.assertEqual(refused.get("error"), "data")
                self.assertIn("`memory`" if database == "mariadb" else "memory: 601MB", refused["message"])

    def test_the_peak_is_within_the_budget(self):
        for database in self.databases:
            for table in ["large", "narrow", "wide"]:
                for memory in [64, 256]:
                    for readers in [1, 4]:
                        with self.subTest(database=database, table=table, memory=memory, readers=readers):
                            used = self.over_empty(database, table, memory, readers)
                            print(f"{database} {table} {memory} MB, {readers} readers: {used / MB:.0f} MB over {self.at_rest[database, table] / MB:.0f} MB",
                                  file=sys.stderr, flush=True)
                            self.assertLessEqual(used, memory * MB + SLACK)

    def test_a_budget_too_small_for_so_many_columns_is_refused_and_the_one_that_is_named_suffices(self):
        for database in self.databases:
            with self.subTest(database=database):
                refused = self.export(database, "wide", memory="16MB")
                self.assertEqual(refused.get("error"), "invalid", refused)
                self.assertIn("1000 columns", refused["message"])
                named = int(re.search(r"`memory: (\d+)MB`", refused["message"])[1])
                self.assertLessEqual(self.over_empty(database, "wide", named, 1), named * MB + SLACK)

    def test_many_open_partitions_are_within_the_budget(self):
        # Rows that jump between 64 partitions, which are open together.
        for database in self.databases:
            # With 1,000 columns a file costs more than the rows in it: fewer are open.
            for table, by in [("parted", "shop"), ("wide_parted", "shop")]:
                for memory in [64, 256]:
                    for readers in [1, 4]:
                        with self.subTest(database=database, table=table, memory=memory, readers=readers):
                            used = self.over_empty(database, table, memory, readers, partition_by=[{"by": by, "as": "p"}])
                            print(f"{database} {table} by {by} {memory} MB, {readers} readers: {used / MB:.0f} MB over {self.at_rest[database, table] / MB:.0f} MB",
                                  file=sys.stderr, flush=True)
                            self.assertLessEqual(used, memory * MB + SLACK)


if __name__ == "__main__":
    unittest.main()
