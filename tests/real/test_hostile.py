"""Spoiled cores of real processes: whatever the heap says, corescan answers.

Each run ends in time, in memory, without a sanitizer's word; its document is
JSON and its ledger sums to what is present. Seeds are fixed, so a failure
repeats: it names core, kind and seed. CORESCAN_TEST_MUTANTS=N for more.
"""
import json
import os
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import check_each, interpreters, main  # noqa: E402
from spoiled import BUILD, PAGE, PF_W, PHDR, PT_LOAD, Core, Mutant, c_core, problem_of, run  # noqa: E402

MUTANTS = int(os.environ.get("CORESCAN_TEST_MUTANTS", "48"))
PAGES = int(os.environ.get("CORESCAN_TEST_PAGES", "24"))
VIEWS = ["--summary", "--by-type", "--by-size", "--arenas", "--doctor", "--threads"]
# these take the graph of references, which costs: every so many times
COSTLY, EVERY = ["--verbose", "--suspects", "--instances", "*", "--attrs", "a,b.x,__class__.kept"], 6
SCRIPT = """
import sys
class C:
    def __init__(self, i): self.a, self.b = i, [i]
class S:
    __slots__ = ("x",)
kept = [C(i) for i in range(300)] + [S() for i in range(50)]
d = {i: str(i) * (i % 40) for i in range(500)}
s = {(i, float(i)) for i in range(200)}
t = ["\\u20ac" * i for i in range(50)] + [b"x" * i for i in range(50)] + [1 << i * 9 for i in range(90)]
def g():
    yield 1
live = [g() for i in range(20)]
print("ready")
sys.stdin.read()
"""


KINDS = ("words", "module_data", "pointer", "chunk_size", "gc_link", "head", "type_field",
         "pool_header", "arena_record")


EDGES = os.path.join(BUILD, "tests", "real", "tool_edges")
# what objects hold is asked of cores spoiled so that objects are
OBJECT_KINDS = ("words", "pointer", "head", "type_field")


def python_core(t, interpreter):
    return t.core_of([interpreter.path, "-S", "-E", "-u", "-c", SCRIPT])[0]


CORES = [(i.name, lambda t, i=i: python_core(t, i)) for i in interpreters()[0]] + [("malloc", c_core)]


def all_of(t, jobs, one):
    """one(job) -> problem or None, two at a time; every problem is told, few in full."""
    with ThreadPoolExecutor(2) as pool:
        problems = [(job, p) for job, p in zip(jobs, pool.map(one, jobs)) if p]
    for job, p in problems[:5]:
        t.fail("%s: %s" % (job, p))
    if len(problems) > 5:
        t.fail("and %d more of %d" % (len(problems) - 5, len(jobs)))


@check_each(CORES, name=lambda r: r[0])
def a_spoiled_heap_is_answered(t, row):
    path = row[1](t)
    core = Core(path)
    kinds = [k for k in KINDS if (k != "pool_header" or core.pools) and
             (k != "arena_record" or core.records)]
    t.true(row[0] == "malloc" or len(kinds) == len(KINDS), "no pools or arenas found to spoil")

    def one(job):
        kind, seed = job
        m = Mutant(core, "%s %s" % job)
        mutant = os.path.join(t.dir, "%s-%d" % job)
        m.spoil(kind)
        with open(mutant, "wb") as f:
            f.write(m.data)
        views = VIEWS
        if seed % EVERY == 0:
            views = VIEWS + COSTLY + ["--object", m.address(), "--object", m.address()]
        problem = problem_of(mutant, run(mutant, views + ["--json"]))
        if not problem and kind in OBJECT_KINDS and row[0] != "malloc":
            answer = run(mutant, ["all"], EDGES)
            problem = problem_of(mutant, answer, (0, 3), is_report=False)
        if not problem or not os.environ.get("CORESCAN_TEST_KEEP"):
            os.unlink(mutant)
        os.unlink(mutant + ".out")
        os.unlink(mutant + ".err")
        return problem
    all_of(t, [(kinds[i % len(kinds)], i) for i in range(MUTANTS)], one)


def answered(path, exits):
    """Run on a core that is spoiled as a file; (problem or None, the document)."""
    answer = run(path, VIEWS + ["--json"])
    problem = problem_of(path, answer, exits)
    doc = json.loads(answer[1]) if answer and answer[0] in (0, 1) and not problem else None
    said = answer[2] if answer else ""
    for name in (path, path + ".out", path + ".err"):
        os.unlink(name)
    return problem, doc, said


def without_page(core, nr, page):
    """The core with one page of PT_LOAD nr gone: the segment becomes two, and a
    longer table of headers goes to the end of the file."""
    headers = list(core.headers)
    kind, flags, at, addr, phys, size, mapped, align = headers[nr]
    headers[nr] = (kind, flags, at, addr, phys, page, page, align)
    skip = page + PAGE
    headers.append((kind, flags, at + skip, addr + skip, phys, size - skip, mapped - skip, align))
    data = bytearray(core.data)
    data += bytes(-len(data) % 8)
    struct.pack_into("<Q", data, 32, len(data))
    struct.pack_into("<H", data, 56, len(headers))
    return data + b"".join(PHDR.pack(*h) for h in headers)


@check_each(CORES, name=lambda r: r[0])
def a_core_that_lacks_any_one_page_is_answered(t, row):
    core = Core(row[1](t))
    pages = [(nr, off) for nr, h in enumerate(core.headers) if h[0] == PT_LOAD and h[1] & PF_W
             for off in range(0, h[5] - PAGE + 1, PAGE)]
    present = sum(h[5] for h in core.headers if h[0] == PT_LOAD) - PAGE
    step = max(1, len(pages) // PAGES)

    def one(job):
        path = os.path.join(t.dir, "page-%d-%x" % job)
        with open(path, "wb") as f:
            f.write(without_page(core, *job))
        problem, doc, _ = answered(path, (0, 1))
        if not problem and doc["target"]["bytes"]["present"] != present:
            problem = "%d bytes present of %d" % (doc["target"]["bytes"]["present"], present)
        return problem
    # the first pages of every segment, and an even choice of the rest
    all_of(t, sorted(set(pages[::step]) | {p for p in pages if p[1] < 2 * PAGE}), one)


@check_each(CORES, name=lambda r: r[0])
def a_core_cut_short_is_answered_as_far_as_it_goes(t, row):
    core = Core(row[1](t))
    size = len(core.data)
    cuts = {size * percent // 100 for percent in (1, 5, 30, 60, 90, 99)} | {size - 1, size - PAGE}
    loads = [h for h in core.headers if h[0] == PT_LOAD and h[5]]
    for h in core.headers:
        cuts.update((h[2], h[2] + 1, h[2] + h[5] - 1) if h in loads[:4] + loads[-4:] or h[0] != PT_LOAD
                    else (h[2],))
    phoff, = struct.unpack_from("<Q", core.data, 32)
    table = phoff + len(core.headers) * PHDR.size
    cuts.update((0, 1, 63, 64, 65, phoff + PHDR.size - 1, phoff + PHDR.size, phoff + 3 * PHDR.size,
                 table - 1, table, table + 1))

    def one(cut):
        path = os.path.join(t.dir, "cut-%d" % cut)
        with open(path, "wb") as f:
            f.write(core.data[:cut])
        problem, doc, said = answered(path, (0, 1, 3))
        if problem:
            return problem
        if not doc:
            return None if cut < table + 1 else "cannot be read: " + said
        want = sum(max(0, min(h[5], cut - h[2])) for h in loads if h in visible(cut))
        if doc["target"]["bytes"]["present"] != want:
            return "%d bytes present of %d" % (doc["target"]["bytes"]["present"], want)
        whole = all(cut >= h[2] + h[5] for h in loads)
        if not whole and not (doc["target"]["bytes"]["truncated"] and "trunca" in said):
            return "nobody says that it was cut: %r" % said
        return None

    def visible(cut):
        return core.headers[:max(0, cut - phoff) // PHDR.size]
    all_of(t, sorted(c for c in cuts if c < size), one)


if __name__ == "__main__":
    main()
