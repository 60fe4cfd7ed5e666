#!/usr/bin/env python3
"""Compares published tables with their sources by other software than ours: for each column how many values and NULLs,
exact sums, least and greatest values, as the database computes them in SQL by its own client, and as pyarrow computes them
of the object. Standard input: [{"certificate": …, "file": uri, "timezone": …}]; environment: MARIADB_URL, POSTGRES_URL,
DAGS and AWS's. Standard output: [{"compared": facts, "differences": [text]}]."""
import concurrent.futures
import csv
import datetime
import decimal
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import zoneinfo

import boto3
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

decimal.getcontext().prec = 100
UTC = zoneinfo.ZoneInfo("UTC")


def kind_of(column):
    """What can be compared exactly, by the type in the file."""
    kind = column["type"]
    if column["after_transform"]:
        return "masked"
    for prefix, name in (("decimal", "number"), ("int", "number"), ("bool", "truth"), ("float", "real"), ("double", "real"), ("date", "day"),
                         ("timestamp", "time"), ("binary", "bytes"), ("list", "list"), ("string", "text"), ("dictionary", "text")):
        if kind.startswith(prefix):
            return name
    raise SystemExit(f"compare: nothing is known of type {kind}")


# For each kind the facts: (name, SQL of MariaDB, SQL of PostgreSQL), with {c} for the column.
FACTS = {
    "number": [("sum", "sum({c} + 0)", "sum({c}::numeric)"), ("least", "min({c} + 0)", "min({c}::numeric)"), ("greatest", "max({c} + 0)", "max({c}::numeric)")],
    "truth": [("sum", "sum({c} + 0)", "sum({c}::int)")],
    # MariaDB holds no NaN; -0.0 is 0.0 to both.
    "real": [("least", "min({c} + 0e0)", "min({c}::float8) filter (where {c} <> 'NaN')"), ("greatest", "max({c} + 0e0)", "max({c}::float8) filter (where {c} <> 'NaN')"),
             ("NaNs", "count(null)", "count(*) filter (where {c} = 'NaN')")],
    "day": [("least", "min({c})", "min({c})"), ("greatest", "max({c})", "max({c})")],
    "time": [("least", "min({c})", "to_char(min({c}), 'YYYY-MM-DD HH24:MI:SS.US')"), ("greatest", "max({c})", "to_char(max({c}), 'YYYY-MM-DD HH24:MI:SS.US')")],
    "text": [("bytes", "sum(length(convert({c} using utf8mb4)))", "sum(octet_length(format('%s', {c})))"), ("different", "count(distinct binary {c})", "count(distinct {c}::text)")],
    "bytes": [("bytes", "sum(length({c}))", "sum(octet_length({c}))")],
    "list": [("elements", "count(null)", "sum(cardinality({c}))")],
    "masked": [("different", "count(distinct binary {c})", "count(distinct {c}::text)")],
}


def by_database(url, table, columns):
    is_mysql = url.startswith("mysql")
    quote = "`{}`" if is_mysql else '"{}"'
    terms = ["count(*)"]
    for column in columns:
        name = quote.format(column["source_name"])
        terms.append(f"count({name})")
        terms += [(mysql if is_mysql else postgres).format(c=name) for _, mysql, postgres in FACTS[kind_of(column)]]
    if is_mysql:
        user, password, host, port = re.match(r"mysql://(\w+):(\w+)@([\d.]+):(\d+)", url).groups()
        texts = ", ".join(f"cast({t} as char)" for t in terms)
        command = ["mariadb", "--no-defaults", f"-h{host}", f"-P{port}", f"-u{user}", "-N", "--raw", "--skip-ssl", "--default-character-set=utf8mb4", "market"]
        sql = f"set time_zone = '+00:00'; select json_array({texts}) from `{table}`"
        environment = {**os.environ, "MYSQL_PWD": password}
    else:
        texts = ", ".join(f"({t})::text" for t in terms)
        command = ["psql", "-X", "-q", "-tA", "-v", "ON_ERROR_STOP=1", url]
        sql = f"set timezone to 'UTC'; set intervalstyle to 'iso_8601'; set extra_float_digits to 3; select json_build_array({texts}) from {table};"
        environment = dict(os.environ)
    run = subprocess.run(command, input=sql, capture_output=True, text=True, env=environment)
    if run.returncode != 0:
        raise SystemExit(f"compare: {run.stderr.strip()}")
    values = iter(json.loads(run.stdout))
    yield "rows", int(next(values))
    for column in columns:
        yield f"{column['name']}: values", int(next(values))
        for fact, _, _ in FACTS[kind_of(column)]:
            yield f"{column['name']}: {fact}", next(values)


def by_pyarrow(table, columns):
    yield "rows", table.num_rows
    for column in columns:
        values = table[column["name"]]
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        yield f"{column['name']}: values", len(values) - values.null_count
        kind = kind_of(column)
        if kind == "number":  # with room for the sum
            values = values.cast(pa.decimal256(76, values.type.scale if pa.types.is_decimal(values.type) else 0))
        nans = pc.sum(pc.is_nan(values)).as_py() or 0 if kind == "real" else 0
        if nans:
            values = values.filter(pc.invert(pc.is_nan(values)))
        ends = pc.min_max(values).as_py() if kind in ("number", "real", "day", "time") else {}
        facts = {"least": lambda: ends["min"], "greatest": lambda: ends["max"], "NaNs": lambda: nans,
                 "sum": lambda: pc.sum(values).as_py(), "bytes": lambda: pc.sum(pc.binary_length(values)).as_py(),
                 "different": lambda: pc.count_distinct(values).as_py(), "elements": lambda: pc.sum(pc.list_value_length(values)).as_py()}
        for fact, _, _ in FACTS[kind]:
            yield f"{column['name']}: {fact}", facts[fact]()


def meaning(text, like, column, zone):
    """What the database said, as the kind of value that pyarrow gives."""
    if text is None or like is None:
        return text
    if isinstance(like, datetime.datetime):
        there = datetime.datetime.fromisoformat(text)
        if like.tzinfo is None:
            return there
        if there.tzinfo is not None:
            return there.astimezone(UTC)
        has_no_zone = column["source_type"].startswith("datetime") or column["source_type"] in ("timestamp", "timestamp without time zone") and column["is_postgres"]
        return there.replace(tzinfo=zone if has_no_zone else UTC).astimezone(UTC)
    if isinstance(like, datetime.date):
        return datetime.date.fromisoformat(text)
    return type(like)(text)


def by_python(path, columns):
    """What Python's own modules make of a partner's file: each value as its text, or None."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        if path.suffix == ".ndjson":
            rows = [json.loads(line, parse_int=str, parse_float=str) for line in file]
        else:
            rows = [{name: text or None for name, text in row.items()} for row in csv.DictReader(file)]
    yield "rows", len(rows)
    for column in columns:
        values = [r[column["name"]] for r in rows if r.get(column["name"]) is not None]
        yield f"{column['name']}: values", len(values)
        kind = kind_of(column)
        numbers = [decimal.Decimal(v) for v in values] if kind == "number" else []
        facts = {"sum": lambda: sum(numbers), "least": lambda: min(numbers or values), "greatest": lambda: max(numbers or values),
                 "bytes": lambda: sum(len(v.encode()) for v in values), "different": lambda: len(set(values))}
        for fact, _, _ in FACTS[kind]:
            yield f"{column['name']}: {fact}", facts[fact]()


def compare(store, published):
    certificate = published["certificate"]
    bucket, key = published["file"].removeprefix("s3://").split("/", 1)
    table = pq.read_table(io.BytesIO(store.get_object(Bucket=bucket, Key=key)["Body"].read()))
    source = certificate["source"].rsplit(" table ", 1)
    url = os.environ["MARIADB_URL" if source[0].startswith("mysql") else "POSTGRES_URL"]
    columns = [{**c, "is_postgres": source[0].startswith("postgres")} for c in certificate["columns"]]
    if len(source) == 2:
        theirs = list(by_database(url, source[1], columns))
    else:
        theirs = list(by_python(pathlib.Path(os.environ["DAGS"]) / source[0], columns))
    zone = zoneinfo.ZoneInfo(published["timezone"] or "UTC")
    named = {c["name"]: c for c in columns}
    differences = []
    for (fact, expected), (_, found) in zip(theirs, by_pyarrow(table, columns), strict=True):
        expected = meaning(expected, found, named.get(fact.split(": ")[0]), zone) if isinstance(expected, str) else expected
        if expected != found:
            differences.append(f"{fact}: {expected} at the source, {found} in the file")
    return {"compared": len(theirs), "differences": differences}


store = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"])
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    json.dump(list(pool.map(lambda published: compare(store, published), json.load(sys.stdin))), sys.stdout)
