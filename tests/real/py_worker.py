"""A Python worker that tells the truth about its own heap, then waits or dies.

    py_worker.py OUT MODE SCALE

MODE: plain, numpy, tornado, django, fork (the child of a threaded process
tells), subinterpreter. Prints "ready" and stays as it is until a signal ends it. OUT gets, as a literal, what the process itself says: objects per
tracked type, sizes, a walk over everything reachable, pymalloc's statistics.

The state at death must be the state that was told, so everything is asked
twice and the first answer thrown away (caches are warm the second time), the
collector is off, and nothing is allocated between the last answer and the end.
"""
import array
import collections
import decimal
import gc
import io
import itertools
import os
import signal
import struct
import sys
import threading
import time
import types
import weakref

OUT, MODE, SCALE = sys.argv[1], sys.argv[2], int(sys.argv[3])
KEEP = {}


class Order:
    def __init__(self, i):
        self.id = i
        self.customer = "customer-%d" % i
        self.total = i * 1.25


class Diverged:
    """Instances whose attributes differ: their dicts stop sharing keys."""
    def __init__(self, i):
        setattr(self, "a%d" % (i % 97), i)
        setattr(self, "b%d" % (i % 31), i)


class Slotted:
    __slots__ = ("left", "right", "value")

    def __init__(self, i):
        self.left, self.right, self.value = None, (i, str(i)), i


class SlottedChild(Slotted):
    __slots__ = ("extra",)


class MyDict(dict):
    pass


class MyList(list):
    def __init__(self, *a):
        list.__init__(self, *a)
        self.note = "x"


class MyStr(str):
    pass


class MyInt(int):
    pass


class MyTuple(tuple):
    pass


class MyBytes(bytes):
    pass


class MySet(set):
    pass


class MyFloat(float):
    pass


class MyError(ValueError):
    pass


class Meta(type):
    pass


class Made(metaclass=Meta):
    x = 1


class Node:
    def __init__(self):
        self.me = self


Point = collections.namedtuple("Point", "x y z")


def numbers(n):
    for i in range(n):
        yield i


async def coroutine(x):
    return x


async def agen(x):
    yield x


def closure(i):
    hidden = [i]

    def inner(a, b=i):
        return hidden, a, b
    return inner


def plain(n):
    KEEP["records"] = [{"id": i + 1000, "name": "name %d" % i, "price": i + 0.5, "tags": ["a", i + 10 ** 6]}
                       for i in range(n)]
    KEEP["orders"] = [Order(i + 500) for i in range(n)]
    KEEP["diverged"] = [Diverged(i) for i in range(n // 4)]
    for o in KEEP["orders"][::10]:
        o.__dict__              # the dict exists now, beside the values
    for o in KEEP["orders"][1::50]:
        o.late = 1
    KEEP["slotted"] = [Slotted(i + 3 * 10 ** 6) for i in range(n // 2)]
    KEEP["slotted_child"] = [SlottedChild(i) for i in range(n // 8)]
    KEEP["points"] = [Point(i, i + 0.25, None) for i in range(n // 2)]
    KEEP["subclasses"] = [(MyDict(a=i), MyList([i, i]), MyStr("s%d" % i), MyInt(10 ** 20 + i),
                           MyTuple((i, i)), MyBytes(b"b%d" % i), MySet([i]), MyFloat(i),
                           MyError("no", i)) for i in range(n // 8)]
    KEEP["ints"] = [10 ** 9 + i for i in range(n)] + [(1 << (i % 2000)) + i for i in range(n // 8)]
    KEEP["floats"] = [i / 3 for i in range(n)]
    KEEP["bytes"] = [b"payload %d" % i * (i % 40 + 1) for i in range(n)]
    KEEP["tuples"] = [(str(i), i / 7) for i in range(n)]
    KEEP["strs"] = (["ascii %d" % i for i in range(n)] + ["latin \xe9 %d" % i for i in range(n // 4)] +
                    ["bmp \u4e2d %d" % i for i in range(n // 4)] +
                    ["astral \U0001f600 %d" % i for i in range(n // 4)])
    for s in KEEP["strs"][n::3]:
        s.encode("utf-8")
    for i in range(0, len(KEEP["strs"]), 7):
        hash(KEEP["strs"][i])
    KEEP["sets"] = [set(range(i % 50)) for i in range(n // 4)]
    KEEP["frozensets"] = [frozenset(("f%d" % i, i)) for i in range(n // 8)]
    KEEP["deques"] = [collections.deque(range(i % 300), maxlen=None) for i in range(n // 50 + 5)]
    KEEP["odicts"] = [collections.OrderedDict((j, j) for j in range(i % 30)) for i in range(n // 50 + 5)]
    KEEP["defaultdicts"] = [collections.defaultdict(list, {i: []}) for i in range(n // 50)]
    KEEP["counters"] = [collections.Counter("hello %d" % i) for i in range(n // 50)]
    KEEP["arrays"] = [array.array("d", range(i % 200)) for i in range(n // 50)]
    KEEP["bytearrays"] = [bytearray(b"x" * (i % 3000)) for i in range(n // 20)]
    KEEP["closures"] = [closure(i) for i in range(n // 8)]
    KEEP["lambdas"] = [lambda x, i=i: x + i for i in range(n // 8)]
    KEEP["weakrefs"] = [weakref.ref(o) for o in KEEP["orders"][:n // 8]]
    KEEP["weakdict"] = weakref.WeakValueDictionary((i, o) for i, o in enumerate(KEEP["orders"][:100]))
    KEEP["generators"] = [numbers(5) for i in range(n // 20)]
    for g in KEEP["generators"][::2]:
        next(g)
    KEEP["coroutines"] = [coroutine(i) for i in range(20)]
    KEEP["agens"] = [agen(i) for i in range(20)]
    KEEP["methods"] = [o.__init__ for o in KEEP["orders"][:n // 8]]
    KEEP["iterators"] = [iter([1, 2]), iter({1: 2}), iter((1,)), iter({3}), enumerate([1]), zip([1]),
                         map(str, [1]), filter(None, [1]), reversed([1]), itertools.count(),
                         itertools.chain([1]), itertools.cycle([1, 2]), itertools.islice([1], 1)]
    KEEP["io"] = [io.BytesIO(b"abc" * 50), io.StringIO("text" * 20), open(os.devnull, "rb"),
                  open(os.devnull, "w"), open(os.devnull, "rb", buffering=0)]
    KEEP["struct"] = [struct.Struct("<IHQ"), struct.Struct("3s")]
    KEEP["decimal"] = [decimal.Decimal(i) / 7 for i in range(100)]
    KEEP["views"] = [memoryview(b"abcdef")[1:], {1: 2}.keys(), {1: 2}.items(), types.MappingProxyType({})]
    KEEP["classes"] = [type("Dynamic%d" % i, (Order,), {"__doc__": "made %d" % i, "n": i}) for i in range(30)]
    KEEP["made"] = [Made() for i in range(100)]
    KEEP["exceptions"] = []
    for i in range(50):
        try:
            raise MyError("boom", i)
        except MyError as e:
            KEEP["exceptions"].append(e)
    KEEP["namespaces"] = [types.SimpleNamespace(a=i, b=str(i)) for i in range(n // 8)]
    # fragmentation and free lists: much is made and dropped again
    drop = [Order(i) for i in range(n)]
    drop[::2] = [None] * len(drop[::2])
    KEEP["half"] = drop
    lists = [[i] for i in range(200)] + [{i: i} for i in range(200)] + [(i, i + 1) for i in range(200)]
    floats = [float(i) for i in range(300)]
    del lists, floats
    gc.collect()
    for _ in range(25):
        Node()                   # cyclic garbage, never collected: the collector is off


def numpy_mode(n):
    import numpy as np
    plain(n // 4)
    KEEP["np"] = [np.arange(i % 500) * 1.5 for i in range(n // 4)]
    KEEP["np_big"] = np.zeros((1000, 300))
    KEEP["np_big"][:] = 1.0
    KEEP["np_views"] = [a[::2] for a in KEEP["np"][:200]]
    KEEP["np_scalars"] = [np.float64(i) for i in range(200)]
    KEEP["np_objects"] = np.array([{"a": i} for i in range(100)], dtype=object)


def tornado_mode(n):
    import tornado.ioloop
    import tornado.web
    plain(n // 4)

    class Handler(tornado.web.RequestHandler):
        sessions = [{"id": i, "token": "t%d" % i} for i in range(n)]

        def get(self):
            self.write("ok")
    KEEP["app"] = tornado.web.Application([("/", Handler)])
    KEEP["server"] = KEEP["app"].listen(0, "127.0.0.1") if sys.version_info < (3, 14) else None


def django_mode(n):
    import django
    from django.conf import settings
    settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
                       DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    django.setup()
    from django.contrib.auth.models import User
    from django.template import Engine
    plain(n // 4)
    KEEP["users"] = [User(username="user%d" % i, email="u%d@example.org" % i) for i in range(n // 2)]
    KEEP["templates"] = [Engine().from_string("{% for x in y %}{{ x|upper }}{% endfor %}" + str(i))
                         for i in range(50)]


def subinterpreter(n):
    try:
        import _interpreters as interpreters
    except ImportError:
        try:
            import _xxinterpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
    KEEP["interpreter"] = interpreters.create()
    run = getattr(interpreters, "run_string", None) or interpreters.exec
    run(KEEP["interpreter"], "class Inside:\n  def __init__(self, i): self.i = i\n"
        "import builtins\nbuiltins.kept = [Inside(i) for i in range(%d)]\n" % n)
    plain(n // 4)


def fork_mode(n):
    """Go on as the child; the parent only waits."""
    plain(n)
    threads()
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        os._exit(0)


def threads():
    stop = threading.Event()

    def work(i):
        local = [b"thread %d" % i] * 100
        threading.local().x = local
        stop.wait()
    for i in range(3):
        t = threading.Thread(target=work, args=(i,), daemon=True, name="worker-%d" % i)
        t.start()
    KEEP["stop"] = stop
    gone = [threading.Thread(target=lambda: [str(i) for i in range(1000)]) for _ in range(3)]
    for t in gone:
        t.start()
    for t in gone:
        t.join()


def type_name(t):
    """As Python prints it: <class 'module.qualname'>."""
    return type.__repr__(t)[8:-2]


def tracked(counts, sizes):
    """Objects and bytes per type the collector knows; the list itself is not in it."""
    for o in gc.get_objects():
        t = type(o)
        counts[t] = counts.get(t, 0) + 1
        sizes[t] = sizes.get(t, 0) + sys.getsizeof(o)


def by_name(numbers_of):
    """Types that share a name share a row."""
    sums = {}
    for t, n in numbers_of.items():
        name = type_name(t)
        sums[name] = sums.get(name, 0) + n
    return sums


LEAVES = (int, str, float, bytes, tuple, bool, complex)


def code_parts(c):
    parts = [c.co_consts, c.co_names, c.co_filename, c.co_name,
             c.co_lnotab if sys.version_info < (3, 10) else c.co_linetable]
    if sys.version_info < (3, 11):
        # later these are made by asking for them
        parts += [c.co_code, c.co_varnames, c.co_freevars, c.co_cellvars]
    for name in ("co_qualname", "co_exceptiontable"):
        parts.append(getattr(c, name, None))
    return parts + list(c.co_varnames + c.co_freevars + c.co_cellvars)


HEAPTYPE = 1 << 9
DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType, types.MethodDescriptorType,
               types.WrapperDescriptorType, types.ClassMethodDescriptorType)


def referents(o):
    """gc.get_referents, and what tp_traverse leaves out: code, dicts' str keys
    (3.11+), the names of classes and descriptors."""
    if isinstance(o, types.CodeType):
        return code_parts(o)
    more = []
    if isinstance(o, dict):
        more = list(dict.keys(o))
    elif isinstance(o, DESCRIPTORS):
        more = [o.__name__]
    elif isinstance(o, type) and o.__flags__ & HEAPTYPE:
        more = [type.__dict__["__name__"].__get__(o), type.__dict__["__qualname__"].__get__(o)]
    return gc.get_referents(o) + more


def static_ranges():
    """Where the interpreter's own data lies: objects there are no heap blocks."""
    ranges, last = [], None
    with open("/proc/self/maps") as f:
        for line in f:
            words = line.split(None, 5)
            start, end = (int(x, 16) for x in words[0].split("-"))
            path = words[5].strip() if len(words) > 5 else ""
            ours = "python3" in path.rsplit("/", 1)[-1]
            # .bss is the anonymous mapping right behind
            if ours or (not path and last == start):
                ranges.append((start, end))
                last = end if ours else None
    return ranges


def walk(static):
    """Reachable objects of the types the collector does not track, by type."""
    seen, counts = set(), {t: 0 for t in LEAVES + (types.CodeType,)}
    todo = [gc.get_objects(), list(sys.modules.values())]
    own = {id(seen), id(counts), id(todo), id(todo[0]), id(todo[1])}
    while todo:
        o = todo.pop()
        for r in referents(o):
            if id(r) in seen or id(r) in own:
                continue
            seen.add(id(r))
            t = type(r)
            if t in counts and not any(a <= id(r) < b for a, b in static):
                counts[t] += 1
            if t is not str and t is not int and t is not float and t is not bytes:
                todo.append(r)
    return {t.__name__: n for t, n in counts.items()}


STATIC = static_ranges()


def tell():
    counts, sizes = {}, {}
    reach = walk(STATIC)
    tracked(counts, sizes)
    return {"version": list(sys.version_info[:3]), "pid": os.getpid(), "mode": MODE,
            "tracked": by_name(counts), "sizes": by_name(sizes), "reach": reach,
            "generations": [len(gc.get_objects(i)) for i in range(3)],
            # counts, sizes and reach: tracked dicts that are gone at the end
            "asking": {"dict": 3}, "scale": SCALE, "names": len(counts)}


def main():
    {"plain": plain, "numpy": numpy_mode, "tornado": tornado_mode, "django": django_mode,
     "fork": fork_mode, "subinterpreter": subinterpreter}[MODE](SCALE)
    if MODE != "fork":
        threads()
    time.sleep(0.2)
    out = os.open(OUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    stats = os.open(OUT + ".malloc", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    gc.collect()
    gc.disable()
    for _ in range(3):
        truth = repr(tell()).encode()
        os.lseek(out, 0, 0)
        os.ftruncate(out, 0)
        os.write(out, truth)
        del truth
    return stats


def finish(stats, pymalloc, write, dup2, pause, message):
    dup2(stats, 2)
    pymalloc()
    write(1, message)
    pause()


if __name__ == "__main__":
    finish(main(), sys._debugmallocstats, os.write, os.dup2, signal.pause, b"ready\n")
