"""Plugins from outside: found, described, used, changed under our hands; what is wrong with one hurts nobody else."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

from installation import BUILD, Failed, Installation, until

SOURCE = pathlib.Path(os.environ["UDON_SOURCE"])
EXAMPLES = SOURCE / "plugins/examples"


def install(udon, name, text=None, origin=None, mode=0o755):
    folder = udon.home / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}"
    part.write_bytes(pathlib.Path(origin).read_bytes() if origin else text.encode())
    part.chmod(mode)
    part.rename(folder / name)
    return folder / name


def executable(run, describe='print(json.dumps({"protocol": 1, "operators": [OPERATOR]}))', **operator):
    """A program whose `describe` gives an operator, and whose `run` and `poke` are `run`."""
    operator = {"kind": "process", "summary": "For a test.", "params": []} | operator
    return f"""#!{sys.executable}
import json, os, signal, sys, time
OPERATOR = {operator!r}
if sys.argv[1] == "describe":
    {describe}
    sys.exit(0)
request = json.load(sys.stdin)
def say(**message): print(json.dumps(message), flush=True)
{run}
"""


def refused(udon):
    return {pathlib.Path(p["file"]).name: p["refused"] for p in udon.json("plugins", "list")["plugins"] if p["refused"]}


def built_as_the_docs_say(udon):
    """The commands of docs/plugins.md, with this build in place of build/."""
    text = (SOURCE / "docs/plugins.md").read_text()
    command = re.search(r"^(g\+\+ .*?line_count\.cpp.*?)\ncp ", text, re.S | re.M).group(1)
    subprocess.run(["sh", "-ec", command.replace('"$UDON_SOURCE"/build/', f"{BUILD}/")], check=True, cwd=udon.work,
                   env=udon.environment | {"UDON_SOURCE": str(SOURCE)})
    return udon.work / "line_count.so"


def check_examples(udon):
    install(udon, "csv_total", origin=EXAMPLES / "csv_total")
    install(udon, "line_count.so", origin=built_as_the_docs_say(udon))
    greeter = re.search(r"```python\n(.*?)```", (SOURCE / "docs/plugins.md").read_text(), re.S).group(1)
    install(udon, "greeter", greeter)
    udon.udon("plugins", "scan")
    names = {o["name"] for o in udon.json("operators", "list")["operators"]}
    assert {"csv_total", "file_settled", "line_count", "greet", "bash"} <= names, names
    assert "`at_least`" in udon.udon("operators", "show", "csv_total") or "`column`" in udon.udon("operators", "show", "csv_total")
    assert "# line_count" in udon.udon("operators", "show", "line_count")

    (udon.dags / "prices.csv").write_text("상점,값\n서울,0.1\n부산,2\n서울,0.2\n")
    udon.dag("examples", """
dag: examples
schedule: none
tasks:
  settled: {operator: file_settled, path: prices.csv, unchanged_for: 1s, poke_interval: 1s}
  count: {operator: line_count, path: prices.csv, at_least: 4, after: [settled]}
  total: {operator: csv_total, path: prices.csv, column: 값, by: 상점, after: [settled]}
  too_few: {operator: line_count, path: prices.csv, at_least: 5, after: [settled], retries: 3}
  no_column: {operator: csv_total, path: prices.csv, column: 없음, after: [settled], retries: 3}
  hello: {operator: greet, whom: "{{ ti.xcom_pull('total').rows }} rows", after: [total]}
""")
    udon.udon("dags", "check")
    udon.start()
    udon.udon("dags", "trigger", "examples", "--run-id", "one", "--wait", code=1)
    instances = udon.instances("examples", "one")
    states = {task: i["state"] for (task, _), i in instances.items()}
    assert states == {"settled": "success", "count": "success", "total": "success", "too_few": "failed",
                      "no_column": "failed", "hello": "success"}, states
    assert instances["too_few", -1]["try_number"] == 1, "of kind data: no retry"
    assert "has 4 lines, expected 5 or more" in udon.udon("tasks", "logs", "examples", "one", "too_few")
    assert "no column `없음`; it has 상점, 값" in udon.udon("tasks", "logs", "examples", "one", "no_column")
    token = udon.login()
    path = "/api/v2/dags/examples/dagRuns/one/taskInstances/{}/xcomEntries/return_value"
    _, total = udon.call("GET", path.format("total"), token=token)
    assert total["value"] == {"rows": 3, "totals": {"서울": "0.3", "부산": "2"}}, total
    _, hello = udon.call("GET", path.format("hello"), token=token)
    assert hello["value"] == "Hello, 3 rows", hello
    log = udon.udon("tasks", "logs", "examples", "one", "hello")
    assert "greeting takes a moment" in log and "greeted" in log, log


def check_bad_plugins_are_refused_by_name(udon):
    for name, change in {"other_api": "plugin API 99", "other_compiler": "compiler elderly", "other_abi": "C++ ABI 7",
                         "other_arrow": "Arrow 1.2.3"}.items():
        install(udon, f"{name}.so", origin=BUILD / f"tests/plugins/{name}.so")
    install(udon, "garbage.so", "not an object")
    install(udon, "crash", executable("", describe="os.kill(os.getpid(), signal.SIGSEGV)"))
    install(udon, "hang", executable("", describe="time.sleep(1000)"))
    install(udon, "mumble", executable("", describe='print("hello"); print("a complaint", file=sys.stderr)'))
    install(udon, "future", executable("", describe='print(json.dumps({"protocol": 2, "operators": [OPERATOR]}))', name="x"))
    install(udon, "usurper", executable("", name="bash"))
    install(udon, "zz_second", executable("", name="csv_total"))
    install(udon, "job", executable("", name="job", kind="external_job"))
    install(udon, "reserved", executable("", name="reserved", params=[{"name": "retries", "type": "integer", "help": "x"}]))
    install(udon, "open_to_all", executable("", name="open_to_all"), mode=0o777)
    udon.udon("plugins", "scan", code=1)
    told, found = udon.told, refused(udon)
    expected = {"other_api.so": "plugin API 99", "other_compiler.so": "compiler elderly", "other_abi.so": "C++ ABI 7",
                "other_arrow.so": "Arrow 1.2.3", "garbage.so": "garbage.so", "crash": "SIGSEGV", "hang": "10",
                "mumble": "a complaint", "future": "protocol 2", "usurper": "`bash`", "zz_second": "that of csv_total",
                "job": "external_job", "reserved": "retries", "open_to_all": "chmod o-w"}
    for name, words in expected.items():
        assert words in found.pop(name, ""), (name, refused(udon))
        assert name in told
    assert not found, found
    assert "csv_total" in {o["name"] for o in udon.json("operators", "list")["operators"]}
    for name in expected:
        (udon.home / "plugins" / name).unlink()
    udon.udon("plugins", "scan")


def check_crashes_and_hangs_hurt_their_own_try_only(udon):
    install(udon, "bad", executable("""
how = request["parameters"]["how"]
if how == "crash": os.kill(os.getpid(), signal.SIGSEGV)
if how == "hang": signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)
if how == "silent": sys.exit(0)
if how == "twice": say(result={}); say(result={})
if how == "exit": say(result={}); sys.exit(7)
if how == "huge": print('{"result": {"return_value": "' + "x" * (3 << 20) + '"}}')
if how == "skip": say(result={"skipped": True, "message": "nothing to do"})
if how == "leak": say(xcom={"key": "k", "value": request["connections"]["vault"]["password"]}); print(request["connections"]["vault"]["uri"], file=sys.stderr); say(result={"return_value": os.environ.get("UDON_CONN_VAULT")})
if how == "gone": say(error={"kind": "unavailable", "message": "try again"}); sys.exit(1)
""", name="bad", params=[{"name": "how", "type": "string", "required": True, "help": "x"},
                         {"name": "vault", "type": "connection", "default": None, "help": "x"}]))
    install(udon, "bad_sensor", executable("""
os.kill(os.getpid(), signal.SIGABRT) if request["parameters"]["how"] == "crash" else say(poke={"met": True})
""", name="bad_sensor", kind="sensor", params=[{"name": "how", "type": "string", "required": True, "help": "x"}]))
    install(udon, "sensors.so", origin=BUILD / "tests/plugins/sensors.so")
    udon.udon("plugins", "scan")
    hows = ["crash", "silent", "twice", "exit", "huge", "skip", "leak", "gone"]
    udon.dag("bad", "dag: bad\nschedule: none\ntasks:\n" +
             "".join(f"  {how}: {{operator: bad, how: {how}, vault: vault}}\n" for how in hows) + """
  hang: {operator: bad, how: hang, execution_timeout: 1s}
  fine: {operator: bash, command: echo fine}
  sensor_crash: {operator: bad_sensor, how: crash, poke_interval: 1s}
  sensor_wrong: {operator: bad_sensor, how: wrong, poke_interval: 1s}
  object_crash: {operator: crashing_sensor, poke_interval: 1s}
  object_met: {operator: calm_sensor, poke_interval: 1s}
  settled: {operator: file_settled, path: prices.csv, unchanged_for: 1s, poke_interval: 1s}
""")
    until("the server knows them", lambda: udon.run("dags", "show", "bad").returncode == 0)
    udon.udon("dags", "trigger", "bad", "--run-id", "one", "--wait", code=1)
    instances = {task: i["state"] for (task, _), i in udon.instances("bad", "one").items()}
    good = {"skip": "skipped", "leak": "success", "fine": "success", "object_met": "success", "settled": "success"}
    assert instances == {task: good.get(task, "failed") for task in instances}, instances
    told = {"crash": "SIGSEGV", "silent": "ended without a result", "twice": "two results", "exit": "exit code 7",
            "huge": "one line had more than", "hang": "execution_timeout", "sensor_crash": "SIGABRT",
            "sensor_wrong": "is_met", "object_crash": "SIGSEGV", "gone": "try again", "skip": "nothing to do"}
    for task, words in told.items():
        log = udon.udon("tasks", "logs", "bad", "one", task)
        assert words in log, (task, words, log)
    log = udon.udon("tasks", "logs", "bad", "one", "leak")
    token = udon.login()
    _, entries = udon.call("GET", "/api/v2/dags/bad/dagRuns/one/taskInstances/leak/xcomEntries/k", token=token)
    assert "s3cretPhrase" not in log and "s3cretPhrase" not in str(entries) and "***" in str(entries), (log, entries)
    _, value = udon.call("GET", "/api/v2/dags/bad/dagRuns/one/taskInstances/leak/xcomEntries/return_value", token=token)
    assert "s3cretPhrase" not in str(value), value


def check_a_changed_plugin_is_not_run_before_it_is_described(udon):
    def program(version):
        return executable(f'say(result={{"return_value": "{version}"}})', name="changing",
                          params=[{"name": f"p{version}", "type": "integer", "default": 1, "help": "x"}])

    def trigger(run, code):
        udon.udon("dags", "trigger", "changing", "--run-id", run, "--wait", code=code)
        return udon.udon("tasks", "logs", "changing", run, "one")

    install(udon, "changing", program(1))
    udon.udon("plugins", "scan")
    udon.dag("changing", "dag: changing\nschedule: none\ntasks:\n  one: {operator: changing}\n")
    until("the server knows it", lambda: udon.run("dags", "show", "changing").returncode == 0)
    trigger("first", 0)
    file = install(udon, "changing", program(1))  # another inode, the same content
    trigger("same", 0)
    install(udon, "changing", program(2))
    assert "run `udon plugins scan`" in trigger("changed", 1)
    udon.udon("plugins", "scan")
    trigger("scanned", 0)
    file.unlink()
    assert "is gone" in trigger("gone", 1)
    udon.udon("plugins", "scan")
    udon.udon("dags", "check", str(udon.dags / "changing.yaml"), code=1)
    assert "last `udon plugins scan`" in trigger("unknown", 1)
    # The server finds it again by itself.
    install(udon, "changing", program(3))
    udon.udon("plugins", "scan")
    trigger("back", 0)
    udon.stop()
    udon.start()
    trigger("restarted", 0)


with Installation(UDON_CONN_VAULT="generic://user:s3cretPhrase@vault/") as udon:
    check_examples(udon)
    check_bad_plugins_are_refused_by_name(udon)
    check_crashes_and_hangs_hurt_their_own_try_only(udon)
    check_a_changed_plugin_is_not_run_before_it_is_described(udon)
print("ok")
