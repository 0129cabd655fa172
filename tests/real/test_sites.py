"""Where memory was allocated, as tracemalloc recorded it: dead, alive, and as its own snapshot."""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import check_each, find_core, interpreters, main, no_kernel_cores, skip  # noqa: E402
from spoiled import Core, Mutant, problem_of, run  # noqa: E402

FOUND, _ = interpreters()
REST = ("(not recorded by tracemalloc)", "(tracemalloc was not on)", "(nothing tells where)")
BIG = 100000
MUTANTS = int(os.environ.get("CORESCAN_TEST_MUTANTS", "6"))


def start(t, interpreter, frames, big=0, env=None):
    env = dict(os.environ if env is None else env, PYTHONDONTWRITEBYTECODE="1", PYTHONWARNINGS="ignore")
    child = t.start([interpreter.path, os.path.join(HERE, "sites_worker.py"), str(frames), t.dir,
                     str(big)], env=env, limit_core=True)
    child.wait_line("ready")
    with open(os.path.join(t.dir, "truth.json")) as f:
        return child, json.load(f)


def core_of(t, child):
    """The kernel's, else gdb's."""
    if no_kernel_cores():
        return t.gcore_of(child.pid)
    os.kill(child.pid, signal.SIGABRT)
    child.wait()
    return find_core(child.pid, t.dir) or skip("the kernel wrote no core")


def sites_of(t, target, *options):
    """(rows of tracemalloc, one of what nobody recorded, total)"""
    doc = t.corescan_json([target, "--by-site"] + list(options))
    t.equal(doc["anomalies"]["rows"], [], "anomalies")
    view = [v for v in doc["views"] if v["view"] == "by-site"][0]
    rest = [r for r in view["rows"] if r["evidence"] == "none"]
    t.equal((len(rest), rest[0]["site"] in REST), (1, True), "one row for the rest")
    t.equal(view["rows"][-1], rest[0], "which is the last")
    others = [r for r in view["rows"] if r["evidence"] != "tracemalloc"]
    shares = view["evidence"]["rows"]
    if "--cumulative" not in options:
        t.equal({s["evidence"]: s["bytes"] for s in shares if s["bytes"]},
                {e: sum(r["bytes"] for r in view["rows"] if r["evidence"] == e)
                 for e in set(r["evidence"] for r in view["rows"] if r["bytes"])}, "shares")
        t.equal(sum(s["bytes"] for s in shares), view["total"]["bytes"], "they are all there is")
    merged = dict(rest[0], count=sum(r["count"] for r in others), bytes=sum(r["bytes"] for r in others))
    return [r for r in view["rows"] if r["evidence"] == "tracemalloc"], merged, view.get("total")


def shown(name):
    """As corescan writes text: what is no UTF-8 as \\xNN."""
    return "".join(c if not "\ud800" <= c <= "\udfff" else
                   "".join("\\x%02x" % b for b in c.encode("utf-8", "surrogatepass")) for c in name)


def as_rows(mode, statistics):
    """{what a row is about: (count, size)} of the process' own rows."""
    if mode.startswith("file"):
        return {shown(frames[0][0]): (n, size) for frames, n, size in statistics}
    return {tuple((shown(f), line) for f, line in frames): (n, size) for frames, n, size in statistics}


def as_told(mode, rows):
    if mode.startswith("file"):
        return {r["site"]: (r["count"], r["requested"]) for r in rows}
    return {tuple((f["file"], f["line"] or 0) for f in r["frames"]): (r["count"], r["requested"])
            for r in rows}


MODES = {"line": [], "file": ["--group-by", "file"], "traceback": ["--group-by", "traceback"],
         "line-cumulative": ["--cumulative"], "file-cumulative": ["--group-by=file", "--cumulative"]}


def same_snapshot(t, interpreter, target, truth):
    """Its own tracemalloc finds the same traces in our file; gives the rows it makes of it."""
    ours = os.path.join(t.dir, "ours.pickle")
    code, _, err = t.corescan([target, "--tracemalloc-out", ours])
    t.equal(code, 0, "it is written: " + err)
    done = subprocess.run([interpreter.path, os.path.join(HERE, "sites_oracle.py"),
                           os.path.join(t.dir, "truth.pickle"), ours, os.path.join(t.dir, "truth.json")],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if not t.true(not done.returncode, "it cannot be read: " + done.stderr.decode()[-300:]):
        return None
    answer = json.loads(done.stdout.decode())
    t.equal(answer["wrong"], 0, "traces that differ: " + answer["some"])
    t.true(truth["traces"] * 0.9 < answer["same"] <= truth["traces"],
           "%d of %d traces compared" % (answer["same"], truth["traces"]))
    t.equal(answer["moved"], [], "compare_to finds no difference")
    t.equal(answer["limits"], [truth["limit"]] * 2, "the limit")
    t.equal(answer["domains"][1], answer["domains"][0], "traces of domain 5")
    return answer["rows"]


def says_the_same(t, interpreter, target, truth, modes=tuple(MODES)):
    rows = same_snapshot(t, interpreter, target, truth)
    sums = set()
    for mode in modes:
        told, rest, total = sites_of(t, target, *MODES[mode])
        # every row, in the words of the target's own module, over our snapshot of it
        if rows:
            t.equal(as_told(mode, told), as_rows(mode, rows[mode]), "rows by " + mode)
        # and as the process itself said, but for what the question allocated
        if mode == "line":
            mine = {k: v for k, v in as_told(mode, told).items() if k[0][0] != truth["oracle"]}
            theirs = {k: v for k, v in as_rows(mode, truth["rows"][mode]).items()
                      if k[0][0] != truth["oracle"]}
            t.equal(mine, theirs, "rows by line as the process had them")
        if "cumulative" in mode:
            t.equal(total, {}, "there is no sum")
            continue
        t.equal(sum(r["bytes"] for r in told) + rest["bytes"], total["bytes"], "bytes sum up")
        sums.add((sum(r["count"] for r in told), sum(r["requested"] for r in told),
                  sum(r["bytes"] for r in told), rest["bytes"]))
    t.equal(len(sums), 1, "whatever they are grouped by: %s" % sums)
    return told


def all_that_is_used_is_there(t, target):
    """Blocks in use as --by-size has them: of malloc's a word is its own, of mmapped ones two."""
    told, rest, total = sites_of(t, target)
    sizes = t.corescan_json([target, "--by-size"])["views"][0]["rows"]
    chunks = sum(r["count"] for r in sizes if r["allocator"] == "glibc")
    most = sum(r["bytes"] for r in sizes) - 8 * chunks
    t.true(most - 8 * 100 <= total["bytes"] <= most, "%d of %d bytes" % (total["bytes"], most))
    blocks = sum(r["count"] for r in sizes)
    # traces of nothing, and second ones of a block, have no block in use
    t.true(0 <= sum(r["count"] for r in told) + rest["count"] - blocks <= 700,
           "%d and %d of %d blocks" % (sum(r["count"] for r in told), rest["count"], blocks))


def objects_have_their_places(t, target, truth):
    """--object: where the process says they were made, and where even it does not know."""
    plain = [i for i, line in enumerate(open(os.path.join(HERE, "sites_worker.py")), 1)
             if line.startswith("OBJECTS = ")][0]
    asks = [word for addr, _, _ in truth["objects"] for word in ("--object", addr)]
    views = t.corescan_json([target, "--top", "1"] + asks)["views"]
    t.equal(len(views), len(truth["objects"]), "answers")
    for (addr, kind, frames), view in zip(truth["objects"], views):
        places = [r["value"] for r in view["rows"] if r["field"] in ("allocated_at", "called_from")]
        found = [re.sub(r"^.* \((.*)\)$", r"\1", p) for p in places]
        if frames:
            t.equal(found, ["%s:%d" % (f, n) for f, n in frames], "%s at %s" % (kind, addr))
        elif kind != "Plain":   # out of a free list, made before tracing began
            t.equal(found, ["not recorded by tracemalloc"], "%s at %s" % (kind, addr))
        else:                   # 3.11 looks behind the wrong header
            t.true(found and found[0].endswith("sites_worker.py:%d" % plain),
                   "%s at %s was made in line %d: %s" % (kind, addr, plain, found))


FRAMES = [(i, frames) for i in FOUND for frames in (1, 25)]


@check_each(FRAMES, name=lambda r: "%s-frames%d" % (r[0].name, r[1]))
def every_row_is_as_the_process_said(t, row):
    interpreter, frames = row
    child, truth = start(t, interpreter, frames)
    says_the_same(t, interpreter, child.pid, truth, ("line",))
    core = core_of(t, child)
    # with one frame a traceback is its line
    says_the_same(t, interpreter, core, truth, tuple(MODES) if frames > 1 else ("line", "file"))
    told, _, _ = sites_of(t, core)
    all_that_is_used_is_there(t, core)
    objects_have_their_places(t, core, truth)
    worker = os.path.join(HERE, "sites_worker.py")
    functions = {r["site"]: r["function"] for r in told}
    with open(worker) as f:
        lines = {line.strip(): "%s:%d" % (worker, n) for n, line in enumerate(f, 1)}
    for text, function in (('self.text = "plain %d" % number', "__init__"),
                           ("self.number = number + 100000", "__init__"),
                           ("kept.append([Plain(i) for i in range(500 + number)])", "in_thread"),
                           ('KEPT.append("short %d" % i)', "<module>"),
                           ('return [str(i) + " of a comprehension" for i in range(50)]', "comprehension"),
                           ('return list(str(i) + " of a generator" for i in range(50))', "generator"),
                           ('return "%d of an inner function" % number', "inner"),
                           ('call = lambda self: ["%d of a lambda" % i for i in range(50)]  # noqa: E731',
                            "Several"),
                           ('def one_line(): return ["one line %d" % i for i in range(50)]', "nobody")):
        name = functions[lines[text]] or "nobody"
        t.equal(name.split(".")[-1], function, "who has the line " + text)


@check_each(FOUND, name=lambda i: i.name)
def a_big_table_of_a_process_traced_from_its_start(t, interpreter):
    child, truth = start(t, interpreter, 0, BIG, dict(os.environ, PYTHONTRACEMALLOC="5"))
    t.true(truth["limit"] == 5 and truth["traces"] > BIG, "%d traces" % truth["traces"])
    core = core_of(t, child)
    says_the_same(t, interpreter, core, truth)


@check_each(FOUND, name=lambda i: i.name)
def the_debug_allocator_is_no_hindrance(t, interpreter):
    child, truth = start(t, interpreter, 3, 0, dict(os.environ, PYTHONMALLOC="debug"))
    told = says_the_same(t, interpreter, child.pid, truth, ("line",))
    t.true(sum(r["bytes"] for r in told if "json" in r["site"]) >
           sum(r["requested"] for r in told if "json" in r["site"]) > 0, "blocks are found behind headers")


class Entries:
    """Where in a core file the entries of tables of traces are: {next, hash, key, ...}, the hash
    that of the key, an address."""

    def __init__(self, core):
        self.core = core
        self.at = []
        for addr, at, size in core.parts:
            words = memoryview(core.data)[at:at + size // 8 * 8].cast("Q")
            for i in range(1, len(words) - 1):
                key = words[i + 1]
                if key > 1 << 20 and words[i] == (key >> 4 | (key & 15) << 60):
                    self.at.append(at + (i - 1) * 8)

    def word(self, at):
        return struct.unpack_from("<Q", self.core.data, at)[0]

    def address(self, at):
        for addr, offset, size in self.core.parts:
            if offset <= at < offset + size:
                return addr + at - offset

    def trace(self, at):
        """Where its {size, traceback} is: 3.8 has it in the entry."""
        value = self.core.offset(self.word(at + 24))
        return value if value is not None else at + 24


def spoil_places(entries, rng):
    """The words of an entry, its trace and its traceback."""
    at = rng.choice(entries.at)
    trace = entries.trace(at)
    places = [at, at + 8, at + 16, at + 24, trace, trace + 8]
    traceback = entries.core.offset(entries.word(trace + 8))
    if traceback is not None:
        places += [traceback, traceback + 8, traceback + 12, traceback + 20]
    return places


def small_core(t, interpreter):
    child, truth = start(t, interpreter, 5)
    return core_of(t, child), truth


@check_each(FOUND, name=lambda i: i.name)
def a_chain_that_leads_into_itself_costs_one_row(t, interpreter):
    path, truth = small_core(t, interpreter)
    core = Core(path)
    entries = Entries(core)
    t.true(len(entries.at) >= truth["traces"] * 0.9, "%d entries found" % len(entries.at))
    told, _, _ = sites_of(t, path)
    before = as_told("line", told)
    at = [at for at in entries.at if not entries.word(at)][len(entries.at) // 7]
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(struct.pack("<Q", entries.address(at)))
    doc = t.corescan_json([path, "--by-site"], exits=(1,))
    rows = [r for r in doc["views"][0]["rows"] if r["evidence"] == "tracemalloc"]
    after = as_told("line", rows)
    differ = [(k, before[k], after.get(k)) for k in before if after.get(k) != before[k]]
    t.equal(differ, [], "rows that differ: none, for the chain ended there")
    t.equal([(r["kind"], int(r["address"], 16)) for r in doc["anomalies"]["rows"]],
            [("python.tracemalloc", entries.address(at))], "what contradicts itself, and where")


@check_each(FOUND, name=lambda i: i.name)
def spoiled_tables_give_what_is_whole(t, interpreter):
    path, truth = small_core(t, interpreter)
    core = Core(path)
    entries = Entries(core)
    answers, whole = [], 0
    for seed in range(MUTANTS):
        mutant = Mutant(core, seed)
        for _ in range(mutant.rng.choice((1, 3, 30))):
            at = mutant.rng.choice(spoil_places(entries, mutant.rng))
            mutant.put(at, mutant.value(at))
        spoiled = os.path.join(t.dir, "spoiled")
        with open(spoiled, "wb") as f:
            f.write(mutant.data)
        answer = run(spoiled, ["--summary", "--by-site", "--json", "--tracemalloc-out", spoiled + ".p"])
        problem = problem_of(spoiled, answer)
        if not t.true(not problem, "mutant %d: %s" % (seed, problem)):
            break
        doc = json.loads(answer[1])
        rows = [r for r in doc["views"][1]["rows"] if r["evidence"] == "tracemalloc"]
        most = sum(r["count"] for r in rows) > truth["traces"] * 0.2
        t.true(most or answer[0] == 1, "mutant %d: most is there, or it is said that it is not" % seed)
        whole += most
        answers.append(answer[0])
    t.true(1 in answers, "some were told to be partial")
    t.true(whole > MUTANTS / 2, "of most spoiled tables most is there: %d" % whole)


@check_each(FOUND, name=lambda i: i.name)
def a_core_cut_short_gives_what_is_there(t, interpreter):
    path, truth = small_core(t, interpreter)
    size = os.path.getsize(path)
    for tenth in (9, 7, 5, 3):
        os.truncate(path, size * tenth // 10)
        answer = run(path, ["--summary", "--by-site", "--json"])
        problem = problem_of(path, answer, exits=(1, 3))
        t.true(not problem, "%d tenths: %s" % (tenth, problem))


@check_each(FOUND, name=lambda i: i.name)
def a_process_that_does_not_trace_says_so(t, interpreter):
    program = ("import tracemalloc, time\nx = [str(i) for i in range(1000)]\n%s"
               "print('ready', flush=True)\ntime.sleep(1000)")
    for was_on in (False, True):
        more = "tracemalloc.start(); x.append([1]); tracemalloc.stop()\n" if was_on else ""
        child = t.start([interpreter.path, "-c", program % more])
        child.wait_line("ready")
        told, rest, total = sites_of(t, child.pid)
        t.equal((told, rest["site"]), ([], "(tracemalloc was not on)"), "what it says")
        t.equal(rest["bytes"], total["bytes"], "all of it")
        out = os.path.join(t.dir, "none.pickle")
        code, _, err = t.corescan([child.pid, "--tracemalloc-out", out])
        t.equal((code, os.path.exists(out)), (1, False), "no snapshot is written")
        t.true("tracemalloc was not on" in err, "and that is said: " + err)
        code, _, err = t.corescan([child.pid, "--quiet"])
        t.equal((code, err), (0, ""), "the default page has no problem with it")


@check_each(FOUND, name=lambda i: i.name)
def finds_the_line_in_a_tornado_server(t, interpreter):
    """The classic: a handler that hoards. The server knows nothing of us."""
    interpreter.must_have("tornado.web")
    server = os.path.join(HERE, "tornado_worker.py")
    argv = [interpreter.path, "-X", "tracemalloc=25", server]
    core, child = t.core_of(argv)
    with open(server) as f:
        lines = {text: n for n, text in enumerate(f, 1)}
    hoards = [n for text, n in lines.items() if "memory_list = [" in text][0]
    handler = [n for text, n in lines.items() if text.startswith("class BadHandler")][0]
    told, _, _ = sites_of(t, core, "--group-by", "traceback")
    top = json.loads([line[4:] for line in child.lines if line.startswith("top ")][0])
    t.equal([[[f["file"], f["line"]] for f in told[0]["frames"]], told[0]["count"], told[0]["requested"]],
            top, "the traceback, count and size of what is biggest")
    # up to 3.11 a comprehension has a frame of its own
    t.equal([line for _, line in top[0]], [hoards] * (1 + (interpreter.version < (3, 12))) + [handler],
            "which is the handler's list")
    t.equal([f["function"] for f in told[0]["frames"]],
            ["BadHandler"] * (len(top[0]) - 1) + ["<module>"], "whose lines they are")
    code, out, err = t.corescan([core, "--by-site", "--group-by", "traceback", "--top", "1"])
    t.true("tornado_worker.py:%d" % hoards in out and "tornado_worker.py:%d" % handler in out,
           "people see it too: " + out)
    t.true(max(map(len, out.splitlines())) <= 80, "no line is longer than 80")


def stripped(t, interpreter):
    """The interpreter without debug data and local symbols, or a skip."""
    if not shutil.which("strip"):
        skip("strip is not installed")
    done = subprocess.run(["ldd", interpreter.real], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    m = re.search(r"(libpython3\S+) => (\S+)", done.stdout.decode())
    if not m:
        skip("%s has no library of its own" % interpreter.name)
    subprocess.run(["strip", "--strip-all", "-o", os.path.join(t.dir, m[1]), m[2]], check=True)
    return dict(os.environ, LD_LIBRARY_PATH=t.dir)


@check_each(FOUND, name=lambda i: i.name)
def a_stripped_interpreter_hides_nothing(t, interpreter):
    child, truth = start(t, interpreter, 25, 0, stripped(t, interpreter))
    with open("/proc/%d/maps" % child.pid) as f:
        t.true(t.dir + "/libpython" in f.read(), "the stripped one runs")
    says_the_same(t, interpreter, child.pid, truth, ("line", "traceback"))
    core = core_of(t, child)
    says_the_same(t, interpreter, core, truth, ("line", "file"))


main()
