"""The references of every object as corescan sees them against gc.get_referents().

Every interpreter of this machine, with the packages it has. The process tells, for
each object that can be reached, the addresses of what it refers to, and dies.
"""
import array
import collections
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import ROOT, check, check_each, interpreters, main  # noqa: E402

BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
TOOL = os.path.join(BUILD, "tests/real/tool_edges")
FOUND, LEFT_OUT = interpreters()
STRONG, HIDDEN, WEAK, OWNED, GUESS = range(5)      # enum py_hold
VALUE = 5           # enum py_edge_kind
OBJECTS_MIN = 50000

# Differences that are known: type's name: (first and last minor version, objects at most, why).
EXPLAINED = {
    "numpy._DTypeMeta": (8, 14, 40, "numpy's own dtype classes are type objects without the collector's "
                                    "header in a malloc block: the census takes them for no objects"),
    "builtins.module": (14, 14, 1, "_hmac visits the type of its module, which nobody counts"),
}


def read_words(path):
    words = array.array("Q")
    with open(path, "rb") as f:
        words.frombytes(f.read())
    return words


def read_truth(out):
    """{address: (type's address, [referents])}"""
    words, truth, i = read_words(out), {}, 0
    while i < len(words):
        n = words[i + 2]
        truth[words[i]] = (words[i + 1], words[i + 3:i + 3 + n])
        i += 3 + n
    return truth


class Told:
    """What the process said, and its core."""

    def __init__(self, t, interpreter, app):
        out = os.path.join(t.dir, "truth")
        self.version = interpreter.version
        argv = [interpreter.path, os.path.join(HERE, "edges_worker.py"), out, app]
        env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="1")
        env.pop("PYTHONMALLOC", None)
        self.core, _ = t.core_of(argv, env=env)
        self.objects = read_truth(out)
        with open(out + ".types") as f:
            self.names = {int(a): b for a, b in (line.rstrip("\n").split(" ", 1) for line in f)}
        with open(out + ".asking") as f:
            self.asking = {int(line) for line in f}
        self.named, self.frames = read_rows(out + ".named"), read_rows(out + ".frames")

    # Include/object.h: from 3.12 on the low half counts, and an immortal object has its top bit (up
    # to 3.13 all bits) or the next; before, static objects begin at a big number
    def is_immortal(self, word):
        return word & 0xc0000000 if self.version >= (3, 12) else word >= 999000000

    def count_of(self, word):
        return word & 0xffffffff if self.version >= (3, 12) else word

    def describe(self, addr):
        if addr not in self.objects:
            return "0x%x" % addr
        kind = self.objects[addr][0]
        return "%s at 0x%x%s" % (self.names[kind], addr, " = " + self.names[addr] if addr in self.names else "")


def read_rows(path):
    with open(path) as f:
        return [tuple(line.rstrip("\n").split("\t")) for line in f]


def ask(t, core, addresses, *more):
    """The tool's output."""
    path = os.path.join(t.dir, "addresses")
    with open(path, "wb") as f:
        array.array("Q", addresses).tofile(f)
    with open(path + ".out", "wb") as f:
        subprocess.run([TOOL, core, path, *more], stdout=f, check=True, timeout=300)
    return path + ".out"


def ask_edges(t, core, addresses):
    """({address: None or [(hold, kind, to)]}, {address: its first word})"""
    words, i, edges, first = read_words(ask(t, core, addresses)), 0, {}, {}
    while i < len(words):
        addr, found, n = words[i:i + 3]
        i += 3
        if addr:
            first[addr] = found
            edges[addr] = [(words[k + 1] & 255, words[k + 1] >> 8, words[k])
                           for k in range(i, i + 2 * n, 2)] if found else None
        else:
            t.equal(found, 0, "the budget was used up")
        i += 2 * n
    return edges, first


def difference(truth, edges):
    """None, or (what tp_traverse gives more, what we give more)."""
    want = collections.Counter(truth)
    # the dict of interned strings visits what it does not count
    have = collections.Counter(to for hold, kind, to in edges
                               if hold == STRONG or (hold == WEAK and kind == VALUE))
    if want == have:
        return None
    perhaps = collections.Counter(to for hold, _, to in edges if hold == GUESS)
    missing, extra = want - have - perhaps, have - want
    return (missing, extra) if missing or extra else None


def compare(t, told):
    edges, first = ask_edges(t, told.core, told.objects)
    counts = collections.Counter()
    wrong = collections.defaultdict(list)
    for addr, (kind, want) in told.objects.items():
        if addr in told.asking:
            continue
        have = edges[addr]
        if have is None:
            wrong[told.names[kind]].append("%s is no object" % told.describe(addr))
            continue
        counts["objects"] += 1
        counts["guessed"] += any(hold == GUESS for hold, _, _ in have)
        problem = difference(want, have)
        if problem:
            what = ["%s %s" % (sign, ", ".join("%s*%d" % (told.describe(to), n) for to, n in list(c.items())[:4]))
                    for sign, c in zip("-+", problem) if c]
            wrong[told.names[kind]].append("0x%x: %s" % (addr, "; ".join(what)))
        else:
            counts["equal"] += 1
    count_references(edges, first, told, counts, wrong)
    return counts, wrong


# Objects that show a reference which another one counts.
SHOWN_TWICE = {
    "functools._lru_list_elem": "the cache visits its links' type for them",
}


def count_references(edges, first, told, counts, wrong):
    """No object is held by more counted references than it counts."""
    held = collections.Counter()
    for addr, have in edges.items():
        if told.names[told.objects[addr][0]] in SHOWN_TWICE:
            continue
        held.update(to for hold, _, to in have or () if hold in (STRONG, HIDDEN))
    for addr, n in held.items():
        count = first.get(addr, 0)
        if not count or told.is_immortal(count):
            continue
        count = told.count_of(count) - 1      # the worker's own list of all objects
        counts["counted"] += 1
        counts["complete"] += n == count
        if n < count and os.environ.get("CORESCAN_TEST_VERBOSE"):
            counts["lacking " + told.names[told.objects[addr][0]]] += count - n
        if n > count:
            by = collections.Counter(told.names[told.objects[a][0]] for a, have in edges.items()
                                     for hold, _, to in have or () if to == addr and hold in (STRONG, HIDDEN)) \
                if len(wrong["counts"]) < 5 else ""
            wrong["counts"].append("%s has %d references, we know %d, by %s" % (
                told.describe(addr), count, n, dict(by)))


def is_explained(name, count, minor):
    first, last, most, _ = EXPLAINED.get(name, (1, 0, 0, ""))
    return first <= minor <= last and count <= most


@check_each([(i, app) for i in FOUND for app in ("plain", "numpy", "tornado", "django")],
            name=lambda r: "%s-%s" % (r[0].name, r[1]))
def gives_what_the_collector_gives(t, row):
    interpreter, app = row
    if app != "plain":
        interpreter.must_have(app)
    counts, wrong = compare(t, Told(t, interpreter, app))
    for name, problems in sorted(wrong.items()):
        if not is_explained(name, len(problems), interpreter.version[1]):
            t.fail("%s: %d objects, first %s" % (name, len(problems), " | ".join(problems[:3])))
    t.true(counts["objects"] >= OBJECTS_MIN, "only %d objects" % counts["objects"])
    print("note %s %s: %d objects, %d equal, %d of them with guesses; all references known of %d of %d; "
          "explained: %s" % (interpreter.name, app, counts["objects"], counts["equal"], counts["guessed"],
                             counts["complete"], counts["counted"],
                             ", ".join("%d %s" % (len(p), n) for n, p in sorted(wrong.items())) or "none"))


@check_each(FOUND, name=lambda i: i.name)
def names_references_as_people_do(t, interpreter):
    told = Told(t, interpreter, "plain")
    have = set(read_rows(ask(t, told.core, sorted({int(a) for a, _, _ in told.named}), "text")))
    for addr, text, to in told.named:
        t.true((addr, text, to) in have, "%s has no %s to %s, but %s" % (
            told.describe(int(addr)), text, told.describe(int(to)),
            [row[1] for row in have if row[0] == addr][:20]))
    t.true(len(told.named) > 25, "only %d names told" % len(told.named))
    frames = collections.Counter(row[1:] for row in read_rows(ask(t, told.core, [], "text")))
    want = collections.Counter(row[1:] for row in told.frames)
    t.true(len(want) > 20, "only %d locals told" % len(want))
    t.true(not want - frames, "frames lack %s" % list((want - frames).items())[:5])


@check
def shows_which_interpreters_were_left_out(t):
    t.true(FOUND, "no interpreter found")
    for path, reason in LEFT_OUT:
        print("note %s: %s" % (path, reason))


if __name__ == "__main__":
    main()
