"""corescan_target.py - what GDB is looking at, and how its memory can be read.

Never by the inferior's pid alone: of a core it is the dead process's number,
of a remote target the server's, and another process here may have it now.
"""
import collections
import os
import re
import tempfile

import gdb

import corescan_words as words

NO_PID = 42000      # what GDB answers for targets that have no process numbers

# kind: "core" or "live" can be read without GDB, "gdb" cannot.
Target = collections.namedtuple("Target", "inferior kind connection path pid key")


def say(command):
    """What a GDB command prints; "" when it fails."""
    try:
        return gdb.execute(command, False, True) or ""
    except (gdb.error, UnicodeError):
        return ""


def parameter(name):
    try:
        return gdb.parameter(name)
    except (gdb.error, RuntimeError):
        return None


def _connection(inferior):
    """(number, type)"""
    if hasattr(inferior, "connection"):     # not in GDB 10
        c = inferior.connection
        return (c.num, c.type) if c else (None, "")
    return words.connection(say("info connections"))


def _core_path(inferior):
    core = getattr(inferior, "corefile", None)      # GDB 17
    return core.filename if core else words.core_path(say("info files"))


def _is_traced_here(pid):
    """Is it a process of this machine, and this very GDB its tracer?"""
    try:
        with open("/proc/%d/status" % pid) as f:
            tracer = re.search(r"^TracerPid:\s*(\d+)", f.read(), re.M)
    except (OSError, UnicodeError):
        return False
    return bool(tracer) and os.path.exists("/proc/self/task/" + tracer.group(1))


def _is_real_state(inferior):
    """Is the process's memory what GDB shows? Not while it replays, and each
    checkpoint is a process of its own."""
    try:
        recording = gdb.current_recording() is not None
    except (gdb.error, AttributeError):
        recording = False
    return not recording and not re.search(r"^[* ]?\s*\d", say("info checkpoints"), re.M)


def _stamp(path):
    try:
        s = os.stat(path)
        return s.st_dev, s.st_ino, s.st_size, s.st_mtime
    except (OSError, TypeError, ValueError):
        return None


def _exe():
    space = gdb.current_progspace()
    name = getattr(space, "executable_filename", None) or space.filename    # GDB 14
    return name or ""


def current():
    """The selected inferior's Target, or a sentence why there is none."""
    inferior = gdb.selected_inferior()
    if not inferior.pid:
        return "there is no process and no core file to look at"
    try:
        if any(t.is_running() for t in inferior.threads()):
            return "the process is running: interrupt it first"
    except gdb.error:
        return "the process is running: interrupt it first"
    number, connection = _connection(inferior)
    kind, path = "gdb", None
    if connection == "core":
        path = _core_path(inferior)
        kind = "core" if path else "gdb"
    elif connection == "native" and _is_traced_here(inferior.pid) and _is_real_state(inferior):
        kind = "live"
    key = (inferior.num, inferior.pid, number, connection, kind, path, _stamp(path), _exe())
    return Target(inferior, kind, connection, path, inferior.pid, key)


# ---- what the library is told before it opens anything

def _local(name, connection):
    """A file name of GDB's as one of this machine, or None."""
    if name and name.startswith("target:"):
        name = name[len("target:"):] if connection in ("native", "core") else None
    return name if name and os.path.isfile(name) else None


def files(connection):
    """(build id, path) of what GDB has loaded, separate debug files too."""
    for objfile in gdb.objfiles():
        try:
            build_id, path = objfile.build_id, _local(objfile.filename, connection)
        except (gdb.error, RuntimeError, UnicodeError):
            continue
        if build_id and path:
            yield build_id, os.path.abspath(path)


def options(connection):
    """Options of the library as the user set them in GDB."""
    found = {}
    exe = _local(_exe(), connection)
    if exe:
        found["exe"] = os.path.abspath(exe)
    sysroot = parameter("sysroot") or ""
    if sysroot.startswith("target:") and connection in ("native", "core"):
        sysroot = sysroot[len("target:"):]
    if sysroot not in ("", "/") and not sysroot.startswith(("target:", "remote:")):
        found["sysroot"] = sysroot
    debug = parameter("debug-file-directory")
    if debug:
        found["debug-dir"] = debug
    if parameter("debuginfod enabled") == "on":     # GDB 12; "ask" is not a yes
        found["debuginfod"] = "1"
    return found


# ---- describing a process GDB holds

def _register(frame, *names):
    for name in names:
        try:
            return int(frame.read_register(name)) & 0xffffffffffffffff
        except (gdb.error, ValueError, TypeError):
            continue
    return 0


def threads(inferior):
    """(tid, sp, pc, fs_base) of each, the selected one first. Selects it again."""
    selected, frame = gdb.selected_thread(), None
    found = []
    try:
        frame = gdb.selected_frame()
    except gdb.error:
        pass
    try:
        for thread in sorted(inferior.threads(), key=lambda t: (t != selected, t.num)):
            try:
                thread.switch()
                top = gdb.newest_frame()
            except gdb.error:
                continue
            found.append((thread.ptid[1] or thread.ptid[0], _register(top, "sp", "rsp"),
                          _register(top, "pc", "rip"), _register(top, "fs_base")))
    finally:
        if selected and selected.is_valid():
            selected.switch()
        if frame and frame.is_valid():
            frame.select()
    return found


def _read_remote(path):
    """A file of the machine the target runs on; "" when that cannot be had."""
    place, name = tempfile.mkstemp(prefix="corescan-gdb-")
    os.close(place)
    try:
        say('remote get %s "%s"' % (path, name))
        with open(name, errors="surrogateescape") as f:
            return f.read()
    except OSError:
        return ""
    finally:
        os.unlink(name)


class _LocalPages:
    def __init__(self, pid):
        self._file = open("/proc/%d/pagemap" % pid, "rb", 0)
        self.close = self._file.close

    def read(self, offset, length):
        try:
            return os.pread(self._file.fileno(), length, offset)
        except OSError:
            return None


class _RemotePages:
    """The server's /proc/PID/pagemap, by packets: as a file it has no length.
    gdbserver answers at most 16 KiB at once; up to 15 not beyond 2 GiB."""

    def __init__(self, connection, pid):
        self._connection = connection
        path = ("/proc/%d/pagemap" % pid).encode().hex()
        self._fd = words.remote_descriptor(self._send("vFile:open:%s,0,0" % path))
        if not self._fd:
            raise OSError
        if not self.read((_register(gdb.newest_frame(), "sp", "rsp") >> 12) * 8, 8):
            self.close()
            raise OSError

    def _send(self, packet):
        try:
            return self._connection.send_packet(packet) or b""
        except (gdb.error, ValueError):
            return b""

    def read(self, offset, length):
        return words.remote_bytes(self._send("vFile:pread:%s,%x,%x" % (
            self._fd, min(length, 0x4000), offset)))

    def close(self):
        self._send("vFile:close:" + self._fd)


def page_map(target):
    """Something that reads the process's page map, or None."""
    connection = getattr(target.inferior, "connection", None)
    try:
        if target.kind == "live":
            return _LocalPages(target.pid)
        if hasattr(connection, "send_packet") and target.pid != NO_PID:     # GDB 12
            return _RemotePages(connection, target.pid)
    except (OSError, gdb.error):
        pass
    return None


def _maps(target):
    if target.connection == "core":
        segments = words.loaded_sections(say("maint info sections"))
        return words.maps_text(words.named(segments, words.mappings(say("info proc mappings"))))
    if target.kind == "live":
        with open("/proc/%d/maps" % target.pid, errors="surrogateescape") as f:
            return f.read()
    text = ""
    if "remote" in target.connection and target.pid != NO_PID:
        text = _read_remote("/proc/%d/maps" % target.pid)
    return text or words.maps_text(words.mappings(say("info proc mappings")))


def _name(target):
    if target.path:
        return target.path
    details = getattr(getattr(target.inferior, "connection", None), "details", None)
    return details if details else str(target.pid)


def process(target, is_direct):
    """Fields of the library's struct corescan_process, or a sentence why not."""
    described = {"pid": 0 if target.pid == NO_PID else target.pid,
                 "threads": threads(target.inferior)}
    if is_direct:
        return dict(described, is_traced_here=1)
    maps = _maps(target)
    if not maps:
        return "GDB does not know what this target has mapped (see: info proc mappings)"
    about = words.process_words(say("info proc"))
    command = about.get("cmdline")
    if target.connection == "core":     # there it is the command line
        command, about = about.get("exe"), {}
    described.update(name=_name(target), is_core=int(target.connection == "core"), maps=maps,
                     command=command, exe=about.get("exe") or _exe(),
                     auxv=words.auxv(say("info auxv")))
    return described
