#!/usr/bin/env python3
"""Reads one published file with pyarrow and DuckDB and shows its schema, its first rows and its manifest's certificate."""
import json
import os
import sys
import tempfile

import duckdb
import pyarrow.parquet as pq


def fetch(uri, folder):
    """The file and its manifest as local paths."""
    if not uri.startswith("s3://"):
        return uri, os.path.join(os.path.dirname(uri), "_manifest.json")
    import boto3
    client = boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL_S3"))
    bucket, key = uri[5:].split("/", 1)
    paths = []
    for name in (key, key.rsplit("/", 1)[0] + "/_manifest.json"):
        path = os.path.join(folder, os.path.basename(name))
        client.download_file(bucket, name, path)
        paths.append(path)
    return paths


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: read_back.py s3://bucket/prefix/part-00000.parquet | /path/part-00000.parquet")
    with tempfile.TemporaryDirectory() as folder:
        path, manifest = fetch(sys.argv[1], folder)
        table = pq.read_table(path)
        print(table.schema)
        certificate = json.load(open(manifest))["certificate"]
        rows = duckdb.sql(f"select count(*) from read_parquet('{path}')").fetchone()[0]
        print(f"\npyarrow reads {table.num_rows} rows, DuckDB {rows}, the certificate says {certificate['rows']}")
        print(duckdb.sql(f"select * from read_parquet('{path}') limit 5"))
        if not table.num_rows == rows == certificate["rows"]:
            sys.exit("they differ")


main()
