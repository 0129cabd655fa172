"""reach_worker.py OUT APP - says which of its objects live and which are garbage, and waits.

OUT.live: ids of all objects that the collector knows once everything else was
collected, and of what they lead to. OUT.garbage: of the cycles made after that, and of
what only they lead to; OUT.nodes: those of type Node. OUT.stuck: of objects with a count too
high by one, and of what they lead to. One decimal number a line.
"""
import ctypes
import gc
import importlib
import sys
import threading
import time
import types

# not what is made anew when it is asked for
CODE = ("co_consts", "co_names", "co_filename", "co_name", "co_qualname")


IN_GENERATORS = []      # ids


class Node:
    def __init__(self):
        self.payload = [object(), "payload-%d" % id(self)]


class Stuck:
    def __init__(self, number):
        self.payload = [object(), "stuck-%d" % number]


def hold_locals(started):
    kept = {i: [Node()] for i in range(500)}
    started.set()
    time.sleep(1000)
    return kept


def generate():
    state = [Node() for _ in range(300)]
    IN_GENERATORS.extend(map(id, state))
    while True:
        yield len(state)


def closure_of(n):
    nodes = [Node() for _ in range(n)]
    return lambda: nodes


def make_garbage():
    gc.disable()
    for i in range(700):
        a, b = Node(), Node()
        a.other, b.other = b, a
        if i % 3 == 0:
            a.call = closure_of(3)
            a.own = a.call, (lambda x=a: x)
        if i % 5 == 0:
            a.generator = generate()
            next(a.generator)
        yield a
        yield b


def extra_nodes(o):
    """The Nodes that only a function of a garbage Node holds."""
    if hasattr(o, "call"):
        yield from o.call()


def closure(start, stop):
    """ids of start and of what only it leads to, found without making objects that stay."""
    seen, stack = {}, list(start)
    while stack:
        o = stack.pop()
        if id(o) in seen or id(o) in stop:
            continue
        seen[id(o)] = None
        stack.extend(gc.get_referents(o))
        if type(o) is types.CodeType:       # the collector does not look into code
            stack.extend(getattr(o, name) for name in CODE if hasattr(o, name))
    return seen


def write(path, ids):
    with open(path, "w") as f:
        f.write("".join("%d\n" % i for i in ids))


def main(out, app):
    if app != "plain":
        importlib.import_module(app)
    started = threading.Event()
    threading.Thread(target=hold_locals, args=(started,), daemon=True).start()
    started.wait()
    generator = generate()
    next(generator)
    call = closure_of(400)
    IN_GENERATORS.clear()       # before it is asked what lives: these numbers die here
    gc.collect()
    gc.collect()
    live = closure(gc.get_objects(), {})
    garbage = list(make_garbage())
    if sys.version_info < (3, 11):      # a frame of before, whose memory is used again
        for o in garbage:
            if hasattr(o, "generator"):
                live.pop(id(o.generator.gi_frame), None)
    ids = closure(garbage, live)
    nodes = [i for o in garbage for i in [id(o)]] + [id(n) for o in garbage for n in extra_nodes(o)]
    stuck = [Stuck(i) for i in range(50)]
    for o in stuck:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(o))
    stuck_ids = closure(stuck, live)
    for known in (live, ids, garbage, nodes, stuck, stuck_ids):      # of the asking itself
        ids.pop(id(known), None)
        stuck_ids.pop(id(known), None)
    write(out + ".live", live)
    write(out + ".garbage", ids)
    write(out + ".nodes", nodes + IN_GENERATORS)
    write(out + ".stuck", stuck_ids)
    del garbage, ids, live, known, nodes, stuck, stuck_ids, o
    print("ready", flush=True)
    time.sleep(1000)
    return generator, call


main(*sys.argv[1:])
