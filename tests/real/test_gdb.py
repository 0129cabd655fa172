"""corescan's commands inside GDB against the corescan program and against GDB's conventions.

Whatever GDB is installed; in batches, on a terminal, as MI and DAP. GDB is
never told to load anything else: no user's files, no debuginfod.
"""
import atexit
import csv
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import ROOT, check, check_each, interpreters, main, skip  # noqa: E402
import gdb_driver as driver  # noqa: E402
from gdb_driver import SOURCE, Terminal, batch, gdbserver  # noqa: E402

FOUND, _ = interpreters()
FOUND = [i for i in FOUND if i.version < (3, 15)]
USUAL = FOUND[-1] if FOUND else None
OBJECTS = 2000
TYPES, ARENAS = "pyheap types --format csv --top 0", "corescan heap arenas --format csv"
NEEDS = "there is no process and no core file to look at"


def worker(t, interpreter=None, objects=OBJECTS):
    """A living one."""
    interpreter = interpreter or USUAL or skip("no interpreter found")
    child = t.start([interpreter.path, os.path.join(HERE, "gdb_worker.py"), str(objects)],
                    env=driver.environment())
    child.wait_line("ready")
    with open("/proc/%d/status" % child.pid) as f:
        if "python" not in f.read().split("\n", 1)[0]:
            skip("%s is started by a script" % interpreter.path)
    wait_until_idle(child.pid)
    return child


def wait_until_idle(pid):
    """It says ready and goes to sleep a little later."""
    last = None
    for _ in range(100):
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rpartition(")")[2].split()
        now = fields[0], fields[11], fields[12]     # state, user and system time
        if now == last and now[0] == "S":
            return
        last = now
        time.sleep(0.05)


SHARED = tempfile.mkdtemp(prefix="corescan-test-gdb-")
atexit.register(shutil.rmtree, SHARED, True)
_made = {}


def once(key, make):
    """Made by the first check that needs it; whoever changes it works on a copy."""
    if key not in _made:
        _made[key] = make()
    return _made[key]


def shared_core(t, argv):
    path = os.path.join(SHARED, "core-%d" % len(_made))
    shutil.move(t.core_of(argv, env=driver.environment())[0], path)
    return path


def worker_core(t, interpreter=None, objects=OBJECTS):
    """(executable, core)"""
    interpreter = interpreter or USUAL or skip("no interpreter found")
    argv = [interpreter.path, os.path.join(HERE, "gdb_worker.py"), str(objects)]
    return interpreter.real, once((interpreter.path, objects), lambda: shared_core(t, argv))


def compile_c(t, name, text, *flags):
    cc = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
    if not cc:
        skip("no C compiler")
    source, out = os.path.join(t.dir, name + ".c"), os.path.join(t.dir, name)
    with open(source, "w") as f:
        f.write(text)
    subprocess.run([cc, "-g", "-o", out, source] + list(flags), check=True)
    return out


def victim(t):
    def make():
        path = os.path.join(SHARED, "victim")
        shutil.move(compile_c(t, "victim", VICTIM), path)
        return path
    return once("victim", make)


VICTIM = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
void *keep[100];
int fill(int n) { for (int i = 0; i < 100; i++) keep[i] = malloc(n); return n; }
int main(int argc, char **argv)
{
	fill(40);
	puts("ready");
	fflush(stdout);
	if (argc > 1)
		abort();
	pause();
	fill(4000);
	return 0;
}
"""


def c_core(t, number=0):
    """(executable, core) of a program without Python."""
    exe = victim(t)
    return exe, once(("core", number), lambda: shared_core(t, [exe]))


def rows(text):
    """A table in CSV, without the column that depends on how much is present."""
    found = list(csv.reader(io.StringIO(text[text.find("type,") if "type," in text else 0:])))
    if not found:
        return found
    drop = found[0].index("percent") if "percent" in found[0] else None
    return sorted([c for n, c in enumerate(row) if n != drop] for row in found)


def cli_rows(t, target, python=True):
    """What the program says: (types, arenas)."""
    if str(target).startswith(SHARED):
        return once(("rows", target), lambda: ask_cli(t, target, python))
    return ask_cli(t, target, python)


def ask_cli(t, target, python):
    types = t.corescan([target, "--by-type", "--format", "csv", "--top", "0"])[1]
    arenas = t.corescan([target, "--arenas", "--format", "csv"])[1]
    kept = [r for r in rows(types) if (r[1] == "python") == python or r[1] == "kind"]
    return kept, rows(arenas)


UGLY = re.compile("Traceback|Error occurred|Python Exception|a mistake in corescan")


def check_rows(t, answers, want, where):
    """answers: what TYPES and ARENAS said."""
    types, arenas = rows(answers[0]), rows(answers[1])
    t.true(len(want[0]) > 20, "the program finds types: %s" % want[0][:3])
    if not t.equal(len(types), len(want[0]), where + ": types"):
        t.fail(where + " said: " + answers[0][:300])
    t.equal([r for r in types if r not in want[0]], [], where + ": rows the program has not")
    t.equal(arenas, want[1], where + ": arenas")


# ---- the same rows, whoever reads the memory

@check_each(FOUND, name=lambda i: i.name)
def a_core_gives_the_programs_rows(t, interpreter):
    exe, core = worker_core(t, interpreter)
    said = batch([TYPES, ARENAS, "set pyheap memory-source gdb", TYPES, ARENAS], [exe, core])
    want = cli_rows(t, core)
    check_rows(t, said[0:2], want, "core")
    check_rows(t, said[3:5], want, "core through gdb")
    t.equal(said[2], "", "set is silent")


@check_each([i for i in FOUND if i in (FOUND[0], FOUND[-1])], name=lambda i: i.name)
def a_live_process_gives_the_programs_rows(t, interpreter):
    child = worker(t, interpreter)
    want = cli_rows(t, child.pid)
    said = batch([TYPES, ARENAS, "set pyheap memory-source gdb", TYPES, ARENAS],
                 ["-p", str(child.pid)])
    check_rows(t, said[0:2], want, "live")
    check_rows(t, said[3:5], want, "live through gdb")


@check_each([i for i in FOUND if i in (FOUND[0], FOUND[-1])], name=lambda i: i.name)
def a_gdbserver_gives_the_programs_rows(t, interpreter):
    child = worker(t, interpreter)
    want = cli_rows(t, child.pid)
    connect = gdbserver(t, "--attach", str(child.pid))
    said = batch(connect + [TYPES, ARENAS, "corescan summary", "set pyheap memory-source direct",
                            TYPES])
    t.true("127.0.0.1:" in said[4] or "pid %d" % child.pid in said[4], "the target's name: " + said[4])
    resident = re.sub(r"\s", "", said[4])
    if "read" in resident:
        t.true("missing" in resident, "present")
    compare_remote(t, said[2:4], want)
    t.equal(said[6], "pyheap types: memory-source is direct, but this target can only be read "
                     "through GDB\n", "direct")


def compare_remote(t, said, want):
    check_rows(t, said, want, "remote")


@check
def a_worker_started_under_gdbserver_is_read(t):
    exe = victim(t)
    said = batch(gdbserver(t, exe) + ["tbreak pause", "continue", ARENAS,
                                      "corescan heap whatis keep[7]", "p $heap_block(keep[7])",
                                      "p keep[7]", "info threads", "kill"], [exe])
    t.true(re.search(r"^main,glibc,\d+,[1-9]", said[4], re.M), "arenas: " + said[4])
    t.equal(said[6].split()[-1], said[7].split()[-1], "$heap_block")


# ---- one scan, kept as long as it is true

TIMED = ("python import time; t = time.time(); gdb.execute('%s', False, True); "
         "print('%%.4f' %% (time.time() - t))")


SCANS = "python import corescan_gdb as c; print([id(s) for _, s in sorted(c.state.sessions.items())])"


@check
def the_second_answer_comes_at_once(t):
    exe, core = worker_core(t, objects=20000)
    child = worker(t)
    for target in ([exe, core], ["-p", str(child.pid)]):
        said = batch(["pyheap top", SCANS, TIMED % "pyheap types", TIMED % "corescan heap arenas", SCANS],
                     target)
        t.true(float(said[2]) < 0.1, "the second answer took %s s" % said[2].strip())
        t.true(float(said[3]) < 0.1, "the third answer took %s s" % said[3].strip())
        t.equal(said[4], said[1], "the scan")


@check
def another_stop_is_another_scan(t):
    exe = victim(t)
    used = "python print(gdb.execute('corescan heap arenas --format csv', False, True)" \
           ".splitlines()[1].split(',')[3])"
    said = batch(["break pause", "run", used, "call fill(1000)", used, "set var keep[3] = keep[4]",
                  used, "kill", used], [exe])
    numbers = [said[i].strip() for i in (2, 4)]
    t.true(all(n.isdigit() for n in numbers), "used: %s" % said)
    if all(n.isdigit() for n in numbers):
        t.true(int(numbers[1]) >= int(numbers[0]) + 100 * 1000, "a call's blocks: %s" % numbers)
    t.true(NEEDS in said[8], "after kill: " + said[8])


@check
def the_header_comes_once_a_scan(t):
    exe, core = worker_core(t)
    said = batch(["pyheap top 1", "pyheap top 1", "corescan summary"], [exe, core])
    t.true("CPython" in said[0] and "CPython" not in said[1], "header: %s" % said[:2])
    t.true("CPython" in said[2], "summary has it always")


@check
def another_core_is_another_scan(t):
    (exe, core), (c_exe, other) = worker_core(t), c_core(t)
    said = batch(["pyheap top 1", "file " + c_exe, "core-file " + other, "pyheap top 1", ARENAS,
                  "core-file", "pyheap top 1"], [exe, core])
    t.true("no CPython" in said[3], "the other core: " + said[3])
    t.equal(rows(said[4]), cli_rows(t, other)[1], "its arenas")
    t.true(NEEDS in said[6], "no core any more: " + said[6])


@check
def a_core_that_was_replaced_is_read_again(t):
    exe, core = c_core(t)
    core = shutil.copy(core, os.path.join(t.dir, "core"))
    stamp = "python import os; os.utime(%r, (1, 1))" % core
    said = batch([ARENAS, SCANS, stamp, ARENAS, "python print(c.state.sessions[1].key)", SCANS], [exe, core])
    t.true(", 1.0)" in said[4], "the scan is of the file as it is now: %s" % said[4])


@check
def two_inferiors_have_two_scans(t):
    (exe, core), (c_exe, other) = worker_core(t), c_core(t)
    said = batch([TYPES, "add-inferior -no-connection", "inferior 2", ARENAS, "file " + c_exe, "core-file " + other,
                  ARENAS, "pyheap top", SCANS, "inferior 1", TIMED % TYPES, TYPES,
                  SCANS], [exe, core])
    t.true(NEEDS in said[3], "the second is empty: " + said[3])
    t.equal(rows(said[6]), cli_rows(t, other)[1], "the second's arenas")
    t.true("no CPython" in said[7] or "none" in said[7], "the second's types: " + said[7])
    t.true(float(said[10]) < 0.1, "the first's answer took " + said[10])
    t.equal(rows(said[11]), rows(said[0]), "the first's types")
    t.true(said[12] == said[8] and "," in said[8], "both scans are kept: %s %s" % (said[8], said[12]))


# ---- single objects

@check
def instances_and_references_are_the_programs(t):
    exe, core = worker_core(t)
    child = worker(t)
    for target, arguments in ((core, [exe, core]), (child.pid, ["-p", str(child.pid)])):
        ask = lambda *words: t.corescan([target, "--format", "csv"] + list(words))[1]
        find = ask("--instances", "__main__.Order", "--attrs", "customer,lines,absent")
        address = find.splitlines()[1].split(",")[0]
        csv_form = " --format csv"
        said = batch(["pyheap find __main__.Order customer,lines,absent" + csv_form,
                      "pyheap find __main__.Order --attrs customer,lines,absent" + csv_form,
                      "corescan instances '__main__.O*' --attrs customer,lines,absent" + csv_form,
                      "p $pyobj(%s)" % address, "pyheap referrers (long)$1" + csv_form,
                      "pyheap referents $1" + csv_form, "pyheap object $1", "corescan heap whatis $1",
                      "pyheap find Order"], arguments)
        t.true("customer" in said[0] and find.count("list of 1") == min(OBJECTS, 1000), "instances: " + find[:200])
        for n in range(3):
            t.equal(said[n][said[n].find("address,"):].splitlines(), find.splitlines(), "pyheap find, %d" % n)
        t.equal(said[4].splitlines(), ask("--referrers", address).splitlines(), "pyheap referrers")
        t.equal(said[5].splitlines(), ask("--referents", address).splitlines(), "pyheap referents")
        t.true("dict" in said[4] and "customer-" in said[6] and "['order:" in said[6], "object: " + said[6])
        t.true("referrers" not in said[7] and address in said[7], "whatis needs no graph: " + said[7])
        t.true("did you mean __main__.Order?" in said[8], "no such type: " + said[8])
    said = batch(["pyheap find __main__.Order customer lines", "pyheap find", "pyheap referrers",
                  "pyheap find __main__.Order 5x", "pyheap find __main__.Order --sort nothing",
                  "pyheap referents 0x10"], [exe, core])
    for n, words in enumerate(("one word too many", "needs an argument: TYPE", "needs an argument: ADDR",
                               "'5x' is not the name of an attribute", "no column 'nothing'",
                               "Nothing in use is at 0x10.")):
        t.true(words in said[n] and not UGLY.search(said[n]), "%s: %s" % (words, said[n]))


@check_each([i for i in FOUND if i in (FOUND[0], FOUND[-1])], name=lambda i: i.name)
def sites_are_the_programs(t, interpreter):
    """Of a process that traces: as a core, alive, and through GDB."""
    argv = [interpreter.path, "-X", "tracemalloc=3", os.path.join(HERE, "gdb_worker.py"), str(OBJECTS)]
    child = t.start(argv, env=driver.environment())
    child.wait_line("ready")
    wait_until_idle(child.pid)
    ask = lambda *words: t.corescan([child.pid, "--by-site", "--format", "csv"] + list(words))[1].splitlines()
    wants = [ask(), ask("--group-by", "traceback"), ask("--group-by", "file", "--cumulative")]
    t.true(any("gdb_worker.py:13,Order.__init__" in line or "gdb_worker.py:13,__init__" in line
               for line in wants[0]), "who made them: %s" % wants[0][:5])
    commands = ["pyheap sites --format csv --top 0", "corescan heap sites --group-by traceback --format csv",
                "corescan by-site --group-by=file --cumulative --format csv"]
    said = batch(commands + ["set pyheap memory-source gdb", commands[0], "pyheap sites --top 3",
                             "pyheap types --cumulative", "pyheap sites --group-by shoe"],
                 ["-p", str(child.pid)])
    for got, want in zip(said[:3] + said[4:5], wants + wants[:1]):
        t.equal(got[got.find("site,"):].splitlines(), want, "rows in GDB")
    t.true("orker.py:13 " in said[5] and "pyheap types" in said[5], "people read: " + said[5])
    t.true("--cumulative is about corescan by-site" in said[6], "of types: " + said[6])
    t.true("use line, file or traceback" in said[7], "of shoes: " + said[7])


@check
def sites_of_a_program_nobody_prepared_are_the_same(t):
    exe, core = worker_core(t)
    ask = lambda *words: t.corescan([core, "--exe", exe, "--by-site", "--format", "csv"] + list(words))[1].splitlines()
    wants = [ask(), ask("--group-by", "file")]
    t.true(wants[0][-1].startswith("(tracemalloc was not on),,none,") and len(wants[0]) > 2,
           "candidates and what has none: %s" % wants[0][-2:])
    said = batch(["corescan heap sites --format csv --top 0", "corescan heap sites --group-by file --format csv",
                  "corescan heap sites --top 1", "help corescan heap sites"], [exe, core])
    for got, want in zip(said, wants):
        t.equal(got[got.find("site,"):].splitlines(), want, "rows in GDB")
    t.true("EVIDENCE" in said[2] and "(tracemalloc was not on)" in said[2], "people read: " + said[2])
    t.true("--group-by line|file|traceback" in said[3] and "--cumulative" in said[3], "help: " + said[3])


@check
def the_next_page_of_instances_goes_on(t):
    exe, core = worker_core(t)
    want = [line.split(",")[0] for line in
            t.corescan([core, "--format", "csv", "--instances", "__main__.Order"])[1].splitlines()[1:11]]
    terminal = Terminal(t, [exe, core])
    seen = re.findall(r"^  (0x[0-9a-f]+) ", terminal.say("pyheap find __main__.Order customer --top 5"), re.M)
    seen += re.findall(r"^  (0x[0-9a-f]+) ", terminal.say(""), re.M)
    terminal.end()
    t.equal(seen, want, "two pages")


# ---- bad input

@check
def without_a_target_it_says_so(t):
    for said in batch(["pyheap top", "corescan heap arenas", "p $pyobj(1)"]):
        t.true(said.endswith(": " + NEEDS + "\n"), "said: " + said)


@check
def a_core_without_python_still_has_malloc(t):
    exe, core = c_core(t)
    said = batch(["pyheap top", ARENAS, "p $pyobj(&keep)", "corescan heap whatis keep[7]"], [exe, core])
    t.true("no CPython" in said[0], "pyheap: " + said[0])
    t.equal(rows(said[1]), cli_rows(t, core)[1], "arenas")
    t.true(re.match(r"\$pyobj: there is no Python object at 0x[0-9a-f]+\n", said[2]), "$pyobj: " + said[2])
    t.true("glibc" in said[3], "whatis: " + said[3])


@check
def a_truncated_core_is_answered_in_part(t):
    exe, core = worker_core(t)
    core = shutil.copy(core, os.path.join(t.dir, "core"))
    with open(core, "r+b") as f:
        f.truncate(os.path.getsize(core) * 2 // 3)
    said = batch(["corescan summary --format csv", "corescan summary"], [exe, core])
    t.true("warning: answered in part: " in said[0] and "truncat" in said[0], "said: " + said[0])
    t.true("answered in part" not in said[1], "said once")
    summary = [r for r in csv.reader(io.StringIO(t.corescan([core, "--summary", "--format", "csv"])[1]))]
    got = [r for r in csv.reader(io.StringIO(said[0])) if len(r) == len(summary[0])]
    t.equal(got, summary, "summary")


@check
def a_wrong_executable_is_not_used(t):
    exe, core = worker_core(t)
    want = cli_rows(t, core)
    said = batch([TYPES, ARENAS], [victim(t), core])
    check_rows(t, said, want, "with a wrong executable")
    said = batch([TYPES, ARENAS], ["-c", core])
    check_rows(t, said, want, "without an executable")


@check
def a_file_name_may_hold_anything(t):
    exe, core = c_core(t)
    hostile = os.path.join(t.dir, "c o'r`e \"$(x)\" \u00e9', file type x")
    shutil.copy(core, hostile)
    said = batch([ARENAS, "python import corescan_target as t; print(t.current().path == %r)" % hostile],
                 [exe, hostile])
    t.equal(rows(said[0]), cli_rows(t, hostile)[1], "arenas")
    t.equal(said[1], "True\n", "its name")


GARBAGE = ("nosuchname", "1 +", "1.5", "$nothing", "*(char *)0", "keep[", "\"text", "main.x", "struct x", "-",
           "--", "@", "\\", "$pyobj(1)", "keep[7] keep[8]", "%n%s", "\u00e9")


@check
def a_garbage_expression_is_one_sentence(t):
    exe, core = c_core(t)
    commands = ["corescan heap whatis " + g for g in GARBAGE]
    for command, said in zip(commands, batch(commands, [exe, core])):
        lines = [line for line in said.splitlines() if line.strip()]
        if command.endswith((" main.x", "text", "\u00e9", " @")):
            t.true(not UGLY.search(said), command + ": " + said)
            continue
        t.true(lines and lines[-1].startswith("corescan heap whatis"), command + ": " + said)
        t.true(not UGLY.search(said), command + ": " + said)
    commands = ("corescan heap arenas bogus", "corescan heap arenas --bogus", "pyheap top -1",
                "corescan heap arenas --sort nothing", "pyheap bogus", "corescan heap bogus",
                "corescan heap whatis", "set pyheap bogus 1", "set pyheap memory-source sideways",
                "pyheap top 1 2", "corescan heap whatis --top 5")
    for command, said in zip(commands, batch(commands, [exe, core])):
        t.true(said.count("\n") == 1 and not UGLY.search(said), command + ": " + said)


@check
def a_running_process_is_refused(t):
    child = worker(t)
    said = batch(["set non-stop off", "continue &", "pyheap top", "corescan heap arenas",
                  "p $heap_block(1)", "interrupt", "python import time; time.sleep(0.3)"],
                 ["-iex", "set pagination off", "-p", str(child.pid)])
    for n in (2, 3, 4):
        t.true("the process is running: interrupt it first" in said[n], "said: " + said[n])


@check
def a_process_that_dies_between_two_commands(t):
    child = worker(t)
    kill = "python import os, time; os.kill(%d, 9); time.sleep(0.3)" % child.pid
    said = batch(["pyheap top 1", kill, "pyheap top 1", "set pyheap memory-source gdb", "pyheap top 1",
                  "set pyheap memory-source auto", "set pyheap values off", "pyheap top 1"],
                 ["-p", str(child.pid)])
    t.true("TYPES" in said[0] and "TYPES" in said[2], "the scan is kept: %s" % said[2])
    for n in (4, 7):
        t.true(re.search(r"^pyheap top: .+\n", said[n], re.M) and not UGLY.search(said[n]),
               "it is gone: " + said[n])


@check
def a_pid_alone_is_never_trusted(t):
    """A remote target's number may be another process's here, a core's too."""
    exe = victim(t)
    local = worker(t)
    said = batch(gdbserver(t, exe) + [
        "tbreak pause", "continue", "python import corescan_target as target",
        "python real = target.current",
        "python target.current = lambda: real()._replace(pid=%d)" % local.pid,
        "python print(target.current().kind, target._is_traced_here(%d))" % local.pid,
        ARENAS, "kill"], [exe])
    t.equal(said[7], "gdb False\n", "a number of this machine")
    t.true("pymalloc" not in said[8], "the other process was read: " + said[8][:300])
    exe, core = worker_core(t)
    said = batch(["python import corescan_target as t; a = t.current(); "
                  "print(a.kind, a.path == %r, a.pid > 0)" % core], [exe, core])
    t.equal(said[0], "core True True\n", "a core")


@check
def what_gdb_replays_is_read_through_gdb(t):
    exe = victim(t)
    kind = "python import corescan_target as t; print(t.current().kind)"
    said = batch(["break pause", "run", kind, "record", kind, ARENAS, "record stop", kind, "kill"], [exe])
    t.equal(said[2], "live\n", "at first")
    t.equal(said[4], "gdb\n", "while recording")
    t.true("main,glibc" in said[5], "arenas while recording: " + said[5])
    t.equal(said[7], "live\n", "afterwards")
    said = batch(["break pause", "run", "checkpoint", "info checkpoints", kind, ARENAS],
                 ["-ex", "python import os; os._exit(0)", exe])     # its own end may hang
    if " 1 " in said[3]:
        t.equal(said[4], "gdb\n", "with a checkpoint")
        t.true("main,glibc" in said[5], "arenas with a checkpoint: " + said[5])


@check
def a_core_that_is_not_gdbs_falls_back_to_gdb(t):
    """The file changed under GDB: other bytes, so GDB's own view counts."""
    (exe, core), (_, other) = c_core(t), c_core(t, 1)
    fake = "python import corescan_target as t; t._core_path = lambda i: %r" % other
    said = batch([fake, ARENAS, ARENAS, "set pyheap memory-source direct", ARENAS], [exe, core])
    t.true("reading through GDB instead" in said[1], "warned: " + said[1])
    t.true("warning" not in said[2], "once: " + said[2])
    t.equal(rows(said[1][said[1].find("arena,"):]), cli_rows(t, core)[1], "arenas of what GDB sees")
    t.true(re.match(r"corescan heap arenas: the debugger sees other bytes", said[4]),
           "direct is an error: " + said[4])


# ---- the library and the installed files

FAKE = "unsigned corescan_abi(void) { return 77; }"


@check
def a_library_that_does_not_fit_is_told(t):
    fake = compile_c(t, "libfake.so", FAKE, "-shared", "-fPIC")
    empty = compile_c(t, "libempty.so", "int nothing;", "-shared", "-fPIC")
    text = os.path.join(t.dir, "text.so")
    with open(text, "w") as f:
        f.write("text")
    for path, words in ((fake, ("ABI 77", "ABI 1", fake)), (empty, ("not corescan's", empty)),
                        (text, ("cannot load", text)), ("/no such file", ("cannot load", "/no such file"))):
        said = batch([SOURCE, "pyheap top", "set pyheap top 5", "p $pyobj(1)", "complete pyheap t", "pyheap"],
                     source=None, env=driver.environment(CORESCAN_LIBRARY=path))
        for n in (0, 1, 3, 5):
            t.true(all(w in said[n] for w in words) and said[n].count("\n") == 1,
                   "%s: %s" % (path, said[n]))
            t.true(said[n].startswith("corescan: "), said[n])
        t.equal(said[4], "", "completion is silent")


def installed(t):
    """(PREFIX, a data directory for GDB that has the installed stub)."""
    prefix, data = os.path.join(t.dir, "usr"), os.path.join(t.dir, "data")
    done = subprocess.run(["make", "-s", "install-gdb", "PREFIX=" + prefix, "DESTDIR="], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")})
    if done.returncode:
        raise RuntimeError("make install: " + done.stdout.decode("utf-8", "replace")[-300:])
    shown = driver.run(["-q", "-nx", "-batch", "-ex", "show data-directory"])[1]
    real = re.search(r'"(.*)"', shown)[1]
    os.makedirs(data + "/python/gdb/command")
    link_all(real, data, "python")
    link_all(real + "/python", data + "/python", "gdb")
    link_all(real + "/python/gdb", data + "/python/gdb", "command")
    link_all(real + "/python/gdb/command", data + "/python/gdb/command", None)
    shutil.copy(prefix + "/share/gdb/python/gdb/command/corescan.py", data + "/python/gdb/command")
    return prefix, data


def link_all(source, to, but):
    for name in os.listdir(source):
        if name not in (but, "__pycache__"):
            os.symlink(os.path.join(source, name), os.path.join(to, name))


@check
def installed_it_is_there_by_itself_and_lazy(t):
    prefix, data = installed(t)
    os.makedirs(prefix + "/lib", exist_ok=True)
    shutil.copy(driver.library(), prefix + "/lib/libcorescan.so.0")
    exe, core = c_core(t)
    env = driver.environment(CORESCAN_LIBRARY=None)
    loaded = "python import sys; print('corescan_gdb' in sys.modules, " \
             "'libcorescan' in open('/proc/self/maps').read())"
    said = batch([loaded, "set pyheap top 7", "show pyheap top", "corescan heap arenas --format csv",
                  "complete pyheap t", "p $heap_block(keep[7])", "help corescan heap arenas"],
                 ["--data-directory=" + data, exe, core], source=None, env=env)
    t.equal(said[0], "False False\n", "loaded at the start")
    t.equal(said[1:3], ["", "pyheap top is 7.\n"], "a setting before anything else")
    t.true("main,glibc" in said[3], "arenas: " + said[3])
    t.equal(said[4].split("\n")[:3], ["pyheap threads", "pyheap top", "pyheap types"], "completion")
    t.true(re.match(r"\$1 = \(void \*\) 0x", said[5]), "$heap_block: " + said[5])
    t.true("Usage: corescan heap arenas" in said[6], "help: " + said[6])
    for first in ("complete pyheap t", "p $heap_block(keep[7])", "corescan heap arenas", "show pyheap",
                  "corescan"):
        said = batch([first], ["--data-directory=" + data, exe, core], source=None, env=env)
        t.true(len(said[0].splitlines()) >= 1 and "Undefined" not in said[0], first + ": " + said[0])


@check
def installed_it_never_disturbs_gdbs_start(t):
    prefix, data = installed(t)
    env = driver.environment(CORESCAN_LIBRARY=None)
    clean = driver.run(["-q", "-nx", "-batch", "-ex", "echo hello\\n"], env=env)
    arguments = ["--data-directory=" + data, "-q", "-nx", "-batch", "-ex", "echo hello\\n"]
    share = prefix + "/share/corescan"
    for what in ("no library", "no files"):
        t.equal(driver.run(arguments, env=env), clean, "GDB's start with " + what)
        terminal = Terminal(t, ["--data-directory=" + data], source=None, env={"CORESCAN_LIBRARY": None})
        t.equal(terminal.seen, PROMPT_ONLY, "GDB's prompt with " + what)
        said = terminal.say("pyheap top")
        t.true(said.startswith("corescan: ") and said.count("\n") == 1, "told at use: " + said)
        terminal.end()
        if what == "no library":
            os.rename(share, share + ".away")
    for broken in ("import no_such_module_at_all\n", "raise RuntimeError('x')\n", "def (:\n"):
        os.makedirs(share + "/gdb", exist_ok=True)
        with open(share + "/gdb/corescan_gdb.py", "w") as f:
            f.write(broken)
        t.equal(driver.run(arguments, env=env), clean, "GDB's start with a broken file")


PROMPT_ONLY = driver.PROMPT


@check
def sourcing_it_twice_is_no_harm(t):
    exe, core = c_core(t)
    said = batch([ARENAS, SOURCE, ARENAS, "set corescan heap-command on", SOURCE, "heap arenas --format csv",
                  ARENAS], [exe, core])
    t.equal(said[1], "", "silent")
    t.equal(said[2], said[0], "answers")
    t.equal(said[6], said[0], "answers")


# ---- how it fits into GDB

@check
def answers_can_be_captured(t):
    exe, core = worker_core(t)
    log = os.path.join(t.dir, "log")
    logged = "python [gdb.execute(c) for c in (%s)]" % ", ".join(map(repr, (
        "set logging file " + log, "set logging overwrite on", "set logging redirect on",
        "set logging on", "pyheap top 3", "set logging off")))
    said = batch(["pyheap top 3", "pyheap top 3", "python x = gdb.execute('pyheap top 3', False, True); "
                  "print(len(x))", "pipe pyheap top 3 | wc -l", logged, "with pyheap top 2 -- pyheap top",
                  "pipe pyheap types --format csv | head -n 1"], [exe, core])
    t.equal(said[2].strip(), str(len(said[1].rstrip("\n")) + 1), "to_string")
    t.equal(said[3].strip(), str(len(said[1].splitlines())), "pipe")
    t.true("TYPES" not in said[4], "redirected: " + said[4])
    with open(log) as f:
        t.true(said[1].rstrip("\n") in f.read(), "the log")
    t.equal(len(re.findall(r" python ", said[5])), 2, "with: " + said[5])
    t.equal(said[6], "type,kind,count,shallow,bytes,percent\n", "a pipe that closes early")


MI_RECORD = re.compile(r'^(\d*\^(done|running|connected|error|exit)(,.*)?|\d*[*+=][a-z-]+(,.*)?|'
                       r'[~@&]"([^"\\]|\\.)*"|\(gdb\) ?|)$')


@check
def mi_stays_intact(t):
    exe, core = worker_core(t)
    lines = ["1-interpreter-exec console \"source %s\"" % driver.ADAPTER, "2-gdb-set pyheap top 3",
             "3-interpreter-exec console \"pyheap top\"", "4-gdb-show pyheap top",
             "5-interpreter-exec console \"pyheap object nosuch\"", "pyheap top", "6-complete \"pyheap t\"",
             "7-interpreter-exec console \"corescan heap arenas --json\"",
             "8-data-evaluate-expression \"$heap_block(0)\"",
             "9-interpreter-exec console \"corescan heap whatis $sp\"", "99-gdb-exit"]
    done = subprocess.run(["timeout", "-k", "5", "60", driver.GDB, "-i=mi"] + driver.QUIET + [exe, core],
                          input="\n".join(lines).encode() + b"\n", stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, env=driver.environment()) \
        if driver.GDB else skip("gdb is not installed")
    out = done.stdout.decode("utf-8", "replace").splitlines()
    for line in out:
        t.true(MI_RECORD.match(line), "no MI record: %r" % line)
    text = "\n".join(out)
    for want in ("1^done", "3^done", '4^done,value="3"', '5^error,msg="pyheap object: ', "7^done",
                 '8^error,msg="', "9^done", "99^exit"):
        t.true("\n" + want in text, "no record %s" % want)
    t.true('matches=["pyheap threads","pyheap top","pyheap types"' in text, "completion")
    t.true('~"TYPES' in text, "the table is in console records")


@check
def mi_on_a_terminal_stays_intact(t):
    connect = gdbserver(t, "--attach", str(worker(t, objects=60000).pid))   # progress after 0.5 s
    terminal = Terminal(t, ["-i=mi"])
    for nr, line in enumerate(connect + ["pyheap top 3"], 1):
        terminal.write(b"%d-interpreter-exec console \"%s\"\n" % (nr, line.encode()))
        terminal.read(b"\n%d^done" % nr)
    out = terminal.seen.decode("utf-8", "replace").replace("\r", "").splitlines()
    for line in out:
        t.true(MI_RECORD.match(line) or "-interpreter-exec" in line, "no MI record: %r" % line)
    t.true(any(line.startswith('~"') and "TYPES" in line for line in out), "the table")


def dap_message(**fields):
    body = json.dumps(fields).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


@check
def dap_stays_intact(t):
    if "dap" not in driver.run(["--help"])[1] and not driver.run(
            ["-q", "-nx", "-batch", "-ex", "complete interpreter-exec d"])[1].count("dap"):
        skip("this GDB has no DAP")
    child = worker(t)
    requests = [dap_message(seq=1, type="request", command="initialize", arguments={"adapterID": "x"}),
                dap_message(seq=2, type="request", command="attach", arguments={"pid": child.pid}),
                dap_message(seq=3, type="request", command="configurationDone")]
    for nr, command in enumerate((SOURCE, "pyheap top 3", "pyheap object nosuch"), 4):
        requests.append(dap_message(seq=nr, type="request", command="evaluate",
                                    arguments={"expression": command, "context": "repl"}))
    process = subprocess.Popen([driver.GDB, "-i=dap"] + driver.QUIET, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=driver.environment())
    try:
        answers = {}
        for nr, request in enumerate(requests, 1):
            process.stdin.write(request)
            process.stdin.flush()
            while nr not in answers and nr != 2:    # attach is answered after configurationDone
                head = process.stdout.readline()
                if not t.true(head.startswith(b"Content-Length: "), "no DAP header: %r" % head[:200]):
                    return
                process.stdout.readline()
                message = json.loads(process.stdout.read(int(head.split()[1])))
                if message.get("type") == "response":
                    answers[message["request_seq"]] = message
        t.true("TYPES" in answers[5].get("body", {}).get("result", ""), "the table: %s" % answers[5])
        t.true("pyheap object: " in json.dumps(answers[6]), "an error: %s" % answers[6])
    finally:
        process.kill()
        process.wait()


@check
def addresses_feed_back(t):
    exe, core = c_core(t)
    said = batch(["corescan heap whatis keep[7]", "p $", "p $heap_block((char *)keep[7] + 5)", "p keep[7]",
                  "corescan heap whatis &keep", "whatis $", "p $corescan"], [exe, core])
    address = said[3].split()[-1]
    t.equal(said[1].split()[-1], address, "the last value")
    t.equal(said[2].split()[-1], address, "$heap_block")
    t.equal(said[5], "type = void *\n", "its type")


@check
def python_objects_feed_back(t):
    child = worker(t)
    script = os.path.join(t.dir, "find.py")
    with open(script, "w") as f:
        f.write(FIND_OBJECT)
    said = batch(["source " + script, "pyheap object $order", "p $", "p $pyobj($order + 3)",
                  "python print(gdb.parse_and_eval('$pyobj($order)').type)", "p $pyobj($order) == $order", "set pyheap values off",
                  "pyheap object $order", "pyheap object $order --json"], ["-p", str(child.pid)])
    if "skip" in said[0]:
        skip(said[0].strip())
    address = said[0].split()[-1]
    t.true("type" in said[1] and "str" in said[1] and "customer-7" in said[1], "object: " + said[1])
    t.equal(said[2].split()[-1], address, "the last value")
    t.true(address in said[3], "$pyobj around: " + said[3])
    t.true(re.match(r"(void|PyObject|PyUnicodeObject) \*\n", said[4]), "its type: " + said[4])
    t.equal(said[5].split()[-1], "1", "$pyobj: " + said[5])
    t.true("customer-7" not in said[7] + said[8], "values off: " + said[7])


# The str is found by the bytes of its text, whatever its layout.
FIND_OBJECT = """
import gdb
inferior = gdb.selected_inferior()


def places():
    for line in open("/proc/%d/maps" % inferior.pid):
        fields = line.split()
        start, end = (int(x, 16) for x in fields[0].split("-"))
        if fields[1].startswith("rw") and (len(fields) == 5 or fields[5] == "[heap]"):
            try:
                memory = inferior.read_memory(start, end - start).tobytes()
            except gdb.error:   # a stack with a guard inside
                continue
            at = memory.find(b"customer-7\\0")
            while at >= 0:
                yield start + at
                at = memory.find(b"customer-7\\0", at + 1)


for place in places():
    for back in (40, 48, 56):
        text = gdb.execute("pyheap object %d --format csv" % (place - back), False, True)
        if "\\nobject,0x%x\\n" % (place - back) in text:
            gdb.execute("set $order = %d" % (place - back))
            print(hex(place - back))
            break
    else:
        continue
    break
else:
    print("skip: the object was not found")
"""


@check
def files_and_folders_are_gdbs(t):
    exe, core = c_core(t)
    options = "python import corescan_target as t; print(sorted(t.options('core').items()))"
    files = "python print([p for b, p in t.files('core') if len(b) >= 16])"
    said = batch(["set sysroot /some/root", "set debug-file-directory /a:/b", options, "set sysroot target:", options,
                  "set sysroot", options, "python print(t.options('remote').get('sysroot'))"], [exe, core])
    want = [("debug-dir", "/a:/b"), ("exe", exe)]
    t.equal(said[2], "%s\n" % (want + [("sysroot", "/some/root")]), "options")
    t.equal(said[4:7:2], ["%s\n" % want] * 2, "options without a sysroot")
    said = batch([options, files], [exe, core])
    t.true(repr(exe) in said[1] and "libc" in said[1], "files: " + said[1])
    said = batch(["set debuginfod enabled on", options, "set debuginfod enabled ask", options], [exe, core])
    if "ndefined" not in said[0]:       # GDB 12
        t.true("('debuginfod', '1')" in said[1], "the user said so: " + said[1])
        t.true("debuginfod" not in said[3], "the user was not asked: " + said[3])


@check
def the_selected_thread_and_frame_stay(t):
    child = worker(t)
    said = batch(["thread 2", "up", "frame", "pyheap top 1", "frame", "thread",
                  "set pyheap memory-source gdb", "pyheap top 1", "frame", "thread"], ["-p", str(child.pid)])
    t.equal(said[4], said[2], "frame")
    t.equal(said[8], said[2], "frame, through gdb")
    t.true("thread is 2" in said[5] and "thread is 2" in said[9], "thread: " + said[5])


@check
def a_narrow_charset_is_respected(t):
    exe, core = worker_core(t)
    said = batch(["pyheap top 3", "set host-charset ASCII", "corescan summary"], [exe, core],
                 env=driver.environment(LC_ALL="C"))
    t.true("TYPES" in said[0] and said[0].isascii(), "C locale: " + said[0])
    t.true("python.objects" in said[2] and said[2].isascii(), "ASCII: " + said[2])
    t.true("\\u" not in said[0] + said[2], "and nothing escaped: " + said[2])


@check
def settings_are_shown_and_obeyed(t):
    exe, core = worker_core(t)
    said = batch(["set pyheap top 2", "pyheap types", "pyheap types --top 3", "set pyheap top unlimited",
                  "pyheap types", "show pyheap", "help set pyheap memory-source", "show corescan",
                  "complete set pyheap memory-source "], [exe, core])
    t.equal(len(re.findall(r" python ", said[1])), 2, "top: " + said[1])
    t.equal(len(re.findall(r" python ", said[2])), 3, "--top: " + said[2])
    t.true(len(re.findall(r" python ", said[4])) > 30, "unlimited: " + said[4])
    t.true("pyheap memory-source is auto." in said[5], "show: " + said[5])
    t.true("auto" in said[8] and "direct" in said[8], "choices: " + said[8])
    t.true("heap-command is off." in said[7], "show corescan: " + said[7])


NEIGHBOUR = """
import gdb
class Heap(gdb.Command):
    \"\"\"Somebody else's.\"\"\"
    def __init__(self):
        super().__init__("heap", gdb.COMMAND_DATA, prefix=%s)
    def invoke(self, argument, from_tty):
        print("the neighbour's heap", argument)
Heap()
"""


@check_each(["True", "False"], name=lambda p: "prefix" if p == "True" else "command")
def it_lives_with_a_neighbours_heap(t, is_prefix):
    exe, core = c_core(t)
    script = os.path.join(t.dir, "neighbour.py")
    with open(script, "w") as f:
        f.write(NEIGHBOUR % is_prefix)
    before = "source " + script
    said = batch(["heap arenas", "set corescan heap-command on", "show corescan heap-command", "heap arenas",
                  "corescan heap arenas"], ["-iex", before, exe, core])
    t.true("the neighbour's heap" in said[0] and "the neighbour's heap" in said[3], "theirs stays: %s" % said)
    t.true(said[1].startswith("set corescan heap-command: `heap' is somebody else's") and
           said[1].count("\n") == 1, "refused: " + said[1])
    t.true("is off" in said[2], "and off: " + said[2])
    t.true("main" in said[4], "ours: " + said[4])
    said = batch(["set corescan heap-command on", "heap arenas", before, "heap arenas", "corescan heap arenas",
                  "pyheap", "set corescan heap-command off", "heap arenas"], [exe, core])
    t.true("ARENAS" in said[1], "ours on request: " + said[1])
    t.true("the neighbour's heap" in said[3], "theirs afterwards: " + said[3])
    t.true("ARENAS" in said[4], "ours still: " + said[4])
    t.true("the neighbour's heap" in said[7], "theirs still: " + said[7])


@check
def heap_can_be_given_back(t):
    exe, core = c_core(t)
    said = batch(["heap arenas", "set corescan heap-command on", "heap arenas", "heap whatis keep[7]",
                  "set corescan heap-command off", "heap arenas", "set corescan heap-command on",
                  "heap arenas"], [exe, core])
    t.true("Undefined command" in said[0], "not by itself: " + said[0])
    t.true("ARENAS" in said[2] and "ARENAS" in said[7] and "block" in said[3], "on request: %s" % said)
    t.true("set corescan heap-command on" in said[5], "off: " + said[5])


@check
def help_and_completion_are_there(t):
    said = batch(["help pyheap", "help pyheap top", "help corescan heap", "complete pyheap t", "complete pyheap ",
                  "complete corescan heap wh", "complete pyheap top --t", "apropos corescan", "pyheap", "corescan",
                  "complete p $heap_b", "help function", "complete pyheap object &ke"])
    t.true(re.search(r"^pyheap top -- \S.*\.$", said[0], re.M), "help pyheap: " + said[0])
    t.true("Usage: pyheap top [N]" in said[1], "help pyheap top: " + said[1])
    t.true(re.search(r"^corescan heap whatis -- \S", said[2], re.M), "help corescan heap: " + said[2])
    t.equal(said[3], "pyheap threads\npyheap top\npyheap types\n", "complete")
    t.true("pyheap object\n" in said[4] and "pyheap top\n" in said[4], "complete all: " + said[4])
    t.equal(said[5], "corescan heap whatis\n", "complete")
    t.true("--top" in said[6] and "--type" in said[6], "complete options: " + said[6])
    t.true("pyheap top" in said[8] and "corescan summary" in said[9], "alone: " + said[8] + said[9])
    t.true("heap_block" in said[11] and "pyobj" in said[11], "help function: " + said[11])


# ---- on a terminal

@check
def enter_goes_on_with_the_next_page(t):
    exe, core = worker_core(t)
    every = [r[0] for r in csv.reader(io.StringIO(batch([TYPES], [exe, core])[0]))]
    terminal = Terminal(t, [exe, core])
    first = terminal.say("pyheap types --top 5")
    second, third = terminal.say(""), terminal.say("")
    again = terminal.say("pyheap types --top 5")
    names = [re.findall(r"^  (\S.*?)\s+python ", page, re.M) for page in (first, second, third, again)]
    t.true(re.search(r"^-- Enter: the next 5 of \d+ --\n", first, re.M), "the hint: " + first)
    t.equal([len(n) for n in names], [5, 5, 5, 5], "rows: " + first + second)
    t.true(len(set(names[0] + names[1] + names[2])) == 15, "pages repeat: %s" % names)
    t.equal(names[3], names[0], "typed again it begins again")
    terminal.say("p 1")
    t.true("$" in terminal.say(""), "another command's repetition")
    last = terminal.say("pyheap types --top %d" % (len(every) - 3))
    end = terminal.say("")
    t.true("-- Enter" in last and "-- Enter" not in end, "the last page: " + end)
    t.equal(terminal.say(""), "(gdb) ", "after the last page")
    for quiet in ("python gdb.execute('pyheap types --top 5')", "pipe pyheap types --top 5 | cat",
                  "define mine\npyheap types --top 5\nend\nmine"):
        out = ""
        for line in quiet.split("\n"):
            out = terminal.say(line, until=b">" if line.startswith(("define", "pyheap")) else driver.PROMPT)
        t.true("python" in out and "-- Enter" not in out, "no page from %r: %s" % (quiet, out))
    terminal.say("set history remove-duplicates 1")
    t.true("-- Enter" not in terminal.say("pyheap types --top 5"), "no hint when Enter cannot be told")


@check
def tab_completes(t):
    terminal = Terminal(t)
    terminal.write(b"pyheap to\t")
    t.true(terminal.read(b"pyheap top ").endswith("pyheap top "), "TAB")
    terminal.write(b"\x15corescan heap wh\t")
    t.true(terminal.read(b"whatis "), "TAB")


@check
def long_answers_are_paged_by_gdb(t):
    exe, core = worker_core(t)
    terminal = Terminal(t, [exe, core], rows=12, columns=100)
    terminal.say("set height 12")
    out = terminal.say("pyheap types --top 0", until=b"--")
    while not out.rstrip().endswith("without paging--"):
        out += terminal.read(b"--")
    t.true("TYPES" in out and len(out.splitlines()) <= 14, "one screen: " + out)
    out = terminal.say("q")
    t.true("Traceback" not in out and "Error" not in out, "q: " + out)
    t.true("$1 = 5" in terminal.say("p 5"), "GDB goes on")
    terminal.say("set height 0")
    t.true("total" in terminal.say("pyheap types --top 0"), "the next answer")


@check
def ctrl_c_ends_it_at_once(t):
    child = worker(t, objects=60000)
    connect = gdbserver(t, "--attach", str(child.pid))
    terminal = Terminal(t)
    for line in connect:
        terminal.say(line)
    terminal.say("set pyheap memory-source gdb")
    times, quits = [], 0
    for n in range(20):
        terminal.begin("pyheap top 3")
        time.sleep(0.01 + 0.03 * n)
        seconds, out = terminal.interrupt()
        t.true("Traceback" not in out and "rror" not in out, "Ctrl-C after %d: %s" % (n, out))
        times.append(seconds)
        quits += "Quit" in out
        if n % 5 == 4:
            t.true("$" in terminal.say("p 1+1"), "GDB goes on")
    t.true(quits >= 15, "%d of 20 were interrupted, the scan is too short" % quits)
    t.true(statistics.median(times) < 0.1, "the prompt came after %s s" % sorted(times))
    t.true(max(times) < 1, "the prompt came after %s s" % sorted(times))
    out = terminal.say("pyheap top 3")
    t.true("__main__.Order" in out or "TYPES" in out, "the next command: " + out)
    t.true("answered in part" not in out, "nothing is lost: " + out)
    t.true(re.search(rb"\r\w[\w ]* \d+%", terminal.seen), "progress was shown")
    t.true(not re.search(r"\d%[^\r ]", out), "and taken away again: %r" % out[:300])
    if os.environ.get("CORESCAN_TEST_VERBOSE"):
        print("note Ctrl-C: median %.3f s, worst %.3f s, %d of 20 quits"
              % (statistics.median(times), max(times), quits))


NOTICED = """
import corescan_library
calls = []
poll = corescan_library.Handle._on_poll
def noticed(self):
    calls.append(self)
    self._is_interrupted = True     # as by progress(), or before a hook's first line
    return poll(self)
corescan_library.Handle._on_poll = noticed
"""


@check
def ctrl_c_may_be_noticed_anywhere(t):
    connect = gdbserver(t, "--attach", str(worker(t, objects=20000).pid))
    script = os.path.join(t.dir, "noticed.py")
    with open(script, "w") as f:
        f.write(NOTICED)
    said = batch(connect + ["source " + script, "pyheap top", "python print(len(calls))",
                            "python corescan_library.Handle._on_poll = poll", "pyheap top"])
    t.equal(said[3:5], ["Quit\n", "1\n"], "it ends")
    t.true("__main__.Order" in said[6], "the next command: " + said[6])


@check
def ctrl_c_ends_a_direct_scan_too(t):
    exe, core = worker_core(t, objects=60000)
    terminal = Terminal(t, [exe, core])
    worst = 0
    for n in range(8):
        terminal.begin("pyheap types --top 2")
        time.sleep(0.005 * n)
        seconds, out = terminal.interrupt()
        worst = max(worst, seconds)
        t.true("Traceback" not in out, "Ctrl-C: " + out)
        terminal.say("set pyheap values %s" % ("off" if n % 2 else "on"))
        time.sleep(0.01)
    t.true(worst < 1, "the prompt came after %.2f s" % worst)
    t.true("TYPES" in terminal.say("pyheap types --top 2"), "the next command")


@check
def ctrl_c_ends_a_long_listing(t):
    exe = compile_c(t, "many", "#include <stdlib.h>\nint main(void) { "
                    "for (int i = 0; i < 50000; i++) *(char *)malloc(40) = 1; abort(); }")
    terminal = Terminal(t, [exe, t.kernel_core([exe], ready=None)[0]])
    terminal.say("corescan heap arenas")
    times = []
    for _ in range(5):
        terminal.begin("corescan heap chunks --top 0")
        terminal.read(b"used\r\n")
        seconds, out = terminal.interrupt()
        times.append(seconds)
        t.true("Quit\n" in out and out.count("\n") < 40000, "Ctrl-C: " + out[-200:])
    t.true(statistics.median(times) < 0.1, "the prompt came after %s s" % times)


if __name__ == "__main__":
    main()
