#!/usr/bin/env python3
"""Types of malloc blocks against what the process recorded: (address, type) of each.

BUILD is where tests/real/tool_types was built. Each check prints the share of the
recorded blocks that have a type and how many of those are wrong.
"""
import atexit
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import harness
import spoiled
from harness import check_each, main, skip

BUILD = os.environ.get("BUILD", os.path.join(harness.ROOT, "build"))
TOOL = os.path.join(BUILD, "tests", "real", "tool_types")
WARN = ["-w"]


def build(t, source, flags):
    """The worker, built by the first word of flags; its path."""
    compiler, out = flags.split()[0], os.path.join(t.dir, "worker")
    if not shutil.which(compiler):
        skip("no %s" % compiler)
    if source.endswith(".cc"):
        compiler = {"gcc": "g++", "clang": "clang++"}[compiler]
        if not shutil.which(compiler):
            skip("no %s" % compiler)
    argv = [compiler] + flags.split()[1:] + WARN + [os.path.join(HERE, source), "-o", out]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=t.dir,
                          timeout=harness.TIMEOUT)
    if done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(argv), done.stdout.decode()[-400:]))
    return out


class Shelf:
    """Where a worker is found that several checks run; gone with this process."""
    folder, made = None, {}

    def __init__(self):
        Shelf.folder = tempfile.mkdtemp(prefix="corescan-native-")
        atexit.register(shutil.rmtree, self.folder, True)


def built(source, flags):
    """As build(), once for all who ask."""
    if not Shelf.folder:
        Shelf()
    if (source, flags) not in Shelf.made:
        where = type("Place", (), {"dir": os.path.join(Shelf.folder, str(len(Shelf.made)))})
        os.makedirs(where.dir, exist_ok=True)  # a compiler that is not there left it
        Shelf.made[source, flags] = build(where, source, flags)
    return Shelf.made[source, flags]


def truth_of(child):
    """(mark, type) of each address."""
    truth = {}
    for line in child.lines:
        parts = line.split(" ", 2)
        if len(parts) == 3 and re.fullmatch("[0-9a-f]+", parts[0]):
            truth[int(parts[0], 16)] = (parts[1], parts[2])
    return truth


def die(t, argv):
    """Run until it dies: the core, and what truth_of() says."""
    core, child = t.kernel_core(argv)
    return core, truth_of(child)


def types_of(target, debug_dir=None, hints=None):
    """address -> (sure, type); and anomalies."""
    if not os.path.exists(TOOL):
        skip("%s is not built" % TOOL)
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    if debug_dir:
        env["DEBUG_DIR"] = debug_dir
    done = subprocess.run([TOOL, target] + ([hints] if hints else []), env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=harness.TIMEOUT)
    if done.returncode:
        raise RuntimeError("tool_types exits with %d: %s" % (done.returncode,
                                                             done.stderr.decode()[-400:]))
    found, anomalies = {}, []
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith("anomaly "):
            anomalies.append(line[8:])
            continue
        addr, sure, _how, _len, name = line.split(" ", 4)
        found[int(addr, 16)] = (sure, name)
    return found, anomalies


def plain(name):
    """As the compilers agree on it."""
    name = re.sub(r"std::(__cxx11::|__1::)", "std::", name)
    name = re.sub(r"std::basic_string<char, std::char_traits<char>, "
                  r"std::allocator<char> ?>", "std::basic_string<char>", name)
    return name.replace(" ", "").replace("struct", "").replace("class", "").replace("const", "") \
        .replace("longint", "long")


def wanted(mark, name):
    return plain(name) + ("[]" if mark in "astweq" else "")


def compare(t, truth, found, marks, share, what):
    """Each recorded block of these marks has its type or none; so many have one."""
    typed, wrong, wrong_exact, bytes_of = 0, [], [], 0
    asked = {a: m for a, m in truth.items() if m[0] in marks}
    for addr, (mark, name) in asked.items():
        sure, got = found.get(addr, ("candidate", ""))
        if sure == "candidate":
            continue
        typed += 1
        if plain(got) != wanted(mark, name) and SHAPES.get(got, ("", ""))[0] != mark:
            wrong.append("%x is %s, not %s (%s)" % (addr, name, got, sure))
            if sure == "exact":
                wrong_exact.append(wrong[-1])
    print("    %s: %d of %d recorded blocks have a type (%.1f %%), %d wrong, %d of them said to be exact"
          % (what, typed, len(asked), 100.0 * typed / max(1, len(asked)), len(wrong), len(wrong_exact)))
    for line in wrong[:3]:
        print("      " + line)
    t.equal(wrong_exact[:3], [], "wrong and said to be exact")
    t.true(len(wrong) * 100 <= len(asked), "under 1 %% wrong: %s" % wrong[:3])
    t.true(typed >= share * len(asked), "a share of %.3f is typed, missing: %s" % (
        share, [(hex(a), m) for a, m in asked.items() if found.get(a, ("candidate",))[0] == "candidate"][:3]))
    t.true(len(asked) > 0, "something was recorded")
    return sum(found.get(a, ("",))[0] == "exact" for a in asked) / max(1, len(asked))


def rows_of(t, core, kind, extra=()):
    """type -> count in --by-type."""
    answer = t.corescan_json([core, "--by-type"] + list(extra))
    t.equal(answer["anomalies"]["rows"], [], "anomalies")
    return {plain(r["type"]): r["count"] for r in answer["views"][0]["rows"] if r["kind"] == kind}


STRIPPED = ["gcc -O0", "gcc -O2", "gcc -O2 -s", "gcc -O2 -s -no-pie", "gcc -O3 -flto -s",
            "gcc -O2 -fno-rtti", "gcc -O1 -s -static", "clang -O2 -s", "clang -O0"]


@check_each(STRIPPED)
def objects_with_a_vtable_are_known_without_debug_data(t, flags):
    core, truth = die(t, [build(t, "native_worker.cc", flags), "globals"])
    found, _ = types_of(core)
    compare(t, truth, found, "v", 1.0, flags)
    several = [a for a, m in truth.items() if m == ("e", "shop::Circle")][0]
    t.equal(found.get(several), ("likely", "shop::Circle[]"), "several in a row")
    rows, want = rows_of(t, core, "c++"), {}
    for mark, name in truth.values():
        if mark == "v":
            want[plain(name)] = want.get(plain(name), 0) + 1
    for name, count in want.items():
        t.equal(rows.get(name), count, "objects of " + name)


SHAPES = {  # of libstdc++, and what the worker calls them
    "std::map or std::set node": ("c", "std::_Rb_tree_node<"),
    "std::list node": ("c", "std::_List_node<"),
    "std::unordered_map or std::unordered_set node": ("c", "std::__detail::_Hash_node<"),
    "std::deque items": ("q", ""),
    "std::string data": ("s", ""),
    "std::vector items": ("e", ""),
}


@check_each([(flags, roots) for flags in STRIPPED for roots in ("globals", "stack")],
            name=lambda case: "%s, %s" % case)
def containers_are_known_by_their_shape_without_debug_data(t, case):
    core, truth = die(t, [built("native_worker.cc", case[0]), case[1]])
    found, anomalies = types_of(core)
    t.equal(anomalies, [], "anomalies")
    for shape, (mark, start) in SHAPES.items():
        # that a vector's items begin with a vtable says more
        want = {a for a, (m, name) in truth.items() if m == mark and name.startswith(start)
                and name != "shop::Circle"}
        got = {a for a, (sure, name) in found.items() if name == shape}
        print("    %s, %s: %s: %d of %d" % (case + (shape, len(got & want), len(want))))
        t.equal(sorted(got), sorted(want), shape)
    rows = rows_of(t, core, "c++")
    for shape, count in (("std::unordered_map or std::unordered_set buckets", 2), ("std::deque map", 1)):
        t.equal(rows.get(plain(shape)), count, shape)


WITHOUT_CLASSES = """
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>
std::map<int, std::string> texts;
std::vector<std::string> words;
int main()
{
	for (int i = 0; i < 500; i++)
		texts[i] = std::string(40, 'a');
	for (int i = 0; i < 300; i++)
		words.push_back(std::string(30, 'w'));
	puts("ready");
	fflush(stdout);
	abort();
}
"""


@check_each(["gcc -O2", "gcc -O2 -s"])
def a_program_without_a_class_of_its_own_has_containers_too(t, flags):
    source = os.path.join(t.dir, "plain.cc")
    with open(source, "w") as f:
        f.write(WITHOUT_CLASSES)
    core, _ = die(t, [build(t, source, flags)])
    rows = rows_of(t, core, "c++")
    want = {"std::map or std::set node": 500, "std::string data": 800, "std::vector items": 1}
    t.equal({name: rows.get(plain(name)) for name in want}, want, "containers")


@check_each(["gcc -O2", "gcc -O2 -s", "gcc -g -O2"])
def gcore_leaves_code_out_and_vtables_are_known_all_the_same(t, flags):
    child = t.start([build(t, "native_worker.cc", flags), "globals", "wait"])
    child.wait_line()
    core, truth = t.gcore_of(child.pid), truth_of(child)
    child.end()
    compare(t, truth, types_of(core)[0], "v", 1.0, flags + ", gcore")


LEVELS = ["gcc -g -O0", "gcc -g -O2", "gcc -g -O3 -flto", "gcc -gdwarf-4 -O1", "clang -g -O2", "clang -gdwarf-4 -O0"]
CASES = [(flags, roots) for flags in LEVELS for roots in ("globals", "tls", "stack")]
ALL = "v-acseq"


@check_each(CASES, name=lambda case: "%s, %s" % case)
def cpp_objects_are_reached_from_one_root(t, case):
    flags, roots = case
    core, truth = die(t, [built("native_worker.cc", flags), roots])
    found, anomalies = types_of(core)
    t.equal(anomalies, [], "anomalies")
    sure = compare(t, truth, found, ALL, 0.99, "%s, %s" % case)
    for addr, (mark, name) in truth.items():
        if mark == "d":
            how, got = found.get(addr, ("candidate", ""))
            fitting = "shop::Longest" if name == "shop::Longest" else "shop::Plain or derived"
            t.true(how == "likely" and got == fitting, "%s is said to be %s %s" % (name, how, got))
    # what only stacks tell is never exact: it was this root indeed
    t.true(sure > 0.2 or roots == "stack", "a share of %.2f is exact" % sure)



C_CASES = [(flags, roots) for flags in LEVELS for roots in ("globals", "static", "tls", "stack")]


@check_each(C_CASES, name=lambda case: "%s, %s" % case)
def c_structs_are_reached_from_one_root(t, case):
    flags, roots = case
    core, truth = die(t, [built("native_worker.c", flags), roots])
    found, anomalies = types_of(core)
    t.equal(anomalies, [], "anomalies")
    sure = compare(t, truth, found, "-at", 0.99, "%s, %s" % case)
    t.true(sure > 0.2 or roots == "stack", "a share of %.2f is exact" % sure)
    for addr, (mark, name) in truth.items():
        if mark == "d":
            t.true(plain(found.get(addr, ("", ""))[1]) in ("head", "longer", "") and
                   found.get(addr, ("",))[0] != "exact", "a longer one is not said to be a head: %s" % (found.get(addr),))
        elif mark == "h":
            t.true(addr not in found, "what a void * leads to has no type")



LIBCXX = ["clang -g -O2 -stdlib=libc++", "clang -g -O0 -stdlib=libc++"]


@check_each([(flags, roots) for flags in LIBCXX for roots in ("globals", "stack")],
            name=lambda case: "%s, %s" % case)
def containers_of_llvm_s_library_are_known_as_well(t, case):
    flags, roots = case
    try:
        path = built("native_worker.cc", flags)
    except RuntimeError as e:
        if "file not found" in str(e):
            skip("no libc++-dev")
        raise
    core, truth = die(t, [path, roots])
    found, anomalies = types_of(core)
    t.equal(anomalies, [], "anomalies")
    compare(t, truth, found, ALL, 0.99, "%s, %s" % case)


IDIOMS = ["gcc -g -O0", "gcc -g -O2", "clang -g -O2"]


@check_each(IDIOMS)
def structs_behind_a_common_header_are_told_apart_by_their_tag(t, flags):
    core, truth = die(t, [built("native_idioms.c", flags)])
    found, anomalies = types_of(core)
    t.equal(anomalies, [], "anomalies")
    compare(t, truth, found, "d", 0.99, flags + ", tags")
    compare(t, truth, found, "-t", 0.99, flags + ", the rest")


@check_each(IDIOMS)
def what_void_pointers_lead_to_is_told_by_their_neighbours(t, flags):
    core, truth = die(t, [built("native_idioms.c", flags)])
    found, _ = types_of(core)
    compare(t, truth, found, "vwb", 0.99, flags + ", void *")
    compare(t, truth, found, "m", 0.0, flags + ", all sorts in one list")


@check_each(["gcc -g -O1"])
def a_hint_says_what_a_void_pointer_leads_to(t, flags):
    core, truth = die(t, [build(t, "native_worker.c", flags), "globals"])
    hints = os.path.join(t.dir, "hints")
    with open(hints, "w") as f:
        f.write("# of entries\nfield entry.data is struct payload\n")
    found, _ = types_of(core, hints=hints)
    compare(t, truth, found, "h-a", 0.99, "with a hint")
    for text in ("field entry.data is", "entry.data is payload", "field data is payload"):
        with open(hints, "w") as f:
            f.write(text + "\n")
        code, _, err = t.corescan([core, "--hints", hints])
        t.equal((code, "line 1 is not" in err), (2, True), "wrong line: " + err)


@check_each(["gcc -g -O2", "clang -g -O2"])
def separate_debug_files_serve_as_well(t, flags):
    if not shutil.which("objcopy"):
        skip("no objcopy")
    path = build(t, "native_worker.cc", flags + " -Wl,--build-id")
    notes = subprocess.run(["readelf", "-n", path], stdout=subprocess.PIPE).stdout.decode()
    build_id = re.search("Build ID: ([0-9a-f]+)", notes)[1]
    where = os.path.join(t.dir, "debug", ".build-id", build_id[:2])
    os.makedirs(where)
    subprocess.run(["objcopy", "--only-keep-debug", "--compress-debug-sections", path,
                    os.path.join(where, build_id[2:] + ".debug")], check=True)
    subprocess.run(["strip", path], check=True)
    core, truth = die(t, [path, "stack"])
    found, _ = types_of(core)
    compare(t, truth, found, "v", 1.0, flags + ", stripped")
    t.true(not any(a in found and found[a][1] not in SHAPES
                       for a, m in truth.items() if m[0] in "cs"), "nothing else is known")
    found, anomalies = types_of(core, os.path.join(t.dir, "debug"))
    t.equal(anomalies, [], "anomalies")
    compare(t, truth, found, ALL, 0.99, flags + ", with a separate file")


@check_each(["gcc -g -O2 -gsplit-dwarf", "clang -g -O1 -gsplit-dwarf", "gcc -gdwarf-4 -gsplit-dwarf",
             "gcc -g -O2 -fdebug-types-section", "gcc -g -O2 -gz"])
def debug_data_in_pieces_are_found(t, flags):
    core, truth = die(t, [build(t, "native_worker.cc", flags), "globals"])
    found, anomalies = types_of(core)
    t.equal(anomalies, [], "anomalies")
    compare(t, truth, found, ALL, 0.99, flags)
    pieces = [f for f in os.listdir(t.dir) if f.endswith(".dwo")]
    for name in pieces:
        os.rename(os.path.join(t.dir, name), os.path.join(t.dir, name + ".gone"))
    if pieces:
        found, anomalies = types_of(core)
        t.true(any(".dwo" in a for a in anomalies), "missing pieces are told: %s" % anomalies)
        compare(t, truth, found, "v", 1.0, flags + ", the .dwo gone")


@check_each(["gcc -g -O2"])
def debug_data_shared_by_dwz_are_found(t, flags):
    if not shutil.which("dwz"):
        skip("no dwz")
    path = build(t, "native_worker.cc", flags)
    shutil.copy(path, path + "2")
    subprocess.run(["dwz", "-m", os.path.join(t.dir, "shared"), path, path + "2"], check=True)
    core, truth = die(t, [path, "globals"])
    found, anomalies = types_of(core)
    t.equal(anomalies, [], "anomalies")
    compare(t, truth, found, ALL, 0.99, flags + ", dwz")


@check_each(["gcc -g -O2"])
def views_of_the_graph_name_native_types(t, flags):
    core, truth = die(t, [build(t, "native_worker.cc", flags), "globals"])
    world = [a for a, m in truth.items() if m[1] == "World"][0]
    order = [a for a, m in truth.items() if m[1] == "shop::Order"][0]
    rows = t.corescan_json([core, "--dominators"])["views"][0]["rows"]
    t.true(any(r["type"] == "World" and r["name"].startswith("global_world (data of") for r in rows),
           "a World among the dominators")
    t.true(any(re.match(r"global_world\.tree\.(left|right)\b", r["name"]) for r in rows), "named by members")
    steps = t.corescan_json([core, "--why", hex(order)])["views"][0]["rows"]
    t.equal(steps[-1]["type"], "shop::Order", "where it leads")
    t.equal((steps[0]["type"], steps[0]["edge"]), ("World", "global_world"), "the variable that holds it")
    t.true(all(re.match(r"(\.|\[\d+\])\w+", s["edge"]) for s in steps[1:] if s["from"].startswith("World")),
           "by its members: %s" % [s["edge"] for s in steps])
    code, out, _ = t.corescan([core, "--object", hex(world)])
    t.true("global global_world" in out and "exact" in out and re.search("type +World", out),
           "what is known of a block: " + out[:600])
    rows = rows_of(t, core, "c++")
    want = {}
    for mark, name in truth.values():
        if mark in "v-c":
            want[plain(name)] = want.get(plain(name), 0) + 1
    want["std::_Sp_counted_ptr_inplace<shop::Circle,std::allocator<void>,(__gnu_cxx::_Lock_policy)2>"] = 1
    for name, count in want.items():
        t.equal(rows.get(name), count, "blocks of " + name)




@check_each([("native_worker.c", "struct conn"), ("native_worker.cc", "shop::Order")])
def instances_of_a_type_are_the_recorded_ones(t, case):
    source, name = case
    core, truth = die(t, [built(source, "gcc -g -O2"), "globals"])
    want = sorted(a for a, m in truth.items() if m[1] == name and m[0] in "v-")
    rows = t.corescan_json([core, "--instances", name])["views"][0]["rows"]
    t.equal(sorted(int(r["address"], 16) for r in rows), want, "addresses")
    t.true(all(0 < r["bytes"] <= r["retained"] for r in rows), "each retains itself")
    out = t.corescan([core, "--instances", re.split("[ :]", name)[-1]])[1]
    t.true("did you mean %s?" % name in out, "the whole name is proposed: " + out)


@check_each(["gcc -g -O2", "gcc -gdwarf-4 -O0", "clang -g -O2", "clang -gdwarf-4 -O1"])
def members_hold_what_the_process_says(t, flags):
    core, child = t.kernel_core([build(t, "member_worker.cc", flags)])
    truth = dict(line.split(" = ", 1) for line in child.lines if " = " in line)
    at = "0x" + truth.pop("at")
    rows = t.corescan_json([core, "--object", at])["views"][0]["rows"]
    found = dict(r["value"].split(" = ", 1) for r in rows if r["field"] == "member")
    t.equal(found, truth, "members")
    shy = t.corescan_json([core, "--object", at, "--no-values"])["views"][0]["rows"]
    shy = dict(r["value"].split(" = ", 1) for r in shy if r["field"] == "member")
    t.equal(shy["i32"], truth["i32"], "numbers are told")
    t.true(not re.search("hello|word|short|qqq", str(list(shy.values()))), "texts are not")
    asked = ["i32", "middle", "other.next.number", "inner.x", "brief", "other.nothing"]
    row = t.corescan_json([core, "--instances", "Thing", "--attrs", ",".join(asked)])["views"][0]["rows"][0]
    t.equal([row[a] for a in asked], [int(truth["i32"]), int(truth["middle"]), 43, 7, truth["brief"], None],
            "as attributes")


@check_each(["gcc -g -O2", "clang -g -O0"])
def a_library_s_types_and_thread_local_variables_are_known(t, flags):
    if not shutil.which(flags.split()[0]):
        skip("no %s" % flags.split()[0])
    source, library = os.path.join(HERE, "native_library.c"), os.path.join(t.dir, "libhandle.so")
    path = os.path.join(t.dir, "worker")
    for argv in (["-DLIBRARY", "-shared", "-fPIC", source, "-o", library],
                 [source, library, "-Wl,-rpath," + t.dir, "-lpthread", "-o", path]):
        subprocess.run(flags.split() + WARN + argv, check=True, timeout=harness.TIMEOUT)
    core, truth = die(t, [path])
    found, anomalies = types_of(core)
    t.equal(anomalies, [], "anomalies")
    sure = compare(t, truth, found, "-", 1.0, flags + ", a library")
    # three threads' own handles among them, which no global leads to
    t.equal(sure, 1.0, "share that is exact")



@check_each(["gcc -g -O2", "clang -g -O0"])
def thread_local_variables_of_libraries_opened_later_are_known(t, flags):
    if not shutil.which(flags.split()[0]):
        skip("no %s" % flags.split()[0])
    source, path = os.path.join(HERE, "native_library.c"), os.path.join(t.dir, "worker")
    names = [os.path.join(t.dir, name) for name in ("libfirst.so", "libhandle.so")]
    for argv in ([["-DLIBRARY", "-shared", "-fPIC", source, "-o", name] for name in names] +
                 [['-DFIRST="%s"' % names[0], '-DLATE="%s"' % names[1], source, "-ldl", "-lpthread",
                   "-o", path]]):
        subprocess.run(flags.split() + WARN + argv, check=True, timeout=harness.TIMEOUT)
    core, truth = die(t, [path])
    found, anomalies = types_of(core)
    t.equal(anomalies, [], "anomalies")
    sure = compare(t, truth, found, "-", 1.0, flags + ", a library opened later")
    t.equal(sure, 1.0, "share that is exact")


def pythons():
    found = [("system", "/usr/bin/python3")] if os.path.exists("/usr/bin/python3") else []
    return found + [(i.name, i.path) for i in harness.interpreters()[0]][-1:]


@check_each(pythons(), name=lambda python: "%s %s" % python)
def classes_inside_a_python_process_are_told_beside_its_objects(t, python):
    path = build(t, "native_worker.cc", "gcc -g -O2 -shared -fPIC -Dmain=worker")
    code = ("import ctypes; kept = [{i: str(i)} for i in range(20000)]; "
            "ctypes.CDLL(%r)._Z6workeriPPc(1, None)" % path)
    core, truth = die(t, [python[1], "-c", code])
    found, anomalies = types_of(core)
    t.equal(anomalies, [], "anomalies")
    compare(t, truth, found, ALL, 0.99, "in Python, " + python[0])
    rows = t.corescan_json([core, "--by-type"])["views"][0]["rows"]
    t.true(any(r["type"] == "dict" and r["count"] > 20000 for r in rows), "Python's objects are there too")


def debug_sections(path):
    """(name, offset, size) of each section of debug data."""
    out = subprocess.run(["readelf", "-SW", path], stdout=subprocess.PIPE).stdout.decode()
    return [(m[1], int(m[2], 16), int(m[3], 16)) for m in re.finditer(
        r"\] (\.debug_\w+)\s+\w+\s+[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)", out)]


def replace(path, data):
    """Another file of that name: what is mapped stays what it was."""
    os.unlink(path)
    with open(path, "wb") as f:
        f.write(data)


@check_each([("native_worker.c", 1), ("native_worker.cc", 2), ("native_idioms.c", 3)],
            name=lambda case: case[0])
def spoiled_debug_data_cost_types_and_nothing_else(t, case):
    source, first = case
    path = build(t, source, "gcc -g -O2")
    core, _ = die(t, [path, "globals"])
    with open(path, "rb") as f:
        good = f.read()
    all_types, told, fewer = len(types_of(core)[0]), 0, 0
    sections = [s for s in debug_sections(path) if s[0] in (
        ".debug_info", ".debug_abbrev", ".debug_str", ".debug_loclists", ".debug_rnglists")]
    for seed in range(first * 1000, first * 1000 + 20):
        rng, data = random.Random(seed), bytearray(good)
        _, off, size = rng.choice(sections)
        for _ in range(rng.choice([1, 5, 50, 500])):
            data[off + rng.randrange(size)] = rng.choice([0, 1, 0x7f, 0xff, rng.randrange(256)])
        replace(path, data)
        found, anomalies = types_of(core)
        told += any(a.startswith("native.dwarf") for a in anomalies)
        fewer += len(found) < all_types
    t.true(told and fewer, "something was spoiled: %d told, %d with fewer types" % (told, fewer))
    for cut in (100, 1000, 10000):
        data = bytearray(good)
        for name, off, size in sections:
            if name == ".debug_info" and cut < size:
                data[off + cut:off + size] = bytes(size - cut)
        replace(path, data)
        types_of(core)


@check_each(["gcc -O2 -s", "gcc -g -O2"])
def forged_vtables_and_pointers_are_survived(t, flags):
    core, truth = die(t, [build(t, "native_worker.cc", flags), "globals"])
    spoil = spoiled.Core(core)
    with open(core, "rb") as f:
        good = f.read()
    places = []
    for addr, off, size in spoil.parts:
        places += [off + i for i in range(0, min(size, 1 << 18) - 8, 8)
                   if good[off + i:off + i + 8] != bytes(8)]
    heads = [spoil.offset(a) for a, m in truth.items() if m[0] == "v"]
    words = [struct.unpack_from("<Q", good, p)[0] for p in places]
    for seed in range(25):
        rng, data = random.Random(seed), bytearray(good)
        for _ in range(rng.choice([1, 20, 300])):
            at = rng.choice(heads if seed % 2 else places)
            word = rng.choice([rng.choice(words) + rng.choice([0, 8, -8, 16, 1]), rng.getrandbits(64), 16])
            struct.pack_into("<Q", data, at, word & (1 << 64) - 1)
        with open(core, "wb") as f:
            f.write(data)
        types_of(core)


main()
