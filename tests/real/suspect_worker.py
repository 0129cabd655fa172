"""suspect_worker.py KIND - a process with one thing wrong; prints what it knows and says ready."""
import functools
import sys
import time


class Session:
    def __init__(self, number):
        self.number = number + 1000000
        self.token = "token-%d" % number


class Link:
    __slots__ = ("payload", "next")


class Tree:
    def __init__(self, depth):
        self.payload = bytes(400) + b"%d" % depth
        self.left = Tree(depth - 1) if depth else None
        self.right = Tree(depth - 1) if depth else None


class Service:
    pass


def copies():
    global TEXTS
    TEXTS = ["".join(["the same ", "text"]) for _ in range(60000)]
    print("truth", 60000)


def room():
    global EMPTIED
    EMPTIED = {i: i for i in range(400000)}
    for i in range(10, 400000):
        del EMPTIED[i]
    print("truth", sys.getsizeof(EMPTIED) - sys.getsizeof(dict(EMPTIED)))


@functools.lru_cache(maxsize=None)
def squared(x):
    return "%d" % (x * x)


@functools.lru_cache(maxsize=60000)
def bounded(x):
    return "%d" % (x * x)


def cache():
    for i in range(60000):
        squared(i)
    print("truth", squared.cache_info().currsize)


def bounded_cache():
    for i in range(60000):
        bounded(i)
    print("truth", bounded.cache_info().currsize)


def big():
    global HOLDER
    HOLDER = Service()
    HOLDER.blob = bytes(30 << 20)
    print("truth", sys.getsizeof(HOLDER.blob))


def shared():
    global BY_ID, BY_TOKEN
    sessions = [Session(i) for i in range(60000)]
    BY_ID = {s.number: s for s in sessions}
    BY_TOKEN = {s.token: s for s in sessions}
    print("truth", len(sessions))


def linked():
    global HEAD
    HEAD = None
    for i in range(200000):
        link = Link()
        link.payload, link.next = "payload-%d" % i, HEAD
        HEAD = link
    print("truth", 200000)


def tree():
    global ROOT
    ROOT = Tree(14)
    print("truth", 2 ** 15 - 1)


globals()[sys.argv[1]]()
print("ready", flush=True)
time.sleep(1000)
