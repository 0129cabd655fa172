"""CPython's heap as corescan sees it against what the interpreter itself said.

Every interpreter of this machine, dead by SIGABRT, dead by gcore, and alive.
"""
import ast
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import check, check_each, interpreters, main, skip  # noqa: E402

SCALE = os.environ.get("CORESCAN_TEST_SCALE", "4000")
VIEWS = ["--summary", "--by-type", "--by-size", "--arenas", "--doctor"]
FOUND, LEFT_OUT = interpreters()
WAYS = ("abort", "gcore", "live")



def worker(t, interpreter, mode, way, **more):
    """(what the process said, its pymalloc statistics, the core or pid)."""
    out = os.path.join(t.dir, "truth")
    argv = [interpreter.path, os.path.join(HERE, "py_worker.py"), out, mode, SCALE]
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    env.pop("PYTHONMALLOC", None)
    env.update(more)
    if way == "abort":
        target, child = t.core_of(argv, env=env)
    else:
        child = t.start(argv, env=env)
        child.wait_line("ready")
        with open(out) as f:
            pid = ast.literal_eval(f.read())["pid"]       # of the child, when the worker forked
        target = t.gcore_of(pid) if way == "gcore" else str(pid)
    with open(out) as f:
        truth = ast.literal_eval(f.read())
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
        t.equal(sum(r["bytes"] for r in types if r["kind"] != "raw"), owned,
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
        room = n * 0.005
        if name == "str" and truth["version"] >= [3, 12]:
            room += 600     # interned strings live on when nothing holds them any more
        if name == "tuple":
            room += 150     # sorted copies of __slots__ and the compiler's constants: unvisited
        if truth["mode"] == "numpy":
            room += n * 0.05    # numpy's C code holds objects that nothing visits
        t.true(-n * 0.005 <= got - n <= room,
               "%s: %d objects, a walk of everything reachable finds %d" % (name, got, n))



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


WAYS_TO_ALLOCATE = {"malloc": ("PYTHONMALLOC", "malloc"), "debug": ("PYTHONMALLOC", "debug"),
                    "malloc_debug": ("PYTHONMALLOC", "malloc_debug"),
                    "tracemalloc": ("PYTHONTRACEMALLOC", "3"), "devmode": ("PYTHONDEVMODE", "1")}


@check_each([(i, w) for i in FOUND for w in WAYS_TO_ALLOCATE],
            name=lambda r: "%s-%s" % (r[0].name, r[1]))
def knows_objects_whoever_allocates_them(t, row):
    truth, stats, target = worker(t, row[0], "plain", "abort", **dict([WAYS_TO_ALLOCATE[row[1]]]))
    doc = t.corescan_json([target] + VIEWS)
    t.equal(doc["anomalies"]["count"], 0, "anomalies %s" % doc["anomalies"]["rows"][:3])
    unknown, present = check_ledger(t, doc, "abort")
    t.true(unknown < present * 0.02, "unknown: %d of %d bytes" % (unknown, present))
    check_types(t, doc, truth)
    if parse_stats(stats)[0]:       # none where hooks hide pymalloc
        check_pymalloc(t, doc, stats)


@check_each(FOUND, name=lambda i: i.name)
def lists_each_object_where_malloc_holds_them_all(t, interpreter):
    _, _, target = worker(t, interpreter, "plain", "abort", PYTHONMALLOC="malloc")
    doc = t.corescan_json([target, "--chunks", "0", "--by-type", "--summary", "--top", "0"])
    chunks = [r for r in rows(doc, "chunks") if r["state"] == "object"]
    listed = {}
    for row in chunks:
        listed[row["type"]] = listed.get(row["type"], 0) + 1
    types = {r["type"]: r["count"] for r in rows(doc, "by-type") if r["kind"] == "python"}
    t.equal({n: (listed.get(n), types.get(n)) for n in set(listed) | set(types)
             if listed.get(n) != types.get(n)}, {}, "objects listed and counted, by type")
    objects = [r for r in rows(doc, "summary") if r["category"] == "python.objects"][0]
    t.equal(len(chunks), objects["blocks"], "objects of the ledger")


@check_each(FOUND, name=lambda i: i.name)
def knows_the_forked_child_of_a_threaded_worker(t, interpreter):
    truth, stats, target = worker(t, interpreter, "fork", "gcore")
    doc = t.corescan_json([target] + VIEWS)
    t.equal(doc["anomalies"]["count"], 0, "anomalies %s" % doc["anomalies"]["rows"][:3])
    t.equal(doc["target"]["pid"], truth["pid"], "pid")
    check_ledger(t, doc, "gcore")
    check_types(t, doc, truth)
    check_pymalloc(t, doc, stats)


@check_each(FOUND, name=lambda i: i.name)
def knows_the_objects_of_every_interpreter(t, interpreter):
    truth, _, target = worker(t, interpreter, "subinterpreter", "abort")
    doc = t.corescan_json([target] + VIEWS)
    t.equal(doc["anomalies"]["count"], 0, "anomalies %s" % doc["anomalies"]["rows"][:3])
    unknown, present = check_ledger(t, doc, "abort")
    t.true(unknown < present * 0.02, "unknown: %d of %d bytes" % (unknown, present))
    types = {r["type"]: r["count"] for r in rows(doc, "by-type")}
    t.equal(types.get("__main__.Inside"), truth["scale"], "objects made in the other interpreter")
    for name in ("__main__.Order", "__main__.Slotted"):
        t.equal(types.get(name), truth["tracked"][name], name)


def without_symbols(t, interpreter):
    """A copy of the interpreter whose symbols do not name the runtime."""
    with open(interpreter.real, "rb") as f:
        data = f.read()
    if b"\0_PyRuntime\0" not in data:
        skip("%s has its runtime in a shared library" % interpreter)
    for name in (b"_PyRuntime", b"Py_Version"):
        data = data.replace(b"\0" + name + b"\0", b"\0" + name[:-1] + b"X\0")
    folder = os.path.join(t.dir, "bin")
    os.mkdir(folder)
    path = os.path.join(folder, os.path.basename(interpreter.real))
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, 0o755)
    return path


@check_each(FOUND, name=lambda i: i.name)
def finds_the_runtime_without_symbols(t, interpreter):
    path = without_symbols(t, interpreter)
    prefix = subprocess.run([interpreter.path, "-c", "import sys; print(sys.base_prefix)"],
                            stdout=subprocess.PIPE, timeout=60).stdout.decode().strip()
    other = type(interpreter)(path, interpreter.version, path)
    truth, stats, target = worker(t, other, "plain", "abort", PYTHONHOME=prefix)
    doc = t.corescan_json([target] + VIEWS)
    found = [r for r in rows(doc, "doctor") if r["what"] == "CPython runtime"]
    t.true(found and "memory" in found[0]["found_by"], "found by %s" % found)
    check_ledger(t, doc, "abort")
    check_types(t, doc, truth)
    check_pymalloc(t, doc, stats)


@check_each(FOUND, name=lambda i: i.name)
def says_that_the_binary_was_replaced_and_does_without(t, interpreter):
    path = without_symbols(t, interpreter)      # a copy that may be overwritten
    prefix = subprocess.run([interpreter.path, "-c", "import sys; print(sys.base_prefix)"],
                            stdout=subprocess.PIPE, timeout=60).stdout.decode().strip()
    other = type(interpreter)(path, interpreter.version, path)
    _, _, target = worker(t, other, "plain", "abort", PYTHONHOME=prefix)
    os.unlink(path)
    shutil.copy("/bin/ls", path)
    doc = t.corescan_json([target] + VIEWS, exits=(1,))
    t.true(any(a["kind"] == "file.replaced" and path in a["text"] for a in doc["anomalies"]["rows"]),
           "anomalies say it: %s" % doc["anomalies"]["rows"][:3])
    check_ledger(t, doc, "abort")
    types = {r["type"]: r["count"] for r in rows(doc, "by-type")}
    for name in ("str", "dict", "list", "__main__.Order"):
        t.true(types.get(name), "no %s" % name)


@check_each([p for p, reason in LEFT_OUT if "too old" in reason], name=os.path.basename)
def says_what_it_does_not_read_and_keeps_the_rest(t, path):
    child = t.start([path, "-c", "import sys, time; x = [str(i) for i in range(100000)]; "
                                 "print('ready'); sys.stdout.flush(); time.sleep(600)"])
    child.wait_line("ready")
    code, out, err = t.corescan([t.gcore_of(child.pid), "--summary", "--json"])
    t.true(code in (0, 1), "exit %d: %s" % (code, err))
    doc = json.loads(out)
    t.true("3.8" in str(doc["target"]["python"]), "says which are read: %s" % doc["target"]["python"])
    ledger = {r["category"]: r["bytes"] for r in rows(doc, "summary")}
    t.equal(sum(ledger.values()), doc["target"]["bytes"]["present"], "the ledger's sum")
    t.true(ledger["malloc.untyped"] > 0, "malloc is walked")


@check_each([(i, m) for i in FOUND for m in ("numpy", "tornado", "django")],
            name=lambda r: "%s-%s" % (r[0].name, r[1]))
def says_what_a_worker_with_real_packages_says(t, row):
    row[0].must_have(row[1])
    compare(t, row[0], row[1], "abort")


@check
def shows_which_interpreters_were_left_out(t):
    t.true(FOUND, "no interpreter found")
    for path, reason in LEFT_OUT:
        print("note %s: %s" % (path, reason))


if __name__ == "__main__":
    main()
