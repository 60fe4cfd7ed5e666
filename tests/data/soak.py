"""A soak by hand (make soak-data): many mixed rows through replica_export within its budget; counts and sums by DuckDB are the server's."""
import json
import os
import pathlib
import subprocess
import tempfile
import time

import duckdb

import lake

BUILD = pathlib.Path(os.environ["UDON_BUILD"])
ROWS = int(os.environ.get("ROWS", 20_000_000))
MEMORY_MB = 256
COLUMNS = "id bigint primary key, shop int, amount decimal(12,2), weight double precision, code varchar(30), memo {text}, made_at {time}"
VALUES = ("{i}, {i} % 997, ({i} % 100000) * 1.25, ({i} % 1000) / 8.0, concat('code ', {i} * 48271), "
          "case when {i} % 5 = 0 then null else concat('문 앞에 놓아 주세요 ', {i} % 1000) end, {time}")
SUMS = "count(*), sum(id), sum(shop), sum(amount), sum(weight), count(memo), sum(length(code))"


def fill(database):
    if isinstance(database, lake.MariaDb):
        step = 1_000_000
        database.run("drop database if exists soak; create database soak character set utf8mb4")
        database.run("create table rows_ (" + COLUMNS.format(text="text", time="datetime") + ")", "soak")
        for first in range(1, ROWS + 1, step):
            values = VALUES.format(i="seq", time="'2026-01-01' + interval seq % 30000000 second")
            database.run(f"insert into rows_ select {values} from seq_{first}_to_{min(ROWS, first + step - 1)}", "soak")
    else:
        values = VALUES.format(i="i", time="timestamp '2026-01-01' + (i % 30000000) * interval '1 second'")
        database.run("drop schema if exists soak cascade; create schema soak; create unlogged table soak.rows_ ("
                     + COLUMNS.format(text="text", time="timestamp") + f"); insert into soak.rows_ select {values} from generate_series(1, {ROWS}::int8) i")
    run = database.run(f"select {SUMS} from soak.rows_").replace("|", "\t")
    return [float(x) for x in run.strip().split("\t")]


def export(database, **parameters):
    with tempfile.TemporaryDirectory() as folder:
        order = {"operator": "replica_export", "connections": {"source": database.url},
                 "parameters": {"connection": "source", "table": "soak.rows_", "columns": "*", "to": f"{folder}/to", "certify": "source",
                                "memory": f"{MEMORY_MB}MB", **parameters}}
        ended = subprocess.run([BUILD / "tests/operator_runner", folder], input=json.dumps(order) + "\n", capture_output=True, text=True, check=True)
        answer = json.loads(ended.stdout)
        assert "error" not in answer, answer["message"]
        sums = duckdb.sql(f"select {SUMS} from read_parquet('{folder}/to/*.parquet')").fetchone()
        return answer, [float(x or 0) for x in sums]


def main():
    for name, make in (("mariadb", lake.MariaDb), ("postgres", lake.Postgres)):
        database = make(lake.start(name))
        server = fill(database)
        assert server[0] == ROWS, server
        at_rest, _ = export(database, where={"sql": "id < 0"})
        for readers in (1, 4):
            began = time.monotonic()
            answer, sums = export(database, **({"split": {"into": readers}} if readers > 1 else {}))
            certificate = answer["value"]["certificate"]
            assert sums == server, (sums, server)
            assert certificate["level"] == "source" and certificate["rows"] == ROWS, certificate
            used = (answer["peak_rss"] - at_rest["peak_rss"]) / (1 << 20)
            print(f"{name}: {ROWS} rows, {readers} readers: {used:.0f} MB of {MEMORY_MB} MB over {at_rest['peak_rss'] / (1 << 20):.0f} MB, "
                  f"{time.monotonic() - began:.0f} s, certified at source", flush=True)
            assert used <= MEMORY_MB, used
        database.run("drop database soak" if name == "mariadb" else "drop schema soak cascade")


main()
