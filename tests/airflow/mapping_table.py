"""Writes tests/golden/mapping.txt: how many task instances Airflow maps a task to, and which values each index is bound
to. Run by hand when Airflow changes; the test reads the table only.

Usage: mapping_table.py > tests/golden/mapping.txt, by a Python that has apache-airflow-core (pip install
apache-airflow-core==3.3.2 fastapi==0.136.3 cadwyn==7.0.0). Needs no database.

A line: `expand` or `zip`, what is mapped over (a list, or what a task returned: a list or a dict), how many, and the
values of each index. `group`: the same of a mapped task group; `nested`: a mapped group in a mapped group.
"""

import json
import logging
import os
import random
import sys
import tempfile
import types

os.environ.update(AIRFLOW_HOME=tempfile.mkdtemp(prefix="airflow-"), AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR")
output, sys.stdout = sys.stdout, sys.stderr
logging.disable(logging.CRITICAL)

import airflow  # noqa: E402
from airflow.models.expandinput import SchedulerDictOfListsExpandInput  # noqa: E402
from airflow.sdk import DAG, BaseOperator, TaskGroup  # noqa: E402
from airflow.sdk.definitions._internal.expandinput import (  # noqa: E402
    DictOfListsExpandInput, MappedArgument)
from airflow.sdk.definitions.taskgroup import MappedTaskGroup  # noqa: E402
from airflow.sdk.definitions.xcom_arg import ZipXComArg  # noqa: E402
from airflow.serialization.definitions.mappedoperator import get_mapped_ti_count  # noqa: E402
from airflow.serialization.serialized_objects import DagSerialization  # noqa: E402

KEYS = ["beta", "alpha", "gamma"]  # not in the order of letters: that of the file counts


class Op(BaseOperator):
    def __init__(self, *, item=None, **more):
        super().__init__(**more)
        self.item = item


class Returned:
    """What a task returned, where Airflow has an XComArg: it is asked for its value."""

    def __init__(self, value):
        self.value = value

    def resolve(self, context):
        return self.value


def random_input(pick):
    size = pick.choice([0, 1, 1, 2, 2, 3, 4])
    if pick.random() < 0.3:
        keys = pick.sample(["b", "a", "d", "c", "e"], size)
        return {key: pick.choice([1, "x", None, [1, 2], {"k": 1}]) for key in keys}
    return [pick.choice([number, str(number), [number], {"n": number}]) for number in range(size)]


def at(index):
    return {"ti": types.SimpleNamespace(map_index=index)}


def main():
    print(f"# How Airflow {airflow.__version__} maps, by mapping_table.py.", file=output)
    pick = random.Random(20260102)
    for _ in range(120):
        inputs = {key: random_input(pick) for key in KEYS[: pick.randint(1, 3)]}
        count = SchedulerDictOfListsExpandInput(inputs).get_total_map_length("r", session=None)
        spec = DictOfListsExpandInput(inputs)
        bound = [spec.resolve(at(index))[0] for index in range(count)]
        print("expand " + json.dumps(inputs) + f" {count} " + json.dumps(bound), file=output)
    for _ in range(60):
        size = pick.randint(1, 3)
        lists = {key: [f"{key}{number}" for number in range(pick.choice([0, 1, 2, 3]))] for key in KEYS[:size]}
        if pick.random() < 0.5:
            length = pick.randint(1, 4)
            lists = {key: [f"{key}{number}" for number in range(length)] for key in lists}
        zipped = ZipXComArg([Returned(one) for one in lists.values()])
        rows = zipped.resolve(at(0))
        bound = [dict(zip(lists, rows[index])) for index in range(len(rows))]
        print("zip " + json.dumps(lists) + f" {len(rows)} " + json.dumps(bound), file=output)
    for _ in range(60):
        outer = {key: list(range(pick.randint(1, 4))) for key in KEYS[: pick.randint(1, 2)]}
        inner = {"item": list(range(10, 10 + pick.randint(1, 3)))}
        with DAG("d", schedule=None) as dag:
            with MappedTaskGroup(group_id="g", expand_input=DictOfListsExpandInput(outer)):
                Op(task_id="t")
                with TaskGroup(group_id="in"):
                    Op(task_id="deep")
                with MappedTaskGroup(group_id="again", expand_input=DictOfListsExpandInput(inner)):
                    Op(task_id="t")
        scheduled = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        counts = [get_mapped_ti_count(scheduled.task_dict[name], "r", session=None) for name in ("g.t", "g.in.deep", "g.again.t")]
        spec = DictOfListsExpandInput(outer)
        bound = [{key: MappedArgument(input=spec, key=key).resolve(at(index)) for key in outer} for index in range(counts[0])]
        print("group " + json.dumps(outer) + f" {counts[0]} {counts[1]} " + json.dumps(bound), file=output)
        print("nested " + json.dumps([outer, inner]) + f" {counts[2]}", file=output)


main()
