"""Writes tests/golden/clearing.txt: which task instances Airflow's own API clears and marks, over random DAGs with task
groups, mapped tasks, mapped groups, setups and teardowns. Run by hand when Airflow changes; the test reads the table only.

Usage: clearing_table.py > tests/golden/clearing.txt, by a Python that has apache-airflow-core (pip install
apache-airflow-core==3.3.2 fastapi==0.136.3 cadwyn==7.0.0). It makes a database of its own in a temporary folder.

Of each DAG: its file as ours is written, the edges that Airflow makes of it, the states of three runs, and questions with
their answers. Task ids are the last part of Airflow's.
"""

import datetime
import json
import logging
import os
import random
import sys
import tempfile
import types

home = tempfile.mkdtemp(prefix="airflow-")
os.environ.update(AIRFLOW_HOME=home, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home}/airflow.db",
                  AIRFLOW__CORE__LOAD_EXAMPLES="False", AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR")
output, sys.stdout = sys.stdout, sys.stderr  # what Airflow says while it starts is no part of the table
logging.disable(logging.CRITICAL)

import airflow  # noqa: E402
from airflow.api_fastapi.core_api.datamodels.task_instances import ClearTaskInstancesBody  # noqa: E402
from airflow.api_fastapi.core_api.routes.public import task_instances as routes  # noqa: E402
from airflow.models import import_all_models  # noqa: E402
from airflow.models.base import Base  # noqa: E402
from airflow.models.dagrun import DagRun  # noqa: E402
from airflow.models.taskinstance import TaskInstance  # noqa: E402
from airflow.sdk import DAG, BaseOperator, TaskGroup  # noqa: E402
from airflow.sdk.definitions._internal.expandinput import DictOfListsExpandInput  # noqa: E402
from airflow.sdk.definitions.taskgroup import MappedTaskGroup  # noqa: E402
from airflow.serialization.serialized_objects import DagSerialization  # noqa: E402
from airflow.settings import Session, engine  # noqa: E402
from airflow.utils.state import DagRunState, TaskInstanceState  # noqa: E402
from airflow.utils.types import DagRunType  # noqa: E402

DAGS = 110
QUESTIONS = 8
STATES = {"s": "success", "f": "failed", "u": "upstream_failed", "k": "skipped"}
RUNS = ("r1", "r2", "r3")
FIRST = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


class Op(BaseOperator):
    def __init__(self, *, item=None, **more):
        super().__init__(**more)
        self.item = item


def parent(group):
    return group.rpartition(".")[0]


def is_in(group, of):
    return of == group or of.startswith(group + ".")


def random_file(pick, number):
    """A DAG file of ours. After what it names: tasks in the order of their numbers and whole groups, so mostly no cycle."""
    groups = {}
    for group in pick.choice([[], ["g"], ["g"], ["g", "h"], ["g", "g.in"], ["g", "g.in", "h"], ["g", "g.in", "g.in.most"]]):
        groups[group] = {}
        if pick.random() < 0.45 and not any("expand" in groups[other] for other in groups if is_in(other, group)):
            groups[group]["expand"] = {"item": list(range(pick.randint(1, 3)))}
    count = pick.randint(3, 9)
    tasks, places = {}, list(groups) + [""]
    for i in range(count):
        task = {"operator": "empty"}
        group = places[i] if i < len(groups) else pick.choice(places)
        if group:
            task["group"] = group
        mapped = any("expand" in groups[other] for other in groups if is_in(other, group))
        earlier = [f"t{k}" for k in range(i)]
        after = [one for one in earlier if pick.random() < 1.6 / max(2, i)]
        after += [other for other in groups if not is_in(other, group) and pick.random() < 0.25]
        if after:
            task["after"] = after
        setups = [one for one in earlier if tasks[one].get("setup")]
        if setups and pick.random() < 0.5:
            task["teardown"] = pick.sample(setups, 1)
        elif pick.random() < 0.2:
            task["setup"] = True
        elif not mapped and pick.random() < 0.2:
            task["expand"] = {"item": list(range(pick.randint(1, 3)))}
        tasks[f"t{i}"] = task
    for group, said in groups.items():
        others = [other for other in list(tasks) + list(groups) if other != group]
        outside = [one for one in others if not is_in(group, tasks[one].get("group", "") if one in tasks else one)
                   and not is_in(one, group)]
        if outside and pick.random() < 0.5:
            said["after"] = pick.sample(outside, 1)
    file = {"dag": f"d{number}", "tasks": tasks}
    if groups:
        file["task_groups"] = groups
    return file


def make_dag(file):
    """The same in Airflow's words. Edges of inner groups first: what a group's first and last tasks are depends on them."""
    nodes, groups = {}, file.get("task_groups", {})
    dag = DAG(file["dag"], schedule="@daily", start_date=FIRST, catchup=False)
    with dag:
        for group in groups:
            more = {"group_id": group.rpartition(".")[2], "parent_group": nodes.get(parent(group)), "dag": dag}
            expand = groups[group].get("expand")
            nodes[group] = (MappedTaskGroup(expand_input=DictOfListsExpandInput(expand), **more) if expand
                            else TaskGroup(**more))
        for name, said in file["tasks"].items():
            more = {"task_id": name, "task_group": nodes.get(said.get("group", ""), dag.task_group)}
            nodes[name] = Op.partial(**more).expand(**said["expand"]) if "expand" in said else Op(**more)
            nodes[name].is_setup = said.get("setup", False)
            if "teardown" in said:
                nodes[name].as_teardown(setups=[nodes[setup] for setup in said["teardown"]])
        place = lambda name: file["tasks"][name].get("group", "") if name in file["tasks"] else parent(name)
        edges = [(before, name) for name, said in [*file["tasks"].items(), *groups.items()] for before in said.get("after", [])]

        def depth_of_common(edge):
            group = place(edge[0])
            while group and not is_in(group, place(edge[1])):
                group = parent(group)
            return group.count(".") + 1 if group else 0

        for before, name in sorted(edges, key=depth_of_common, reverse=True):
            nodes[before] >> nodes[name]
    dag.check_cycle() if hasattr(dag, "check_cycle") else dag.topological_sort()
    return dag


def fresh(written):
    """The DAG as the scheduler reads it, anew for each question. Its tasks hold their groups: as they are, weakly, some
    of these are gone once a subset of the DAG was made."""
    dag = DagSerialization.from_dict(written)
    for group in dag.task_group.get_task_group_dict().values():
        for child in group.children.values():
            if hasattr(child, "task_id"):
                child.task_group = group
            else:
                child.parent_group = group
    return dag


def last(task_id):
    return task_id.rpartition(".")[2]


def length_of(file, name):
    said = file["tasks"][name]
    for group, of in file.get("task_groups", {}).items():
        if "expand" in of and is_in(group, said.get("group", "")):
            return len(of["expand"]["item"])
    return len(said["expand"]["item"]) if "expand" in said else None


def answer(instances):
    by_run = {}
    for one in instances:
        name = last(one.task_id) + (f"[{one.map_index}]" if one.map_index >= 0 else "")
        by_run.setdefault(one.run_id, set()).add(name)
    return {run: " ".join(sorted(names)) for run, names in sorted(by_run.items())}


def random_question(pick, file):
    tasks = list(file["tasks"])
    question = {}
    if file.get("task_groups") and pick.random() < 0.25:
        question["task_ids"] = [pick.choice(list(file["task_groups"]))]
    else:
        question["task_ids"] = []
        for name in pick.sample(tasks, pick.choice([1, 1, 1, 2])):
            length = length_of(file, name)
            is_one = length is not None and pick.random() < 0.6
            question["task_ids"].append([name, pick.randrange(length)] if is_one else name)
    # Never both: Airflow's API then takes, besides, what follows all that precedes. Its command line and its pages do
    # not; `subset` below asks those.
    direction = pick.choice(["", "", "include_upstream", "include_downstream", "include_downstream"])
    if direction:
        question[direction] = True
    if pick.random() < 0.3:
        question["only_failed"] = True
    if pick.random() < 0.3:
        question[pick.choice(["include_past", "include_future"])] = True
    return question


def main():
    import_all_models()
    Base.metadata.create_all(engine)
    routes.TaskInstanceResponse = types.SimpleNamespace(model_validate=lambda one: one)
    routes.TaskInstanceCollectionResponse = lambda task_instances, total_entries: task_instances
    print(f"# What Airflow {airflow.__version__} clears and marks, by clearing_table.py.", file=output)
    pick = random.Random(20260101)
    made = 0
    while made < DAGS:
        file = random_file(pick, made)
        try:
            dag = make_dag(file)
        except Exception as problem:  # a cycle
            print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
            continue
        made += 1
        written = DagSerialization.to_dict(dag)
        dag = fresh(written)
        full = {last(task_id): task_id for task_id in dag.task_dict}
        print("dag " + json.dumps(file), file=output)
        for name in file["tasks"]:
            after = sorted(last(one) for one in dag.task_dict[full[name]].upstream_task_ids)
            if after:
                print(f"edges {name} {' '.join(after)}", file=output)
        bag = types.SimpleNamespace(get_latest_version_of_dag=lambda *args, **more: dag,
                                    get_dag_for_run=lambda *args, **more: dag)
        with Session() as session:
            for number, run in enumerate(RUNS):
                date = FIRST + datetime.timedelta(days=number)
                session.add(DagRun(dag_id=dag.dag_id, run_id=run, logical_date=date, run_after=date,
                                   data_interval=(date, date), state=DagRunState.SUCCESS, run_type=DagRunType.SCHEDULED))
                session.flush()
                states = []
                for name in file["tasks"]:
                    length = length_of(file, name)
                    for index in [-1] if length is None else range(length):
                        letter = pick.choice("sssffuk")
                        states.append(name + (f"[{index}]" if index >= 0 else "") + "=" + letter)
                        session.add(TaskInstance(dag.task_dict[full[name]], None, run_id=run, map_index=index,
                                                 state=TaskInstanceState(STATES[letter])))
                print(f"states {run} {' '.join(states)}", file=output)
            session.flush()
            for _ in range(QUESTIONS):
                question = random_question(pick, file)
                dag = fresh(written)
                ids = []
                for one in question["task_ids"]:
                    if not isinstance(one, list) and one in file.get("task_groups", {}):  # the group's tasks, as Airflow's pages do it
                        ids += [task.task_id for task in dag.task_group_dict[one].iter_tasks()]
                    else:
                        ids.append((full[one[0]], one[1]) if isinstance(one, list) else full[one])
                body = ClearTaskInstancesBody(**{"dry_run": True, "only_failed": False, "dag_run_id": "r2",
                                                 "run_on_latest_version": False, **question, "task_ids": ids})
                cleared = routes.post_clear_task_instances(dag.dag_id, bag, body, session, None)
                print("clear " + json.dumps(question) + " " + json.dumps(answer(cleared)), file=output)
                # By the command line: which tasks, of their whole.
                dag = fresh(written)
                plain = {one[0] if isinstance(one, tuple) else one for one in ids}
                both = {key: pick.random() < 0.5 for key in ("include_upstream", "include_downstream")}
                subset = dag.partial_subset(task_ids=plain, **both)
                asked = {"task_ids": sorted(map(last, plain)), **{key: True for key in both if both[key]}}
                print("subset " + json.dumps(asked) + " " + " ".join(sorted(map(last, subset.task_dict))), file=output)
            for group in file.get("task_groups", {}):
                asked = {key: True for key in ("include_upstream", "include_downstream") if pick.random() < 0.4}
                marked = fresh(written).set_task_group_state(
                    group_id=group, run_id="r2", state=TaskInstanceState.FAILED, commit=False, session=session,
                    upstream="include_upstream" in asked, downstream="include_downstream" in asked)
                print(f"mark {group} " + json.dumps(asked) + " " + json.dumps(answer(marked)), file=output)
            session.rollback()


main()
