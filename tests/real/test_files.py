#!/usr/bin/env python3
"""Which files corescan reads for a module, and which it refuses: every way to find one, each
with a file of the right build and with one of another.

The program prints (address, type) of its blocks, so that a file was found is one question
and that it was read is another. debuginfod runs on loopback, with folders of the test's own.
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import harness
from harness import check, check_each, main, skip

TYPES = ("struct conn", "struct buffer", "struct entry")    # by debug data only


def run(argv, **more):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=harness.TIMEOUT, **more)
    if done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(argv), done.stdout.decode()[-400:]))
    return done.stdout.decode()


def needs(*programs):
    for name in programs:
        if not shutil.which(name):
            skip("%s is not installed" % name)


def compiled(t, name="worker", flags=()):
    """A program with debug data, in a folder of its own; other flags make another build."""
    needs("gcc", "objcopy", "strip", "readelf")
    path = os.path.join(t.dir, "bin", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    run(["gcc", "-g", "-O1", "-w", "-Wl,--build-id"] + list(flags) +
        [os.path.join(HERE, "native_worker.c"), "-o", path])
    return path


def build_id(path):
    found = re.search("Build ID: ([0-9a-f]+)", run(["readelf", "-n", path]))
    return found.group(1) if found else None


def by_id(folder, ident, tail):
    path = os.path.join(folder, ".build-id", ident[:2], ident[2:] + tail)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def split(path, debug, link=True):
    """Leave the program without debug data, which go to `debug`."""
    os.makedirs(os.path.dirname(debug), exist_ok=True)
    run(["objcopy", "--only-keep-debug", path, debug])
    run(["strip", path])
    if link:
        run(["objcopy", "--add-gnu-debuglink=" + debug, path])


def move(path, to):
    os.makedirs(os.path.dirname(to), exist_ok=True)
    shutil.move(path, to)
    return to


def die(t, path):
    return t.kernel_core([path, "globals"])[0]


class Seen:
    """What corescan says of one core."""

    def __init__(self, t, args, env=None):
        doc = t.corescan_json(list(args) + ["--by-type", "--doctor"], env=env)
        views = {v["view"]: v["rows"] for v in doc["views"]}
        names = {r["type"] for r in views["by-type"]}
        self.typed = [n for n in TYPES if n in names]
        self.doctor = views["doctor"]
        self.anomalies = [(a["kind"], a["text"]) for a in doc["anomalies"]["rows"]]

    def found_by(self, path, what="file"):
        return [r["found_by"] for r in self.doctor if r["what"] == what and r["value"] == path]

    def rows(self, what):
        return [r["value"] for r in self.doctor if r["what"] == what]


def is_good(t, seen, path, means, what="file"):
    t.equal(seen.found_by(path, what), [means], "%s is found by (%s)" % (path, seen.doctor[-6:]))
    t.equal(seen.typed, list(TYPES), "types")
    t.equal(seen.anomalies, [], "anomalies")


def is_refused(t, seen, kind, *texts):
    found = [text for k, text in seen.anomalies if k == kind]
    t.equal(len(found), 1, "anomalies %s" % seen.anomalies)
    for text in texts:
        t.true(found and text in found[0], "%r is said: %s" % (text, found))


# ---- the program's own file

def upgraded(t):
    """(core, path, the file that ran, its build id, the other's): the path holds another build."""
    path = compiled(t)
    core = die(t, path)
    old = move(path, os.path.join(t.dir, "old", "worker"))
    new = compiled(t, flags=["-DNEWER=1", "-O2"])
    t.true(build_id(old) != build_id(new), "two builds")
    return core, path, old, build_id(old), build_id(new)


@check
def a_binary_upgraded_since_is_refused_and_said(t):
    core, path, _, wanted, found = upgraded(t)
    seen = Seen(t, [core])
    is_refused(t, seen, "file.replaced", path, wanted, found, "not used")
    t.equal(seen.typed, [], "nothing is read of it")
    t.equal(seen.found_by(path, "file not found"), ["build id"], "the doctor says so")


@check
def the_build_that_ran_is_found_by_its_id(t):
    core, path, old, wanted, _ = upgraded(t)
    for tail, place in (("", "a"), ("", "b/c")):
        folder = os.path.join(t.dir, place)
        kept = by_id(folder, wanted, tail)
        shutil.copy(old, kept)
        seen = Seen(t, [core, "--debug-dir", folder])
        is_good(t, seen, kept, "--debug-dir")
        t.equal(seen.rows("file refused"), [path], "the other one is told too")
    # as users keep them by hand, and as debuginfod's cache does
    for place in (os.path.join(t.dir, "d", wanted[:2], wanted[2:]),
                  os.path.join(t.dir, "e", wanted, "executable")):
        os.makedirs(os.path.dirname(place))
        shutil.copy(old, place)
        is_good(t, Seen(t, [core, "--debug-dir", os.path.join(t.dir, "d") + ":" +
                            os.path.join(t.dir, "e")]), place, "--debug-dir")
        os.unlink(place)


@check
def a_file_of_that_id_s_name_and_another_build_is_refused(t):
    core, path, _, wanted, found = upgraded(t)
    shutil.copy(path, by_id(os.path.join(t.dir, "debug"), wanted, ""))
    os.unlink(path)
    seen = Seen(t, [core, "--debug-dir", os.path.join(t.dir, "debug")])
    is_refused(t, seen, "file.replaced", by_id(os.path.join(t.dir, "debug"), wanted, ""), wanted, found)
    t.equal(seen.typed, [], "types")


@check
def what_the_user_names_goes_before_what_is_there(t):
    path = compiled(t)
    core = die(t, path)
    root = os.path.join(t.dir, "root")
    below = root + path
    os.makedirs(os.path.dirname(below))
    shutil.copy(path, below)
    other = os.path.join(t.dir, "other")
    shutil.copy(path, other)
    is_good(t, Seen(t, [core]), path, "path")
    is_good(t, Seen(t, [core, "--sysroot", root]), below, "--sysroot")
    is_good(t, Seen(t, [core, "--sysroot", "/nowhere:" + root, "--exe", other]), other, "--exe")
    # of another build: said, and the next place is looked at
    os.unlink(other)
    run(["gcc", "-g", "-O2", "-w", "-Wl,--build-id", os.path.join(HERE, "native_worker.c"), "-o", other])
    shutil.copy(other, below)
    seen = Seen(t, [core, "--sysroot", root])
    is_good(t, seen, path, "path")
    t.equal(seen.rows("file refused"), [below], "refused")
    seen = Seen(t, [core, "--exe", other])
    is_refused(t, seen, "file.mismatch", other, build_id(other), build_id(path))
    t.equal(seen.found_by(path), ["path"], "the right one is used")
    os.unlink(path)
    seen = Seen(t, [core, "--sysroot", root])
    is_refused(t, seen, "file.replaced", below, build_id(other))


@check
def a_sysroot_s_build_id_directory_serves_too(t):
    path = compiled(t)
    core = die(t, path)
    ident = build_id(path)
    kept = move(path, by_id(os.path.join(t.dir, "root/usr/lib/debug"), ident, ""))
    is_good(t, Seen(t, [core, "--sysroot", os.path.join(t.dir, "root")]), kept, "--sysroot")


@check
def a_living_process_has_its_file_though_that_is_deleted(t):
    path = compiled(t)
    source = os.path.join(t.dir, "main.c")
    with open(source, "w") as f:
        f.write("#include <stdio.h>\n#include <unistd.h>\n#include <stdlib.h>\n"
                "struct conn { struct conn *next; char room[60]; } *all;\n"
                "struct buffer { struct conn *owner; long a[20]; } *b;\n"
                "struct entry { struct buffer *b; long c[30]; } *e;\n"
                "int main() { all = calloc(1, sizeof *all); b = calloc(1, sizeof *b);\n"
                "e = calloc(1, sizeof *e); puts(\"ready\"); fflush(stdout); pause(); }\n")
    run(["gcc", "-g", "-w", "-Wl,--build-id", source, "-o", path])
    child = t.start([path])
    child.wait_line("ready")
    os.unlink(path)
    seen = Seen(t, [child.pid])
    t.true([r for r in seen.doctor if r["what"] == "file" and r["found_by"] == "/proc/PID/map_files" or
            r["found_by"] == "/proc/PID/exe"], "the kernel shows it: %s" % seen.doctor)
    t.equal(seen.typed, list(TYPES), "types")
    shutil.copy("/bin/true", path)
    seen = Seen(t, [child.pid])
    t.equal((seen.typed, seen.anomalies), (list(TYPES), []), "another file of that name")


# ---- separate debug data

PLACES = [("debug/.build-id/xx/yyyy.debug", "--debug-dir", "debug"),
          ("debug/.build-id/xx/yyyy", "--debug-dir", "debug"),
          ("debug/xx/yyyy.debug", "--debug-dir", "debug"),
          ("debug/xx/yyyy", "--debug-dir", "debug"),
          ("debug/xxyyyy/debuginfo", "--debug-dir", "debug"),
          ("root/usr/lib/debug/.build-id/xx/yyyy.debug", "--sysroot", "root"),
          ("bin/worker.debug", ".gnu_debuglink", None),
          ("bin/.debug/worker.debug", ".gnu_debuglink", None),
          ("debug/BIN/worker.debug", ".gnu_debuglink", "debug"),
          ("root/usr/lib/debug/BIN/worker.debug", ".gnu_debuglink", "root")]


def at_place(t, place, ident):
    place = place.replace("/BIN/", os.path.join(t.dir, "bin") + "/")
    return os.path.join(t.dir, place.replace("xx", ident[:2]).replace("yyyy", ident[2:]))


def asked(t, core, option, folder):
    folder = [os.path.join(t.dir, folder)] if folder else []
    name = "--sysroot" if folder and folder[0].endswith("root") else "--debug-dir"
    return [core] + ([name] + folder if folder else [])


@check_each(PLACES, name=lambda p: p[0])
def debug_data_are_found_where_they_are_kept(t, case):
    place, means, folder = case
    path = compiled(t)
    ident = build_id(path)
    debug = os.path.join(t.dir, "made", "worker.debug")
    split(path, debug)
    core = die(t, path)
    seen = Seen(t, asked(t, core, means, folder))
    t.equal((seen.typed, seen.rows("debug file")), ([], [r for r in seen.rows("debug file") if "lib" in r]),
            "without them")
    debug = move(debug, at_place(t, place, ident))
    seen = Seen(t, asked(t, core, means, folder))
    is_good(t, seen, debug, means, "debug file")
    # and those of another build in the same place
    os.unlink(debug)
    other = compiled(t, "other", ["-DNEWER=1", "-O2"])
    split(other, debug, link=False)
    seen = Seen(t, asked(t, core, means, folder))
    is_refused(t, seen, "file.mismatch", debug, path, build_id(other), ident, "not used")
    t.equal(seen.typed, [], "types")


@check
def without_build_ids_the_link_s_checksum_decides(t):
    path = compiled(t, flags=["-Wl,--build-id=none"])
    t.equal(build_id(path), None, "no build id")
    debug = os.path.join(t.dir, "bin", "worker.debug")
    split(path, debug)
    core = die(t, path)
    seen = Seen(t, [core])
    is_good(t, seen, debug, ".gnu_debuglink", "debug file")
    proof = [r["proof"] for r in seen.doctor if r["what"] == "file" and r["value"] == path]
    t.true(proof and "no build id" in proof[0], "what is not known is said: %s" % proof)
    with open(debug, "ab") as f:
        f.write(b"\0")
    seen = Seen(t, [core])
    is_refused(t, seen, "file.mismatch", debug, "no build id")
    t.equal(seen.typed, [], "types")


@check
def what_dwz_moved_away_is_found_or_said_to_be_missing(t):
    needs("dwz")
    path = compiled(t)
    shutil.copy(path, path + "2")
    shared = os.path.join(t.dir, "shared", "common.debug")
    os.makedirs(os.path.dirname(shared))
    run(["dwz", "-m", shared, path, path + "2"])
    ident, core = build_id(shared), die(t, path)
    is_good(t, Seen(t, [core]), shared, "build id", "debug file, shared by dwz")
    root, debug = os.path.join(t.dir, "root"), os.path.join(t.dir, "debug")
    for place, option in ((root + shared, ["--sysroot", root]),
                          (by_id(debug, ident, ".debug"), ["--debug-dir", debug])):
        shared = move(shared, place)
        is_good(t, Seen(t, [core] + option), shared, "build id", "debug file, shared by dwz")
        seen = Seen(t, [core])
        is_refused(t, seen, "native.dwarf", "dwz", ident)
        t.true([r for r in seen.rows("debug file not found") if "common.debug" in r],
               "the doctor says so: %s" % seen.doctor[-4:])
    os.makedirs(os.path.join(t.dir, "shared"), exist_ok=True)
    other = compiled(t, "other", ["-DNEWER=1", "-O2"])
    shutil.copy(other, os.path.join(t.dir, "shared", "common.debug"))
    is_refused(t, Seen(t, [core]), "native.dwarf", "dwz", ident)
    # libdw would wait for somebody to write into it
    os.unlink(os.path.join(t.dir, "shared", "common.debug"))
    os.mkfifo(os.path.join(t.dir, "shared", "common.debug"))
    t.equal(Seen(t, [core]).typed, [], "a FIFO is not opened")


@check
def a_missing_dwo_file_is_named_and_a_fifo_is_not_opened(t):
    path = os.path.join(t.dir, "worker")
    run(["gcc", "-g", "-O1", "-w", "-gsplit-dwarf", os.path.join(HERE, "native_worker.c"), "-o", path],
        cwd=t.dir)
    core = die(t, path)
    seen = Seen(t, [core])
    t.equal((seen.typed, seen.anomalies), (list(TYPES), []), "with it")
    dwo = [f for f in os.listdir(t.dir) if f.endswith(".dwo")][0]
    os.rename(os.path.join(t.dir, dwo), os.path.join(t.dir, "gone"))
    is_refused(t, Seen(t, [core]), "native.dwarf", dwo)
    os.mkfifo(os.path.join(t.dir, dwo))
    is_refused(t, Seen(t, [core]), "native.dwarf", dwo)
    os.unlink(os.path.join(t.dir, dwo))


@check
def a_package_of_dwo_files_is_read_or_named(t):
    needs("gcc", "dwp")
    path = os.path.join(t.dir, "worker")    # DWARF 4: binutils 2.40's dwp dies of 5
    run(["gcc", "-gdwarf-4", "-O1", "-w", "-gsplit-dwarf", os.path.join(HERE, "native_worker.c"),
         "-o", path], cwd=t.dir)
    run(["dwp", "-e", path, "-o", path + ".dwp"], cwd=t.dir)
    core = die(t, path)
    for name in os.listdir(t.dir):
        if name.endswith(".dwo"):
            os.unlink(os.path.join(t.dir, name))
    seen = Seen(t, [core])
    if not t.true(seen.typed in ([], list(TYPES)), "all types or none: %s" % seen.typed) or seen.typed:
        return
    is_refused(t, seen, "native.dwarf", path + ".dwp", "0.191")


# ---- debuginfod

class Server:
    """A debuginfod of ours over one folder."""

    def __init__(self, t, folder):
        needs("debuginfod")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        home = os.path.join(t.dir, "server")
        os.makedirs(home)
        env = {k: v for k, v in os.environ.items() if not k.startswith("DEBUGINFOD_")}
        self.log = os.path.join(home, "log")
        with open(self.log, "wb") as log:
            self.child = t.start(["debuginfod", "-F", "-d", ":memory:", "-p", str(self.port), "-v",
                                  "-c", "2", folder], env=dict(env, HOME=home), stderr=log)
        self.url = "http://127.0.0.1:%d" % self.port

    def wait_for(self, ident, kind):
        deadline = time.monotonic() + harness.TIMEOUT
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen("%s/buildid/%s/%s" % (self.url, ident, kind), timeout=10).read()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError("debuginfod does not serve %s of %s" % (kind, ident))

    def requests(self):
        with open(self.log, errors="replace") as f:
            return len(re.findall(r"GET /buildid/", f.read()))


def has_client():
    try:
        import ctypes
        ctypes.CDLL("libdebuginfod.so.1")
    except OSError:
        skip("libdebuginfod.so.1 is not installed")


def client(t, urls, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("DEBUGINFOD_")}
    home = os.path.join(t.dir, "home")
    os.makedirs(home, exist_ok=True)
    # curl and what it loads leave memory of their own behind
    return dict(env, HOME=home, DEBUGINFOD_CACHE_PATH=os.path.join(home, "cache"),
                DEBUGINFOD_URLS=urls, DEBUGINFOD_TIMEOUT="10", ASAN_OPTIONS="detect_leaks=0", **more)


@check
def debuginfod_is_asked_when_the_user_said_so(t):
    has_client()
    path = compiled(t)
    ident = build_id(path)
    served = os.path.join(t.dir, "served")
    split(path, os.path.join(served, "worker.debug"), link=False)
    core = die(t, path)
    shutil.copy(path, os.path.join(served, "worker"))
    server = Server(t, served)
    server.wait_for(ident, "debuginfo")
    server.wait_for(ident, "executable")
    env, before = client(t, server.url), server.requests()
    seen = Seen(t, [core], env)
    t.equal((seen.typed, server.requests()), ([], before), "nobody said so")
    seen = Seen(t, [core, "--debuginfod"], env)
    cache = os.path.join(t.dir, "home", "cache", ident)
    is_good(t, seen, os.path.join(cache, "debuginfo"), "debuginfod", "debug file")
    t.true(server.requests() > before, "it was asked")
    # and the program itself, when it is gone
    os.unlink(path)
    seen = Seen(t, [core, "--debuginfod"], env)
    is_good(t, seen, os.path.join(cache, "executable"), "debuginfod")
    before = server.requests()
    seen = Seen(t, [core, "--debuginfod"], env)
    is_good(t, seen, os.path.join(cache, "executable"), "debuginfod")
    t.equal(server.requests(), before, "what it gave is kept")
    # the cache is a debug directory like any other, without the network
    server.child.end()
    seen = Seen(t, [core, "--debug-dir", os.path.join(t.dir, "home", "cache")], env)
    is_good(t, seen, os.path.join(cache, "executable"), "--debug-dir")
    # what it holds is no more to be believed than anything else
    other = compiled(t, "other", ["-DNEWER=1", "-O2"])
    for name in ("executable", "debuginfo"):
        os.chmod(os.path.join(cache, name), 0o600)
        shutil.copy(other, os.path.join(cache, name))
    seen = Seen(t, [core, "--debuginfod"], env)
    is_refused(t, seen, "file.replaced", os.path.join(cache, "executable"), build_id(other), ident)
    t.equal(seen.typed, [], "types")


@check
def a_server_that_does_not_answer_costs_its_answers_only(t):
    has_client()
    path = compiled(t)
    split(path, os.path.join(t.dir, "gone", "worker.debug"), link=False)
    core = die(t, path)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))        # nobody listens there
        seen = Seen(t, [core, "--debuginfod"], client(t, "http://127.0.0.1:%d" % s.getsockname()[1]))
    is_refused(t, seen, "file.debuginfod", "no answer")
    t.equal(seen.found_by(path), ["path"], "the rest is as ever")
    is_refused(t, Seen(t, [core, "--debuginfod"], client(t, "")), "file.debuginfod", "DEBUGINFOD_URLS")


main()
