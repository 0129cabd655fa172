"""A Python worker full of objects of every kind, that tells what refers to what and by which name.

    edges_worker.py OUT APP

APP: plain, numpy, tornado or django. OUT gets binary words (unsigned 64 bit): for each
object that gc.get_objects() leads to its address, its type's address, how many
references gc.get_referents() gives, and their addresses. OUT.types gets a line for each
type: address and name. OUT.asking: addresses of what the asking itself changes. OUT.named: lines
"address <tab> name of a reference <tab> address it leads to". OUT.frames: the same of the frames of
threads that wait, with the function's name for the address.
Prints "ready" and waits for its end.
"""
import abc
import array
import asyncio
import collections
import contextlib
import contextvars
import copy
import csv
import ctypes
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import io
import itertools
import json
import operator
import os
import pickle
import queue
import re
import signal
import socket
import struct
import sys
import tempfile
import threading
import types
import typing
import weakref
import xml.etree.ElementTree as ElementTree

OUT, APP = sys.argv[1], sys.argv[2]
KEEP = {}
SCALE = 4000


def keep(*things):
    KEEP[len(KEEP)] = things


def tried(fn):
    """Register what fn makes; some things are newer than some interpreters."""
    try:
        keep(fn.__name__, fn())
    except Exception as e:      # whatever it is, the rest is worth telling
        print("left out %s: %r" % (fn.__name__, e), file=sys.stderr)
    return fn


class Plain:
    def __init__(self, i):
        self.id, self.name, self.when = i, "name-%d" % i, i * 1.5


class Many:
    def __init__(self, i):
        for k in range(i % 40):
            setattr(self, "a%d" % k, [i, k])


class Differ:
    def __init__(self, i):
        setattr(self, "x%d" % (i % 61), i)
        self.same = (i,)


class Asked(Plain):
    """Somebody has looked at its __dict__."""


class Slots:
    __slots__ = ("one", "two")


class MoreSlots(Slots):
    __slots__ = ("three", "__weakref__", "_private", "__mangled")

    def fill(self, i):
        self.one, self.three, self.__mangled = [i], {i: i}, (i, "m")


class SlotsAndDict(MoreSlots):
    pass


class SlotDict:
    __slots__ = ("a", "__dict__")


class NoSlots(int):
    __slots__ = ()


class Int(int):
    pass


class Float(float):
    pass


class Str(str):
    pass


class Bytes(bytes):
    pass


class Tuple(tuple):
    pass


class List(list):
    __slots__ = ("extra",)


class Dict(dict):
    pass


class MissingDict(dict):
    __slots__ = ("s",)

    def __missing__(self, key):
        return key


class Set(set):
    pass


class Frozen(frozenset):
    __slots__ = ("f",)


class Deque(collections.deque):
    pass


class Default(collections.defaultdict):
    pass


class Ordered(collections.OrderedDict):
    pass


class Counted(collections.Counter):
    pass


class Partial(functools.partial):
    pass


class Error(Exception):
    def __init__(self, *args):
        super().__init__(*args)
        self.more = list(args)


class Meta(type):
    def __new__(mcs, name, bases, space, **more):
        return super().__new__(mcs, name, bases, space)

    def __init__(cls, *args, **more):
        cls.registered = []


class MetaSlots(type):
    __slots__ = ()


class Made(metaclass=Meta):
    x = 1


class MadeToo(Made, metaclass=Meta):
    y = property(lambda self: 1, doc="y")


class MadeSlots(metaclass=MetaSlots):
    __slots__ = ("only",)


class Abstract(abc.ABC):
    @abc.abstractmethod
    def do(self):
        pass

    @staticmethod
    def static():
        pass

    @classmethod
    def cls(cls):
        pass

    @functools.cached_property
    def cached(self):
        return [1, 2]


class Concrete(Abstract):
    def do(self):
        return super().do


Abstract.register(Plain)
isinstance(3, Abstract)


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"


class Flags(enum.Flag):
    A = 1
    B = 2


Point = collections.namedtuple("Point", "x y", defaults=[3])


class Named(typing.NamedTuple):
    a: int
    b: str = "b"


@dataclasses.dataclass
class Data:
    a: int
    b: list = dataclasses.field(default_factory=list)
    c: typing.Optional["Data"] = None


class Cell:
    pass


class Generic(typing.Generic[typing.TypeVar("T")]):
    pass


def generator(n):
    held = [n]
    for i in range(n):
        with contextlib.suppress(ValueError):
            yield i, held


def catching():
    try:
        raise Error("inside", 1)
    except Error as e:
        kept = e
        yield kept


def delegating():
    yield from generator(3)


async def coroutine(x):
    y = [x]
    await asyncio.sleep(1000)
    return y


async def agen(x):
    z = [x]
    yield z
    yield x


def closures(i):
    a, b = [i], {"b": i}
    c = None

    def inner(q=a, *, w=b):
        return a, b, c, inner
    inner.attribute = i
    inner.__annotations__["q"] = list
    return inner


def recursion(n):
    local = [n]
    if n:
        return recursion(n - 1)
    raise Error("deep", local)


def instances():
    made = [Plain(i) for i in range(SCALE)] + [Many(i) for i in range(SCALE // 4)]
    made += [Differ(i) for i in range(SCALE // 4)]
    asked = [Asked(i) for i in range(SCALE // 8)]
    for i, a in enumerate(asked):
        a.__dict__
        if i % 3 == 0:
            a.__dict__["more"] = [i]
        if i % 5 == 0:
            del a.name
    slots = []
    for i in range(SCALE // 8):
        s = MoreSlots()
        s.fill(i)
        t = SlotsAndDict()
        t.fill(i)
        t.free = [i]
        u = SlotDict()
        u.a, u.b = [i], (i,)
        slots += [s, t, u, Slots()]
    return made, asked, slots


def containers():
    some = [{i: str(i), str(i): [i]} for i in range(SCALE // 4)]
    some += [{"a": i, "b": [i]} for i in range(SCALE // 4)] + [{}, {1: 2}, {None: ()}]
    holes = {i: (i, []) for i in range(500)}
    for i in range(0, 400, 2):
        del holes[i]
    names = {"n%d" % i: [i] for i in range(300)}
    for i in range(0, 250, 3):
        del names["n%d" % i]
    sets = [set("x%d" % k for k in range(i)) for i in range(60)] + [frozenset([1, "2", (3,)])]
    shrunk = set((i, "s") for i in range(200))
    for i in range(0, 190, 2):
        shrunk.discard((i, "s"))
    deques = [collections.deque(([k] for k in range(i)), maxlen=200) for i in range(0, 400, 7)]
    for d in deques:
        d.rotate(3)
        if d:
            d.popleft()
    lists = [[i, [i]] * (i % 7) for i in range(SCALE // 2)] + [[], [None]]
    emptied = list(range(1000))
    del emptied[3:]
    tuples = [(i, str(i), [i]) for i in range(SCALE // 2)] + [((), ((),))]
    return some, holes, names, sets, shrunk, deques, lists, emptied, tuples


def subclasses():
    made = [Int(5), Int(2 ** 100), NoSlots(7), Float(1.5), Str("str"), Str("\u20ac"), Bytes(b"b"),
            Tuple((1, [2])), List([1]), Dict(a=1), MissingDict(b=[2]), Set([(1,)]), Frozen([(2,)]),
            Deque([[1], [2]], 5), Default(list, a=[1]), Ordered(a=[1], b=2), Counted("abcabc"),
            Partial(int, base=2), Error("x"), Made(), MadeToo(), MadeSlots(), Concrete(),
            Generic(), Cell()]
    for m in made:
        for name in ("extra", "s", "f", "only", "anything"):
            try:
                setattr(m, name, [name])
                break
            except AttributeError:
                pass
    made[22].cached
    return made


def dicts_of_all_kinds():
    from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict
    ordered = OrderedDict((str(i), [i]) for i in range(100))
    for i in range(0, 90, 2):
        del ordered[str(i)]
    ordered.move_to_end("1")
    ordered_any = OrderedDict([((i, "k"), [i]) for i in range(20)])
    return (ordered, ordered_any, OrderedDict(), defaultdict(list, {i: [i] for i in range(50)}),
            Counter("hello world"), ChainMap({"a": [1]}, {}), UserDict(a=[1]), UserList([1]),
            types.MappingProxyType({"m": [1]}), types.SimpleNamespace(a=[1], b={}),
            Plain.__dict__, iter(ordered), ordered.keys(), ordered.items(), iter(ordered.items()),
            reversed(ordered))


def views_and_iterators():
    d = {"k%d" % i: [i] for i in range(10)}
    s = {1, 2, 3}
    made = [d.keys(), d.values(), d.items(), iter(d), iter(d.values()), iter(d.items()),
            reversed(d), reversed(d.items()), iter(s), iter([1]), reversed([1, [2]]), iter((1,)),
            iter("str"), iter("\u20ac"), iter(b"b"), iter(bytearray(b"b")), iter(range(3)),
            iter(range(2 ** 70)), range(2 ** 70, 2 ** 71), range(5), slice([1], 2, None), zip([1], "a"),
            map(str, [1]), filter(None, [[1]]), enumerate([[1], 2]), enumerate([], 2 ** 80),
            reversed("abc"), iter(int, 1), iter(memoryview(b"abc")), super(Concrete, Concrete()),
            iter(Cell.__subclasses__, None)]

    class Indexed:
        def __getitem__(self, i):
            return i
    made.append(iter(Indexed()))
    for m in made:
        try:
            next(m)
        except (TypeError, StopIteration):
            pass
    return made


def itertools_kinds():
    it = itertools
    a, b = it.tee([[i] for i in range(100)])
    for _ in range(70):
        next(a)
    grouped = it.groupby([1, 1, 2])
    made = [a, b, copy.copy(a), grouped, next(grouped), it.accumulate([[1], [2]]), it.chain([1], [2]),
            it.chain.from_iterable([[1], [2]]), it.combinations([1, [2], 3], 2),
            it.combinations_with_replacement([1, [2]], 2), it.compress([[1], 2], [1, 1]),
            it.count(2 ** 80, 3), it.count(1.5), it.count(), it.cycle([[1], 2]),
            it.dropwhile(bool, [0, 1]), it.filterfalse(None, [0]), it.islice([[1], 2], 5),
            it.permutations([1, [2]], 2), it.product([1], [[2]]), it.repeat([1]), it.repeat([1], 5),
            it.starmap(int, [("5",)]), it.takewhile(bool, [[1]]), it.zip_longest([[1]], [1, 2], fillvalue=[])]
    for name, args in (("pairwise", ([[1], 2, 3],)), ("batched", ([1, 2, 3], 2))):
        if hasattr(it, name):
            made.append(getattr(it, name)(*args))
    for m in made:
        try:
            next(m)
        except (TypeError, StopIteration):
            pass
    return made


def functools_kinds():
    @functools.lru_cache(maxsize=20)
    def cached(x, y=1):
        return [x, y]

    @functools.lru_cache(maxsize=None)
    def forever(x):
        return (x,)

    @functools.lru_cache(maxsize=0)
    def never(x):
        return x

    @functools.singledispatch
    def single(x):
        return x
    single.register(int, lambda x: [x])
    single(3)
    for i in range(30):
        cached(i, y=[1].__len__())
        forever(str(i))
    forever.attribute = [1]
    part = functools.partial(print, [1], end="")
    part.more = [2]
    return (cached, forever, never, single, part, functools.partial(part, 2),
            functools.partialmethod(int, 2), functools.cmp_to_key(lambda a, b: 0),
            functools.cmp_to_key(lambda a, b: 0)([3]), operator.itemgetter([1]),
            operator.itemgetter(1, "a"), operator.attrgetter("a.b", "c"), operator.attrgetter("a"),
            operator.methodcaller("name", [1], key=[2]), functools.reduce)


def functions():
    made = [closures(i) for i in range(SCALE // 8)]
    made += [lambda: 1, generator, len, [].append, {}.get, "".join, dict.fromkeys, str.join, int.__add__,
             (5).__add__, Plain.__init__, Plain(1).__init__, Abstract.cls, Abstract.static, Concrete().do,
             type.__dict__["__doc__"], types.FunctionType.__code__, Slots.one, dict.__dict__["fromkeys"],
             object().__str__, classmethod(len), staticmethod(len), property(len, None, None, "doc"),
             Colour.__dict__["__doc__"] if "__doc__" in Colour.__dict__ else None, abc.abstractproperty(len),
             types.MethodType(len, [1]), types.CodeType, generator.__code__, closures(1).__code__,
             closures(2).__closure__, types.DynamicClassAttribute(len)]
    for cell in made[0].__closure__:
        made.append(cell)
    made.append(types.CellType())
    return made


def generators():
    kinds = [generator(5), generator(5), catching(), delegating(), (x for x in [[1]]), generator(0)]
    for g in kinds[1:]:
        next(g, None)
    frames = [g.gi_frame for g in kinds if g.gi_frame is not None]
    running = coroutine(3)
    ready = coroutine(4)
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine(5))
    named = loop.create_task(coroutine(6))
    future = loop.create_future()
    future.add_done_callback(print)
    future.add_done_callback(len)
    done = loop.create_future()
    done.set_result([1])
    failed = loop.create_future()
    failed.set_exception(Error("failed"))
    cancelled = loop.create_future()
    cancelled.cancel()
    future.attribute = [1]
    loop.call_later(500, print, [1])

    async def gathered():
        return await asyncio.gather(coroutine(1), asyncio.wait_for(coroutine(2), 100))
    both = loop.create_task(gathered())
    a, b, c = agen(1), agen([2]), agen(3)

    async def step():
        await b.__anext__()
        await c.__anext__()
        await c.__anext__()
        try:
            await c.__anext__()
        except StopAsyncIteration:
            pass
        await asyncio.sleep(0)
    loop.run_until_complete(step())
    try:
        ready.send(None)
    except Exception as e:
        keep(e)
    lock, q, event = asyncio.Lock(), asyncio.Queue(), asyncio.Event()
    awaiting = running.__await__()
    return (kinds, frames, running, ready, loop, task, named, future, done, failed, cancelled, both, a, b, c,
            lock, q, event, awaiting, agen(4).__anext__(), agen(5).asend([1]), agen(6).athrow(ValueError),
            agen(7).aclose(), iter(future), anext_default() if sys.version_info >= (3, 10) else None)


def anext_default():
    return anext(agen(1), [5])      # noqa: F821


def exceptions():
    made = [Error("a", [1]), ValueError(), KeyError("k"), StopIteration([1]), SystemExit([2]),
            ImportError("m", name="n", path="p"), OSError(2, "no", "file", None, "other"),
            FileNotFoundError(2, "x"), SyntaxError("bad", ("f", 1, 2, "text")), UnicodeDecodeError(
                "utf-8", b"\xff", 0, 1, "why"), UnicodeEncodeError("ascii", "\u20ac", 0, 1, "why"),
            UnicodeTranslateError("\u20ac", 0, 1, "why"), NameError("n"), AttributeError("a"),
            StopAsyncIteration(1), BaseException([1]), IndentationError("i")]
    for fn in (lambda: undefined_name, lambda: [].no_such, lambda: recursion(20), lambda: {}["key"],
               lambda: int("x"), lambda: open("/no/such/file"), lambda: __import__("nothing_there"),
               lambda: compile("(", "name", "exec"), lambda: b"\xff".decode()):
        try:
            try:
                fn()
            except Exception as e:
                made.append(e)
                raise Error("second") from e
        except Error as e:
            e.attribute = [1]
            made.append(e)
    if sys.version_info >= (3, 11):
        group = ExceptionGroup("g", [ValueError(1), Error(2)])      # noqa: F821
        group.add_note("a note")
        made += [group, group.derive([ValueError(3)])]
    made += [e.__traceback__ for e in made if e.__traceback__]
    made += [e.tb_frame for e in made if isinstance(e, types.TracebackType)]
    return made


def weakrefs():
    targets = [Plain(i) for i in range(20)]
    made = [weakref.ref(targets[0]), weakref.ref(targets[1], print), weakref.proxy(targets[2]),
            weakref.proxy(targets[3], len), weakref.WeakMethod(targets[4].__init__),
            weakref.proxy(closures(1)), weakref.finalize(targets[5], print, [1])]
    values = weakref.WeakValueDictionary((i, t) for i, t in enumerate(targets))
    keys = weakref.WeakKeyDictionary((t, [i]) for i, t in enumerate(targets))
    return targets, made, values, keys, weakref.WeakSet(targets), weakref.ref(Plain)


def memory():
    a = array.array("d", range(100))
    view = memoryview(bytearray(b"x" * 100))
    packed = struct.Struct("<IhQ")
    made = [a, iter(a), view, view[3:], view.cast("I"), memoryview(a), packed, packed.iter_unpack(b"x" * 28),
            bytearray(b"q"), pickle.PickleBuffer(b"abc"), bytes(5), iter(array.array("i", [1, 2]))]
    next(made[7])
    return made


def text_and_numbers():
    made = [re.compile("a(?P<n>b)c"), re.match("(a)(?P<x>b)", "ab"), re.compile(b"x"),
            re.compile("x").scanner("xx"), re.compile("x").finditer("xxx"), decimal.Decimal("1.5"),
            decimal.Context(prec=5), decimal.localcontext(), decimal.getcontext().flags,
            fractions.Fraction(1, 3), complex(1, 2), datetime.datetime.now(), datetime.date(2020, 1, 2),
            datetime.time(3, 4), datetime.time(3, 4, tzinfo=datetime.timezone.utc), datetime.timedelta(5),
            datetime.datetime.now(datetime.timezone.utc), datetime.timezone(datetime.timedelta(hours=3), "X"),
            2 ** 200, -5, 1.5, "\u20ac" * 10, "\U0001f600", "caf\xe9", json.JSONDecoder(object_hook=dict),
            json.JSONEncoder(indent=2, default=str), json.scanner.make_scanner(json.JSONDecoder()),
            csv.reader(["a,b"]), csv.writer(io.StringIO()), csv.get_dialect("excel"),
            csv.DictReader(["a,b", "1,2"])]
    made.append(re.sub("(x)", r"<\1>", "axb"))
    if json.encoder.c_make_encoder:
        made.append(json.encoder.c_make_encoder({}, str, str, None, ": ", ", ", False, False, True))
    next(made[27])
    return made


def io_kinds():
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "file")
    text = open(path, "w+")
    text.write("some\nlines\n" * 100)
    text.flush()
    text.seek(0)
    text.readline()
    reader = open(path, "rb")
    reader.read(5)
    raw = open(path, "rb", buffering=0)
    raw.attribute = [1]
    both = open(path, "r+b")
    b = io.BytesIO(b"initial")
    b.more = [1]
    s = io.StringIO("a\nb", newline="\r\n")
    s.readline()
    pair = io.BufferedRWPair(io.BytesIO(), io.BytesIO())
    wrapper = io.TextIOWrapper(io.BytesIO(b"x\r\ny"), "utf-8", "strict", newline=None)
    wrapper.readline()
    multi = [open(path, encoding=e) for e in ("shift_jis", "euc-kr", "big5")]
    import codecs
    incremental = [codecs.getincrementaldecoder("gbk")("replace"), codecs.getincrementalencoder("big5")(),
                   codecs.getreader("gb2312")(io.BytesIO()), codecs.getwriter("big5")(io.BytesIO()),
                   codecs.getincrementaldecoder("utf-8")(), codecs.lookup("utf-8")]
    scan = os.scandir(folder)
    entry = next(scan)
    entry.stat()
    poll = None
    try:
        import select
        poll = [select.poll(), select.epoll()]
        poll[0].register(reader)
    except (ImportError, AttributeError):
        pass
    left, right = socket.socketpair()
    import mmap
    return (text, reader, raw, both, b, s, pair, wrapper, multi, incremental, scan, entry, poll, left, right,
            mmap.mmap(-1, 4096), io.IncrementalNewlineDecoder(None, True), b.getbuffer(),
            io.FileIO(path), os.stat(path), os.times(), os.uname(), sys.flags, sys.version_info,
            os.get_terminal_size(0) if os.isatty(0) else None, sys.float_info, sys.hash_info, sys.thread_info)


def compressors():
    import bz2
    import lzma
    import zlib
    import hashlib
    import random
    import hmac
    z = zlib.decompressobj()
    z.decompress(zlib.compress(b"x" * 100) + b"trailing")
    b = bz2.BZ2Decompressor()
    b.decompress(bz2.compress(b"x") + b"rest")
    x = lzma.LZMADecompressor()
    x.decompress(lzma.compress(b"y") + b"rest")
    return (zlib.compressobj(), z, bz2.BZ2Compressor(), b, lzma.LZMACompressor(), x, hashlib.md5(b"x"),
            hashlib.sha256(b"x"), hashlib.sha3_256(b"x"), hashlib.blake2b(b"x"), hmac.new(b"k", b"m", "sha256"),
            random.Random(5))


def contexts():
    var, other = contextvars.ContextVar("var", default=[1]), contextvars.ContextVar("other")
    token = var.set([2])
    made = [var, other, token, contextvars.copy_context()]
    for i in range(60):
        v = contextvars.ContextVar("v%d" % i)
        made += [v, v.set([i])]
    full = contextvars.copy_context()
    return made, full, list(full.items()), iter(full), iter(full.values())


def ctypes_kinds():
    class Pair(ctypes.Structure):
        _fields_ = [("a", ctypes.c_int), ("b", ctypes.c_void_p), ("s", ctypes.c_char_p)]

    class Linked(ctypes.Structure):
        pass
    Linked._fields_ = [("next", ctypes.POINTER(Linked)), ("pair", Pair)]

    class Either(ctypes.Union):
        _fields_ = [("i", ctypes.c_int), ("f", ctypes.c_float)]
    one = Linked()
    two = Linked(ctypes.pointer(one))
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x)
    libc = ctypes.CDLL(None)
    libc.strlen.argtypes = [ctypes.c_char_p]
    libc.strlen.restype = ctypes.c_size_t
    libc.strlen.errcheck = lambda r, f, a: r
    libc.strlen(b"abc")
    array_of = (Pair * 3)()
    array_of[1].s = b"kept"
    return (Pair(1, 2, b"x"), one, two, Either(), callback, libc, libc.strlen, array_of, ctypes.byref(one),
            ctypes.c_int(5), ctypes.c_char_p(b"text"), ctypes.create_string_buffer(10), Pair.a,
            ctypes.cast(two.next, ctypes.c_void_p), two.pair, ctypes.py_object([1]), ctypes.pythonapi,
            ctypes.pointer(ctypes.c_int(3)))


def trees():
    root = ElementTree.fromstring("<a x='1'>text<b/>tail<c><d>deep</d></c>" + "<e/>" * 20 + "</a>")
    plain = ElementTree.Element("plain")
    parser = ElementTree.XMLParser()
    parser.feed("<open>")
    walk = root.iter()
    next(walk), next(walk)
    import xml.parsers.expat
    expat = xml.parsers.expat.ParserCreate()
    expat.StartElementHandler = lambda *a: a
    expat.CharacterDataHandler = print
    pull = ElementTree.XMLPullParser(("start", "end", "comment"))
    pull.feed("<x><y>")
    builder = ElementTree.TreeBuilder(insert_comments=True)
    builder.start("a", {})
    return root, plain, parser, walk, expat, pull, builder, ElementTree.ElementTree(root), ElementTree.Comment("c")


def pickles():
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer)
    pickler.dump([[1], {"a": (1, 2)}, "text"])
    pickler.dispatch_table = {}
    unpickler = pickle.Unpickler(io.BytesIO(buffer.getvalue()))
    unpickler.load()
    return pickler, unpickler, pickler.memo, unpickler.memo


def queues():
    q = queue.SimpleQueue()
    for i in range(10):
        q.put([i])
    q.get()
    return q, queue.Queue(5), queue.PriorityQueue(), queue.LifoQueue()


def databases():
    import sqlite3
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    db.execute("create table t (a, b)")
    db.executemany("insert into t values (?, ?)", [(i, "v%d" % i) for i in range(20)])
    db.set_trace_callback(print)
    db.set_trace_callback(None)
    db.create_function("f", 1, lambda x: x)
    cursor = db.execute("select * from t")
    rows = [cursor.fetchone(), cursor.fetchone()]
    return db, cursor, rows, db.cursor()


def secure():
    import ssl
    context = ssl.create_default_context()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.sni_callback = lambda *a: None
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    return context, server, a, context.wrap_bio(a, b, server_hostname="x"), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def zones():
    import zoneinfo
    return zoneinfo.ZoneInfo("UTC"), zoneinfo.ZoneInfo.no_cache("Europe/Berlin")


def typings():
    T = typing.TypeVar("T", bound=int)
    made = [T, typing.TypeVar("U", int, str), typing.List[T], typing.Dict[str, typing.List[int]], typing.Union[int, str],
            typing.Optional[T], typing.Callable[[int], str], typing.ForwardRef("X"), Generic[int], typing.Any]
    if sys.version_info >= (3, 9):
        made += [list[int], dict[str, T], iter(tuple[int]) if sys.version_info >= (3, 11) else None]
    if sys.version_info >= (3, 10):
        p = typing.ParamSpec("P")
        made += [int | str, p, p.args, p.kwargs, int | list[T]]
    if sys.version_info >= (3, 11):
        made += [typing.TypeVarTuple("Ts")]
    if sys.version_info >= (3, 12):
        space = {}
        exec("type Alias[A: int, *B, **C] = dict[A, C]\nclass G[X: (int, str)]:\n  def m[Y](self, y: Y) -> X: pass\n"
             "def f[Z](z: Z) -> Z:\n  return z\n", space)
        made += [space["Alias"], space["G"], space["f"], space["G"].m, space["Alias"].__type_params__]
        typing.get_type_hints(space["f"])
    if sys.version_info >= (3, 14):
        made += [eval('t"a{1!r:>{2}}b"'), iter(eval('t"x{3}y"'))]
    return made


def modules():
    import ast
    import symtable
    module = types.ModuleType("made")
    module.attribute = [1]
    return (module, ast.parse("a = [x for x in b]"), symtable.symtable("def f(x): return y", "n", "exec"),
            compile("def g(z):\n  return lambda: z", "name", "exec"), sys, os, __import__("this_is_not_there")
            if False else None)


def threads():
    class Waiting(threading.Thread):
        def __init__(self):
            super().__init__(daemon=True)
            self.ready, self.end = threading.Event(), threading.Event()

        def run(self):
            mine = threading.local()
            mine.value = [self.name]
            self.deeper(mine, {"a": 1})

        def deeper(self, mine, held):
            kept = [mine, held]
            self.ready.set()
            self.end.wait()
            return kept
    made = [Waiting() for _ in range(3)]
    for t in made:
        t.start()
        t.ready.wait()
    local = threading.local()
    local.here = [1]

    class Local(threading.local):
        def __init__(self, x):
            self.x = x
    timer = threading.Timer(1000, print)
    return (made, local, Local([1]), threading.Lock(), threading.RLock(), threading.Condition(),
            threading.Semaphore(), threading.Barrier(2), timer)


def profilers():
    import _lsprof
    p = _lsprof.Profiler()
    p.enable()
    len([])
    p.disable()
    return p, p.getstats()


def enums_and_data():
    return (list(Colour), Flags.A | Flags.B, Point(1, [2]), Named(1, "x"), Data(1, [2], Data(3)),
            dataclasses.fields(Data), Colour.__members__)


def frames_kept():
    f = sys._getframe()
    made = [closures]
    try:
        recursion(5)
    except Error as e:
        made.append(e)
    if sys.version_info >= (3, 13):
        made.append(made[1].__traceback__.tb_frame.f_locals)
    del f
    return made


def numpy_kinds():
    import numpy
    made = [numpy.arange(100), numpy.arange(100).reshape(10, 10)[2:], numpy.array([[1], "x", None], dtype=object),
            numpy.zeros(5, dtype=[("a", int), ("b", object)]), numpy.dtype("f8"), numpy.float64(3), numpy.str_("x"),
            numpy.nditer(numpy.arange(3)), numpy.ma.array([1, 2]), numpy.random.default_rng(1), numpy.add,
            numpy.datetime64("2020-01-01"), numpy.broadcast(numpy.arange(3), 1), numpy.arange(3).flat]
    made[0].dot(made[0])
    return made


def tornado_kinds():
    import tornado.httpserver
    import tornado.ioloop
    import tornado.web

    class Main(tornado.web.RequestHandler):
        def get(self):
            self.write("x")
    asyncio.set_event_loop(asyncio.new_event_loop())
    application = tornado.web.Application([("/", Main)])
    loop = tornado.ioloop.IOLoop.current()
    server = tornado.httpserver.HTTPServer(application)
    loop.run_sync(lambda: asyncio.sleep(0))
    return application, server, loop, tornado.ioloop.PeriodicCallback(print, 1000)


def django_kinds():
    import django
    from django.conf import settings
    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
                       INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"], USE_TZ=True,
                       TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}])
    django.setup()
    from django.contrib.auth.models import User
    from django.db import connection
    from django.template import engines
    with connection.schema_editor() as editor:
        editor.create_model(User)
    users = [User(username="u%d" % i) for i in range(50)]
    for u in users[:3]:
        u.save()
    return users, list(User.objects.filter(username="u1")), User.objects.all(), \
        engines["django"].from_string("{% for a in b %}{{ a|upper }}{% endfor %}")


APPS = {"numpy": [numpy_kinds], "tornado": [tornado_kinds], "django": [django_kinds], "plain": []}


def walk():
    """Every object that can be reached from those the collector knows."""
    found, seen = [], set()
    stack = gc.get_objects()
    while stack:
        o = stack.pop()
        if id(o) in seen or o is stack or o is found or o is seen:
            continue
        seen.add(id(o))
        found.append(o)
        stack.extend(gc.get_referents(o))
    return found


def cells(x):
    """Generators with a variable of an outer function, and with one for an inner function."""
    own = [x]

    def uses():
        local = [1]
        yield own, local

    def gives():
        shared = [2]
        yield lambda: shared
    free, cell = uses(), gives()
    next(free)
    return free, uses.__closure__[0], cell, next(cell).__closure__[0]


def named():
    """References by name: (object, text, target)."""
    plain, slots, deeper = Plain(7), MoreSlots(), SlotsAndDict()
    slots.fill(8)
    deeper.fill(9)
    deeper.free = [1]
    many = Many(10)
    gen, held = generator(3), closures(4)
    next(gen)
    coro = coroutine([6])
    try:
        coro.send(None)
    except RuntimeError:        # no loop runs
        coro = None
    table = {"key": [1], 5: [2], ("a", 1): [3], frozenset((9,)): [5], "it's": [4]}
    items, pair = [[0], [1], [2]], ([1], [2])
    default, part = collections.defaultdict(list, x=[1]), functools.partial(print, [1])
    ordered, queue_of = collections.OrderedDict(a=[1]), collections.deque([[1], [2]])
    free, free_cell, cell, cell_cell = cells(3)
    kept = (free, cell, plain, slots, deeper, many, gen, held, coro, table, items, pair, default, part, ordered,
            queue_of)
    rows = [(plain, ".id", plain.id), (plain, ".name", plain.name), (plain, "type", Plain),
            (slots, ".one", slots.one), (slots, ".three", slots.three), (deeper, ".one", deeper.one),
            (many, ".a0", many.a0), (many, ".a9", many.a9),
            (free, "closure cell own", free_cell), (cell, "closure cell shared", cell_cell),
            (free, "local local", free.gi_frame.f_locals["local"]), (gen, "local held", gen.gi_frame.f_locals["held"]), (gen, "local n", 3),
            (held, ".__closure__", held.__closure__), (held, ".__globals__", globals()),
            (held, ".__defaults__", held.__defaults__), (held, ".__code__", held.__code__),
            (table, "['key']", table["key"]), (table, "[5]", table[5]), (table, "[<tuple: 2 items>]", table[("a", 1)]),
            (table, "[<frozenset: 1 item>]", table[frozenset((9,))]),
            (table, "['it\\'s']", table["it's"]), (items, "[2]", items[2]), (pair, "[1]", pair[1]),
            (default, ".default_factory", list), (default, "['x']", default["x"]), (part, ".func", print),
            (ordered, "['a']", ordered["a"]), (queue_of, "[1]", queue_of[1]),
            (held.__closure__[0], ".cell_contents", held.__closure__[0].cell_contents),
            (Plain, ".__mro__", Plain.__mro__), (Plain, ".__base__", object), (Plain, ".__name__", Plain.__name__)]
    if coro:
        rows.append((coro, "local y", coro.cr_frame.f_locals["y"]))
    if sys.version_info < (3, 11):      # attributes and frames have objects of their own
        rows = [(o.gi_frame if any(o is g for g in (gen, free, cell)) else o.cr_frame if o is coro else
                 o.__dict__ if text[1:] in getattr(o, "__dict__", ()) else o,
                 "['%s']" % text[1:] if text[1:] in getattr(o, "__dict__", ()) and not isinstance(o, type) else text,
                 target) for o, text, target in rows]
    return kept, rows


def frames():
    """(function, text, target) of all frames of threads that wait."""
    rows = []
    for ident, frame in sys._current_frames().items():
        while frame and ident != threading.get_ident():
            free = frame.f_code.co_freevars + frame.f_code.co_cellvars
            rows += [(frame.f_code.co_name, "local " + name, value)
                     for name, value in frame.f_locals.items() if name not in free]
            frame = frame.f_back
    return rows


def tell(out):
    words = array.array("Q")
    types_of = {}
    for suffix, (kept, rows) in ((".named", named()), (".frames", (None, frames()))):
        KEEP["told", suffix] = kept
        with open(out + suffix, "w") as f:
            for who, text, target in rows:
                f.write("%s\t%s\t%d\n" % (who if suffix == ".frames" else id(who), text, id(target)))
    kept = rows = who = target = None
    found = walk()
    for o in found:
        kind = type(o)
        types_of[id(kind)] = kind.__module__ + "." + kind.__qualname__ \
            if isinstance(kind.__module__, str) else kind.__qualname__
        held = gc.get_referents(o)
        words.append(id(o))
        words.append(id(kind))
        words.append(len(held))
        words.extend(map(id, held))
    with open(out, "wb") as f:
        words.tofile(f)
    with open(out + ".types", "w") as f:
        for address, name in types_of.items():
            f.write("%d %s\n" % (address, name))
    with open(out + ".asking", "w") as f:
        frame = sys._getframe()
        while frame:
            f.write("%d\n" % id(frame))
            frame = frame.f_back
        for o in (KEEP, found, words, types_of):
            f.write("%d\n" % id(o))
    return found


def main():
    for fn in (instances, containers, subclasses, dicts_of_all_kinds, views_and_iterators, itertools_kinds,
               functools_kinds, functions, generators, exceptions, weakrefs, memory, text_and_numbers, io_kinds,
               compressors, contexts, ctypes_kinds, trees, pickles, queues, databases, secure, zones, typings,
               modules, threads, profilers, enums_and_data, frames_kept, *APPS[APP]):
        tried(fn)
    gc.collect()
    gc.disable()
    tell(OUT + ".first")        # caches are warm the second time
    found = tell(OUT)
    sys.stderr.flush()
    os.write(1, b"ready\n")
    signal.pause()
    return found


main()
