"""What the tests of published data share: the real servers, and values as other software than ours gives them."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse

import boto3
import duckdb
import pyarrow.parquet as pq

SOURCE = pathlib.Path(os.environ.get("UDON_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(SOURCE / "tests/product"))


def start(name):
    """Starts one of scripts/services; the variables that it prints."""
    printed = subprocess.run([SOURCE / "scripts/services" / name, "start"], capture_output=True, text=True, check=True).stdout
    return {n: a or b for n, a, b in re.findall(r"(\w+)=(?:'([^']*)'|(\S+))", printed)}


class MariaDb:
    def __init__(self, variables, which="UDON_MARIADB_URL"):
        self.url = variables[which]
        self.user, self.password, self.host, self.port = re.match(r"mysql://(\w+):(\w+)@([\d.]+):(\d+)", self.url).groups()

    def run(self, sql, database=""):
        ended = subprocess.run(["mariadb", "--no-defaults", f"-h{self.host}", f"-P{self.port}", f"-u{self.user}", "-N", "--raw", "--skip-ssl",
                                "--default-character-set=utf8mb4", *([database] if database else [])],
                               input=sql, capture_output=True, text=True, env={**os.environ, "MYSQL_PWD": self.password})
        if ended.returncode != 0:
            raise AssertionError(f"mariadb: {ended.stderr}\n{sql[:500]}")
        return ended.stdout

    def rows(self, expressions, source):
        """Each row as texts and None: JSON made by the server, so that no value can be mistaken for a separator."""
        array = ", ".join(f"cast({e} as char character set utf8mb4)" for e in expressions)
        return [json.loads(line) for line in self.run(f"set time_zone = '+00:00'; select json_array({array}) from {source}").splitlines()]


class Postgres:
    def __init__(self, variables, which="UDON_POSTGRES_URL"):
        self.url = variables[which]

    def run(self, sql):
        ended = subprocess.run(["psql", "-X", "-q", "-tA", "-v", "ON_ERROR_STOP=1", self.url], input=sql, capture_output=True, text=True)
        if ended.returncode != 0:
            raise AssertionError(f"psql: {ended.stderr}\n{sql[:500]}")
        return ended.stdout

    def rows(self, expressions, source):
        array = ", ".join(f"({e})::text" for e in expressions)
        printed = self.run("set timezone to 'UTC'; set intervalstyle to 'iso_8601'; set extra_float_digits to 3;"
                           f"select to_json(array[{array}]) from {source};")  # a function takes 100 arguments at most
        return [json.loads(line) for line in printed.splitlines()]


class Store:
    def __init__(self, variables):
        self.endpoint, self.key, self.secret = variables["UDON_S3_ENDPOINT"], variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
        self.client = boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=self.key, aws_secret_access_key=self.secret)

    def uri(self):
        """The connection, as Udon takes it."""
        return f"aws://{self.key}:{self.secret}@/?endpoint_url={urllib.parse.quote(self.endpoint, safe='')}&region_name=us-east-1"

    def environment(self):
        """The same for AWS's own chain."""
        return {"AWS_ENDPOINT_URL_S3": self.endpoint, "AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_DEFAULT_REGION": "us-east-1"}

    def bucket(self, name):
        if name not in [b["Name"] for b in self.client.list_buckets()["Buckets"]]:
            self.client.create_bucket(Bucket=name)
        return name

    @staticmethod
    def split(uri):
        return uri.removeprefix("s3://").split("/", 1)

    def read(self, uri):
        bucket, key = self.split(uri)
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, uri, content):
        bucket, key = self.split(uri)
        self.client.put_object(Bucket=bucket, Key=key, Body=content)

    def names(self, folder):
        bucket, prefix = self.split(folder)
        return sorted(o["Key"].removeprefix(prefix) for o in self.client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []))

    def etag(self, uri):
        bucket, key = self.split(uri)
        return self.client.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')

    def uploads(self, folder):
        bucket, prefix = self.split(folder)
        return self.client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])


class Folder:
    """The same questions to a local folder."""

    def read(self, uri):
        return pathlib.Path(uri).read_bytes()

    def write(self, uri, content):
        pathlib.Path(uri).write_bytes(content)

    def names(self, folder):
        return sorted(p.name for p in pathlib.Path(folder).iterdir()) if pathlib.Path(folder).exists() else []


def columns_of(parquet):
    """{name: values} by pyarrow, after DuckDB was seen to read the same."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(parquet)
        file.flush()
        table = pq.read_table(file.name)
        db = duckdb.connect()
        db.execute("set timezone = 'UTC'")
        relation = db.execute(f"select * from read_parquet('{file.name}')")
        other = (relation.to_arrow_table if hasattr(relation, "to_arrow_table") else relation.fetch_arrow_table)()
    ours, theirs = table.to_pydict(), other.to_pydict()
    assert list(ours) == list(theirs), (list(ours), list(theirs))
    for name in ours:
        # By their text: two NaNs are equal then, and 0.0 is not -0.0.
        differing = [(n, a, b) for n, (a, b) in enumerate(zip(ours[name], theirs[name], strict=True)) if repr(a) != repr(b)]
        assert not differing, f"column {name}: pyarrow and DuckDB differ at (row, pyarrow, DuckDB) {differing[:3]}"
    return ours, table.schema
