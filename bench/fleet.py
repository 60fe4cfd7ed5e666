"""Rows of `make bench` about many: tasks in a row, finished task instances, DAG files, DAGs due at once. Called by scripts/bench.

BENCH_FINISHED (10,000,000) task instances stand in the store, BENCH_FILES (5,000) DAG files in the folder."""
import os
import pathlib
import sqlite3
import statistics
import time
from datetime import datetime, timedelta, timezone

FINISHED = int(os.environ.get("BENCH_FINISHED", "10000000"))
FILES = int(os.environ.get("BENCH_FILES", "5000"))
HERD = 1000
TASKS = 10
SUSTAINED_RUNS = 20
INSTANCES_OF_A_RUN = 100

SUSTAINED = {
    "noop.yaml": "dag: noop\nmax_active_runs: 4\nmax_active_tasks: 4000\ntasks:\n  each:\n    operator: bash\n    command: 'true'\n"
                 "    expand: {n: [" + ", ".join(str(i) for i in range(250)) + "]}\n",
    "empty.yaml": "dag: empty\nmax_active_runs: 4\nmax_active_tasks: 40000\ntasks:\n  each:\n    operator: empty\n"
                  "    expand: {n: [" + ", ".join(str(i) for i in range(10000)) + "]}\n",
}
CHAIN = "dag: chain\nmax_active_runs: 1\ntasks:\n" + "".join(
    f"  t{i:02}: {{operator: bash, command: 'true'{'' if i == 0 else f', after: [t{i - 1:02}]'}}}\n" for i in range(40))


def runs_of(server, dag, **filters):
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return server.call("GET", f"/api/v2/dags/{dag}/dagRuns?{query}")[1]


def wait_for(what, is_there, seconds=600, step=0.1):
    end = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > end:
            raise SystemExit(f"bench: {what} takes more than {seconds} s")
        time.sleep(step)


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def trigger_many(server, dag, count):
    """Seconds from the first trigger to the end of the last run."""
    runs = [server.call("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None})[1] for _ in range(count)]
    wait_for(f"{count} runs of {dag}", lambda: runs_of(server, dag, state="success", limit=1)["total_entries"] >= count)
    ends = [moment(run["end_date"]) for run in runs_of(server, dag, limit=count)["dag_runs"]]
    return max(ends) - moment(runs[0]["queued_at"])


def sustained(bench):
    rows = []
    for dag, each, what in (("noop", 250, "`bash -c true`"), ("empty", 10000, "`empty`, which needs no process")):
        count = SUSTAINED_RUNS * each
        server = bench.Server(dags=SUSTAINED)
        took = trigger_many(server, dag, SUSTAINED_RUNS)
        server.stop()
        if dag == "noop":
            limit = bench.timed(["bash", "-c", f"seq {count} | xargs -P16 -I{{}} bash -c true"])
            rows.append([f"sustained: {SUSTAINED_RUNS} runs of {each} {what}, four runs and 16 tasks at once", f"{count / took:,.0f} tasks/s",
                         f"{count / limit:,.0f} tasks/s, `xargs -P16`", f"{took / limit:.2f}", "–"])
        else:
            rows.append([f"sustained: {SUSTAINED_RUNS} runs of {each:,} {what}", f"{count / took:,.0f} tasks/s", "–", "–", "–"])
    return rows


def fill_with_history(database):
    """Finished runs of the DAG `chain` beside the one that is there, each with its task instances and their tries."""
    store = sqlite3.connect(database)
    store.execute("PRAGMA journal_mode = OFF")
    store.execute("PRAGMA synchronous = OFF")
    store.execute("PRAGMA cache_size = -200000")

    def columns(table, replaced):
        names = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
        return ", ".join(names), ", ".join(replaced.get(name, f"old.{name}") for name in names)

    runs = FINISHED // INSTANCES_OF_A_RUN
    run, instance, fence = store.execute("SELECT last_run, last_instance, last_fence FROM counters").fetchone()
    old_run, old_instance = store.execute("SELECT max(number) FROM dag_run").fetchone()[0], store.execute("SELECT max(number) FROM task_instance").fetchone()[0]
    store.execute("PRAGMA foreign_keys = OFF")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
    names, values = columns("dag_run", {"number": f"{run} + i", "run_id": "'old__' || printf('%07d', i)", "logical_date": "NULL",
                                        "run_after": "old.run_after - 1000000 * (10000000 - i)", "instances": str(INSTANCES_OF_A_RUN)})
    store.execute(f"INSERT INTO dag_run ({names}) {numbers.format(runs)} SELECT {values} FROM n, dag_run old WHERE old.number = {old_run}")
    names, values = columns("task_instance", {"number": f"{instance} + i", "run": f"{run} + 1 + (i - 1) / {INSTANCES_OF_A_RUN}",
                                              "task_id": f"'t' || printf('%02d', (i - 1) % {INSTANCES_OF_A_RUN})", "state": "'success'",
                                              "fence": f"{fence} + i", "try_number": "1"})
    store.execute(f"INSERT INTO task_instance ({names}) {numbers.format(FINISHED)} SELECT {values} FROM n, task_instance old WHERE old.number = {old_instance}")
    names = [row[1] for row in store.execute("PRAGMA table_info(task_try)")]
    given = {"instance": "number", "try_number": "1", "fence": "fence", "state": "'success'", "queued_at": "queued_at", "start_date": "start_date",
             "end_date": "end_date", "pid": "4711", "hostname": "'bench'", "log_file": "'logs/' || number || '.log'", "note": "''"}
    names = [name for name in names if name in given]
    store.execute(f"INSERT INTO task_try ({', '.join(names)}) SELECT {', '.join(given[name] for name in names)} FROM task_instance WHERE number > {instance}")
    store.execute(f"UPDATE counters SET last_run = {run + runs}, last_instance = {instance + FINISHED}, last_fence = {fence + FINISHED}")
    store.commit()
    store.close()


def finished(bench):
    """The same chain on a store with nothing in it and on one with ten million finished task instances, in turn."""
    servers = []
    for with_history in (False, True):
        server = bench.Server(dags={"chain.yaml": CHAIN})
        server.run("chain")
        if with_history:
            server.halt()
            fill_with_history(pathlib.Path(server.home, "home", "udon.db"))
            began = time.monotonic()
            server.begin()
            up = time.monotonic() - began
            size = pathlib.Path(server.home, "home", "udon.db").stat().st_size
        servers.append(server)
    pairs = [[server.run("chain")[0] for server in servers] for _ in range(bench.RUNS * 5)]
    pages = {"runs": "dags/chain/dagRuns?limit=50&order_by=-run_after", "task instances": "dags/chain/dagRuns/~/taskInstances?limit=50",
             "failed runs": "dags/~/dagRuns?state=failed&limit=50"}
    took = {name: [] for name in pages}
    for _ in range(50):
        for name, page in pages.items():
            began = time.monotonic()
            status, answer = servers[1].call("GET", "/api/v2/" + page)
            took[name].append((time.monotonic() - began) * 1000)
            if status != 200:
                raise SystemExit(f"bench: {page}: {answer}")
    for server in servers:
        server.stop()
    slowest = ", ".join(f"{name} {sorted(times)[int(len(times) * 0.99)]:.1f} ms" for name, times in took.items())
    empty, full = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    return [[f"chain of 40 `true` with {FINISHED:,} finished task instances in the store ({size / 1e9:.1f} GB)", f"{full * 1000:.0f} ms",
             f"{empty * 1000:.0f} ms, with none", f"{statistics.median(b / a for a, b in pairs):.2f}", "1: rows and pages as with none"],
            ["… the server's start on it; its pages of runs and task instances", f"{up:.2f} s; p99: {slowest}", "–", "–", "p99 < 100 ms"]]


def dag_files(bench):
    tasks = "".join(f"  t{i}: {{operator: bash, command: 'echo {{{{ ds }}}} {i}'{'' if i == 0 else f', after: [t{i - 1}]'}}}\n" for i in range(TASKS))
    files = {f"team{i % 50:02}_{i:05}.yaml": f"dag: dag_{i:05}\nschedule: '{i % 60} 4 * * *'\nstart_date: 2026-01-01\nis_paused_upon_creation: true\ntasks:\n{tasks}" for i in range(FILES)}
    began = time.monotonic()
    server = bench.Server(dags=files)
    wait_for(f"loading {FILES} DAG files", lambda: server.call("GET", "/api/v2/dags?limit=1")[1]["total_entries"] == FILES, step=0.02)
    up = time.monotonic() - began - server.seconds_to_write
    time.sleep(5)
    before, began = server.cpu_seconds(), time.monotonic()
    time.sleep(20)
    idle = (server.cpu_seconds() - before) / (time.monotonic() - began)
    memory = server.memory_mb()
    server.stop()
    return [f"{FILES:,} DAG files of {TASKS} tasks: from the server's start to all loaded; then idle", f"{up:.2f} s; {idle * 100:.2f} % of a core, {memory:.0f} MB", "–", "–", "≤ 5 s; idle ~ 0"]


def herd(bench):
    """All due at one moment; started late enough that everything is loaded by then."""
    due = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=25)
    after = "".join(f"  t{i}: {{operator: bash, command: 'true', after: [first]}}\n" for i in range(TASKS - 2))
    last = ", ".join(f"t{i}" for i in range(TASKS - 2))
    dags = {f"{i:04}.yaml": f"dag: herd_{i:04}\nschedule: {{times: ['{due:%Y-%m-%dT%H:%M:%S}']}}\nstart_date: 2026-01-01\ncatchup: true\ntasks:\n"
                            f"  first: {{operator: bash, command: 'true'}}\n{after}  last: {{operator: bash, command: 'true', after: [{last}]}}\n" for i in range(HERD)}
    server = bench.Server(dags=dags)
    wait_for("loading", lambda: server.call("GET", "/api/v2/dags?limit=1")[1]["total_entries"] == HERD)
    if datetime.now(timezone.utc) > due:
        raise SystemExit("bench: the DAGs were loaded too late; this machine is too slow for `herd` as it stands")
    count = lambda state: runs_of(server, "~", state=state, limit=1)["total_entries"]
    wait_for("starting all runs", lambda: count("queued") + count("running") + count("success") >= HERD)
    wait_for("the herd", lambda: count("success") >= HERD, seconds=900, step=0.25)
    runs = []
    while len(runs) < HERD:
        runs += runs_of(server, "~", limit=100, offset=len(runs), order_by="id")["dag_runs"]
    server.stop()
    created = max(moment(run["queued_at"]) for run in runs) - due.timestamp()
    took = max(moment(run["end_date"]) for run in runs) - due.timestamp()
    limit = bench.timed(["bash", "-c", f"seq {HERD * TASKS} | xargs -P16 -I{{}} bash -c true"])
    return [f"{HERD:,} DAGs × {TASKS} `bash -c true`, all due at one moment, 16 tasks at once", f"last run made after {created:.2f} s, all ended after {took:.1f} s",
            f"{limit:.1f} s, `xargs -P16`", f"{took / limit:.2f}", "–"]
