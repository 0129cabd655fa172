"""CPython's heap as corescan sees it against what the interpreter itself said.

Every interpreter of this machine, dead by SIGABRT, dead by gcore, and alive.
"""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import check, check_each, interpreters, main, skip  # noqa: E402

SCALE = os.environ.get("CORESCAN_TEST_SCALE", "4000")
VIEWS = ["--summary", "--by-type", "--by-size", "--arenas", "--doctor"]
FOUND, LEFT_OUT = interpreters()
WAYS = ("abort", "gcore", "live")



def worker(t, interpreter, mode, way):
    """(what the process said, its pymalloc statistics, the core or pid)."""
    out = os.path.join(t.dir, "truth.json")
    argv = [interpreter.path, os.path.join(HERE, "py_worker.py"), out, mode, SCALE]
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    env.pop("PYTHONMALLOC", None)
    if way == "abort":
        target, child = t.core_of(argv, env=env)
    else:
        child = t.start(argv, env=env)
        child.wait_line("ready")
        target = t.gcore_of(child.pid) if way == "gcore" else str(child.pid)
    with open(out) as f:
        truth = json.load(f)
    with open(out + ".malloc") as f:
        stats = f.read()
    return truth, stats, target


def rows(document, view):
    for v in document["views"]:
        if v["view"] == view:
            return v["rows"]
    raise RuntimeError("no view " + view)


def check_shape(t, doc):
    t.equal(doc["corescan"]["schema"], 1, "schema")
    for key in ("kind", "pid", "command", "machine", "threads", "python", "libc", "bytes"):
        t.true(key in doc["target"], "target has no " + key)
    t.true(doc["target"]["python"]["layout"] in ("dwarf", "debug-offsets", "table"), "layout")


def check_ledger(t, doc, way):
    ledger = {r["category"]: r["bytes"] for r in rows(doc, "summary")}
    present = doc["target"]["bytes"]["present"]
    t.equal(sum(ledger.values()), present, "the ledger's sum")
    t.equal(ledger.get("unexplained", 0), 0, "unexplained")
    types = rows(doc, "by-type")
    owned = sum(ledger.get(c, 0) for c in ("python.objects", "python.owned", "malloc.typed"))
    if way != "live":
        t.equal(sum(r["bytes"] for r in types if r["kind"] == "python"), owned,
                "bytes by type against the ledger")
    unknown = ledger.get("python.unidentified", 0) + ledger.get("malloc.untyped", 0)
    return unknown, present


# The collector knows of these only while they hold something it could free:
# tuples (and dicts up to 3.13) containers, capsules and context variables what
# they were made with; frames only when they no longer run.
LAZILY_TRACKED = ("tuple", "frame", "PyCapsule", "_contextvars.ContextVar")


def check_types(t, doc, truth):
    types = {}
    for r in rows(doc, "by-type"):
        if r["kind"] == "python":
            types[r["type"]] = r
    for name, n in sorted(truth["tracked"].items()):
        got = types.get(name, {"count": 0, "shallow": 0})
        if name in LAZILY_TRACKED or (name == "dict" and truth["version"] < [3, 14]):
            t.true(got["count"] >= n - truth["asking"].get(name, 0),
                   "%s: %d objects, the process tracks %d" % (name, got["count"], n))
            continue
        n -= truth["asking"].get(name, 0)
        if t.equal(got["count"], n, "%s objects the process tracks" % name):
            if name not in truth["asking"]:
                t.equal(got["shallow"], truth["sizes"][name], "shallow bytes of " + name)
    for name in ("int", "str", "float", "bytes", "tuple"):
        n, got = truth["reach"][name], types.get(name, {"count": 0})["count"]
        if name in ("bytes", "tuple") and got > n:
            # a code object has names and kinds of its locals (3.11+) that Python
            # cannot ask for
            got = max(n, got - truth["reach"]["code"])
        t.true(abs(got - n) <= max(n * 0.005, 400) + STATIC_ROOM.get(name, 0),
               "%s: %d objects, a walk of everything reachable finds %d" % (name, got, n))


# Objects a walk meets that are no heap blocks (small ints, static strings and code).
STATIC_ROOM = {"int": 300, "str": 6000, "bytes": 4000, "tuple": 4000}


def parse_stats(text):
    """{block size: (pools, blocks in use)}, pools free, arenas in use."""
    classes = {}
    for m in re.finditer(r"^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$", text, re.M):
        classes[int(m[2])] = (int(m[3]), int(m[4]))

    def number(pattern):
        m = re.search(pattern + r".*?=\s*([\d,]+)", text)
        return int(m[1].replace(",", "")) if m else None
    return classes, number(r"# arenas allocated current")


def check_pymalloc(t, doc, stats):
    classes, arenas = parse_stats(stats)
    t.true(classes, "the process printed no statistics")
    got = {r["size"]: r["count"] for r in rows(doc, "by-size") if r["allocator"] == "pymalloc"}
    for size, (_, used) in sorted(classes.items()):
        t.equal(got.get(size, 0), used, "blocks of %d bytes in use" % size)
    t.equal(sum(r["allocator"] == "pymalloc" for r in rows(doc, "arenas")), arenas, "arenas")
    pools = {}
    for r in rows(doc, "doctor"):
        if r["what"] == "pymalloc pools by block size":
            pools = {int(a): int(b) for a, b in (p.split(":") for p in r["value"].split())}
    for size, (n, _) in sorted(classes.items()):
        t.equal(pools.get(size, 0), n, "pools of %d-byte blocks" % size)


def compare(t, interpreter, mode, way):
    truth, stats, target = worker(t, interpreter, mode, way)
    doc = t.corescan_json([target] + VIEWS)
    check_shape(t, doc)
    t.equal(doc["target"]["python"]["version"], interpreter.name, "version")
    t.equal(doc["anomalies"]["count"], 0, "anomalies %s" % doc["anomalies"]["rows"][:3])
    unknown, present = check_ledger(t, doc, way)
    if mode == "plain":
        t.true(unknown < present * 0.02, "unknown: %d of %d bytes" % (unknown, present))
    check_types(t, doc, truth)
    check_pymalloc(t, doc, stats)


@check_each([(i, w) for i in FOUND for w in WAYS], name=lambda r: "%s-%s" % (r[0].name, r[1]))
def says_what_a_plain_worker_says(t, row):
    if row[0].version >= (3, 15):
        skip("%s is newer than corescan" % row[0].name)
    compare(t, row[0], "plain", row[1])


def has_module(interpreter, name):
    return subprocess.run([interpreter.path, "-c", "import " + name], stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=60).returncode == 0


@check_each([(i, m) for i in FOUND for m in ("numpy", "tornado", "django")],
            name=lambda r: "%s-%s" % (r[0].name, r[1]))
def says_what_a_worker_with_real_packages_says(t, row):
    if not has_module(row[0], row[1]):
        skip("%s has no %s" % (row[0], row[1]))
    compare(t, row[0], row[1], "abort")


@check
def shows_which_interpreters_were_left_out(t):
    t.true(FOUND, "no interpreter found")
    for path, reason in LEFT_OUT:
        print("note %s: %s" % (path, reason))


if __name__ == "__main__":
    main()
