#!/usr/bin/env python3
"""glibc's malloc as the process sees it: mallinfo2(), malloc_info(), every pointer.

CORESCAN_TEST_ROOT=/some/debian runs the workers under another libc (chroot, as
root; needs gcc there). BUILD is where tests/real/tool_blocks was built.
"""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import harness
from harness import check, check_each, main, skip

REAL_ROOT = os.environ.get("CORESCAN_TEST_ROOT", "")
BUILD = os.environ.get("BUILD", os.path.join(harness.ROOT, "build"))
TOOL = os.path.join(BUILD, "tests", "real", "tool_blocks")
USED = ("used", "object", "owned", "runtime", "cached", "typed")
if REAL_ROOT:
    tempfile.tempdir = os.path.join(REAL_ROOT, "tmp")

TUNE = "GLIBC_TUNABLES"
# name, modes, environment, how it is linked
VARIANTS = [
    ("plain", "", {}, ""),
    ("threads", "threads", {}, ""),
    ("exited threads", "threads exited", {}, ""),
    ("sub-heaps", "threads subheaps exited", {}, ""),
    ("foreign sbrk", "foreign", {}, ""),
    ("blocked brk", "blockbrk", {}, ""),
    ("blocked brk, foreign sbrk, threads", "foreign blockbrk threads", {}, ""),
    ("two libcs", "dlmopen threads", {}, ""),
    ("fork child", "fork threads exited", {}, ""),
    ("mremap", "remap", {}, ""),
    ("trimmed", "trim threads exited", {}, ""),
    ("perturb", "threads", {TUNE: "glibc.malloc.perturb=165"}, ""),
    ("no tcache", "threads", {TUNE: "glibc.malloc.tcache_count=0"}, ""),
    ("big tcache", "threads remap", {TUNE: "glibc.malloc.tcache_max=4000000"}, ""),
    ("transparent huge pages", "threads subheaps", {TUNE: "glibc.malloc.hugetlb=1"}, ""),
    ("huge pages", "threads subheaps", {TUNE: "glibc.malloc.hugetlb=2"}, ""),
    ("one arena", "threads", {TUNE: "glibc.malloc.arena_max=1"}, ""),
    ("checked", "", {"MALLOC_CHECK_": "3", "LD_PRELOAD": "libc_malloc_debug.so.0"}, ""),
    ("checked by hooks", "", {"MALLOC_CHECK_": "3"}, ""), # to 2.33; later ones ignore it
    ("static", "threads exited foreign", {}, "-static"),
    ("static-pie", "threads exited", {}, "-static-pie"),
]
NAMES = [v[0] for v in VARIANTS]


def in_root(argv, cwd):
    """argv as run under the other libc, in folder cwd (a path of ours)."""
    if not REAL_ROOT:
        return argv
    inside = "/" + os.path.relpath(cwd, REAL_ROOT)
    return ["chroot", REAL_ROOT, "/bin/sh", "-c", 'cd "$0" && exec "$@"', inside] + argv


def build_worker(t, link):
    shutil.copy(os.path.join(HERE, "malloc_worker.c"), t.dir)
    errors = ""
    for define in (["-DHAVE_MALLINFO2"], []):
        argv = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-w", "-U_FORTIFY_SOURCE"] + define + link.split()
        argv += ["malloc_worker.c", "-o", "worker", "-lpthread", "-ldl"]
        try:
            done = subprocess.run(in_root(argv, t.dir), cwd=t.dir, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=harness.TIMEOUT)
        except OSError as problem:
            skip("no compiler: %s" % problem)
        if not done.returncode:
            return
        errors = done.stdout.decode("utf-8", "replace")
    if link and "asan" in errors:
        skip("no AddressSanitizer to link with")
    if link and ("-lc" in errors or "static" in errors or "rcrt1" in errors):
        skip("no static libc to link with")
    raise RuntimeError("gcc: " + errors[-300:])


def environment(extra):
    env = {k: v for k, v in os.environ.items()
           if k not in (TUNE, "LD_PRELOAD") and not k.startswith("MALLOC_")}
    if REAL_ROOT:
        env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    env.update(extra)
    return env


def worker_argv(t, end, modes, env):
    """The environment is set by env(1) so that chroot and sh do not see it."""
    sets = ["%s=%s" % kv for kv in sorted(env.items())]
    return in_root((["env"] + sets if sets else []) + ["./worker", "out", end] + modes.split(), t.dir)


def copy_libc(t):
    """A copy of the libc in ./lib, to be used with LD_LIBRARY_PATH and taken away."""
    found = subprocess.run(in_root(["sh", "-c", "ldd ./worker | grep -o '/[^ ]*libc[.-][^ ]*'; true"], t.dir),
                           cwd=t.dir, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    os.mkdir(os.path.join(t.dir, "lib"))
    for path in found.stdout.decode().split():
        with open((REAL_ROOT or "") + path, "rb") as f:
            data = bytearray(f.read())
        # another build id, so that no debug file installed here is found for it
        note = data.find(b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0")
        if note >= 0:
            data[note + 16] ^= 0xff
        with open(os.path.join(t.dir, "lib", os.path.basename(path)), "wb") as f:
            f.write(data)


def tool(t, target, addrs=(), sysroot=None):
    """Parsed answer of tool_blocks."""
    if not os.path.exists(TOOL):
        skip("%s is not built" % TOOL)
    argv = [TOOL, str(target)] + ([sysroot] if sysroot else [REAL_ROOT] if REAL_ROOT else [])
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    done = subprocess.run(argv, input="".join("%x\n" % a for a in addrs).encode(), env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=harness.TIMEOUT)
    if done.returncode:
        raise RuntimeError("tool_blocks exits with %d: %s" % (
            done.returncode, done.stderr.decode("utf-8", "replace")[-400:]))
    out = {"at": {}, "mallinfo": {}, "arena": [], "anomaly": [], "finding": [], "sum": {}}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        word, _, rest = line.partition(" ")
        parts = rest.split()
        if word == "mallinfo":
            out["mallinfo"][parts[0]] = int(parts[1])
        elif word == "sum":
            out["sum"][parts[0]] = (int(parts[1]), int(parts[2]))
        elif word == "arena":
            numbers = [int(x) for x in parts[-5:]]
            out["arena"].append((" ".join(parts[:-5]), numbers))
        elif word == "other":
            out["other"] = rest
        elif word in ("anomaly", "finding"):
            out[word].append(rest)
        elif re.fullmatch("[0-9a-f]+", word) and parts and parts[0] in ("at", "in", "none"):
            out["at"][int(word, 16)] = parts
    return out


def records(t):
    with open(os.path.join(t.dir, "out.ptrs"), "rb") as f:
        data = f.read()
    live, freed, suspect = {}, {}, None
    for addr, usable, state in struct.iter_unpack("<QQQ", data):
        if state == 1:
            live[addr] = usable
        elif state == 2:
            suspect = addr
        else:
            freed[addr] = state
    return live, {a: s for a, s in freed.items() if a not in live}, suspect


def info(t):
    """What the process printed: mallinfo fields, malloc_info totals, arenas' sizes."""
    with open(os.path.join(t.dir, "out.info")) as f:
        text = f.read()
    xml, _, last = text.partition("</malloc>")
    fields = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", last)}
    heaps, _, closing = xml.rpartition("</heap>")
    totals = {}
    for kind, count, size in re.findall(r'<total type="(\w+)" count="(\d+)" size="(\d+)"', closing):
        totals[kind] = (int(count), int(size))
    for kind, size in re.findall(r'<system type="(\w+)" size="(\d+)"', closing):
        totals["system " + kind] = int(size)
    for kind, size in re.findall(r'<aspace type="(\w+)" size="(\d+)"', closing):
        totals["aspace " + kind] = int(size)
    arenas = [int(re.findall(r'<system type="current" size="(\d+)"', h)[-1])
              for h in heaps.split("<heap nr=")[1:]]
    return fields, totals, arenas


def libc_minor(answer):
    for finding in answer["finding"]:
        found = re.search(r"glibc 2\.(\d+)", finding)
        if found:
            return int(found[1])
    return 0


def compare_info(t, answer):
    fields, totals, arenas = info(t)
    got, minor = answer["mallinfo"], libc_minor(answer)
    narrow = (lambda v: v & 0xffffffff) if minor < 33 else (lambda v: v)
    for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "fsmblks", "uordblks",
                 "fordblks", "keepcost"):
        t.equal(narrow(got[name]), fields[name], "mallinfo." + name)
    want = {"system current": got["arena"], "system max": got["system_max"],
            "rest": (got["rest_count"], got["rest_size"]),
            "mmap": (got["hblks"], got["hblkhd"]), "fast": (got["smblks"], got["fast_size"])}
    if minor >= 27:
        want.update({"aspace total": got["aspace"], "aspace mprotect": got["aspace_mprotect"]})
    for name, value in want.items():
        if name in totals:
            t.equal(value, totals[name], "malloc_info " + name)
    rows = [n for name, n in answer["arena"] if name != "mmapped" and "libc" not in name]
    t.equal([r[0] for r in rows[:len(arenas)]], arenas, "system bytes of each arena")
    for name, (system, used, free, top, overhead) in answer["arena"]:
        t.equal(used + free + top + overhead, system, "row of arena %s closes" % name)


def listed(t, core):
    """Rows of --bins and --chunks, all of them, and of --arenas and --summary."""
    args = [str(core), "--bins", "--arenas", "--summary", "--chunks", "0", "--top", "0"]
    if REAL_ROOT:
        args += ["--sysroot", REAL_ROOT]
    return {v["view"]: v["rows"] for v in t.corescan_json(args)["views"]}


def sum_of(rows, column, **where):
    return sum(r[column] for r in rows if all(r[k] == v for k, v in where.items()))


def heaps_of_info(t):
    """Of each arena as malloc_info() says: fastbins' sizes, chunks in bins."""
    with open(os.path.join(t.dir, "out.info")) as f:
        text = f.read()
    for heap in text.rpartition("</heap>")[0].split("<heap nr=")[1:]:
        fast, binned = {}, 0
        for low, high, count in re.findall(
                r'<(?:size|unsorted) from="(\d+)" to="(\d+)" total="\d+" count="(\d+)"', heap):
            if int(high) % 16 == 0:     # bins' sizes come with their flags
                fast[int(high)] = int(count)
            else:
                binned += int(count)
        yield fast, binned


def compare_bins(t, views):
    """--bins sums to what mallinfo2(), malloc_info() and our own ledger say."""
    bins, arenas, ledger = views["bins"], views["arenas"], views["summary"]
    fields, _, _ = info(t)
    named = [r["arena"] for r in arenas if r["allocator"] == "glibc" and r["arena"] != "mmapped" and
             "libc" not in r["arena"]]
    first = [r for r in bins if r["arena"] in named]
    top = sum(r["top"] for r in arenas if r["arena"] in named)
    t.equal(sum_of(first, "bytes", bin="fastbin"), fields["fsmblks"], "bytes in fastbins")
    t.equal(sum_of(first, "count", bin="fastbin"), fields["smblks"], "chunks in fastbins")
    t.equal(sum_of(first, "bytes", bin="bin") + fields["fsmblks"] + top, fields["fordblks"],
            "bytes in bins, fastbins and top")
    t.equal(sum_of(first, "count", bin="bin") + len(named), fields["ordblks"], "chunks in bins")
    for kind, category in (("tcache", "tcache"), ("fastbin", "fastbins"), ("bin", "bins")):
        row = [r for r in ledger if r["category"] == "malloc." + category][0]
        t.equal((sum_of(bins, "bytes", bin=kind), sum_of(bins, "count", bin=kind)),
                (row["bytes"], row["blocks"]), "malloc.%s of the ledger" % category)
    for arena in arenas:
        if arena["allocator"] == "glibc":
            t.equal(sum_of(bins, "bytes", arena=arena["arena"]), arena["free"],
                    "free bytes of arena %s" % arena["arena"])
    return first


def compare_bins_of_arenas(t, first):
    """Arena by arena and size by size: the process lists its arenas in its own order."""
    told = sorted((sorted(fast.items()), binned) for fast, binned in heaps_of_info(t))
    found = {}
    for row in first:
        fast, binned = found.setdefault(row["arena"], ({}, []))
        if row["bin"] == "fastbin":
            fast[row["size"]] = row["count"]
        elif row["bin"] == "bin":
            binned.append(row["count"])
    got = sorted((sorted(fast.items()), sum(binned)) for fast, binned in found.values())
    empty = ([], 0)
    t.equal([g for g in got if g != empty], [x for x in told if x != empty],
            "fastbins by size and chunks in bins of each arena")


IN_USE = ("used", "object", "owned", "runtime", "typed")


def compare_chunks(t, views, live):
    """--chunks lists every pointer the process holds, in the order of addresses, without a gap."""
    chunks = [dict(r, address=int(r["address"], 16)) for r in views["chunks"]]
    addresses = [r["address"] for r in chunks]
    t.equal(addresses, sorted(set(addresses)), "addresses go up")
    by_addr = {r["address"]: r for r in chunks}
    wrong = [(hex(a), by_addr.get(a), usable) for a, usable in live.items()
             if a not in by_addr or by_addr[a]["state"] not in IN_USE or
             not usable < by_addr[a]["size"]]
    t.equal(wrong[:5], [], "%d of %d held pointers are not listed as used" % (len(wrong), len(live)))
    heap = [r for r in chunks if r["state"] not in ("overhead", "lost", "top")]
    # 8 bytes more than is usable; 16 when nothing can be used of the next chunk: mmapped to 2.42
    exact = [(hex(a), by_addr[a]["size"], usable) for a, usable in live.items()
             if a in by_addr and by_addr[a]["size"] != (usable + 8 if usable % 16 else usable + 16)]
    t.equal(exact[:5], [], "%d chunks are not what is usable and a header" % len(exact))
    t.equal(sum(r["size"] for r in heap if r["state"] in IN_USE + ("freelist",)),
            sum_of(views["arenas"], "used", allocator="glibc"), "used chunks listed and in arenas")
    for kind in ("tcache", "fastbin", "bin"):
        t.equal((len([r for r in heap if r["state"] == kind]),
                 sum(r["size"] for r in heap if r["state"] == kind)),
                (sum_of(views["bins"], "count", bin=kind),
                 sum(r["count"] * r["size"] for r in views["bins"] if r["bin"] == kind)),
                "%s chunks listed and binned" % kind)
    gaps = 0
    for one, two in zip(heap, heap[1:]):
        gaps += one["address"] + one["size"] > two["address"]
    t.equal(gaps, 0, "chunks that reach into the next")


def is_used(answer, addr):
    got = answer["at"].get(addr)
    return bool(got) and got[0] == "at" and got[1] in USED


def compare_pointers(t, answer, live, freed, exact=True):
    wrong = [(hex(a), answer["at"].get(a), u) for a, u in live.items()
             if not is_used(answer, a) or int(answer["at"][a][2]) < u or
             (exact and int(answer["at"][a][2]) != u)]
    t.true(live, "the worker holds something")
    t.equal(wrong[:5], [], "%d of %d held pointers are not used blocks of their size" % (
        len(wrong), len(live)))
    back = [(hex(a), answer["at"][a]) for a, when in freed.items()
            if when == 3 and is_used(answer, a)]
    t.equal(back[:5], [], "%d of %d freed pointers are used blocks" % (len(back), len(freed)))
    # what was freed earlier, libc may have taken for itself: dtv, tcache, link maps
    again = [(hex(a), answer["at"][a]) for a in freed if is_used(answer, a)]
    t.true(len(again) <= 40, "%d of %d freed pointers are used again: %s" % (
        len(again), len(freed), again[:5]))


def compare_all(t, target, sysroot=None, exact=True):
    live, freed, _ = records(t)
    answer = tool(t, target, list(live) + list(freed), sysroot)
    compare_info(t, answer)
    compare_pointers(t, answer, live, freed, exact)
    t.equal([a for a in answer["anomaly"] if "malloc.abort" not in a], [], "anomalies")
    closes = [f for f in answer["finding"] if f.startswith("malloc accounting")]
    t.true(closes and "closes" in closes[0], "accounting closes: %s" % closes)
    return answer


def variant_runs(t, name, end="abort"):
    _, modes, env, link = VARIANTS[NAMES.index(name)]
    build_worker(t, link)
    if "LD_PRELOAD" in env and not can_preload(t, env["LD_PRELOAD"]):
        skip("this libc has no libc_malloc_debug.so.0")
    return worker_argv(t, end, modes, env)


def debug_malloc(answer):
    return any("libc_malloc_debug" in f for f in answer["finding"])


def can_preload(t, library):
    done = subprocess.run(in_root(["env", "LD_PRELOAD=" + library, "true"], t.dir),
                          cwd=t.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return not done.returncode and b"cannot be preloaded" not in done.stdout


@check_each(NAMES)
def agrees_with_the_process(t, name):
    core, _ = t.kernel_core(variant_runs(t, name), env=environment({}))
    # malloc_usable_size() of the checking malloc answers what was asked for
    answer = compare_all(t, core, exact=not name.startswith("checked"))
    ways = [f.split("|")[1] for f in answer["finding"] if f.startswith("libc|")]
    t.equal(set(ways), {"relocation"}, "found by")
    t.equal(len(ways), {"two libcs": 2}.get(name, 2 if debug_malloc(answer) else 1), "libcs found")


@check_each(["plain", "exited threads", "sub-heaps", "foreign sbrk", "blocked brk", "two libcs",
             "mremap", "no tcache", "big tcache"])
def lists_bins_and_chunks_as_the_process_has_them(t, name):
    core, _ = t.kernel_core(variant_runs(t, name), env=environment({}))
    live, _, _ = records(t)
    views = listed(t, core)
    first = compare_bins(t, views)
    compare_bins_of_arenas(t, first)
    compare_chunks(t, views, live)


@check
def lists_every_chunk_of_a_living_process(t):
    child = t.start(variant_runs(t, "threads", "wait"), env=environment({}))
    child.wait_line("ready")
    live, _, _ = records(t)
    compare_chunks(t, listed(t, child.pid), live)


@check_each(["threads", "foreign sbrk", "blocked brk", "static"])
def agrees_when_no_file_is_left(t, name):
    _, modes, env, link = VARIANTS[NAMES.index(name)]
    build_worker(t, link)
    env = dict(env, LD_LIBRARY_PATH="./lib")
    copy_libc(t)
    core, _ = t.kernel_core(worker_argv(t, "abort", modes, env), env=environment({}))
    shutil.rmtree(os.path.join(t.dir, "lib"))
    os.remove(os.path.join(t.dir, "worker"))
    answer = compare_all(t, core)
    t.true(any(f.startswith("libc|memory") for f in answer["finding"]), "found in memory: %s" %
           [f for f in answer["finding"] if f.startswith("libc|")])


@check_each(["threads", "blocked brk"])
def agrees_with_a_living_process(t, name):
    child = t.start(variant_runs(t, name, "wait"), env=environment({}))
    child.wait_line("ready")
    compare_all(t, child.pid)


@check_each(["threads", "sub-heaps"])
def agrees_in_a_core_of_gdb(t, name):
    child = t.start(variant_runs(t, name, "wait"), env=environment({}))
    child.wait_line("ready")
    compare_all(t, t.gcore_of(child.pid))


@check
def names_the_orphaned_caches_of_a_fork_child(t):
    core, _ = t.kernel_core(variant_runs(t, "fork child"), env=environment({}))
    answer = tool(t, core)
    caches = [f for f in answer["finding"] if f.startswith("thread caches")]
    if not caches:
        skip("this libc has no tcache")
    orphans = [f for f in answer["finding"] if f.startswith("orphaned thread caches")]
    t.true(orphans and "6 tcaches" in orphans[0], "six threads are gone: %s" % orphans)


@check
def has_no_orphaned_caches_in_a_threaded_process(t):
    core, _ = t.kernel_core(variant_runs(t, "exited threads"), env=environment({}))
    answer = tool(t, core)
    t.equal([f for f in answer["finding"] if f.startswith("orphaned")], [], "orphans")


@check
def names_the_block_before_an_overwritten_size(t):
    build_worker(t, "")
    core, _ = t.kernel_core(worker_argv(t, "abort", "threads overflow", {}), env=environment({}))
    live, freed, suspect = records(t)
    answer = tool(t, core, live)
    chunks = [a for a in answer["anomaly"] if a.startswith("malloc.chunk")]
    t.equal(len(chunks), 1, "one contradiction: %s" % chunks)
    t.true(chunks and "0x%x before it" % suspect in chunks[0] and "invalid next size" in chunks[0],
           "it names 0x%x: %s" % (suspect, chunks))
    wrong = [a for a, u in live.items() if answer["at"][a][0] != "at" or
             answer["at"][a][1] not in USED]
    t.equal(len(wrong), 1, "only the overwritten block is lost")
    t.true(0 < answer["sum"]["lost"][1] < 2048, "lost bytes: %s" % (answer["sum"]["lost"],))
    compare_info(t, answer)


@check_each([("jemalloc", "libjemalloc.so.2"), ("tcmalloc", "libtcmalloc_minimal.so.4"),
             ("mimalloc", "libmimalloc.so.2.0"), ("tbbmalloc", "libtbbmalloc_proxy.so.2")],
            name=lambda row: row[0])
def names_the_allocator_that_serves_malloc_instead(t, row):
    name, library = row
    build_worker(t, "")
    folder = os.environ.get("CORESCAN_MALLOCS", "")
    if folder and os.path.exists(os.path.join(folder, library)):
        library = os.path.join(folder, library)
    if not can_preload(t, library):
        skip("%s is not installed (CORESCAN_MALLOCS names a folder that has it)" % library)
    env = {"LD_PRELOAD": library, "LD_LIBRARY_PATH": folder or "/nonexistent"}
    core, _ = t.kernel_core(worker_argv(t, "abort", "threads", env), env=environment({}), quiet=True)
    live, _, _ = records(t)
    answer = tool(t, core, live)
    t.equal(answer["other"], name, "the allocator")
    t.equal([a for a in live if is_used(answer, a)], [], "blocks of another allocator taken for glibc's")


@check
def knows_a_program_under_address_sanitizer(t):
    build_worker(t, "-fsanitize=address")
    env = {"ASAN_OPTIONS": "disable_coredump=0:handle_abort=0:detect_leaks=0"}
    try:
        core, _ = t.kernel_core(worker_argv(t, "abort", "", env), env=environment({}), quiet=True)
    except RuntimeError as problem:
        skip("this AddressSanitizer does not start on this kernel: %s" % problem)
    answer = tool(t, core)
    t.equal(answer["other"], "AddressSanitizer", "the allocator")


@check
def quotes_what_glibc_said_when_it_aborted(t):
    build_worker(t, "")
    core, _ = t.kernel_core(worker_argv(t, "smash", "", {}), ready=None, env=environment({}),
                            quiet=True)
    answer = tool(t, core)
    t.true(any(f.startswith("abort message|") and "double free" in f for f in answer["finding"]),
           "the abort message: %s" % answer["finding"])
    t.true(any(a.startswith("malloc.abort") for a in answer["anomaly"]), "it is an anomaly")


main()
