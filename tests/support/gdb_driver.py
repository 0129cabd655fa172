"""gdb_driver.py - GDB with corescan's commands, driven as a batch or on a terminal."""
import fcntl
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ROOT, TIMEOUT, skip  # noqa: E402

BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
ADAPTER = os.path.join(ROOT, "gdbplugin", "corescan-gdb.py")
SOURCE = "source " + ADAPTER
GDB = shutil.which("gdb")
QUIET = ["-q", "-nx", "-iex", "set auto-load python-scripts off", "-iex", "set confirm off"]
PROMPT = b"(gdb) "


def library():
    """The library GDB can load: a sanitized build has a plain one beside it."""
    for path in ("plain/libcorescan.so.0", "libcorescan.so.0"):
        if os.path.exists(os.path.join(BUILD, path)):
            return os.path.join(BUILD, path)
    skip("libcorescan.so.0 is not built")


def environment(**more):
    env = dict(os.environ, LC_ALL="C.UTF-8", TERM="dumb", INPUTRC="/dev/null", DEBUGINFOD_URLS="",
               PYTHONDONTWRITEBYTECODE="1", HOME="/nonexistent", CORESCAN_LIBRARY=library())
    for name in ("COLUMNS", "LINES", "PYTHONMALLOC", "PYTHONHOME", "PYTHONPATH"):
        env.pop(name, None)
    env.update(more)
    return {k: v for k, v in env.items() if v is not None}


def need_gdb():
    if not GDB:
        skip("gdb is not installed")


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def run(arguments, timeout=60, env=None, **more):
    """(exit, everything it printed); stdin is empty."""
    need_gdb()
    done = subprocess.run(["timeout", "-k", "5", str(timeout), GDB] + arguments,
                          stdin=more.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                          stderr=more.pop("stderr", subprocess.STDOUT), env=env or environment(),
                          preexec_fn=no_core, timeout=timeout + 10, **more)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def batch(commands, target=(), source=SOURCE, env=None, timeout=60):
    """What each command printed, errors too, in a list of the same length."""
    arguments = QUIET + ["-batch"] + (["-ex", source] if source else [])
    for nr, command in enumerate(commands):
        arguments += ["-ex", "echo \\n=====%d\\n" % nr, "-ex", command]
    _, out = run(arguments + ["-ex", "echo \\n=====end\\n"] + list(target), timeout, env)
    parts = re.split(r"^=====(?:\d+|end)\n", out, flags=re.M)[1:]
    if len(parts) != len(commands) + 1:
        raise RuntimeError("GDB did not come to its end: ..." + out[-600:])
    return [part.rstrip("\n") + "\n" if part.strip() else "" for part in parts[:-1]]


def gdbserver(t, *arguments):
    """The commands that connect GDB to a gdbserver of these arguments."""
    if not shutil.which("gdbserver"):
        skip("gdbserver is not installed")
    options = [a for a in arguments if a.startswith("--")]
    rest = [a for a in arguments if not a.startswith("--")]
    server = t.start(["gdbserver", "--once"] + options + ["127.0.0.1:0"] + rest,
                     stderr=subprocess.STDOUT)
    try:
        port = server.wait_line("Listening on port", 20).split()[-1]
    except RuntimeError:
        skip("gdbserver does not listen: " + " ".join(server.lines[-2:]))
    return ["set sysroot /", "target remote 127.0.0.1:" + port]


class Terminal:
    """GDB on a terminal of its own."""

    def __init__(self, t, arguments=(), source=SOURCE, rows=50, columns=100, env=None, **more):
        need_gdb()
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        argv = [GDB] + QUIET + ["-iex", "set height 0"] + (["-ex", source] if source else []) + list(arguments)

        def before():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave,
                                        env=environment(**(env or {})), preexec_fn=before,
                                        close_fds=True, **more)
        os.close(slave)
        t.children.append(self)
        self.seen, self._ahead, self._nr = b"", b"", 0
        self.read()

    def read(self, until=PROMPT, timeout=None):
        """What came up to the next such text."""
        deadline = time.monotonic() + (timeout or min(TIMEOUT, 60))
        at = self._ahead.find(until)
        while at < 0:
            done = max(0, len(self._ahead) - len(until))
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self.master], [], [], left)[0]
            try:
                some = os.read(self.master, 65536) if ready else b""
            except OSError:     # it ended
                some = b""
            if not some:
                raise RuntimeError("no %r on the terminal, but %r" % (until, self._ahead[-500:]))
            self._ahead += some
            self.seen += some
            at = self._ahead.find(until, done)
        end = at + len(until)
        found, self._ahead = self._ahead[:end], self._ahead[end:]
        return found.decode("utf-8", "replace").replace("\r\n", "\n")

    def write(self, data):
        os.write(self.master, data)

    def say(self, line, until=PROMPT, timeout=None):
        """What a line typed shows, its echo left out."""
        self.write(line.encode() + b"\n")
        out = self.read(until, timeout)
        return out.partition("\n")[2]

    def begin(self, line):
        """Typed, and on its way: its echo is there."""
        self.write(line.encode() + b"\n")
        self.read(line.encode() + b"\r\n")

    def interrupt(self):
        """Ctrl-C; the seconds until the prompt is there, and what was shown."""
        start = time.monotonic()
        self.write(b"\x03")
        out = self.read()
        seconds = time.monotonic() - start
        return seconds, out + self._settle()

    def _settle(self):
        """It may have been over already: then Ctrl-C brings a second prompt, and may
        take what is typed meanwhile."""
        for _ in range(5):
            self._nr += 1
            self.write(b"echo settled %d\\n\n" % self._nr)
            try:
                return self.read(b"\nsettled %d\r\n(gdb) " % self._nr, 2)
            except RuntimeError:
                continue
        raise RuntimeError("GDB does not answer after Ctrl-C: %r" % self.seen[-300:])

    def end(self):
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        try:
            os.close(self.master)
        except OSError:
            pass
