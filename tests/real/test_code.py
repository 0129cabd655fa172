#!/usr/bin/env python3
"""Allocation sites in machine code, against objdump, the compiler's debug data, and what the
process recorded: (address, line, size) of each block.

BUILD is where tests/real/tool_code, tool_calls and tool_made were built.
"""
import collections
import json
import os
import random
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import harness
from harness import check_each, main, skip

BUILD = os.environ.get("BUILD", os.path.join(harness.ROOT, "build"))
TOOL = os.path.join(BUILD, "tests", "real", "tool_code")
CALLS = os.path.join(BUILD, "tests", "real", "tool_calls")
MUTANTS = int(os.environ.get("CORESCAN_TEST_MUTANTS", "40"))
PLAIN = {"__libc_malloc": "malloc", "__libc_calloc": "calloc", "__libc_realloc": "realloc",
         "__libc_memalign": "memalign", "__libc_valloc": "valloc", "__libc_pvalloc": "pvalloc",
         "__strdup": "strdup", "__strndup": "strndup", "__posix_memalign": "posix_memalign",
         "__libc_reallocarray": "reallocarray", "__malloc": "malloc", "__calloc": "calloc",
         "__realloc": "realloc", "__asprintf": "asprintf", "___asprintf": "asprintf",
         "__memalign": "memalign", "__getline": "getline", "__wcsdup": "wcsdup",
         "___vasprintf": "vasprintf"}
NAMES = set(PLAIN.values()) | {"aligned_alloc", "wcsdup", "_Znwm", "_Znam", "asprintf", "getline"} | {
    domain + what for domain in ("PyMem_", "PyObject_", "PyMem_Raw") for what in
    ("Malloc", "Calloc", "Realloc")}
Site = collections.namedtuple("Site", "kind size way callee")


def output(argv, **more):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600, **more)
    if done.returncode:
        raise RuntimeError("%s exits with %d: %s" % (argv[0], done.returncode, done.stderr.decode()[-300:]))
    return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def sites_in(path):
    """address -> Site; seconds."""
    if not os.path.exists(TOOL):
        skip("%s is not built" % TOOL)
    out, err = output([TOOL, path], env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    found = {}
    for line in out.splitlines():
        addr, kind, size, way, callee = line.split(" ", 4)
        found[int(addr, 16)] = Site(kind, int(size), way, PLAIN.get(callee, callee))
    return found, float(err.split()[0])


LINE = re.compile(r" +([0-9a-f]+):\t(?:bnd |addr32 |notrack |data16 |rex\S* |[cd]s )*(?:call|j\w+) .*"
                  r"<([\w.]+?)(?:@plt|@@?[\w.]+)?>\s*$")


def calls_in(path):
    """address -> callee, by objdump; calls through pointers that relocations fill too."""
    if not shutil.which("objdump"):
        skip("no objdump")
    found, section = {}, ""
    out, _ = output(["objdump", "-d", "--no-show-raw-insn", path])
    for line in out.splitlines():
        if line.startswith("Disassembly"):
            section = line
        m = LINE.match(line)
        name = m and PLAIN.get(m[2], m[2])
        if name in NAMES and ".plt" not in section:
            found[int(m[1], 16)] = name
    return found


REAL = [p for p in ("/usr/bin/python3.11", "/usr/bin/python3", "/usr/bin/git", "/usr/bin/redis-server", "/usr/bin/ninja",
                    "/usr/bin/gdb", "/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
                    "/usr/lib/x86_64-linux-gnu/libcrypto.so.3") if os.path.exists(p)]
REAL += [p for p in (os.path.join(os.path.dirname(i.real), "..", "lib", "libpython%d.%d.so.1.0" % i.version[:2])
                     for i in harness.interpreters()[0]) if os.path.exists(p)]


@check_each(REAL, name=lambda path: path.replace(os.path.expanduser("~"), "~"))
def a_real_program_s_calls_are_those_objdump_sees(t, path):
    want = calls_in(path)
    found, seconds = sites_in(path)
    got = {a: s.callee for a, s in found.items() if s.callee in NAMES}
    t.equal(sorted(set(want) - set(got))[:5], [], "calls not found")
    t.equal(sorted(set(got) - set(want))[:5], [], "calls that are none")
    t.equal(got, want, "whom they call")
    kinds = collections.Counter(s.kind for s in found.values())
    print("    %s: %d calls, %d with those of wrappers, %d of them of constant size, %.2f s" % (
        os.path.basename(path), len(want), len(found), kinds["constant"], seconds))


@check_each(REAL, name=lambda path: path.replace(os.path.expanduser("~"), "~"))
def constants_are_those_of_the_debug_data(t, path):
    if not os.path.exists(CALLS):
        skip("%s is not built" % CALLS)
    if ".debug_info" not in output(["readelf", "-SW", path])[0]:
        skip("%s has no debug data" % path)
    same_constants(t, path)


def same_constants(t, path):
    """gcc's call sites against ours, at the addresses both know."""
    out, _ = output([CALLS, path])
    told = {int(line.split()[0], 16): line.split()[1] for line in out.splitlines()}
    found, _ = sites_in(path)
    ends = returns_of(path, found)
    both = [(told[e], s) for e, s in ends.items() if e in told]
    t.true(len(both) > 0, "some are in both")
    agree = sum(s.kind == "constant" and told_size == str(s.size) for told_size, s in both)
    wrong = [(w, s) for w, s in both if s.kind == "constant" and w not in ("-", str(s.size))]
    missed = [(w, s) for w, s in both if s.kind != "constant" and w != "-"]
    t.equal(wrong[:3], [], "constants that differ")
    t.true(len(missed) <= len(both) // 50, "constants missed: %d, %s" % (len(missed), missed[:3]))
    print("    %s: %d sites of debug data, %d found here too, %d constants agree, 0 differ, %d missed" % (
        os.path.basename(path), len(told), len(both), agree, len(missed)))
    return len(told), len(both)


def returns_of(path, found):
    """Where each call returns to: the next line of objdump."""
    ends, last = {}, None
    out, _ = output(["objdump", "-d", "--no-show-raw-insn", path])
    for line in out.splitlines():
        m = re.match(r" +([0-9a-f]+):\t", line)
        if not m:
            continue
        addr = int(m[1], 16)
        if last in found:
            ends[addr] = found[last]
        last = addr
    return ends


# ---- workers

def build(t, source, flags):
    compiler, out = flags.split()[0], os.path.join(t.dir, "worker")
    if source.endswith(".cc"):
        compiler = {"gcc": "g++", "clang": "clang++"}[compiler]
    if not shutil.which(compiler):
        skip("no %s" % compiler)
    output([compiler] + flags.split()[1:] + ["-w", os.path.join(HERE, source), "-o", out], cwd=t.dir)
    return out


FLAGS = ["gcc -O0", "gcc -O1 -no-pie", "gcc -O2", "gcc -O2 -fno-plt", "gcc -O2 -fcf-protection -z ibtplt",
         "gcc -O2 -no-pie -fno-plt", "gcc -O2 -z now", "gcc -O3 -flto", "gcc -Os", "gcc -O2 -static", "clang -O0",
         "clang -O2", "clang -O3 -no-pie"]
SOURCES = [(source, flags) for source in ("code_worker.c", "code_worker.cc") for flags in FLAGS]


@check_each(SOURCES, name=lambda case: "%s, %s" % case)
def every_call_is_found_however_it_was_compiled(t, case):
    path = build(t, *case)
    want = calls_in(path)
    found, _ = sites_in(path)
    got = {a: s.callee for a, s in found.items() if s.callee in NAMES}
    t.true(len(want) > 5, "there are calls")
    t.equal(got, want, "calls")
    if "-static" in case[1]:
        return
    # without symbols the same, but for functions that only had a name
    output(["strip", "--strip-all", path])
    again, _ = sites_in(path)
    t.equal({a for a in found if a not in again}, set(), "sites lost without symbols")
    t.equal({a: (s.kind, s.size) for a, s in again.items() if a in found},
            {a: (s.kind, s.size) for a, s in found.items()}, "what is known of them")


@check_each([c for c in SOURCES if c[1] in ("gcc -O1 -no-pie", "gcc -O2", "gcc -O3 -flto", "gcc -Os")],
            name=lambda case: "%s, %s" % case)
def constants_are_what_the_compiler_says(t, case):
    if not os.path.exists(CALLS):
        skip("%s is not built" % CALLS)
    told, both = same_constants(t, build(t, case[0], case[1] + " -g"))
    t.true(both >= told * 0.95, "%d of %d" % (both, told))


# ---- blocks of dead processes

MADE = os.path.join(BUILD, "tests", "real", "tool_made")


def die(t, path, *words):
    """Run until it dies: the core, and {address: (line, kind, size)}."""
    core, child = t.kernel_core([path] + list(words))
    truth = {}
    for line in child.lines:
        parts = line.split()
        if len(parts) == 4 and re.fullmatch("[0-9a-f]+", parts[0]):
            truth[int(parts[0], 16)] = (int(parts[1]), parts[2], int(parts[3]))
    return core, truth


def lines_at(path, addrs):
    """address -> lines of the workers' sources, inlined calls too; by addr2line."""
    if not shutil.which("addr2line"):
        skip("no addr2line")
    addrs = sorted(addrs)
    out, _ = output(["addr2line", "-a", "-i", "-e", path] + [hex(a) for a in addrs])
    found, at = {}, None
    for line in out.splitlines():
        if line.startswith("0x"):
            at = int(line, 16)
            found[at] = set()
        m = re.search(r"code_worker\.cc?:(\d+)", line)
        if m:
            found[at].add(int(m[1]))
    return found


def made_in(core, debug_dir=None, whole=None):
    """address -> (confidence, not listed, lines); whole: the file with debug data, where
    the core's has none."""
    if not os.path.exists(MADE):
        skip("%s is not built" % MADE)
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", DEBUG_DIR=debug_dir or "/nowhere")
    out, _ = output([MADE, core], env=env)
    places, found = set(re.findall(r"worker\+0x([0-9a-f]+)", out)), {}
    lines = lines_at(whole, [int(p, 16) for p in places]) if whole and places else {}
    for row in out.splitlines():
        addr, confidence, more, text = row.split(" ", 3)
        have = {int(n) for n in re.findall(r"code_worker\.cc?:(\d+)\)", text)}
        for place in re.findall(r"worker\+0x([0-9a-f]+)", text):
            have |= lines.get(int(place, 16), set())
        found[int(addr, 16)] = (confidence, int(more), have)
    return found


def lines_of_wrappers():
    with open(os.path.join(HERE, "code_worker.c")) as f:
        return {n for n, line in enumerate(f, 1) if re.search(r"p = (malloc|calloc)\(", line)}


INSIDE_WRAPPERS = lines_of_wrappers()


def compare(t, truth, found, what):
    """Every block of constant size has its line among the candidates; of what is said to be
    likely at least 95 % is right."""
    counts, lost = collections.Counter(), []
    for addr, (line, kind, size) in truth.items():
        confidence, more, have = found.get(addr, ("absent", 0, set()))
        # link-time optimisation makes copies of wrappers for one size: then it is their line
        right = line in have or bool(have & INSIDE_WRAPPERS and "-flto" in what)
        counts[confidence, right] += 1
        if kind == "k" and not right and not more:
            lost.append((hex(addr), line, size, confidence, have))
        if kind == "h":
            t.true(confidence != "likely", "nobody sees that size, and %s is said to be likely" % have)
    likely, right = counts["likely", True] + counts["likely", False], counts["likely", True]
    print("    %s: of %d recorded blocks %d are likely, %d of those right (%.1f %%); %d have candidates, "
          "the right one among those listed for %d; %d have none" % (
              what, len(truth), likely, right, 100.0 * right / max(1, likely),
              counts["candidate", True] + counts["candidate", False], counts["candidate", True],
              counts["none", False]))
    t.true(len(lost) * 100 <= len(truth), "lines that are not even candidates: %s" % lost[:3])
    t.true(right >= likely * 0.95, "%d of %d likely ones are right" % (right, likely))
    return likely


def check_sums(t, core):
    """The shares are all that is in use, what has no site stands last."""
    doc = t.corescan_json([core, "--by-site", "--top", "0"])
    view = doc["views"][0]
    rows, shares = view["rows"], {r["evidence"]: r for r in view["evidence"]["rows"]}
    t.equal(doc["anomalies"]["rows"], [], "anomalies")
    t.equal(rows[-1]["evidence"], "none", "the last row")
    for what in ("count", "bytes"):
        t.equal(sum(r[what] for r in rows), view["total"][what], "rows' " + what)
        t.equal({e: s[what] for e, s in shares.items()},
                {e: sum(r[what] for r in rows if r["evidence"] == e) for e in shares}, what + " of shares")
    for r in rows:
        if r["evidence"] == "likely" and r["requested"]:
            t.true(0 <= r["bytes"] - r["requested"] <= 24 * r["count"] or r["bytes"] > 1 << 17,
                   "%(count)d blocks of %(bytes)d bytes, %(requested)d asked for at %(site)s" % r)
    sizes = t.corescan_json([core, "--by-size"])["views"][0]["rows"]
    t.equal(view["total"]["count"], sum(r["count"] for r in sizes), "all blocks in use")
    short = t.corescan_json([core, "--by-site", "--top", "2", "--sort", "site"])["views"][0]["rows"]
    t.equal((len(short), short[-1]["evidence"]), (3, "none"), "also of a few rows")
    out = t.corescan([core, "--by-site", "--top", "2", "--format", "csv"])[1].splitlines()
    t.equal((len(out), out[-1].split(",")[2]), (4, "none"), "and in CSV")
    lines = t.corescan([core, "--by-site", "--top", "2"])[1].splitlines()
    at = [i for i, line in enumerate(lines) if " total " in line][0]
    t.true(" none " in lines[at - 1] and " more " in lines[at - 2], "and for people: " + lines[at - 1])
    return rows


CORES = [(s, f) for s in ("code_worker.c", "code_worker.cc") for f in (
    "gcc -g -O0", "gcc -g -O2", "gcc -g -O2 -no-pie", "gcc -g -O3 -flto", "clang -g -O2", "clang -g -O0")]


@check_each(CORES, name=lambda case: "%s, %s" % case)
def blocks_have_the_line_that_made_them_among_their_candidates(t, case):
    path = build(t, *case)
    core, truth = die(t, path)
    compare(t, truth, made_in(core), "%s, %s" % case)
    check_sums(t, core)


@check_each([c for c in CORES if "-O2" in c[1]], name=lambda case: "%s, %s" % case)
def a_stripped_program_s_blocks_have_the_place_in_its_code(t, case):
    path = build(t, case[0], case[1] + " -Wl,--build-id")
    whole, folder = path + ".whole", os.path.join(t.dir, "debug")
    shutil.copy(path, whole)
    build_id = re.search("Build ID: ([0-9a-f]+)", output(["readelf", "-n", path])[0])[1]
    os.makedirs(os.path.join(folder, ".build-id", build_id[:2]))
    output(["objcopy", "--only-keep-debug", path,
            os.path.join(folder, ".build-id", build_id[:2], build_id[2:] + ".debug")])
    output(["strip", path])
    core, truth = die(t, path)
    compare(t, truth, made_in(core, whole=whole), "%s, %s, stripped" % case)
    rows = check_sums(t, core)
    t.true(any(re.match(r"worker\+0x[0-9a-f]+", r["site"]) for r in rows), "places in the file")
    compare(t, truth, made_in(core, folder), "%s, %s, with a separate debug file" % case)


@check_each([("code_worker.c", "gcc -g -O2"), ("code_worker.c", "gcc -g -O3"), ("code_worker.c", "clang -g -O2"),
             ("code_worker.cc", "gcc -g -O2"), ("code_worker.cc", "clang -g -O2")],
            name=lambda case: "%s, %s" % case)
def a_call_that_builds_the_block_s_type_is_preferred(t, case):
    """Sizes at which calls in the C library compete."""
    path = build(t, *case)
    core, truth = die(t, path)
    found = made_in(core)
    size = 104 if case[0] == "code_worker.c" else 112
    mine = {a: line for a, (line, kind, n) in truth.items() if (kind, n) == ("k", size)}
    t.true(len(mine) >= 200, "%d blocks of that size" % len(mine))
    got = collections.Counter((found[a][0], line in found[a][2]) for a, line in mine.items())
    t.equal(got, {("likely", True): len(mine)}, "what is said of them")


@check_each(["gcc -g -O2"])
def one_block_s_candidates_are_told(t, flags):
    path = build(t, "code_worker.c", flags)
    core, truth = die(t, path)
    page = [a for a, (_, kind, size) in truth.items() if (kind, size) == ("k", 1496)][0]
    rows = t.corescan_json([core, "--object", hex(page)])["views"][0]["rows"]
    fields = {r["field"]: r["value"] for r in rows}
    t.true(re.fullmatch(r"constants \(.*code_worker\.c:%d\)" % truth[page][0],
                        fields["perhaps_allocated_at"]), "where: %s" % fields)
    t.equal(fields["site_confidence"], "likely", "how sure")
    hidden = [a for a, (_, kind, _) in truth.items() if kind == "h"][0]
    rows = t.corescan_json([core, "--object", hex(hidden)])["views"][0]["rows"]
    t.true("no call of constant size fits" in [r["value"] for r in rows], "of others that there is none")


# ---- spoiled files

def spoil(data, rng, places=None):
    """Headers, tables and code of an ELF file with some bytes changed; or only in (offset, size)
    ranges."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 3, 10, 100))):
        where = rng.choice(("head", "sections", "any", "any"))
        if places:
            start, size = rng.choice(places)
            at = start + rng.randrange(size)
        elif where == "head":
            at = rng.randrange(0x40 + 13 * 56)
        elif where == "sections":
            at = int.from_bytes(data[40:48], "little") % len(data) + rng.randrange(30 * 64)
        else:
            at = rng.randrange(len(data))
        width = rng.choice((1, 4, 8))
        value = rng.choice((0, 1, 0x7fffffff, (1 << 64) - 1, rng.getrandbits(64), len(data)))
        if at + width <= len(data):
            data[at:at + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    return bytes(data)


@check_each([("code_worker.c", "gcc -O2"), ("code_worker.cc", "clang -O2")], name=lambda case: case[0])
def spoiled_files_give_fewer_sites_and_no_trouble(t, case):
    path = build(t, *case)
    sites_in(path)
    with open(path, "rb") as f:
        data = f.read()
    spoiled = os.path.join(t.dir, "spoiled")
    for seed in range(MUTANTS):
        with open(spoiled, "wb") as f:
            f.write(spoil(data, random.Random(seed)))
        done = subprocess.run([TOOL, spoiled], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
        if not t.true(done.returncode in (0, 3), "mutant %d: exits with %d: %s" % (
                seed, done.returncode, done.stderr.decode()[-300:])):
            break


@check_each([("code_worker.c", "gcc -g -O2"), ("code_worker.cc", "gcc -g -O2"), ("code_worker.cc", "clang -g -O2")],
            name=lambda case: "%s, %s" % case)
def spoiled_debug_data_and_code_name_less(t, case):
    path = build(t, *case)
    core, _ = die(t, path)
    headers = output(["readelf", "-SW", path])[0]
    places = [(int(m[1], 16), int(m[2], 16)) for m in re.finditer(
        r"\] \.(?:debug_\w+|text|eh_frame\w*|rela\.plt)\s+\w+\s+[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)", headers)]
    with open(path, "rb") as f:
        data = f.read()
    for seed in range(MUTANTS // 2):
        os.unlink(path)
        with open(path, "wb") as f:
            f.write(spoil(data, random.Random(seed), places))
        code, out, err = t.corescan([core, "--by-site", "--json"])
        if not t.true(code in (0, 1), "mutant %d: exits with %d: %s" % (seed, code, err[-300:])):
            break
        view = json.loads(out)["views"][0]
        t.equal(sum(r["bytes"] for r in view["rows"]), view["total"]["bytes"], "mutant %d: bytes" % seed)


main()
