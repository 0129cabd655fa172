"""holder_worker.py OUT - one process with six kinds of holder and a thousand dead cycles.

Writes to OUT what it knows: by the holder's name the bytes of everything that would go
with it (sys.getsizeof, each object once), and the cycles. Says ready and waits.
"""
import ast  # noqa: F401
import gc
import sys
import threading
import time

SEEN = set()


def deep(o):
    """Bytes of o and of all that only it leads to, as far as this script made it."""
    stack, size = [o], 0
    while stack:
        x = stack.pop()
        if id(x) in SEEN or isinstance(x, (type, type(sys))) or x is None or callable(x) and x is not o:
            continue
        SEEN.add(id(x))
        size += sys.getsizeof(x)
        if isinstance(x, dict):
            stack.extend(x.keys())
            stack.extend(x.values())
        elif isinstance(x, (list, tuple, set, frozenset)):
            stack.extend(x)
        elif type(x).__module__ == "__main__":
            stack.extend(vars(x).values())
    return size


class Order:
    def __init__(self, number):
        self.number = number + 100000
        self.name = "order-%d" % number


class Cache:
    def __init__(self):
        self.entries = {"key-%d" % i: [i + 500000] for i in range(9000)}


class Handler:
    memory_list = [i + 1000000 for i in range(60000)]


class Node:
    pass


ORDERS = {i + 2000000: Order(i) for i in range(16000)}
INSTANCE = Cache()


def make_closure():
    texts = ["text-%d" % i for i in range(22000)]

    def inner():
        return texts
    return inner, deep(texts)


CLOSURE, closure_bytes = make_closure()
TRUTH = {"__main__.ORDERS": deep(ORDERS), "__main__.INSTANCE.entries": deep(INSTANCE.entries),
         "__main__.Handler.memory_list": deep(Handler.memory_list),
         "__main__.CLOSURE": closure_bytes}
started = threading.Event()


def in_thread():
    thread_local = [bytes(200) + b"%d" % i for i in range(5000)]
    TRUTH["thread_local"] = deep(thread_local)
    started.set()
    time.sleep(1000)


def make_garbage(count):
    gc.collect()
    gc.disable()
    for i in range(count):
        a, b = Node(), Node()
        a.other, b.other, a.payload = b, a, [i + 3000000, "payload-%d" % i]


def main(out):
    frame_local = {"local-%d" % i: (i + 4000000, i / 7.0) for i in range(5000)}
    TRUTH["frame_local"] = deep(frame_local)
    threading.Thread(target=in_thread, daemon=True).start()
    started.wait()
    make_garbage(1000)
    SEEN.clear()
    with open(out, "w") as f:
        f.write(repr({"holders": TRUTH, "nodes": 2000, "payloads": 1000}))
    print("ready", flush=True)
    time.sleep(1000)


main(sys.argv[1])
