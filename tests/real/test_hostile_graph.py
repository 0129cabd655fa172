"""Graphs made to hurt: spoiled, forged, cut short, ten million deep. Who holds what is answered in
time and memory, without recursion, and claims nothing that what is missing could contradict.

CORESCAN_TEST_DEEP=N for chains of N (300000).
"""
import json
import collections
import os
import re
import resource
import shutil
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import CORESCAN, ROOT, check, check_each, interpreters, main, skip  # noqa: E402
from spoiled import Core, Mutant, c_core, problem_of, run  # noqa: E402

FOUND, _ = interpreters()
TWO = os.path.join(os.environ.get("BUILD", os.path.join(ROOT, "build")), "tests/real/tool_two")
DEEP = int(os.environ.get("CORESCAN_TEST_DEEP", "300000"))
GRAPH = ["--dominators", "--leaks", "--why", "list", "--json"]
SMALL_STACK = 1 << 20
NOTE = "holders may be missing"
SCRIPT = """
import sys, threading
class C:
    def __init__(self, i): self.a, self.b = i, [i]
class S:
    __slots__ = ("x", "y")
kept = [C(i) for i in range(200)]
slots = [S() for i in range(50)]
for i, s in enumerate(slots): s.x, s.y = slots[i - 1], [i, str(i)]
one, two, three = {"key": 1000}, {"other": [1, 2]}, [1, 2, 3, 4]
table = {i: str(i) for i in range(500)}
many = {float(i) for i in range(100)}
freed = [object() for i in range(100)]
holes = [id(o) for o in freed]
del freed
def inner():
    frames = [sys._getframe(), sys._getframe(1)]
    names = dict(one=one, two=two, three=three, table=table, many=many, instance=kept[0], slot=slots[0])
    for name, o in names.items(): print("at", name, id(o), type(o).__basicsize__)
    for h in holes: print("hole", "-", h, 0)
    print("at frame", id(frames[0]), 0)
    print("at caller", id(frames[1]), 0)
    print("ready", flush=True)
    sys.stdin.read()
def outer(): inner()
outer()
"""


def rows_of(document, name):
    return [r for v in document["views"] if v["view"] == name for r in v["rows"]]


def two_problem(path):
    """Two threads that make the graph agree with one. What is wrong, or None."""
    done = subprocess.run([TWO, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    return None if done.returncode in (0, 3) else "two threads: %d, %s" % (
        done.returncode, done.stdout.decode("utf-8", "replace"))


def graph_problem(path):
    """What is wrong with what corescan says of the graph, or None."""
    answer = run(path, GRAPH)
    problem = problem_of(path, answer, is_report=False)
    if not problem and answer[0] in (0, 1):
        document = json.loads(answer[1])
        present = document["target"]["bytes"]["present"]
        for row in rows_of(document, "dominators"):
            if not row["shallow"] <= row["retained"] <= present:
                problem = "retains more than there is, or less than itself: %s" % row
        if sum(r["bytes"] for r in rows_of(document, "leaks")) > present:
            problem = "more is leaked than there is"
    if not problem and os.path.exists(TWO):
        problem = two_problem(path)
    for name in (path, path + ".out", path + ".err"):
        if not problem or name != path:
            os.unlink(name)
    return problem


def write(t, name, data):
    path = os.path.join(t.dir, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


KINDS = ("words", "pointer", "head", "gc_link", "type_field", "chunk_size")
SPOILED = [(i.name, lambda t, i=i: t.core_of([i.path, "-S", "-E", "-u", "-c", SCRIPT])[0])
           for i in FOUND[:1] + FOUND[-1:]] + [("malloc", c_core)]


@check_each(SPOILED, name=lambda r: r[0])
def a_spoiled_graph_is_answered(t, row):
    core = Core(row[1](t))
    for seed in range(int(os.environ.get("CORESCAN_TEST_MUTANTS", "24"))):
        kind = KINDS[seed % len(KINDS)]
        mutant = Mutant(core, "graph %s %s" % (kind, seed))
        mutant.spoil(kind)
        problem = graph_problem(write(t, "%s-%d" % (kind, seed), mutant.data))
        t.true(not problem, "%s %d: %s" % (kind, seed, problem))


class Forger:
    """Writes words into a copy of a core, by address."""

    def __init__(self, core, places):
        self.core, self.at, self.data = core, dict(places), bytearray(core.data)

    def word(self, addr):
        off = self.core.offset(addr)
        return struct.unpack_from("<Q", self.data, off)[0] if off is not None else 0

    def put(self, addr, value):
        off = self.core.offset(addr)
        if off is None:
            raise RuntimeError("%#x is not in the core" % addr)
        struct.pack_into("<Q", self.data, off, value & (1 << 64) - 1)

    def everywhere(self, name, count, value):
        for i in range(count):
            self.put(self.at[name] + 16 + 8 * i, value)


def owners_in_a_circle(f):
    # lists whose items lie in each other, and a dict whose table is another's, and back
    f.put(f.at["three"] + 24, f.at["three"])
    f.put(f.at["one"] + 32, f.word(f.at["two"] + 32))
    f.put(f.at["two"] + 32, f.at["one"])


def every_member_leads_to_itself(f):
    for name in ("one", "three", "table", "many", "instance", "slot"):
        f.everywhere(name, 2, f.at[name])


def a_dict_with_impossible_counts(f):
    keys = f.word(f.at["table"] + 32)
    for off in range(0, 32, 8):
        f.put(keys + off, (1 << 62) + 77)
    f.put(f.word(f.at["one"] + 32) + 24, (1 << 64) - 1)


def a_list_longer_than_memory(f):
    f.put(f.at["three"] + 16, (1 << 61) - 1)
    f.put(f.at["many"] + 32, (1 << 64) - 1)


def items_in_free_blocks_and_amidst_objects(f):
    items = f.word(f.at["three"] + 24)
    for i, hole in zip(range(4), f.at["holes"]):
        f.put(items + 8 * i, hole + 3 * i)
    for i in range(20):
        f.put(f.at["instance"] - 32 + 8 * (i % 4), f.at["table"] + 7 * i)


def frames_in_a_loop(f):
    # whatever the version keeps where: every link to a frame leads to the other, or to itself
    a, b = f.at["frame"], f.at["caller"]
    inner, outer = f.word(a + 24), f.word(b + 24)
    for frame, link in ((a, b), (b, a)):
        f.put(frame + 16, link)
    f.put(a + 24, f.word(a + 24) if f.core.offset(inner) else b)
    for here, there in ((inner, outer), (outer, outer)):
        if f.core.offset(here) is not None and f.core.offset(there) is not None:
            for off in (8, 48):
                f.put(here + off, there)


FORGERIES = (owners_in_a_circle, every_member_leads_to_itself, a_dict_with_impossible_counts,
             a_list_longer_than_memory, items_in_free_blocks_and_amidst_objects, frames_in_a_loop)


@check_each(FOUND, name=lambda i: i.version)
def forged_references_are_answered(t, interpreter):
    path, child = t.core_of([interpreter.path, "-S", "-E", "-u", "-c", SCRIPT])
    core = Core(path)
    words = [line.split() for line in child.lines]
    places = {w[1]: int(w[2]) for w in words if w[0] == "at"}
    places["holes"] = [int(w[2]) for w in words if w[0] == "hole"]
    for forge in FORGERIES:
        forger = Forger(core, places)
        forge(forger)
        problem = graph_problem(write(t, forge.__name__, forger.data))
        t.true(not problem, "%s: %s" % (forge.__name__, problem))


def small_stack():
    resource.setrlimit(resource.RLIMIT_STACK, (SMALL_STACK, SMALL_STACK))


def seconds_on(t, core, check_rows):
    """CPU seconds of the answer about a core on a small stack."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([CORESCAN, core, "--dominators", "--leaks", "--top", "5", "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=small_stack)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if t.true(done.returncode in (0, 1), "exit %d: %s" % (done.returncode, done.stderr[-300:])):
        check_rows(json.loads(done.stdout))
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def is_linear(t, less, more):
    """A constant part, and four times as much for four times as many."""
    t.true(more < 4 * less * 1.7 + 0.3, "%.2f s, and %.2f s for four times as many" % (less, more))


DEEP_KINDS = [(i, kind) for i in FOUND[-1:] for kind in ("lists", "nodes", "dicts")]


@check_each(DEEP_KINDS, name=lambda r: r[1])
def a_deep_chain_is_walked_without_a_stack(t, row):
    interpreter, kind = row
    seconds = []
    for count in (DEEP // 4, DEEP):
        core, _ = t.core_of([interpreter.path, os.path.join(HERE, "deep_worker.py"), kind, str(count)])

        def check_rows(document, count=count):
            kept = [r for r in rows_of(document, "dominators") if r["name"].endswith("DEEP")]
            t.true(kept and kept[0]["retained"] >= count * 32, "DEEP keeps %d links: %s" % (count, kept))
            t.equal([r for r in rows_of(document, "leaks") if r["bytes"] > count * 16], [], "all of it lives")

        seconds.append(seconds_on(t, core, check_rows))
        os.unlink(core)
    is_linear(t, *seconds)


@check
def a_deep_list_of_malloc_is_walked_without_a_stack(t):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        skip("no C compiler")
    worker = os.path.join(t.dir, "deep_worker")
    subprocess.run([compiler, "-g", "-O1", "-o", worker, os.path.join(HERE, "deep_worker.c")], check=True)
    seconds = []
    for count in (DEEP // 4, DEEP):
        core, _ = t.core_of([worker, str(count)])

        def check_rows(document, count=count):
            # a compiler may leave the second one on the stack too
            kept = [r for r in rows_of(document, "dominators")
                    if (count - 1) * 24 <= r["retained"] <= count * 24]
            t.true(kept, "one keeps all %d: %s" % (count, rows_of(document, "dominators")))
            lost = collections.Counter()
            for r in rows_of(document, "leaks"):    # what looks different has a row of its own
                lost[r["kind"]] += r["count"]
            t.equal(lost, {"leaked": 1, "leaked-indirect": count - 1}, "of %d" % count)

        seconds.append(seconds_on(t, core, check_rows))
        os.unlink(core)
    is_linear(t, *seconds)


@check_each(FOUND[-1:], name=lambda i: i.version)
def a_core_cut_short_says_that_holders_may_be_missing(t, interpreter):
    path, _ = t.core_of([interpreter.path, os.path.join(HERE, "holder_worker.py"),
                         os.path.join(t.dir, "truth")])
    with open(path, "rb") as f:
        data = f.read()
    for size in (len(data), len(data) - 1, len(data) * 95 // 100, len(data) * 7 // 10):
        cut = write(t, "cut", data[:size])
        document = t.corescan_json([cut, "--dominators", "--leaks", "--why", "list"])
        partial = [a for a in document["anomalies"]["rows"] if a["kind"] == "graph.partial"]
        for view in ("--dominators", "--leaks", "--why=list"):
            code, out, _ = t.corescan([cut] + view.split("="))
            text = re.sub(r"\s+", " ", out)
            t.equal(NOTE in text, size < len(data), "%s of %d bytes says what is missing" % (view, size))
            t.equal(code, 1 if size < len(data) else 0, "exit")
        t.equal(len(partial), int(size < len(data)), "graph.partial")


if __name__ == "__main__":
    main()
