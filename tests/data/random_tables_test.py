#!/usr/bin/env python3
"""Random tables on MariaDB and PostgreSQL, exported by random settings: each row of the files is the server's own, by its
text, as pyarrow and DuckDB read it. The seed is printed; SEED=… TABLES=n repeats it with n tables of each database, and
ONLY=k takes the one that failed."""
import collections
import json
import os
import random
import secrets
import unittest

import lake
import manifest_schema
import random_kinds
from installation import Installation, until

SEED = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
TABLES = int(os.environ.get("TABLES", 16))
ONLY = os.environ.get("ONLY")
BATCH = 40  # tables in one DAG
SCHEMA = 'random "표" `x`.1'
RESERVED = ["select", "order", "group", "from", "table", "user", "key", "index", "desc", "primary", "null", "true", "limit", "left", "rank", "system"]
FEW_WORDS = ["id", "Created At", "금액", "주문 번호", "a.b", "it's", 'say "hi"', "`tick`", "a:b", "what?", "100%", "$x", "a,b", "a/b", "a=b", "-", "0", "1e5",
             "_udon", "é", "#1", "(x)", ";", "*", "a--b", "/*", "~", "yes", "[a]", "&b", "!c", "|", "@@x", "a\\b"]


class Maria(lake.MariaDb):
    kind, columns, text = "maria", random_kinds.MARIADB, "utf8mb4"

    @staticmethod
    def quoted(name): return "`" + name.replace("`", "``") + "`"

    def prepare(self):
        self.run(f"drop database if exists {self.quoted(SCHEMA)}; create database {self.quoted(SCHEMA)} character set utf8mb4;")

    def make(self, statements):
        self.run("set time_zone = '+00:00', sql_mode = 'NO_BACKSLASH_ESCAPES,ALLOW_INVALID_DATES'; " + "".join(statements))

    def remove(self): self.run(f"drop database {self.quoted(SCHEMA)};")


class Postgres(lake.Postgres):
    kind, columns = "pg", random_kinds.POSTGRES

    @staticmethod
    def quoted(name): return '"' + name.replace('"', '""') + '"'

    def prepare(self):
        name = self.quoted(SCHEMA)
        self.run(f"drop schema if exists {name} cascade; create schema {name}; set search_path to {name}; create type mood as enum ('좋음', 'so so', '');"
                 "create domain positive as integer check (value > 0); create type pair as (a int, b text);")

    def make(self, statements):
        self.run(f"set client_min_messages to error; set timezone to 'UTC'; set search_path to {self.quoted(SCHEMA)}; " + "".join(statements))

    def remove(self): self.run(f"set client_min_messages to error; drop schema {self.quoted(SCHEMA)} cascade;")


def names(r, count, length=60):
    """Different ones, also for who folds their case."""
    found = {}
    while len(found) < count:
        name = r.choice(RESERVED) if r.random() < 0.3 else r.choice(FEW_WORDS) if r.random() < 0.6 else "".join(
            r.choice("aB9 '\"`.,:?%$-_우동é") for _ in range(r.randint(1, 12)))
        name = (name + (f" {len(found)}" if name.lower() in found or r.random() < 0.2 else "")).strip()
        if name and name.lower() not in found and len(name.encode()) <= length:
            found[name.lower()] = name
    return list(found.values())


class Table:
    """A random table: what makes it, what is asked of the product, and what it must give."""

    def __init__(self, database, number, r):
        self.database, self.number = database, number
        self.settings = random_kinds.Settings(r)
        is_maria, quoted = database.kind == "maria", database.quoted
        is_wide = number % 25 == 7
        count = 1000 if is_wide else r.choice([1, 2, 5, 9, 14])
        kinds = [self.column(r, is_wide and n > 2) for n in range(count)]
        # A name that no other table has, as odd as its columns'.
        self.name = f"{names(r, 1)[0]} {number}"
        self.columns = dict(zip([f"c{n}" for n in range(count)] if is_wide and r.random() < 0.5 else names(r, count), kinds))
        key = r.sample([n for n, c in self.columns.items() if c.is_key][:4], k=min(r.choice([0, 1, 1, 2, 3]), sum(c.is_key for c in kinds[:4])))
        key = [n for n in key if n in list(self.columns)[:6]]
        index = [n for n, c in self.columns.items() if c.is_key and n not in key][:r.choice([0, 1, 2])]
        rows = r.choice([0, 1, 3, 40, 200]) if is_wide else r.choice([0, 1, 2, 30, 100, 400, 1500 if count < 8 else 300])
        rows = min(rows, 100) if is_wide else rows
        target = f"{quoted(SCHEMA)}.{quoted(self.name)}"
        # What is not in the INSERT.
        self.generated, invisible = {}, set()
        integers = [n for n, c in self.columns.items() if c.is_integer]
        if integers and not is_wide and r.random() < 0.3:
            of = r.choice(integers)
            made = "virtual" if is_maria and r.random() < 0.5 else "stored"
            self.generated["made of " + of[:10]] = (f"bigint generated always as (coalesce({quoted(of)}, 0) % 7) {made}",
                                                    random_kinds.Column("bigint", None, random_kinds.integer, is_integer=True))
        needed, definitions = set(key) | set(index if len(index) > 1 else []), []  # of several columns to split by, none may be NULL
        for name, column in self.columns.items():
            definition = f"{quoted(name)} {column.ddl}"
            if name in needed or r.random() < 0.2:
                needed.add(name)
                definition = definition.removesuffix(" null") + " not null" + (" default '2020-01-01'" if column.ddl.startswith("timestamp") and is_maria else "")
            elif is_maria and count > 1 and name not in index and r.random() < 0.1 and len(invisible) < count - 1:
                invisible.add(name)
                definition += " invisible"
            definitions.append(definition)
        definitions += [f"{quoted(n)} {ddl}" for n, (ddl, _) in self.generated.items()]
        list_of = lambda found: ", ".join(quoted(n) for n in found)
        if key:
            definitions.append(f"primary key ({list_of(key)})")
        if index and is_maria:
            definitions.append(f"key ({list_of(index)})")
        parts = ""
        self.is_partitioned = not is_wide and r.random() < 0.2 and bool(key) and all(c.ddl != "point" for c in kinds)
        after = []
        if self.is_partitioned and is_maria:
            parts = f" partition by key() partitions {r.randint(1, 5)}"
        elif self.is_partitioned and self.columns[key[0]].ddl == "money":
            self.is_partitioned = False  # PostgreSQL has no hash of it
        elif self.is_partitioned:
            parts = f" partition by hash ({quoted(key[0])})"
            after = [f"create table {quoted(f'part {number} {p}')} partition of {target} for values with (modulus 3, remainder {p});" for p in range(3)]
        if index and not is_maria:
            after.append(f"create index on {target} ({list_of(index)});")
        statements = [f"create table {target} ({', '.join(definitions)}){' engine=InnoDB' if is_maria else ''}{parts};", *after]
        made = []
        for _ in range(rows):
            values = ["null" if n not in needed and r.random() < 0.15 else c.literal.format(c.value(r).replace("'", "''")) for n, c in self.columns.items()]
            made.append(f"({', '.join(values)})")
        ignore, conflict = ("ignore ", "") if is_maria else ("", " on conflict do nothing")
        for start in range(0, len(made), 200):
            statements.append(f"insert {ignore}into {target} ({list_of(self.columns)}) values {', '.join(made[start:start + 200])}{conflict};")
        if r.random() < 0.15:
            self.is_view = True
            of, self.name = target, f"view of {self.name}"[:50]
            target = f"{quoted(SCHEMA)}.{quoted(self.name)}"
            statements.append(f"create view {target} as select {list_of([*self.columns, *self.generated])} from {of};")
            invisible = set()
        else:
            self.is_view = False
        if not is_maria:
            statements.append(f"analyze {target};" if not self.is_view else "")
        self.statements, self.source = statements, target
        self.ask(r, key, index, invisible)

    def column(self, r, is_small):
        while True:
            column = r.choice(self.database.columns)(r, self.settings)
            if column.is_small or not is_small:
                return column

    def ask(self, r, key, index, invisible):
        quoted = self.database.quoted
        every = self.columns | {n: c for n, (_, c) in self.generated.items()}
        if r.random() < 0.4:
            self.result = [(n, n) for n in every if n not in invisible]
            self.asked = "*"
        else:
            chosen = r.sample(list(every), k=r.randint(1, len(every)))
            renamed = names(r, len(chosen))
            taken = {n.lower() for n in chosen}
            self.result = [(n, a if r.random() < 0.4 and a.lower() not in taken else n) for n, a in zip(chosen, renamed)]
            # A bare * is all columns, also to a table that has one of that name.
            self.asked = [n if n == a and n != "*" and r.random() < 0.7 else {"name": n, "as": a} for n, a in self.result]
        self.parameters = {"connection": self.database.kind, "table": f"{quoted(SCHEMA)}.{quoted(self.name)}", "columns": self.asked,
                           "certify": r.choice(["rows", "wire", "wire", "source"]), "compression": r.choice(["snappy", "zstd", "gzip", "none"]),
                           "memory": "64MB" if len(self.result) > 400 else "32MB", **self.settings.lines(self.database.kind)}
        self.where = ""
        integers = [n for n, c in every.items() if c.is_integer]
        if integers and r.random() < 0.35:
            name, least = quoted(r.choice(integers)), r.choice([0, 0, 3, 500, -1000])
            word = r.choice(["<", ">=", "<>"])
            self.parameters["where"] = {"sql": f"{name} {word} :limit or {name} is null", "limit": least}
            self.where = f"where {name} {word} {least} or {name} is null"
        if r.random() < 0.5:
            self.parameters["split"] = {"into": r.randint(2, 4)}
            if index and (not self.is_view or r.random() < 0.5) and r.random() < 0.6:
                # What PostgreSQL tells of a view's columns is that they may be NULL.
                alone = len(index) == 1 or r.random() < 0.5 or (self.is_view and self.database.kind == "pg")
                self.parameters["split"]["by"] = index[0] if alone else index
        if r.random() < 0.3:
            self.parameters["target_file_bytes"] = r.choice(["1MB", "64KB"])
        self.is_s3 = r.random() < 0.3

    def expected(self):
        every = self.columns | {n: c for n, (_, c) in self.generated.items()}
        columns = [every[n] for n, _ in self.result]
        printed = self.database.rows([c.sql.format(self.database.quoted(n)) for c, (n, _) in zip(columns, self.result)], f"{self.source} {self.where}")
        return [tuple(repr(None if t is None else c.meaning(t)) for c, t in zip(columns, row)) for row in printed]


class RandomTables(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        print(f"SEED={SEED} TABLES={TABLES}", flush=True)
        cls.databases = [Maria(lake.start("mariadb")), Postgres(lake.start("postgres"))]
        cls.store = lake.Store(lake.start("s3"))
        for database in cls.databases:
            database.prepare()
        environment = {name for name in os.environ if name.startswith("AWS_")}
        for name in environment:
            del os.environ[name]
        cls.installation = Installation(UDON_CONN_MARIA=cls.databases[0].url, UDON_CONN_PG=cls.databases[1].url, **cls.store.environment())
        cls.installation.start()
        cls.lake = f"s3://{cls.store.bucket('udon-random')}/{secrets.token_hex(4)}"
        cls.schema = json.loads((lake.SOURCE / "docs/manifest.schema.json").read_text())

    @classmethod
    def tearDownClass(cls):
        cls.installation.__exit__(None)
        for database in cls.databases:
            database.remove()

    def to(self, table): return f"{self.lake if table.is_s3 else self.installation.root}/{table.database.kind}/{table.number}/"

    def export(self, dag, tables):
        """The failed ones' logs, by table."""
        i = self.installation
        tasks = {f"t{t.number}": {"operator": "replica_export", "to": self.to(t), **t.parameters} for t in tables}
        i.dag(dag, json.dumps({"dag": dag, "max_active_tasks": 3, "tasks": tasks}, ensure_ascii=False, indent=1))  # JSON is YAML
        i.udon("dags", "check", str(i.dags / f"{dag}.yaml"))
        until(f"{dag} is loaded", lambda: i.run("dags", "show", dag).returncode == 0)
        i.run("dags", "trigger", dag, "--run-id", "r", "--wait")
        states = {task: instance["state"] for (task, _), instance in i.instances(dag, "r").items()}
        return {t.number: i.run("tasks", "logs", dag, "r", f"t{t.number}").stdout for t in tables if states[f"t{t.number}"] != "success"}

    def difference(self, table):
        """In words, or nothing."""
        to = self.to(table)
        place = self.store if table.is_s3 else lake.Folder()
        manifest = json.loads(place.read(to + "_manifest.json"))
        problems = list(manifest_schema.problems(manifest, self.schema))
        if problems:
            return f"the manifest: {problems}"
        rows = []
        for file in manifest["files"]:
            columns, _ = lake.columns_of(place.read(file["uri"]))
            if list(columns) != [a for _, a in table.result]:
                return f"columns {list(columns)}, not {[a for _, a in table.result]}"
            rows += zip(*(map(repr, values) for values in columns.values()))
        expected = table.expected()
        if manifest["certificate"]["rows"] != len(expected):
            return f"{manifest['certificate']['rows']} rows certified, the server has {len(expected)}"
        ours, theirs = collections.Counter(rows), collections.Counter(expected)
        if ours == theirs:
            return ""
        extra, missing = list((ours - theirs).elements()), list((theirs - ours).elements())
        if not extra or not missing:
            return f"{len(rows)} rows, the server has {len(expected)}; only here {extra[:2]}, only there {missing[:2]}"
        # The row that is most like it.
        a = extra[0]
        b = max(missing, key=lambda row: sum(x == y for x, y in zip(a, row)))
        every = table.columns | {n: c for n, (_, c) in table.generated.items()}
        return f"{len(extra)} rows differ: " + "; ".join(f"column {name!r} ({every[source].ddl}): {x}, the server's {y}"
                                                         for (source, name), x, y in zip(table.result, a, b) if x != y)[:3000]

    def check(self, database):
        said = []
        numbers = [int(ONLY)] if ONLY else range(TABLES)
        for start in range(0, len(numbers), BATCH):
            tables = []
            for number in numbers[start:start + BATCH]:
                table = Table(database, number, random.Random(f"{SEED} {database.kind} {number}"))
                database.make(table.statements)
                tables.append(table)
            failed = self.export(f"{database.kind}_{start}", tables)
            for table in tables:
                wrong = failed.get(table.number) or self.difference(table)
                if wrong:
                    said.append(f"SEED={SEED} ONLY={table.number} ({database.kind}): {json.dumps(table.parameters, ensure_ascii=False)[:1500]}\n"
                                f"{table.statements[0][:1500]}\n{wrong[-3000:]}")
        if said:
            self.fail(f"{len(said)} of {len(numbers)} tables\n" + "\n\n".join(said[:10]))

    def test_random_tables_of_mariadb_are_exported_as_the_server_has_them(self):
        self.check(self.databases[0])

    def test_random_tables_of_postgresql_are_exported_as_the_server_has_them(self):
        self.check(self.databases[1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
