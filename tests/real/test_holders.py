"""Who keeps memory alive: what a process knows of its own holders, cycles and leaks."""
import ast
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import check, check_each, interpreters, main, skip  # noqa: E402

FOUND, _ = interpreters()


def view(document, name):
    return [v for v in document["views"] if v["view"] == name][0]["rows"]


def run_worker(t, interpreter):
    out = os.path.join(t.dir, "truth")
    core, _ = t.core_of([interpreter.path, os.path.join(HERE, "holder_worker.py"), out])
    with open(out) as f:
        return core, ast.literal_eval(f.read())


@check_each(FOUND, name=lambda i: i.version)
def names_each_holder_with_what_it_keeps(t, interpreter):
    core, truth = run_worker(t, interpreter)
    document = t.corescan_json([core, "--dominators", "--leaks"])
    rows = view(document, "dominators")
    order = []
    for name, size in truth["holders"].items():
        mine = [r for r in rows if r["name"] == name or
                r["name"].startswith(name + " (local of ")]
        if not t.true(mine, "no row for %s: %s" % (name, [r["name"] for r in rows[:30]])):
            continue
        kept = mine[0]["retained"]
        # getsizeof counts neither the allocator's rounding nor instances' dicts and values
        t.true(size <= kept <= size * 1.8 + 65536, "%s keeps %d, its objects are %d" % (name, kept, size))
        order.append((kept, name))
        t.equal(mine[0]["count"], 1, name + " is one")
    garbage = {r["type"]: r for r in view(document, "leaks") if r["kind"] == "garbage"}
    t.equal(garbage.get("__main__.Node", {}).get("count"), truth["nodes"], "cycles")
    t.equal(garbage.get("list", {}).get("count"), truth["payloads"], "lists only cycles hold")
    others = [k for k in garbage if k.startswith("__main__.") and k != "__main__.Node"]
    t.equal(others, [], "what lives is no garbage")
    t.equal(document["anomalies"]["count"], 0, "anomalies: %s" % document["anomalies"]["rows"][:3])


@check_each(FOUND, name=lambda i: i.version)
def says_what_the_locals_of_each_frame_keep(t, interpreter):
    core, truth = run_worker(t, interpreter)
    kept = {}
    for row in view(t.corescan_json([core, "--threads", "--verbose"]), "threads"):
        for frame in row["python"]:
            kept[frame["function"]] = frame["retained"]
    for function, name in (("in_thread", "thread_local"), ("main", "frame_local")):
        size = truth["holders"][name]
        t.true(size <= kept[function] <= size * 1.3 + 65536,
               "%s() keeps %d, its objects are %d" % (function, kept[function], size))
    others = {f: n for f, n in kept.items() if f not in ("in_thread", "main") and n > 65536}
    t.equal(others, {}, "others keep little")
    code, out, _ = t.corescan([core, "--threads", "--verbose"])
    t.true("in_thread (" in out and " its locals keep 1." in out, "the stack says so: " + out)


@check_each(FOUND, name=lambda i: i.version)
def says_why_an_object_lives(t, interpreter):
    core, _ = run_worker(t, interpreter)
    rows = view(t.corescan_json([core, "--why", "__main__.Order"]), "why")
    t.true(rows and rows[0]["from"] == "module __main__", "from its module: %s" % rows[:1])
    t.true(any(r["edge"] == "['ORDERS']" for r in rows), "through ORDERS: %s" % rows[:4])
    t.true(any(r["type"] == "__main__.Order" for r in rows), "to an Order")
    # what only cycles hold is held by nobody
    t.equal(view(t.corescan_json([core, "--why", "__main__.Node"]), "why"), [], "garbage has no way")
    t.equal(view(t.corescan_json([core, "--why", "no.such.type"]), "why"), [], "no such type")


# type -> what its way begins with
ROOTS = {"__main__.Handled": "exception being handled in thread ", "__main__.AtExit": "atexit",
         "__main__.Search": "codecs: search functions", "__main__.Errors": "codecs: error handlers",
         "__main__.Profiler": "sys.setprofile of thread "}


@check_each(FOUND, name=lambda i: i.version)
def names_what_the_interpreter_holds(t, interpreter):
    core, child = t.core_of([interpreter.path, os.path.join(HERE, "root_worker.py")])
    for name, root in ROOTS.items():
        rows = view(t.corescan_json([core, "--why", name]), "why")
        firsts = [r["from"] for r in rows if r["from"].startswith((root, "module " + root))]
        t.true(firsts, "%s: %s" % (name, rows))
        if root.endswith(" "):
            t.true(any(f.endswith(" %d" % child.pid) for f in firsts), "in its thread: %s" % firsts)


def leak_worker(t):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        skip("no C compiler")
    path = os.path.join(t.dir, "leak_worker")
    subprocess.run([compiler, "-g", "-O1", "-pthread", "-o", path, os.path.join(HERE, "leak_worker.c")],
                   check=True)
    return path


def words_of(child, first):
    return {int(line.split()[1], 16) for line in child.lines if line.split()[0] == first}


@check
def finds_leaks_address_by_address(t):
    core, child = t.core_of([leak_worker(t)])
    rows = view(t.corescan_json([core, "--leaks"]), "leaks")
    # each block has a size of its own, so that each row is one block
    got = {kind: {int(r["example"], 16) for r in rows if r["kind"] == kind}
           for kind in ("leaked", "leaked-indirect")}
    t.true(all(r["count"] == 1 for r in rows), "one block a row: %s" % rows)
    t.equal(sorted(got["leaked"]), sorted(words_of(child, "leaked")), "leaked")
    t.equal(sorted(got["leaked-indirect"]), sorted(words_of(child, "indirect")), "leaked with them")
    t.true(len(got["leaked"]) > 20, "there were some")
    traces = {int(r["example"], 16): r["traces"] for r in rows if r["traces"]}
    told = {a: "free memory points to 1" for a in words_of(child, "in-free")}
    told.update({a: "dead stack points to 1" for a in words_of(child, "on-stack")})
    t.equal(traces, told, "what memory that is over points to")
    for address in words_of(child, "kept"):
        why = view(t.corescan_json([core, "--why", hex(address)]), "why")
        t.true(why and int(why[-1]["to"], 16) == address, "%#x is kept: %s" % (address, why))


main()
