#!/usr/bin/env python3
"""Holds the code against the house rules: who includes whom, what a target links, calls that are banned, files that
nothing builds, third-party headers in our headers, and words that have no place here. Prints one line a finding."""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = json.loads((ROOT / "tests/tidy/rooms.json").read_text())
ROOMS = TABLE["rooms"]

BANNED = [
    # pattern, why, where it is allowed nevertheless
    (r"\bsystem\s*\(", "starts a shell: use base/subprocess", []),
    (r"\bfork\s*\(\)", "threads: use base/subprocess (posix_spawn)", []),
    (r"\bpopen\s*\(", "starts a shell: use base/subprocess", []),
    (r"\bsleep_for\b|\busleep\s*\(|\bsleep_until\b|\bnanosleep\s*\(", "waiting is on a Clock or a condition", []),
    (r"\bsystem_clock::now\b|\btime\s*\(nullptr\)|\bgettimeofday\b", "ask the Clock you were given", ["base/clock.cpp"]),
    (r"\bstd::random_device\b|\brand\s*\(\)", "ask base/random or base/id", ["base/"]),
    (r"\busing namespace std;", "say std::", []),
    (r"\bstrcpy\s*\(|\bsprintf\s*\(|\bstrcat\s*\(", "unbounded", []),
    (r"\bTODO\b|\bFIXME\b|\bXXX\b", "do it, or say in the docs that it is not done", []),
]


def tracked():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [pathlib.Path(line) for line in out.stdout.splitlines() if (ROOT / line).is_file()]


def room_of(path):
    """The most special room that holds a file; tests, bench and the like are no rooms."""
    text = path.as_posix()
    for room, prefixes in TABLE["files"].items():
        if any(text.startswith(p) for p in prefixes):
            return room
    parts = path.parts
    if parts[0] == "plugins" and len(parts) > 2 and parts[1] not in ("examples",):
        name = "plugins/" + parts[1]
        return name
    for depth in (2, 1):
        name = "/".join(parts[:depth])
        if len(parts) > depth and name in ROOMS:
            return name
    return None


def may_include(room, other):
    allowed = ROOMS.get(room)
    if allowed is None and room.startswith("plugins/"):
        allowed = ROOMS["plugins/*"]
    return other == room or "*" in allowed or other in allowed


def check_includes(files):
    for path in files:
        if path.suffix not in (".h", ".cpp"):
            continue
        room = room_of(path)
        text = (ROOT / path).read_text()
        for number, line in enumerate(text.splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not m:
                continue
            quoted, target = m.group(1) == '"', m.group(2)
            where = f"{path}:{number}"
            if quoted:
                if room is None:
                    continue
                if not (ROOT / target).is_file():
                    yield f"{where}: \"{target}\" is no file of ours; includes are written from the root"
                    continue
                other = room_of(pathlib.Path(target))
                if other and not may_include(room, other):
                    yield f"{where}: {room} may not include {other} ({target})"
                if target.endswith("/impl.h") and pathlib.Path(target).parent != path.parent:
                    yield f"{where}: {target} is for the files beside it only"
                for header, who in TABLE["writer_only"].items():
                    if target == header and path.parts[0] not in who:
                        yield f"{where}: {header} is for {', '.join(who)} only"
            elif room is not None:
                if path.suffix == ".h" and path.name != "impl.h" and ("/" in target or target.endswith((".h", ".hpp"))):
                    system = target.split("/")[0] in ("sys", "netinet", "arpa", "linux") or target in (
                        "unistd.h", "fcntl.h", "poll.h", "signal.h", "dirent.h", "dlfcn.h", "errno.h", "pthread.h", "emmintrin.h")
                    arrow = target.startswith(("arrow/", "parquet/")) and room in TABLE["arrow_allowed"]
                    expected = target == "tl/expected.hpp" and path.as_posix() == "base/result.h"
                    if not (system or arrow or expected):
                        yield f"{where}: third-party header <{target}> in a header of ours"
                if target.startswith(("arrow/", "parquet/")) and room not in TABLE["arrow_allowed"]:
                    yield f"{where}: Arrow is for {', '.join(TABLE['arrow_allowed'])}"


def strip_comments_and_strings(text):
    # A raw string may hold anything, so it goes first.
    text = re.sub(r'R"(\w*)\(.*?\)\1"', lambda m: '""' + "\n" * m.group(0).count("\n"), text, flags=re.S)
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0)) if m.group(0)[0] == "/" else '""'
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', blank, text, flags=re.S)


def check_banned(files):
    for path in files:
        if path.suffix not in (".h", ".cpp"):
            continue
        raw = (ROOT / path).read_text()
        code = strip_comments_and_strings(raw)
        for pattern, why, allowed in BANNED:
            if any(path.as_posix().startswith(a) for a in allowed):
                continue
            source = raw if "TODO" in pattern else code
            for m in re.finditer(pattern, source):
                yield f"{path}:{source.count(chr(10), 0, m.start()) + 1}: {m.group(0).strip()}: {why}"


def check_orphans(files):
    lists = "\n".join((ROOT / p).read_text() for p in files if p.name == "CMakeLists.txt" or p.suffix == ".cmake")
    for path in files:
        if path.suffix in (".h", ".cpp") and path.parts[0] != "plugins/examples":
            if not re.search(rf"(^|[\s/(]){re.escape(path.name)}($|[\s)])", lists):
                included = path.suffix == ".h" and room_of(path) is None
                if not included:
                    yield f"{path}: no CMakeLists.txt names it"


def check_links():
    """Link targets: the graph that CMake knows, from its own file API by way of the graphviz output."""
    build = None
    for name in ("build", "build-dev"):
        if (ROOT / name / "CMakeCache.txt").exists():
            build = ROOT / name
            break
    if build is None:
        return
    dot = build / "targets.dot"
    subprocess.run(["cmake", f"--graphviz={dot}", str(build)], capture_output=True, check=True, cwd=ROOT)
    names, edges = {}, []
    for line in dot.read_text().splitlines():
        m = re.match(r'\s*"(node\d+)" \[ label = "([^"\\]+)', line)
        if m:
            names[m.group(1)] = m.group(2)
        m = re.match(r'\s*"(node\d+)" -> "(node\d+)"', line)
        if m:
            edges.append(m.groups())
    graph = {}
    for a, b in edges:
        graph.setdefault(names[a], set()).add(names[b])

    def reach(target):
        seen, todo = set(), [target]
        while todo:
            for n in graph.get(todo.pop(), ()):
                if n not in seen:
                    seen.add(n)
                    todo.append(n)
        return seen

    never = {
        "udon_scheduler": {"udon_arrow", "udon_data", "udon_secrets", "udon_web", "udon_sqlite_store"},
        "udon_web": {"udon_scheduler", "udon_local_executor", "udon_executor", "udon_arrow", "udon_data"},
        "udon": {"udon_arrow", "udon_data"},
        "udon-task": {"udon_arrow", "udon_data", "udon_store", "udon_sqlite_store", "udon_web", "udon_net", "udon_secrets"},
        "udon_model": {"udon_schedule", "udon_store", "udon_dagfile"},
    }
    for target, forbidden in never.items():
        for found in sorted(reach(target) & forbidden):
            yield f"target {target} links {found}"


def main():
    files = tracked()
    findings = [*check_includes(files), *check_banned(files), *check_orphans(files), *check_links()]
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings in {sum(p.suffix in ('.h', '.cpp') for p in files)} files")
    return 1 if findings else 0


sys.exit(main())
