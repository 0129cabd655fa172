"""sites_worker.py FRAMES FOLDER BIG - allocates under tracemalloc (FRAMES 0: it is on already).

What it recorded is asked for by sites_oracle.py, in a forked child, so that hardly anything
is allocated between the question and the core.
"""
import gc
import sys
import threading
import tracemalloc

if int(sys.argv[1]):
    tracemalloc.start(int(sys.argv[1]))

import collections  # noqa: E402
import decimal  # noqa: E402
import json  # noqa: E402
import sites_oracle  # noqa: E402


class Plain:
    def __init__(self, number):
        self.number = number
        self.text = "plain %d" % number


class Slotted:
    __slots__ = ("number",)

    def __init__(self, number):
        self.number = number + 100000


def one_line(): return ["one line %d" % i for i in range(50)]


class Several:
    """Who has which line: the function around, not what is made in it."""

    def comprehension(self):
        return [str(i) + " of a comprehension" for i in range(50)]

    def generator(self):
        return list(str(i) + " of a generator" for i in range(50))

    def function(self):
        def inner(number):
            return "%d of an inner function" % number
        return [inner(i) for i in range(50)]

    call = lambda self: ["%d of a lambda" % i for i in range(50)]  # noqa: E731


def deep(levels, make):
    return make() if not levels else deep(levels - 1, make)


def in_thread(kept, number):
    kept.append([Plain(i) for i in range(500 + number)])
    started.release()
    forever.acquire()


def tracked():
    """Blocks that are none of Python's own: other domains, addresses of nothing."""
    try:
        import _testcapi
        track = _testcapi.tracemalloc_track
    except (ImportError, AttributeError):
        return
    for i in range(300):
        track(5, 0x7000000 + i * 64, i)
        track(6, 0x7000000 + i * 64, 2 ** 33)
    track(7, id(Plain), 100)    # in the middle of a block
    track(2 ** 32 - 1, 2 ** 63 + 16, 2 ** 60)


def numpy_arrays():
    try:
        import numpy
    except ImportError:
        return None
    return [numpy.zeros(1000 + i) for i in range(100)] + [numpy.ones((3, 5))]


gc.disable()
KEPT = [deep(i % 30, lambda: Plain(i)) for i in range(2000)]
KEPT.append([Slotted(i) for i in range(1000)])
KEPT.append({"key %d" % i: (i, [i], {i}) for i in range(1000)})
KEPT.append(bytearray(3 << 20))
KEPT.append(collections.OrderedDict.fromkeys(range(500)))
KEPT.append(json.loads(json.dumps([{"a": i, "b": [i] * 3} for i in range(500)])))
KEPT.append(decimal.Decimal("1.5"))
SEVERAL = Several()
KEPT.append([one_line(), SEVERAL.comprehension(), SEVERAL.generator(), SEVERAL.function(),
             SEVERAL.call()])
space = {}
exec(compile("def made():\n    return [str(i) for i in range(1000, 1100)]\n",
             "\u017eivot \U0001f40d \udc80.py", "exec"), space)
KEPT.append(space["made"]())
for i in range(1000):           # blocks that go again, and others in their place
    KEPT.append("short %d" % i)
del KEPT[-1000::2]
for i in range(int(sys.argv[3])):
    KEPT.append("big table %d" % i)
ARRAYS = numpy_arrays()
tracked()
forever, started, kept = threading.Lock(), threading.Semaphore(0), []
forever.acquire()
for number in range(4):
    threading.Thread(target=in_thread, args=(kept, number), daemon=True).start()
for number in range(4):
    started.acquire()
OBJECTS = [Plain(1), Slotted(2), [1, 2], {"a": 1}, {3}, "text %d" % len(KEPT), object(), KEPT]
sites_oracle.ask(sys.argv[2], OBJECTS)
