"""harness.py - run checks against real processes; standard library only, Python 3.8 to 3.14.

A test file registers functions and ends with main():

    from harness import check, main, skip
    @check
    def a_sentence_about_behaviour(t):          # t.dir: a folder that goes away
        child = t.start([...])                  # ended by its pid when the check is over
        child.wait_line("ready")
        core = t.gcore_of(child.pid)
        t.equal(t.corescan_json([core, "--summary"])["anomalies"]["count"], 0, "anomalies")
    main()

A check fails by a wrong t.equal/t.true (it goes on and reports each) or by any
exception. skip("reason") ends a check visibly. check_each(rows) makes one
check per row. The last line is always `N passed, N failed, N skipped`.
"""
import glob
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORESCAN = os.environ.get("CORESCAN", os.path.join(ROOT, "build", "corescan"))
TIMEOUT = float(os.environ.get("CORESCAN_TEST_TIMEOUT", "120"))
OLDEST = (3, 8)

_checks = []


class Skip(Exception):
    """Ends a check: it cannot run here, and says why."""


def skip(reason):
    raise Skip(reason)


def check(fn):
    """Register fn(t) under its own name."""
    _checks.append((fn.__name__, fn, ()))
    return fn


def check_each(rows, name=str):
    """Register fn(t, row) once for each row."""
    def register(fn):
        for row in rows:
            _checks.append(("%s[%s]" % (fn.__name__, name(row)), fn, (row,)))
        return fn
    return register


class Child:
    """A process we started: its lines as they come, its end by pid."""

    def __init__(self, argv, cwd=None, env=None, limit_core=None, stderr=None):
        def before():
            if limit_core is not None:
                hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
                resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        self.argv = argv
        self.process = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=stderr, preexec_fn=before, start_new_session=True)
        self.pid = self.process.pid
        self.lines, self._ended = [], False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_line(self, start="ready", timeout=None):
        """The first line that begins with start; RuntimeError when it does not come."""
        deadline = time.monotonic() + (timeout or TIMEOUT)
        seen = 0
        with self._news:
            while True:
                while seen < len(self.lines):
                    if self.lines[seen].startswith(start):
                        return self.lines[seen]
                    seen += 1
                if self._ended or time.monotonic() >= deadline:
                    raise RuntimeError("%s did not say %r; it said %r" % (
                        self.argv[0], start, self.lines[-5:]))
                self._news.wait(deadline - time.monotonic())

    def wait(self, timeout=None):
        """Exit status (negative: signal) once it ended by itself."""
        try:
            return self.process.wait(timeout or TIMEOUT)
        except subprocess.TimeoutExpired:
            self.end()
            raise RuntimeError("%s did not end in time" % self.argv[0])

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)     # its session: what it forked too
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:       # its tracer has to let go first
                pass
        self._reader.join(1)
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:
                pass


class Test:
    """What a check gets: a folder, children, corescan, comparisons."""

    def __init__(self, name):
        self.name, self.children, self.problems = name, [], []
        self.dir = tempfile.mkdtemp(prefix="corescan-test-")

    def close(self):
        for child in reversed(self.children):   # who traces another first
            child.end()
        shutil.rmtree(self.dir, ignore_errors=True)

    # comparisons: each reports and the check goes on
    def fail(self, text):
        self.problems.append(text)

    def true(self, value, what):
        if not value:
            self.fail(what)
        return bool(value)

    def equal(self, got, want, what):
        if got != want:
            self.fail("%s: got %s, want %s" % (what, _short(got), _short(want)))
        return got == want

    # children
    def start(self, argv, cwd=None, env=None, limit_core=None, stderr=None):
        child = Child(argv, cwd or self.dir, env, limit_core, stderr)
        self.children.append(child)
        return child

    def gcore_of(self, pid, timeout=None):
        """A core of a process that goes on living, by gdb's gcore."""
        gcore = shutil.which("gcore")
        if not gcore:
            skip("gcore is not installed")
        prefix = os.path.join(self.dir, "gcore")
        done = subprocess.run([gcore, "-o", prefix, str(pid)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout or TIMEOUT)
        path = "%s.%d" % (prefix, pid)
        if not os.path.exists(path):
            text = done.stdout.decode("utf-8", "replace").strip()
            if "ptrace" in text.lower() or "not permitted" in text.lower():
                skip("gcore may not attach: " + text.splitlines()[-1])
            raise RuntimeError("gcore made no core: " + text[-300:])
        return path

    def kernel_core(self, argv, ready="ready", env=None, trigger=None, quiet=False):
        """Run argv (it aborts by itself, or trigger(child) makes it) and return
        (core path, child). Skips when this kernel hands cores to a program."""
        reason = no_kernel_cores()
        if reason:
            skip(reason)
        child = self.start(argv, env=env, limit_core=True,
                           stderr=subprocess.DEVNULL if quiet else None)
        if ready:
            child.wait_line(ready)
        if trigger:
            trigger(child)
        child.wait()
        core = find_core(child.pid, self.dir)
        if not core:
            skip("the kernel wrote no core (limit or full disk)")
        return core, child

    def core_of(self, argv, ready="ready", env=None):
        """(core path, child): argv says ready and waits; it is aborted under the
        kernel's dumper, or gcored where cores are piped away."""
        if not no_kernel_cores():
            return self.kernel_core(argv, ready, env,
                                    lambda c: os.kill(c.pid, signal.SIGABRT))
        child = self.start(argv, env=env)
        child.wait_line(ready)
        core = self.gcore_of(child.pid)
        child.end()
        return core, child

    # corescan
    def corescan(self, args, timeout=None, env=None, program=None):
        """(exit, stdout, stderr) as text."""
        argv = (program or [CORESCAN]) + [str(a) for a in args]
        if not os.path.exists(argv[0]):
            skip("%s is not built" % argv[0])
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=env, timeout=timeout or TIMEOUT)
        return (done.returncode, done.stdout.decode("utf-8", "replace"),
                done.stderr.decode("utf-8", "replace"))

    def corescan_json(self, args, timeout=None, exits=(0, 1), env=None):
        """The parsed document; RuntimeError when corescan could not answer."""
        code, out, err = self.corescan(list(args) + ["--json"], timeout, env)
        if code not in exits:
            raise RuntimeError("corescan exits with %d: %s" % (code, err.strip()[-300:]))
        return json.loads(out)


def _short(value, room=400):
    text = repr(value)
    return text if len(text) <= room else text[:room] + "..."


def core_pattern():
    try:
        with open("/proc/sys/kernel/core_pattern") as f:
            return f.read().strip()
    except OSError:
        return "core"


def no_kernel_cores():
    """None, or why a dying child leaves no core file we can find."""
    pattern = core_pattern()
    if pattern.startswith("|"):
        return "core_pattern pipes cores to a program"
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        return "the hard limit for cores is 0"
    return None


def find_core(pid, cwd):
    """The core of a dead pid: core_pattern's placeholders other than %p match anything."""
    pattern = core_pattern()
    path = os.path.join(cwd, pattern)
    glob_text = re.sub(r"%(.)", lambda m: {"p": str(pid), "P": "*", "%": "%"}.get(m[1], "*"), path)
    found = glob.glob(glob_text) + glob.glob("%s.%d" % (glob_text, pid))
    found = [f for f in found if os.path.isfile(f) and os.path.getsize(f)]
    return max(found, key=os.path.getmtime) if found else None


# interpreters

class Interpreter:
    def __init__(self, path, version, real):
        self.path, self.version, self.real = path, version, real
        self.name = ".".join(map(str, version))

    def __repr__(self):
        return "%s (%s)" % (self.name, self.path)

    def must_have(self, module):
        """Skip where it cannot import that."""
        if subprocess.run([self.path, "-c", "import " + module], stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=TIMEOUT).returncode:
            skip("%s has no %s" % (self, module))


_PROBE = ("import sys; print(*sys.version_info[:3]); print(sys.implementation.name); "
          "print(getattr(sys, '_base_executable', sys.executable) or sys.executable)")


def _candidates():
    extra = os.environ.get("CORESCAN_PYTHONS", "")
    for path in extra.replace(os.pathsep, " ").split():
        yield path
    name = re.compile(r"python3(\.\d+)?[dt]*$")
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and not folder.endswith("/shims"):
            for path in sorted(glob.glob(os.path.join(folder, "python3*"))):
                if name.match(os.path.basename(path)):
                    yield path
    for path in sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3.*"))):
        if name.match(os.path.basename(path)):
            yield path


def _probe(path, oldest):
    """(version, real path), or a reason."""
    try:
        done = subprocess.run([path, "-S", "-c", _PROBE], stdin=subprocess.DEVNULL, timeout=20,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        version = tuple(int(x) for x in lines[0].split())
    except (OSError, subprocess.TimeoutExpired, IndexError, ValueError):
        return "does not start"
    if done.returncode or len(lines) < 3:
        return "does not start"
    if lines[1] != "cpython":
        return "is %s, not CPython" % lines[1]
    if version[:2] < oldest:
        return "is too old (%d.%d.%d)" % version
    return version, os.path.realpath(lines[2])


def interpreters(oldest=OLDEST):
    """([Interpreter], [(path, reason)]), each real file and version once."""
    found, skipped, seen, tried = [], [], set(), set()
    for path in _candidates():
        if not os.path.isfile(path) or not os.access(path, os.X_OK):
            continue
        if os.path.realpath(path) in tried:
            continue
        tried.add(os.path.realpath(path))
        answer = _probe(path, oldest)
        if isinstance(answer, str):
            skipped.append((path, answer))
            continue
        version, real = answer
        if (version, real) not in seen:
            seen.add((version, real))
            found.append(Interpreter(path, version, real))
    found.sort(key=lambda i: (i.version, i.path))
    return found, skipped


def _run_one(name, fn, args):
    """'passed', 'failed' or 'skipped', having said the rest."""
    t = Test(name)
    try:
        fn(t, *args)
    except Skip as reason:
        if not t.problems:
            print("skip %s: %s" % (name, reason))
            return "skipped"
    except Exception as problem:  # any surprise is a failed check, told in one line
        where = traceback.extract_tb(problem.__traceback__)[-1]
        t.fail("%s: %s (%s:%d)" % (type(problem).__name__, problem,
                                   os.path.basename(where.filename), where.lineno))
    finally:
        t.close()
    for text in t.problems:
        print("FAIL %s: %s" % (name, str(text).replace("\n", " | ")))
    return "failed" if t.problems else "passed"


def main(argv=None):
    """Run the checks whose names contain one of the arguments (none: all)."""
    wanted = sys.argv[1:] if argv is None else argv
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, fn, args in _checks:
        if wanted and not any(w in name for w in wanted):
            continue
        result = _run_one(name, fn, args)
        counts[result] += 1
        if result == "passed" and os.environ.get("CORESCAN_TEST_VERBOSE"):
            print("pass " + name)
        sys.stdout.flush()
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    sys.exit(1 if counts["failed"] else 0)
