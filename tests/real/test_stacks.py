"""Stacks as corescan sees them against what the process itself said, and gdb.

Python frames, threads, the GIL and asyncio's tasks of every interpreter of this
machine, dead and alive; native stacks of a C program and of CPython against gdb's.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import gdb_driver  # noqa: E402
from harness import ROOT, check, check_each, interpreters, main, skip  # noqa: E402

FOUND, _ = interpreters()
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
VICTIM = os.path.join(BUILD, "tests", "real", "victim_threads")
WORKER = os.path.join(HERE, "stack_worker.py")


def rows(document, view="threads"):
    return next(v for v in document["views"] if v["view"] == view)["rows"]


def frames(found):
    return [[f["function"], f["file"], f["line"]] for f in found]


def worker(t, path, mode, way):
    """(what the process said, its core or pid)"""
    out = os.path.join(t.dir, "truth")
    argv = [path, WORKER, out, mode]
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    if way == "abort":
        def die(child):
            time.sleep(0.3)     # it said so just before it stood still
            os.kill(child.pid, signal.SIGABRT)
        target, _ = t.kernel_core(argv, env=env, trigger=die)
    else:
        child = t.start(argv, env=env)
        child.wait_line("ready")
        time.sleep(0.2)
        target = t.gcore_of(child.pid) if way == "gcore" else str(child.pid)
    with open(out) as f:
        return json.load(f), target


def first_difference(got, want):
    for i, (a, b) in enumerate(zip(got, want)):
        if a != b:
            return "frame %d is %s, the process says %s" % (i, a, b)
    return "%d frames, the process says %d" % (len(got), len(want))


def check_threads(t, truth, found):
    by_tid = {r["tid"]: r for r in found}
    t.equal(len(found), len(truth["threads"]), "threads")
    for want in truth["threads"]:
        got = by_tid.get(want["tid"])
        if not t.true(got, "there is no thread %s" % want["name"]):
            continue
        t.equal(got["name"], want["name"], "name")
        if frames(got["python"]) != want["frames"]:
            t.fail("%s: %s" % (want["name"], first_difference(frames(got["python"]), want["frames"])))
        holds = truth["mode"] == "hold" and want["name"] == "MainThread"
        t.equal(got["gil"], "holds" if holds else "no", "the GIL of " + want["name"])
        t.equal(got["note"], None, "note of " + want["name"])


def kinds_between(stack, inner, outer):
    names = [f["function"] for f in stack]
    i = next(k for k, f in enumerate(stack) if f["kind"] == "python" and f["function"] == inner)
    o = next(k for k, f in enumerate(stack) if f["kind"] == "python" and f["function"] == outer)
    return i, o, names[i + 1:o], [f["kind"] for f in stack[i + 1:o]]


def check_merged(t, truth, found):
    """Python frames where C calls them, and Python to Python without C from 3.11 on."""
    for r in found:
        if not t.true(r["stack"] is not None, "%s is not merged" % r["name"]):
            return
        t.equal([f["line"] for f in r["stack"] if f["kind"] == "python"],
                [f["line"] for f in r["python"]], "Python frames of the merged stack of " + r["name"])
        t.true(not any(f["function"] == "_PyEval_EvalFrameDefault" for f in r["stack"]),
               r["name"] + " has the interpreter's loop in its merged stack")
    by_name = {r["name"]: r["stack"] for r in found}
    i, o, _, kinds = kinds_between(by_name["sort"], "<lambda>", "from_sort")
    t.true("native" in kinds, "no C between a sort and its key function: %s" % kinds)
    i, o, _, kinds = kinds_between(by_name["ctypes"], "compare", "from_ctypes")
    t.true(len(kinds) >= 3, "no C between qsort and its callback: %s" % kinds)
    i, o, _, kinds = kinds_between(by_name["sort"], "block_in_read", "<lambda>")
    t.equal(bool(kinds), truth["version"] < [3, 11], "C between Python calls Python")
    t.true(by_name["deep"][0]["kind"] != "python", "a blocked thread's stack begins in C")


def check_tasks(t, truth, document):
    view = next(v for v in document["views"] if v["view"] == "threads")
    by_address = {r["address"]: r for r in view["tasks"]["rows"]}
    t.equal(len(by_address), len(truth["tasks"]), "tasks")
    for want in truth["tasks"]:
        got = by_address.get(want["address"])
        if not t.true(got, "there is no task %s" % want["name"]):
            continue
        t.equal((got["name"], got["tid"]), (want["name"], want["tid"]), "task and thread")
        t.equal(got["state"], "running" if want["running"] else want["state"],
                "state of " + want["name"])
        if not want["running"]:
            t.equal(frames(got["frames"]), want["frames"], "awaits of " + want["name"])
        if want["waits_for"]:
            t.equal(got["waits_for"], want["waits_for"], "what %s waits for" % want["name"])


ROWS = [(i, mode, way) for i in FOUND for mode, way in
        (("wait", "abort"), ("hold", "gcore"), ("wait", "live"))]


@check_each(ROWS, lambda r: "%s-%s-%s" % (r[0].name, r[1], r[2]))
def python_stacks(t, row):
    interpreter, mode, way = row
    truth, target = worker(t, interpreter.path, mode, way)
    document = t.corescan_json([target, "--threads"])
    check_threads(t, truth, rows(document))
    check_merged(t, truth, rows(document))
    check_tasks(t, truth, document)
    code, text, _ = t.corescan([target, "--threads", "--top", "0"])
    t.true("recursion (stack_worker.py:" in text and "(600 times)" in text, "recursion told once")
    t.true(all(len(line) <= 80 for line in text.splitlines()), "longer than 80 columns")


@check
def locals_have_previews_and_no_values_hides_them(t):
    if not FOUND:
        skip("no interpreter")
    for interpreter in FOUND:
        truth, target = worker(t, interpreter.path, "wait", "live")
        document = t.corescan_json([target, "--threads", "--verbose"])
        row = next(r for r in rows(document) if r["name"] == "deep")
        values = [{v["name"]: v["value"] for v in f["locals"]} for f in row["python"][1:4]]
        t.equal(values, [{"n": "0"}, {"n": "1"}, {"n": "2"}], interpreter.name + ": locals")
        row = next(r for r in rows(document) if r["name"] == "sort")
        frame = next(f for f in row["python"] if f["function"] == "<lambda>")
        t.equal(frame["locals"], [{"name": "x", "value": "2"}], interpreter.name + ": a lambda's")
        code, text, _ = t.corescan([target, "--threads", "--verbose", "--no-values", "--top", "0"])
        t.true("recursion" in text and "n = " not in text, "--no-values shows locals")
        code, text, _ = t.corescan([target, "--threads", "--verbose", "--top", "0"])
        t.true("n = 1" in text, "--verbose has no locals")


# ---- against gdb

GDB = r"""
import gdb, json
kinds = {gdb.INLINE_FRAME: "inlined", gdb.SIGTRAMP_FRAME: "signal", gdb.TAILCALL_FRAME: "tail"}
for thread in gdb.selected_inferior().threads():
    thread.switch()
    frame, found = gdb.newest_frame(), []
    while frame:
        found.append([frame.name(), kinds.get(frame.type(), "native"), frame.pc()])
        frame = frame.older()
    print("STACK " + json.dumps([thread.ptid[1], found]))
"""


def gdb_stacks(t, program, core):
    gdb = shutil.which("gdb")
    if not gdb:
        skip("gdb is not installed")
    script = os.path.join(t.dir, "stacks.py")
    with open(script, "w") as f:
        f.write(GDB)
    argv = [gdb, "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex",
            "set auto-load off", "-ex", "set backtrace past-main on", program, core, "-x", script]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=300)
    return dict(json.loads(line[6:]) for line in done.stdout.decode().splitlines()
                if line.startswith("STACK "))


def plain(name):
    """Names of one function: gdb tells libc's internal one, or the symbol of many it likes."""
    return re.sub(r"^(__GI_)?_*|(\.\w+)+$", "", name or "?").replace("libc_", "")


def compare_with_gdb(t, program, core):
    theirs = gdb_stacks(t, program, core)
    t.true(theirs, "gdb shows no stack")
    document = t.corescan_json([core, "--threads"])
    compared = 0
    for r in rows(document):
        # a tail call leaves no frame: gdb guesses it from call sites
        want = [("<signal handler called>" if kind == "signal" else plain(n), pc)
                for n, kind, pc in theirs[r["tid"]] if kind != "tail" and (n or kind == "signal")]
        got = [(plain(f["function"]), int(f["address"], 16)) for f in r["native"] if f["function"]]
        t.equal([a for _, a in got][-3:], [a for _, a in want][-3:], "where %d began" % r["tid"])
        if [a for _, a in got] != [a for _, a in want] or \
                [n for n, _ in got] != [n for n, _ in want]:
            t.fail("thread %d: %s" % (r["tid"], first_difference(got, want)))
        compared += len(got)
    return compared


@check_each(["abort", "gcore"])
def native_stacks_are_gdbs(t, way):
    if not os.path.exists(VICTIM):
        skip("victim_threads is not built")
    if way == "abort":
        core, _ = t.kernel_core([VICTIM, "abort"])
    else:
        child = t.start([VICTIM, "wait"])
        child.wait_line("ready")
        time.sleep(0.2)
        core = t.gcore_of(child.pid)
    t.true(compare_with_gdb(t, VICTIM, core) > 500, "few frames")


def functions_of(r):
    return [f["function"] for f in r["native"]]


@check
def native_stacks_of_a_living_process(t):
    if not os.path.exists(VICTIM):
        skip("victim_threads is not built")
    child = t.start([VICTIM, "wait"])
    child.wait_line("ready")
    time.sleep(0.2)
    found = rows(t.corescan_json([child.pid, "--threads"]))
    stacks = [functions_of(r) for r in found]
    t.equal(len(stacks), 5, "threads")
    t.true(any("main_thread" in s and "main" in s for s in stacks), "the main thread")
    t.equal(max(s.count("recursion") for s in stacks), 501, "calls of a recursion")
    chain = next(s for s in stacks if "run_chain" in s)
    i = chain.index("block")
    t.equal(chain[i:i + 6], ["block", "inlined_inner", "inlined_outer", "third", "second", "run_chain"],
            "a chain with inlined calls")
    t.true(any("<signal handler called>" in s and "raises" in s for s in stacks), "through a signal")
    t.equal([r["note"] for r in found], [None] * 5, "notes")
    t.equal([r["gil"] for r in found], [None] * 5, "no GIL in C")


@check
def the_interpreter_s_own_stack_is_gdbs(t):
    candidates = [i for i in FOUND if ".pyenv" in i.path]
    if not candidates:
        skip("no interpreter with debug data")
    interpreter = candidates[-1]
    _, core = worker(t, interpreter.path, "wait", "gcore")
    compare_with_gdb(t, interpreter.real, core)


@check_each(["core", "live", "gdbserver"])
def inside_gdb_stacks_are_the_same(t, way):
    """A debugger tells of registers no more than sp, pc and fs_base."""
    if not FOUND:
        skip("no interpreter")
    truth, target = worker(t, FOUND[-1].path, "wait", "gcore" if way == "core" else "live")
    before, where = [], ["-p", target]
    if way == "core":
        where = [FOUND[-1].real, target]
    elif way == "gdbserver":
        before, where = gdb_driver.gdbserver(t, "--attach", target), []
    answers = gdb_driver.batch(before + ["corescan threads --json", "corescan threads"], where, timeout=120)
    document = json.loads(answers[-2][answers[-2].index("{"):])
    by_tid = {r["tid"]: r for r in rows(document)}
    for want in truth["threads"]:
        got = by_tid.get(want["tid"])
        if t.true(got, "there is no thread " + want["name"]):
            t.equal(got["name"], want["name"], "name")
            t.equal(frames(got["python"]), want["frames"], want["name"])
            t.true(len(got["native"]) >= 1, want["name"] + " has no native frame")
            t.true(got["note"] or len(got["native"]) > 3, "a short stack without a word")
    t.true("recursion (stack_worker.py:" in answers[-1], "the text: " + answers[-1][:300])


# ---- what is not there

@check
def a_cut_core_shows_what_is_left(t):
    if not os.path.exists(VICTIM):
        skip("victim_threads is not built")
    core, _ = t.kernel_core([VICTIM, "abort"])
    with open(core, "rb") as f:
        whole = f.read()
    for part in (0.95, 0.8, 0.5, 0.2, 0.05, 0.003):
        short = os.path.join(t.dir, "short")
        with open(short, "wb") as f:
            f.write(whole[:int(len(whole) * part)])
        code, text, err = t.corescan([short, "--threads", "--json"])
        if not t.true(code in (1, 3), "exit %d for %g of a core: %s" % (code, part, err)) or code == 3:
            continue
        found = rows(json.loads(text))
        t.true(all(r["note"] or r["native"] for r in found), "an empty stack without a word")
        t.true(any(r["note"] for r in found) or part > 0.9, "nothing is said of stacks that are cut")


@check
def a_missing_file_ends_a_stack_and_is_named(t):
    if not os.path.exists(VICTIM):
        skip("victim_threads is not built")
    moved = os.path.join(t.dir, "program")
    shutil.copy(VICTIM, moved)
    core, _ = t.kernel_core([moved, "abort"])
    os.unlink(moved)
    for r in rows(t.corescan_json([core, "--threads"])):
        t.true(r["note"] and "program is not here" in r["note"], "note: %s" % r["note"])
        t.equal(r["native"][-1]["function"], None, "the last frame")
        t.equal(r["native"][-1]["module"], moved, "its module")


@check
def a_thousand_threads_take_no_time(t):
    if not FOUND:
        skip("no interpreter")
    text = ("import threading, sys\n"
            "threading.stack_size(65536)\n"
            "e = threading.Event()\n"
            "ts = [threading.Thread(target=e.wait, daemon=True) for _ in range(1000)]\n"
            "[x.start() for x in ts]\n"
            "print('ready', flush=True); sys.stdin.read(1)\n")
    child = t.start([FOUND[-1].path, "-c", text])
    child.wait_line("ready")
    time.sleep(0.5)
    begin = time.monotonic()
    found = rows(t.corescan_json([child.pid, "--threads"]))
    t.true(time.monotonic() - begin < 20, "1000 threads took %.1f s" % (time.monotonic() - begin))
    t.equal(len(found), 1001, "threads")
    t.equal(sum(len(r["python"]) >= 4 for r in found), 1000, "threads with Python frames")
    code, text, _ = t.corescan([child.pid])
    t.true("alike" in text, "threads that do the same are not told as one")


main()
