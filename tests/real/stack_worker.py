"""stack_worker.py - threads in every position, and what Python itself says of them.

    python3 stack_worker.py OUT MODE

Writes to OUT, as JSON, each thread's name, ids and frames [function, file, line],
innermost first, as sys._current_frames() has them; and asyncio's tasks, each with
the frames of its chain of awaits, innermost first. Then says "ready" and stays as
it is. MODE: "wait" reads stdin; "hold" waits too, but keeps the GIL.
"""
import asyncio
import contextlib
import ctypes
import functools
import gc
import json
import os
import re
import sys
import threading
import time

OUT, MODE = sys.argv[1], sys.argv[2]
PIPE = os.pipe()
LOCK = threading.Lock()
LOCK.acquire()
started = threading.Semaphore(0)
loops = []


def block_in_read():
    started.release()
    os.read(PIPE[0], 1)


def block_in_lock():
    started.release()
    LOCK.acquire()


# ---- what threads do

def recursion(n):
    if n:
        return recursion(n - 1)
    block_in_lock()


def deep():
    recursion(600)


def inner_generator():
    yield 1
    started.release()
    time.sleep(1000)
    yield 2


def outer_generator():
    before = 0
    yield before
    yield from inner_generator()


def generators():
    for value in (x for x in outer_generator()):
        if value > 1:
            break


def from_sort():
    sorted([3, 1, 2],
           key=lambda x: (
               x,
               block_in_read() if x == 2 else None,
           ))


def from_ctypes():
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int),
                            ctypes.POINTER(ctypes.c_int))

    @kind
    def compare(a, b):
        block_in_read()
        return a[0] - b[0]
    numbers = (ctypes.c_int * 3)(3, 1, 2)
    ctypes.CDLL(None).qsort(numbers, 3, ctypes.sizeof(ctypes.c_int), compare)


class Described:
    def __init__(self, go_on):
        self.go_on = go_on

    def __getattr__(self, name):
        return self.go_on()

    @property
    def value(self):
        return self.missing

    def __len__(self):
        self.value
        return 1

    def __enter__(self):
        return self

    def __exit__(self, *what):
        len(self)


@contextlib.contextmanager
def manager(go_on):
    try:
        yield
    finally:
        functools.reduce(lambda a, b: go_on(), [1, 2, 3])


def decorated(f):
    @functools.wraps(f)
    def wrapper(*args, **more):
        return f(*args, **more)
    return wrapper


@decorated
def many_ways(go_on=block_in_read):
    def by_list():
        return [go_on() for _ in range(3)]

    def by_map():
        return list(map(lambda x: by_list(), "ab"))

    def by_regex():
        return re.sub("a", lambda m: by_map() and "", "aaa")

    def by_exit():
        with Described(by_regex):
            pass

    def by_error():
        try:
            raise KeyError(1)
        except KeyError:
            with manager(by_exit):
                pass

    class Made(type):
        def __call__(cls, *args):
            return by_error()

    class Thing(metaclass=Made):
        pass
    {k: v for k, v in [(1, Thing(1,
                                 2,
                                 3))]}


def far_lines():
    """Lines far apart, long code, a name and a file beyond ASCII."""
    lines = ["def \u0444\u0443\u043d\u043a(go_on):"]
    for i in range(400):
        lines.append("    v%d = [%d, %d, %d]" % (i % 7, i, i + 1, i + 2))
        if i % 50 == 0:
            lines.extend([""] * 300)
    lines += ["    for i in range(3):", "        if i == 2:", "            go_on(", "", "",
              "                )"]
    space = {}
    exec(compile("\n" * 70000 + "\n".join(lines), "/tmp/\u0444\u0430\u0439\u043b\u2603.py", "exec"), space)
    space["\u0444\u0443\u043d\u043a"](lambda: exec("block()", {"block": block_in_read}))


def in_callback_of_callback():
    """C, Python, C, Python, with a generator between."""
    def numbers():
        for i in range(3):
            yield max([i], key=lambda x: sum(block_in_read() or 0 for _ in [1]))
    list(numbers())


# ---- asyncio

async def leaf(event):
    await event.wait()


async def middle(event):
    async with contextlib.AsyncExitStack():
        await leaf(event)


async def asks_for(other):
    return await other


async def sleeper():
    await asyncio.sleep(1000)


async def gatherer(event):
    await asyncio.gather(leaf(event), sleeper())


async def ticks():
    while True:
        yield 1
        await asyncio.sleep(1000)


async def reader():
    async for _ in ticks():
        pass


async def done():
    return 1


async def runs_blocked():
    """A task that is running, inside an asynchronous generator."""
    async def stuck():
        yield 1
        block_in_read()
    async for _ in stuck():
        pass


async def main(block):
    event = asyncio.Event()
    make = asyncio.ensure_future
    tasks = [make(middle(event)), make(sleeper()), make(gatherer(event)), make(reader()),
             make(done())]
    tasks.append(make(asks_for(tasks[0])))
    if hasattr(tasks[0], "set_name"):
        tasks[0].set_name("the m\u00eddle")
    await asyncio.sleep(0.2)
    loops.append((threading.get_native_id(), asyncio.get_running_loop(), tasks))
    if block:
        await runs_blocked()
    started.release()
    await event.wait()


def run_loop(block):
    asyncio.run(main(block))


# ---- the truth

def frames_of(frame):
    found = []
    while frame:
        found.append([frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return found


def chain_of(coroutine):
    found = []
    while coroutine is not None:
        for prefix in ("cr", "gi", "ag"):
            if hasattr(coroutine, prefix + "_frame"):
                frame = getattr(coroutine, prefix + "_frame")
                follows = {"cr": "cr_await", "gi": "gi_yieldfrom", "ag": "ag_await"}[prefix]
                break
        else:
            break
        if frame is None:
            break
        found.append([frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno])
        coroutine = getattr(coroutine, follows)
        if type(coroutine).__name__ == "async_generator_asend":     # has no such attribute
            coroutine = next(o for o in gc.get_referents(coroutine) if hasattr(o, "ag_frame"))
    return found[::-1]


def tasks_of():
    found = []
    for tid, loop, kept in loops:
        for task in set(asyncio.all_tasks(loop)) | set(kept):
            state = "cancelled" if task.cancelled() else "finished" if task.done() else "pending"
            chain = []
            if not task.done() and task is not _running.get(tid):
                chain = chain_of(task.get_coro())
            waits = getattr(task, "_fut_waiter", None)
            found.append({
                "name": task.get_name() if hasattr(task, "get_name") else None, "tid": tid,
                "address": hex(id(task)), "state": state, "frames": chain,
                "running": task is _running.get(tid),
                "waits_for": waits.get_name() if isinstance(waits, asyncio.Task) else None})
    return found


_running = {}


def tell(here):
    """Everything, `here` being the frame that will stand still on this very line."""
    for tid, loop, _ in loops:
        try:
            _running[tid] = asyncio.current_task(loop)
        except RuntimeError:
            pass
    current = sys._current_frames()
    threads = []
    for t in threading.enumerate():
        frame = here if t is threading.main_thread() else current[t.ident]
        threads.append({"name": t.name, "tid": t.native_id, "ident": t.ident,
                        "frames": frames_of(frame)})
    truth = {"threads": threads, "tasks": tasks_of(), "pid": os.getpid(), "mode": MODE,
             "version": list(sys.version_info[:3])}
    with open(OUT, "w") as f:
        json.dump(truth, f)
    print("ready", flush=True)


def stand():
    pause = ctypes.PyDLL(None).pause        # PyDLL keeps the GIL
    wait = pause if MODE == "hold" else lambda: None
    if MODE == "hold":
        tell(sys._getframe()) or pause()
    else:
        tell(sys._getframe()) or sys.stdin.buffer.read(1)
    return wait


def begin(name, f, *args):
    t = threading.Thread(target=f, args=args, name=name, daemon=True)
    t.start()
    return t


def start():
    sys.setrecursionlimit(5000)
    workers = [("deep", deep), ("generators", generators), ("sort", from_sort),
               ("ctypes", from_ctypes), ("many ways", many_ways), ("far l\u00efnes", far_lines),
               ("callbacks", in_callback_of_callback), ("loop", run_loop, False),
               ("blocked loop", run_loop, True), ("lock", block_in_lock)]
    for row in workers:
        begin(*row)
    for _ in workers:
        started.acquire()
    last = None
    while True:     # they said so just before they blocked
        time.sleep(0.1)
        now = {i: frames_of(f) for i, f in sys._current_frames().items()
               if i != threading.get_ident()}
        if now == last:
            break
        last = now


class Main:
    @staticmethod
    def go():
        start()
        stand()


if __name__ == "__main__":
    Main.go()
