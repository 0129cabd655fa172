"""Spoiled cores of real processes: whatever the heap says, corescan answers.

Each run ends in time, in memory, without a sanitizer's word; its document is
JSON and its ledger sums to what is present. Seeds are fixed, so a failure
repeats: it names core, kind and seed. CORESCAN_TEST_MUTANTS=N for more.
"""
import bisect
import collections
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import harness  # noqa: E402
from harness import CORESCAN, check, check_each, interpreters, main  # noqa: E402

BUILD = os.environ.get("BUILD", os.path.join(harness.ROOT, "build"))
MUTANTS = int(os.environ.get("CORESCAN_TEST_MUTANTS", "126"))
PAGES = int(os.environ.get("CORESCAN_TEST_PAGES", "60"))
SECONDS, EXTRA_RSS = 20, 600 << 20
VIEWS = ["--summary", "--by-type", "--by-size", "--arenas", "--doctor", "--threads", "--verbose",
         "--instances", "*", "--attrs", "a,b.x,__class__.kept"]
PAGE, PHDR = 4096, struct.Struct("<IIQQQQQQ")
PT_LOAD, PF_W = 1, 2
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


class Core:
    """A core file's bytes and what of them a mutation is aimed at."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        phoff, = struct.unpack_from("<Q", self.data, 32)
        phnum, = struct.unpack_from("<H", self.data, 56)
        self.headers = [PHDR.unpack_from(self.data, phoff + i * PHDR.size) for i in range(phnum)]
        # (address, file offset, length) of what the process could write
        self.parts = sorted((h[3], h[2], h[5]) for h in self.headers
                            if h[0] == PT_LOAD and h[1] & PF_W and h[5])
        self.starts = [p[0] for p in self.parts]
        self._find_targets()

    def offset(self, addr):
        """Where in the file; None when it is not writable memory."""
        i = bisect.bisect(self.starts, addr) - 1
        if i < 0 or addr - self.starts[i] >= self.parts[i][2] - 7:
            return None
        return self.parts[i][1] + addr - self.starts[i]

    def _find_targets(self):
        low, high = self.starts[0], self.starts[-1] + self.parts[-1][2]
        self.pointers, self.pools, self.records = [], [], []
        seen = collections.Counter()
        for addr, at, size in self.parts:
            words = struct.unpack_from("<%dQ" % (size // 8), self.data, at)
            for i, w in enumerate(words):
                if low <= w < high and not w % 8 and self.offset(w) is not None:
                    self.pointers.append(at + i * 8)
                    seen[w] += 1
            for off in range(0, size - 48, PAGE):
                count, = struct.unpack_from("<I", self.data, at + off)
                index, size_class, following, last = struct.unpack_from("<4I", self.data, at + off + 32)
                if 0 < count < 1024 and size_class < 32 and 48 <= following <= 16384 and \
                        (16384 - last == 16 * (size_class + 1) or 4096 - last == 16 * (size_class + 1)):
                    self.pools.append(at + off)
        for at in self.pointers:
            base, pool, free, total = struct.unpack_from("<QQII", self.data, at)
            if not base % PAGE and base <= pool <= base + (2 << 20) and free <= total and \
                    total in (63, 64, 127, 128):
                self.records.append(at)
        # what many words point at: types, mostly
        self.popular = [self.offset(a) for a, n in seen.most_common(120)]
        brk = [p for p in self.parts if p[2] >= 8 * PAGE]
        self.modules = [p for p in self.parts if p not in brk] or self.parts
        self.heaps = brk or self.parts


NASTY = (0, 1, 2, 7, 8, 16, 0x20, 0x21, 0xff, 0xfff, 0x1000, 0xffff, 1 << 20, 1 << 31, (1 << 32) - 1,
         1 << 32, 1 << 40, (1 << 47) - 16, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 16, (1 << 64) - 1)


class Mutant:
    def __init__(self, core, seed):
        self.core, self.rng, self.data = core, random.Random(seed), bytearray(core.data)

    def word(self, at):
        return struct.unpack_from("<Q", self.data, at)[0]

    def put(self, at, value):
        if 0 <= at <= len(self.data) - 8:
            struct.pack_into("<Q", self.data, at, value & (1 << 64) - 1)

    def value(self, at):
        """Something to put in the place of the word at `at`."""
        r, old = self.rng, self.word(at)
        return (lambda: r.choice(NASTY), lambda: r.getrandbits(64),
                lambda: self.word(r.choice(self.core.pointers)), lambda: old ^ 1 << r.randrange(64),
                lambda: old + r.choice((-4096, -16, -8, -1, 1, 8, 16, 4096)))[r.randrange(5)]()

    def somewhere(self, parts):
        addr, at, size = self.rng.choice(parts)
        return at + self.rng.randrange(size // 8) * 8

    def near(self, ats, first, last):
        """A word some bytes around one of the places."""
        return max(0, self.rng.choice(ats) + self.rng.randrange(first, last, 8))

    def pointee(self):
        return self.core.offset(self.core_word(self.rng.choice(self.core.pointers)))

    def core_word(self, at):
        return struct.unpack_from("<Q", self.core.data, at)[0]

    # kinds
    def words(self):
        return self.somewhere(self.core.heaps)

    def module_data(self):
        return self.somewhere(self.core.modules)

    def pointer(self):
        return self.rng.choice(self.core.pointers)

    def chunk_size(self):
        return self.pointee() - 8

    def gc_link(self):
        return self.pointee() - 16

    def head(self):
        return self.pointee() + self.rng.randrange(0, 64, 8)

    def type_field(self):
        return self.near(self.core.popular, 0, 420)

    def pool_header(self):
        return self.near(self.core.pools, 0, 48)

    def arena_record(self):
        return self.near(self.core.records, -8, 48)

    def spoil(self, kind):
        for _ in range(self.rng.choice((1, 2, 5, 20, 100))):
            at = getattr(self, kind)()
            if 0 <= at <= len(self.data) - 8:
                self.put(at, self.value(at))
        if self.rng.randrange(8) == 0:  # and a page of something else
            _, at, size = self.rng.choice(self.core.heaps)
            at += self.rng.randrange(size // PAGE) * PAGE
            _, other, size = self.rng.choice(self.core.heaps)
            other += self.rng.randrange(size // PAGE) * PAGE
            self.data[at:at + PAGE] = self.core.data[other:other + PAGE]

    def address(self):
        """Of anything, for --object."""
        return "0x%x" % self.core_word(self.rng.choice(self.core.pointers))


KINDS = ("words", "module_data", "pointer", "chunk_size", "gc_link", "head", "type_field",
         "pool_header", "arena_record")


EDGES = os.path.join(BUILD, "tests", "real", "tool_edges")
# what objects hold is asked of cores spoiled so that objects are
OBJECT_KINDS = ("words", "pointer", "head", "type_field")


def run(path, args, program=CORESCAN):
    """(exit, stdout, stderr, seconds, peak RSS), or None after SECONDS."""
    started = time.monotonic()
    with open(path + ".out", "w+b") as out, open(path + ".err", "w+b") as err:
        child = subprocess.Popen([program, path] + args, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=err)
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            seconds = time.monotonic() - started
            if pid:
                break
            if seconds > SECONDS:
                os.kill(child.pid, signal.SIGKILL)
                os.wait4(child.pid, 0)
                child.returncode = -9
                return None
            time.sleep(0.002 if seconds < 1 else 0.05)
        child.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        out.seek(0)
        err.seek(0)
        return (child.returncode, out.read().decode("utf-8", "replace"),
                err.read().decode("utf-8", "replace"), seconds, usage.ru_maxrss * 1024)


def problem_of(path, answer, exits=(0, 1), is_report=True):
    """What is wrong with a run, or None."""
    if answer is None:
        return "still running after %d s" % SECONDS
    code, out, err, _, rss = answer
    word = re.search(r".*(ERROR: \w*Sanitizer.*|runtime error.*)", err)
    if word or code not in exits:
        where = re.findall(r"#\d+ \S+ in (\w+) ", err)
        return "exit %d: %s %s" % (code, word.group(0) if word else err.strip()[-300:], where[:6])
    if code == 3:
        return None if len(err.strip()) > 20 else "exit 3 without a sentence"
    if not is_report:
        return None
    doc = json.loads(out)
    present = doc["target"]["bytes"]["present"]
    got = sum(r["bytes"] for v in doc["views"] if v["view"] == "summary" for r in v["rows"])
    if got != present:
        return "the ledger sums to %d of %d" % (got, present)
    if rss > 6 * os.path.getsize(path) + EXTRA_RSS:
        return "%d MB of memory" % (rss >> 20)
    return None


def python_core(t, interpreter):
    return t.core_of([interpreter.path, "-S", "-E", "-u", "-c", SCRIPT])[0]


def c_core(t):
    victim = os.path.join(BUILD, "tests", "real", "victim_heap")
    if not os.path.exists(victim):
        harness.skip("victim_heap is not built")
    return t.core_of([victim])[0]


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
        views = VIEWS + ["--object", m.address(), "--object", m.address()]
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
