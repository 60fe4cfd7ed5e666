"""Writes tests/golden/trigger_rules.txt: what Airflow's own trigger rule says, for each rule, on all states of up to three
upstream task instances. Run by hand when Airflow changes; the test reads the table only.

Usage: trigger_rule_table.py FOLDER > tests/golden/trigger_rules.txt

FOLDER holds the package `airflow`: an environment's site-packages, or the unpacked wheel of apache-airflow-core. Of it the
files with the rule, its names and the states are run, with a stand-in for the database around them.
"""

import enum
import importlib.util
import itertools
import pathlib
import sys
import types

PLAIN = ".SFKUR"   # unfinished, success, failed, skipped, upstream_failed, removed
SETUPS = ",sfkur"  # the same of setup tasks
STATES = {"s": "success", "f": "failed", "k": "skipped", "u": "upstream_failed", "r": "removed"}
VERDICTS = {"skipped": "s", "upstream_failed": "u", "removed": "x"}


def module(name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    return made


def load(folder, name):
    path = folder / pathlib.Path(*name.split(".")).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


class Status:
    passed = False


class Passed(Status):
    passed = True


class BaseTIDep:
    def _passing_status(self, reason=""):
        return Passed()

    def _failing_status(self, reason=""):
        return Status()


def load_rule(folder):
    for name in ("airflow", "airflow.models", "airflow.task", "airflow.utils", "airflow.ti_deps",
                 "airflow.ti_deps.deps", "airflow.serialization", "airflow.serialization.definitions",
                 "airflow.sdk", "airflow.sdk.definitions"):
        module(name).__path__ = []
    unused = lambda *args, **more: None
    module("sqlalchemy", and_=unused, or_=unused, func=unused, select=unused)
    module("airflow.exceptions", NotMapped=KeyError)
    module("airflow.models.expandinput", NotFullyPopulated=KeyError)
    module("airflow.models.taskinstance", PAST_DEPENDS_MET="", TaskInstance=object)
    module("airflow.sdk.definitions.taskgroup", MappedTaskGroup=type("MappedTaskGroup", (), {}))
    module("airflow.serialization.definitions.mappedoperator", is_mapped=lambda task: False, get_mapped_ti_count=unused)
    module("airflow.ti_deps.deps.base_ti_dep", BaseTIDep=BaseTIDep)
    module("airflow.serialization.definitions.taskgroup", SerializedMappedTaskGroup=type("Group", (), {}))
    rules = load(folder, "airflow.task.trigger_rule").TriggerRule
    states = load(folder, "airflow.utils.state").TaskInstanceState
    dep = load(folder, "airflow.ti_deps.deps.trigger_rule_dep").TriggerRuleDep
    return rules, states, dep()


class Upstream:
    def __init__(self, index, letter, states):
        self.task_id = f"u{index}"
        self.is_setup = letter in SETUPS
        self.state = None if letter in ".," else states(STATES[letter.lower()])
        self.map_index = -1
        self.task = self

    def get_needs_expansion(self):
        return False


class Instance:
    """A task instance, and its task in one."""

    def __init__(self, rule, upstreams, map_index):
        self.trigger_rule = rule
        self.upstream_list = upstreams
        self.upstream_task_ids = {one.task_id for one in upstreams}
        self.map_index = map_index
        self.is_teardown = False
        self.task = self
        self.state = None

    def get_dagrun(self, session):
        return None

    def get_closest_mapped_task_group(self):
        return None

    def get_upstreams_only_setups(self):
        return []  # all setups here are direct upstream

    def set_state(self, state, session):
        self.state = state
        return True


class Context:
    flag_upstream_failed = True
    wait_for_past_depends_before_skipping = False
    have_changed_ti_states = False

    def __init__(self, upstreams):
        self.finished = [one for one in upstreams if one.state is not None]

    def ensure_finished_tis(self, dag_run, session):
        return self.finished


def verdict(dep, states, rule, letters, map_index):
    upstreams = [Upstream(i, letter, states) for i, letter in enumerate(letters)]
    instance = Instance(rule, upstreams, map_index)
    statuses = list(dep._get_dep_statuses(ti=instance, session=None, dep_context=Context(upstreams)))
    if instance.state is not None:
        return VERDICTS[instance.state.value]
    return "r" if all(status.passed for status in statuses) else "."


def main():
    rules, states, dep = load_rule(pathlib.Path(sys.argv[1]))
    names = sorted(rule.value for rule in rules)
    print("# Airflow's verdicts, by trigger_rule_table.py: r run, s skip, u upstream_failed, x removed, . wait.")
    print("# Upstream: . unfinished, Success, Failed, sKipped, Upstream_failed, Removed; setup tasks: , s f k u r.")
    print("# First of a task that is not mapped, then of map index 0.")
    print("rules " + " ".join(names))
    for length in (1, 2, 3):
        for letters in itertools.combinations_with_replacement(PLAIN + SETUPS, length):
            columns = ["".join(verdict(dep, states, rules(name), letters, index) for name in names) for index in (-1, 0)]
            print("".join(letters), *columns)


main()
