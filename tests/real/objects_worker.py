"""objects_worker.py OUT - instances of many kinds of class, told attribute by attribute.

OUT gets a dict, as repr() writes it:
  instances  type's name -> attributes asked for (in one string), and for each live instance
             its address -> (sys.getsizeof, {attribute: what is to be shown, None: it has none})
  referents, referrers, weak   address -> addresses, as gc and weakref say
  local      address of what only a running function holds
  raw        address of a malloc block, and of the object it points at
  garbage    address of an object that only itself holds
Says ready and waits.
"""
import collections
import ctypes
import dataclasses
import gc
import sys
import threading
import time
import types
import weakref

SECRET = "geheim-4711"


class Plain:
    shared = 7

    def __init__(self, i):
        self.number, self.name, self.ratio = i, "name-%d" % i, i / 3.0
        self.items = list(range(i))

    @property
    def made(self):
        return 1

    @classmethod
    def by_class(cls):
        pass


class Child(Plain):
    other = "of the class"

    def __init__(self, i):
        super().__init__(i)
        self.more = {i: i}


class Slots:
    __slots__ = ("one", "two", "__weakref__")

    def __init__(self, i):
        self.one = -i
        if i % 2:
            self.two = (i,)


class MoreSlots(Slots):
    __slots__ = ("three",)

    def __init__(self, i):
        super().__init__(i)
        self.three = b"bytes-%d" % i


class SlotsAndDict(MoreSlots):
    def __init__(self, i):
        super().__init__(i)
        self.free = 2 ** (7 * i)


class SlotDict:
    __slots__ = ("a", "__dict__")

    def __init__(self, i):
        self.a, self.b = True, not i


@dataclasses.dataclass
class Data:
    x: int
    y: float = 0.5
    tags: list = dataclasses.field(default_factory=list)


class Changed:
    """No two of them have the same attributes in the same order."""

    def __init__(self, i):
        self.a, self.b, self.c = i, i + 1, None
        if i % 3 == 0:
            del self.a
        if i % 3 == 1:
            del self.b
            self.b = "again"
        for k in range(i % 5):
            setattr(self, "x%d" % k, k)


class Many:
    """More than a class shares."""

    def __init__(self, i):
        for k in range(70):
            setattr(self, "n%d" % k, i * 100 + k)


class Looked(Plain):
    """Somebody has their __dict__."""


class Replaced(Plain):
    """They have another dict."""


class Default:
    a = 1.5
    b = None


class Inner:
    def __init__(self, i):
        self.c = i * 1000003


class Middle:
    __slots__ = ("b",)


class Nested:
    def __init__(self, i):
        self.a = Middle()
        if i != 2:
            self.a.b = Inner(i)


Point = collections.namedtuple("Point", "x y")


class Meta(type):
    registry = "of the metaclass"


class Module(types.ModuleType):
    pass


class Error(Exception):
    def __init__(self, i):
        super().__init__("error", i)
        self.code = i


class List(list):
    def __init__(self, i):
        super().__init__(range(i))
        self.label = "list-%d" % i


class Tuple(tuple):
    def __init__(self, items):
        self.label = len(self)


class Int(int):
    def __init__(self, i):
        self.label = "int"


class Guarded:
    """A data descriptor of the class wins over what the instance has, another does not."""
    hidden = property(lambda self: 5)

    def plain(self):
        pass

    def __init__(self, i):
        self.__dict__.update(hidden=i, plain=i)


class Odd:
    def __init__(self, i):
        self.ärger, self.x_y1 = i, SECRET
        setattr(self, "l" * 127, i)
        self.address, self.bytes = i, i


def make(cls, *names):
    return [cls(i) for i in range(6)], names


KEEP = {
    Plain: make(Plain, "number", "name", "ratio", "items", "shared", "made", "absent", "__class__"),
    Child: make(Child, "number", "shared", "other", "more", "by_class"),
    Slots: make(Slots, "one", "two", "three"),
    MoreSlots: make(MoreSlots, "one", "two", "three"),
    SlotsAndDict: make(SlotsAndDict, "one", "two", "three", "free"),
    SlotDict: make(SlotDict, "a", "b"),
    Data: ([Data(i, i / 7, [i]) for i in range(4)] + [Data(9)], ("x", "y", "tags")),
    Changed: ([Changed(i) for i in range(40)], ("a", "b", "c", "x0", "x3")),
    Many: make(Many, "n0", "n29", "n30", "n69"),
    Looked: make(Looked, "number", "name", "shared"),
    Replaced: make(Replaced, "number", "name"),
    Default: make(lambda i: Default(), "a", "b"),
    Inner: ([], ("c",)),
    Nested: make(Nested, "a", "a.b", "a.b.c", "a.b.c.d"),
    Point: ([Point(i, str(i)) for i in range(5)], ("x", "y", "z")),
    Meta: ([Meta("Made%d" % i, (), {"number": i, "__module__": "made"}) for i in range(3)],
           ("number", "registry")),
    Module: ([Module("m%d" % i) for i in range(3)], ("__name__", "value")),
    Error: make(Error, "code", "args"),
    List: make(List, "label"),
    Tuple: ([Tuple(range(i)) for i in range(6)], ("label",)),
    Int: ([Int(1 << 40 * i) for i in range(6)], ("label",)),
    Guarded: make(Guarded, "hidden", "plain"),
    Odd: make(Odd, "ärger", "x_y1", "l" * 127, "address", "bytes"),
}
del KEEP[Inner]
for default, thing in zip((0, 1), KEEP[Default][0]):
    thing.a = default
for number, module in enumerate(KEEP[Module][0]):
    module.value = number
DICTS = [vars(x) for x in KEEP[Looked][0]]
for x in KEEP[Looked][0][:3]:
    x.number = -x.number
    vars(x)["extra"] = 1
for x in KEEP[Replaced][0]:
    x.__dict__ = {"name": "new", "number": 5, 3: 4}
FLOATS = [0.0, -0.0, 1.0, 100000.0, 1e16, 1e15, 123456789012345.6, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308,
          float("inf"), float("-inf"), float("nan"), 0.1, 1 / 3, -2.5e-7, 9007199254740993.0]
for x, value in zip(KEEP[Plain][0] * 3, FLOATS[:6]):
    x.ratio = value
KEEP[Data][0].extend(Data(n, f) for n, f in zip(
    [2 ** 63 - 1, -2 ** 63, 2 ** 64 - 1, 2 ** 64, -2 ** 63 - 1, 10 ** 30, -10 ** 100, 10 ** 9, 10 ** 18, 0] * 2, FLOATS))


def type_name(t):
    return t.__qualname__ if t.__module__ == "builtins" else "%s.%s" % (t.__module__, t.__qualname__)


def shown(value):
    """As a column of --instances has it."""
    kind = type(value)
    if kind is int and -2 ** 63 <= value < 2 ** 64:
        return value
    if value is None or kind in (int, float, bool, str, bytes):
        return repr(value)
    sized = (list, tuple, dict, set, frozenset, collections.deque, bytearray)
    if isinstance(value, sized):
        return "%s of %s" % (type_name(kind), format(len(value), ","))
    return "%s 0x%x" % (type_name(kind), id(value))


def attribute(x, path):
    for name in path.split("."):
        in_class = getattr(type(x), name, None)
        for base in type(x).__mro__ if name != "__class__" else ():
            in_class = base.__dict__.get(name, in_class)
            if name in base.__dict__:
                break
        own = not isinstance(x, type) and name in getattr(x, "__dict__", ())
        if isinstance(in_class, property) or (isinstance(in_class, classmethod) and not own) \
                or (isinstance(in_class, types.FunctionType) and not own):
            return "<%s>" % type_name(type(in_class))
        try:
            x = getattr(x, name)
        except AttributeError:
            return None
    return shown(x)


# ---- references

HELD = {"a": [1, [2]], "b": [3, [4]]}
CYCLE = [HELD, HELD, HELD["a"]]
CYCLE.append(CYCLE)
WATCHED = [MoreSlots(50), KEEP[Nested][0][1], HELD["a"], CYCLE, KEEP[Looked][0][0], KEEP[Plain][0][2],
           KEEP[Child][0][3], KEEP[Plain][0], HELD]
WEAK = [weakref.ref(WATCHED[0]), weakref.ref(WATCHED[0], print), weakref.proxy(WATCHED[0]),
        weakref.WeakValueDictionary({1: WATCHED[0]})]
FOREVER, STARTED, LOCAL = threading.Event(), threading.Event(), []


def waiter():
    held_by_a_local = Slots(77)
    LOCAL.append(id(held_by_a_local))
    STARTED.set()
    FOREVER.wait()
    return held_by_a_local


class Raw:
    pass


def raw_block():
    """A block of malloc that holds a counted reference nobody knows."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.memset.restype = ctypes.c_void_p
    block = libc.malloc(ctypes.c_size_t(200))
    libc.memset(ctypes.c_void_p(block), 0, ctypes.c_size_t(200))
    thing = Raw()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    ctypes.c_size_t.from_address(block + 16).value = id(thing)
    return block, id(thing)


def garbage():
    gc.collect()
    gc.disable()
    thing = Raw()
    thing.self = thing
    return id(thing)


def make_keeper(kept):
    return lambda: kept


KEEPER, SLICES = make_keeper(1), [slice(i, "x", None) for i in range(3)]
COMPLEX = [complex(i, i / 3) for i in range(1, 4)]


def main(out):
    threading.Thread(target=waiter, daemon=True).start()
    STARTED.wait()
    truth = {"raw": raw_block(), "garbage": garbage(), "local": LOCAL[0], "secret": SECRET}
    truth["instances"] = {type_name(cls): (",".join(names), {
        id(x): (sys.getsizeof(x), {n: attribute(x, n) for n in names}) for x in things})
        for cls, (things, names) in KEEP.items()}
    for name in ("Slots", "MoreSlots"):     # those held elsewhere
        truth["instances"].pop("__main__." + name)
    # these have members in C: an empty one of an object is None, others are numbers
    truth["some"] = {"function": ("__closure__,__name__", {id(f): {
        "__closure__": shown(f.__closure__), "__name__": shown(f.__name__)} for f in (main, garbage, KEEPER)}),
        "code": ("co_argcount,co_firstlineno,co_name", {id(f.__code__): {
            n: shown(getattr(f.__code__, n)) for n in ("co_argcount", "co_firstlineno", "co_name")}
            for f in (main, garbage, KEEPER)}),
        "slice": ("start,stop,step", {id(x): {"start": x.start, "stop": shown(x.stop), "step": "None"}
                                      for x in SLICES}),
        "complex": ("real,imag", {id(x): {"real": repr(x.real), "imag": repr(x.imag)} for x in COMPLEX})}
    truth["referents"] = {id(x): [id(y) for y in gc.get_referents(x)] for x in WATCHED}
    truth["referrers"] = {}
    for i in range(len(WATCHED)):
        truth["referrers"][id(WATCHED[i])] = [id(y) for y in gc.get_referrers(WATCHED[i])
                                              if not isinstance(y, types.FrameType)]
    truth["weak"] = {id(WATCHED[0]): [id(y) for y in weakref.getweakrefs(WATCHED[0])]}
    truth["names"] = {"HELD": (id(globals()), id(HELD)), "a": (id(HELD), id(HELD["a"]))}
    with open(out, "w", encoding="utf-8") as f:
        f.write(ascii(truth))
    print("ready", flush=True)
    time.sleep(1000)


main(sys.argv[1])
