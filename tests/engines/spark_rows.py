"""Run by Spark's own Python: reads Parquet folders and prints their rows as JSON, each value as text that says it exactly.
Arguments: path… ; prints one JSON object: path → {"types": {column: type}, "rows": [[text or null, …], …]}."""
import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

spark = (SparkSession.builder.master("local[2]").appName("udon").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
         .config("spark.driver.memory", "1g").config("spark.sql.shuffle.partitions", "2").getOrCreate())
spark.sparkContext.setLogLevel("ERROR")


def exact(name, kind):
    column = f.col("`" + name.replace("`", "``") + "`")
    if kind == "binary":
        return f.lower(f.hex(column))
    if kind.startswith("array"):
        return f.to_json(column, {"ignoreNullFields": "false"})
    return column.cast("string")


found = {}
for path in sys.argv[1:]:
    table = spark.read.parquet(path)
    types = dict(table.dtypes)
    rows = table.select([exact(n, t).alias(f"c{i}") for i, (n, t) in enumerate(table.dtypes)]).collect()
    found[path] = {"types": types, "rows": [list(row) for row in rows]}
print("ROWS " + json.dumps(found, ensure_ascii=False))
