"""corescan_library.py - libcorescan.so.0 by ctypes: find it, and hold one scan.

Knows nothing of GDB. Follows include/corescan/corescan.h; Python 3.6 and later.
"""
import ctypes
import glob
import os
import sys

ABI = 1
SONAME = "libcorescan.so.0"
OK, PART, USAGE, FAILED, STOPPED = range(5)
EINTR = 4


class Error(Exception):
    """One sentence for the user."""


class Failed(Error):
    """The target cannot be read (this way)."""


class Read(ctypes.Structure):
    _fields_ = [("addr", ctypes.c_uint64), ("buf", ctypes.c_void_p), ("len", ctypes.c_uint64),
                ("got", ctypes.c_int64)]


READ = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Read))
POLL = ctypes.CFUNCTYPE(ctypes.c_int)
PROGRESS = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint)


class Hooks(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("user", ctypes.c_void_p), ("read", READ),
                ("poll", POLL), ("progress", PROGRESS), ("page_map", READ)]


class Thread(ctypes.Structure):
    _fields_ = [("tid", ctypes.c_int64), ("sp", ctypes.c_uint64), ("pc", ctypes.c_uint64),
                ("fs_base", ctypes.c_uint64)]


class Process(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("pid", ctypes.c_int64),
                ("is_traced_here", ctypes.c_int), ("is_core", ctypes.c_int),
                ("threads", ctypes.POINTER(Thread)), ("thread_count", ctypes.c_size_t),
                ("maps", ctypes.c_char_p), ("command", ctypes.c_char_p), ("exe", ctypes.c_char_p),
                ("auxv", ctypes.POINTER(ctypes.c_uint64)), ("auxv_words", ctypes.c_size_t)]


class Command(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("view", ctypes.c_char_p),
                ("argument", ctypes.c_char_p), ("is_required", ctypes.c_int),
                ("help", ctypes.c_char_p)]


_HANDLE, _TEXT, _TEXT_OUT = ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)
_PROTOTYPES = {
    "corescan_version": (_TEXT,),
    "corescan_new": (_HANDLE,),
    "corescan_close": (None, _HANDLE),
    "corescan_set": (ctypes.c_int, _HANDLE, _TEXT, _TEXT),
    "corescan_file": (ctypes.c_int, _HANDLE, _TEXT, _TEXT),
    "corescan_hook": (ctypes.c_int, _HANDLE, ctypes.POINTER(Hooks)),
    "corescan_open": (ctypes.c_int, _HANDLE, _TEXT),
    "corescan_open_process": (ctypes.c_int, _HANDLE, ctypes.POINTER(Process)),
    "corescan_render": (ctypes.c_int, _HANDLE, _TEXT, _TEXT, _TEXT, _TEXT_OUT),
    "corescan_free": (None, _HANDLE),
    "corescan_error": (_TEXT, _HANDLE),
    "corescan_missing": (_TEXT, _HANDLE),
    "corescan_last_address": (ctypes.c_uint64, _HANDLE),
    "corescan_command_at": (ctypes.POINTER(Command), ctypes.c_size_t),
    "corescan_command": (ctypes.c_int, _HANDLE, _TEXT, ctypes.c_size_t,
                         ctypes.POINTER(_TEXT), ctypes.c_uint64, _TEXT_OUT,
                         ctypes.POINTER(ctypes.c_uint64), ctypes.POINTER(ctypes.c_uint64)),
}


def text(data):
    return data.decode("utf-8", "replace") if data else ""


def data(value):
    return None if value is None else value.encode("utf-8", "surrogateescape")


# ---- finding it

def candidates(folder):
    """Where the library may be, seen from the adapter's own folder."""
    named = os.environ.get("CORESCAN_LIBRARY")
    if named:
        return [named]
    up = os.path.join(folder, "..", "..", "..")
    found = [os.path.join(folder, "..", "build", SONAME)]
    for lib in ("lib", "lib64", os.path.join("lib", "*-linux-gnu*")):
        found += sorted(glob.glob(os.path.join(glob.escape(up), lib, SONAME)))
    return [os.path.normpath(f) for f in found if os.path.isfile(f)] + [SONAME]


class Library:
    """The loaded library: its functions as attributes without the prefix."""

    def __init__(self, path):
        self.path = path
        try:
            loaded = ctypes.PyDLL(path)     # keeps the GIL: the hooks are Python
        except OSError as problem:
            why = str(problem)
            raise Error("cannot load %s (CORESCAN_LIBRARY may name another)"
                        % (why if why.startswith(path) else "%s: %s" % (path, why)))
        try:
            loaded.corescan_abi.restype = ctypes.c_uint
            self.abi = loaded.corescan_abi()
        except AttributeError:
            raise Error("%s is not corescan's library" % path)
        if self.abi != ABI:
            raise Error("%s has ABI %d, but these GDB commands (%s) were made for ABI %d: "
                        "install both from the same version of corescan"
                        % (path, self.abi, os.path.dirname(os.path.abspath(__file__)), ABI))
        for name, (result, *arguments) in _PROTOTYPES.items():
            try:
                function = getattr(loaded, name)
            except AttributeError:
                raise Error("%s lacks %s: it is an unfinished build of ABI %d" % (path, name, ABI))
            function.restype, function.argtypes = result, arguments
            setattr(self, name[len("corescan_"):], function)

    def commands(self):
        """(name, view or "", argument or "", is_required, help) in the library's order."""
        nr, found = 0, []
        while True:
            at = self.command_at(nr)
            if not at:
                return found
            c = at.contents
            found.append((text(c.name), text(c.view), text(c.argument), bool(c.is_required),
                          text(c.help)))
            nr += 1


def load(folder):
    problem = None
    for path in candidates(folder):
        try:
            return Library(path)
        except Error as e:
            problem = problem or e
    raise problem


# ---- one scan

class Handle:
    """A handle of the library. read(addr, len) answers something with a writable
    buffer, or None; page_map(offset, len) at most so many bytes, or None. The
    attribute progress may be a function (step, permille). Ctrl-C ends any call
    here within the time the library takes to poll, and raises KeyboardInterrupt."""

    def __init__(self, library, read=None, page_map=None):
        self._library, self._read, self._page_map = library, read, page_map
        self.progress = None
        self._is_interrupted = False
        self._cs = library.new()
        if not self._cs:
            raise Error("no memory for a scan")
        self._hooks = Hooks(ctypes.sizeof(Hooks), None,
                            READ(self._on_read) if read else READ(), POLL(self._on_poll),
                            PROGRESS(self._on_progress),
                            READ(self._on_page_map) if page_map else READ())
        self._check(library.hook(self._cs, ctypes.byref(self._hooks)))

    def close(self):
        cs, self._cs = self._cs, None
        if cs:
            self._library.close(cs)

    # Python hands a signal to whatever Python code runs next: to one of these,
    # maybe before its first line. Then ctypes drops the exception, and _unraisable
    # hears of it.
    def _on_poll(self):
        return 1 if self._is_interrupted else 0

    def _on_read(self, _user, request):
        r = request[0]
        try:
            memory = self._read(r.addr, r.len)
            if memory is not None:
                ctypes.memmove(r.buf, (ctypes.c_char * r.len).from_buffer(memory), r.len)
                r.got = r.len
        except KeyboardInterrupt:
            self._is_interrupted = True
            r.got = -EINTR

    def _on_page_map(self, _user, request):
        r = request[0]
        try:
            found = self._page_map(r.addr, r.len)
            if found is not None and len(found) <= r.len:
                ctypes.memmove(r.buf, found, len(found))
                r.got = len(found)
        except KeyboardInterrupt:
            self._is_interrupted = True

    def _on_progress(self, _user, step, permille):
        try:
            if self.progress:
                self.progress(text(step), permille)
        except KeyboardInterrupt:
            self._is_interrupted = True

    def _unraisable(self, problem):
        if issubclass(problem.exc_type, KeyboardInterrupt):
            self._is_interrupted = True
        else:
            sys.__unraisablehook__(problem)

    def _call(self, function, *arguments):
        self._is_interrupted = False
        before = getattr(sys, "unraisablehook", None)   # Python 3.8
        if before:
            sys.unraisablehook = self._unraisable
        try:
            result = function(self._cs, *arguments)
        finally:
            if before:
                sys.unraisablehook = before
        if self._is_interrupted or result == STOPPED:
            raise KeyboardInterrupt
        return self._check(result)

    def _check(self, result):
        if result in (OK, PART):
            return result
        problem = text(self._library.error(self._cs))
        raise (Failed if result == FAILED else Error)(problem)

    def _take(self, pointer):
        try:
            return text(ctypes.string_at(pointer.value)) if pointer.value else ""
        finally:
            self._library.free(pointer)

    def set(self, option, value):
        self._check(self._library.set(self._cs, data(option), data(value)))

    def file(self, build_id, path):
        self._check(self._library.file(self._cs, data(build_id), data(path)))

    def open(self, path):
        self._call(self._library.open, data(path))

    def open_process(self, description):
        """description: fields of Process by name; threads: (tid, sp, pc, fs_base)
        each; auxv: tags and values in turns."""
        p = Process(size=ctypes.sizeof(Process))
        for name, value in description.items():
            if name == "threads":
                p.threads = (Thread * len(value))(*value)
                p.thread_count = len(value)
            elif name == "auxv":
                p.auxv = (ctypes.c_uint64 * len(value))(*value)
                p.auxv_words = len(value)
            else:
                setattr(p, name, data(value) if isinstance(value, str) else value)
        self._call(self._library.open_process, ctypes.byref(p))

    def render(self, view, argument, form):
        out = ctypes.c_void_p()
        self._call(self._library.render, data(view), data(argument), data(form),
                   ctypes.byref(out))
        return self._take(out)

    def command(self, name, words, skip=0):
        """(text, rows shown, rows that follow)"""
        array = (ctypes.c_char_p * max(len(words), 1))(*[data(w) for w in words])
        out, shown, more = ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_uint64()
        self._call(self._library.command, data(name), len(words), array, skip,
                   ctypes.byref(out), ctypes.byref(shown), ctypes.byref(more))
        return self._take(out), shown.value, more.value

    def missing(self):
        return text(self._library.missing(self._cs))

    def last_address(self):
        return self._library.last_address(self._cs)
