"""corescan_gdb.py - the commands: GDB's conventions around the library's answers.

The commands come from the library's table, so a new view needs nothing here.
One scan per inferior is kept until GDB says that the inferior changed.
"""
import contextlib
import json
import os
import re

import gdb

import corescan_library as library
import corescan_target as target
import corescan_words as words

# Named here only to give $pyobj() a useful type where GDB knows it.
TYPES = {"dict": "PyDictObject", "list": "PyListObject", "tuple": "PyTupleObject",
         "str": "PyUnicodeObject", "bytes": "PyBytesObject", "int": "PyLongObject",
         "float": "PyFloatObject", "set": "PySetObject", "frozenset": "PySetObject",
         "type": "PyTypeObject", "code": "PyCodeObject", "function": "PyFunctionObject"}
EVENTS = ("cont", "exited", "memory_changed", "inferior_call", "new_objfile", "clear_objfiles",
          "free_objfile", "inferior_deleted", "corefile_changed", "executable_changed",
          "connection_removed", "stop")
SCANNING = ("pyheap memory-source", "pyheap values", "pyheap swap-in")  # another scan when changed
ALWAYS_WITH_HEADER = ("summary", "doctor")
MASK = 0xffffffffffffffff


class State:
    """All that is kept; reached through the one object below."""

    def __init__(self):
        self.library = None
        self.commands = []      # of the library's table, as tuples
        self.settings = {}
        self.sessions = {}      # by number of the inferior
        self.heap = {}          # names of `heap ...` that are ours
        self.page = None        # of the last command: what Enter goes on with


state = State()


# ---- errors: one sentence, never a traceback

@contextlib.contextmanager
def sentences(name):
    try:
        yield
    except gdb.GdbError:
        raise
    except (library.Error, gdb.error) as problem:
        said = str(problem).replace("allow-swap-in", "set pyheap swap-in on")
        raise gdb.GdbError(plain(said if said.startswith(name + " ") else "%s: %s" % (name, said)))
    except Exception as problem:
        if target.parameter("python print-stack") == "full":
            raise
        raise gdb.GdbError(plain("%s: a mistake in corescan's commands (set python print-stack "
                                 "full shows where): %s: %s"
                                 % (name, type(problem).__name__, problem)))


# ---- how to show it

def charset():
    found = re.search(r'"(?:auto; currently )?([^"]+)"', target.say("show host-charset"))
    return found.group(1) if found else "ASCII"


def plain(text):
    """What GDB can print: it refuses letters its charset does not have."""
    try:
        return text.encode(charset(), "backslashreplace").decode(charset())
    except LookupError:
        return text.encode("ascii", "backslashreplace").decode("ascii")


def is_terminal(*descriptors):
    try:
        return all(os.isatty(d) for d in descriptors)
    except OSError:
        return False


def write(text):
    """In pieces: between them Python hears of Ctrl-C."""
    for at in range(0, len(text), 4096):
        gdb.write(text[at:at + 4096])


class Screen:
    """Where an answer goes: typed at the prompt of a terminal, or taken by
    somebody (a pipe, a log, Python, MI, a script)."""

    def __init__(self, name, argument, from_tty):
        self.history = (target.say("show commands").splitlines() or [""])[-1]
        typed = re.sub(r"^\s*\d+\s*", "", self.history)
        self.is_terminal = from_tty and is_terminal(0, 1)
        self.is_typed = self.is_terminal and words.is_command_line(typed, name, argument)
        self._progress = 0

    def can_repeat(self):
        return self.is_typed and not target.parameter("history remove-duplicates")

    def options(self):
        is_utf8 = charset().upper().replace("-", "") == "UTF8"
        is_bare = self.is_typed and "Currently logging" not in target.say("show logging") \
            and not target.parameter("logging enabled")
        color = is_bare and target.parameter("style enabled") and not os.environ.get("NO_COLOR") \
            and os.environ.get("TERM", "dumb") != "dumb"
        return {"width": str(target.parameter("width") or 80), "commands": "gdb",
                "ascii": None if is_utf8 else "1",
                "bars": "1" if is_bare and is_utf8 else None, "color": "1" if color else None}

    def progress(self):
        """A function (step, permille), or None."""
        if not self.is_typed or not is_terminal(2) or "Focus" in target.say("info win"):
            return None

        def show(step, permille):
            line = "%s %d%%" % (step, permille // 10)
            self._progress = max(self._progress, len(line))
            os.write(2, ("\r" + line.ljust(self._progress)).encode("ascii", "replace"))
        return show

    def clear(self):
        if self._progress:
            os.write(2, b"\r" + b" " * self._progress + b"\r")
            self._progress = 0


# ---- scans

class Session:
    """One scan of one inferior as it stands."""

    def __init__(self, name, at, key, progress):
        self.key, self.inferior, self.space = key, at.inferior, gdb.current_progspace()
        self.is_stale, self.is_shown = False, False
        self.handle = self._open(name, at, progress)

    def _open(self, name, at, progress):
        source = state.settings["pyheap memory-source"].value
        routes = {"direct": [True], "gdb": [False]}.get(source, [True, False])
        problem = None
        if at.kind == "gdb":
            if source == "direct":
                raise library.Error("memory-source is direct, but this target can only be read "
                                    "through GDB")
            routes = [False]
        for is_direct in routes:
            try:
                handle = self._open_by(at, is_direct, progress)
            except library.Failed as e:
                problem = problem or e
                continue
            if problem:
                gdb.write(plain("warning: %s: %s; reading through GDB instead\n"
                                % (name, problem)), gdb.STDERR)
            return handle
        raise problem

    @staticmethod
    def _open_by(at, is_direct, progress):
        def read(addr, length):
            try:
                return at.inferior.read_memory(addr, length)
            except gdb.error:
                return None
        pages = None if is_direct else target.page_map(at)
        handle = None
        try:
            handle = library.Handle(state.library, read, pages and pages.read)
            handle.progress = progress
            prepare(handle, at)
            fill(handle, at, is_direct)
            return handle
        except BaseException:
            if handle:
                handle.close()
            raise
        finally:
            if pages:
                pages.close()


def prepare(handle, at):
    for option, value in target.options(at.connection).items():
        handle.set(option, value)
    for build_id, path in target.files(at.connection):
        handle.file(build_id, path)
    if not state.settings["pyheap values"].value:
        handle.set("no-values", "1")
    if state.settings["pyheap swap-in"].value:
        handle.set("allow-swap-in", "1")


def fill(handle, at, is_direct):
    if is_direct and at.kind == "core":
        handle.open(at.path)
        return
    process = target.process(at, is_direct)
    if isinstance(process, str):
        raise library.Failed(process)
    handle.open_process(process)


def drop_stale():
    """Never from an event: a scan may be under way, in its read()."""
    for number, session in list(state.sessions.items()):
        if session.is_stale or not session.inferior.is_valid():
            del state.sessions[number]
            session.handle.close()


def session_for(name, progress=None):
    at = target.current()
    drop_stale()
    if isinstance(at, str):
        raise library.Error(at)
    settings = tuple(state.settings[s].value for s in SCANNING)
    key, number = at.key + settings, at.inferior.num
    session = state.sessions.get(number)
    if session and session.key == key:
        return session
    if session:
        del state.sessions[number]
        session.handle.close()
    session = Session(name, at, key, progress)
    state.sessions[number] = session
    return session


def on_change(event):
    space = getattr(getattr(event, "new_objfile", event), "progspace", None)
    inferior = getattr(event, "inferior", None)
    for session in state.sessions.values():
        if (space is None or space == session.space) and \
                (inferior is None or inferior == session.inferior):
            session.is_stale = True


# ---- what is typed

ADDRESSES = (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_INT, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_CHAR,
             gdb.TYPE_CODE_BOOL)


def address_of(value, text):
    code = value.type.strip_typedefs().code
    if code in (gdb.TYPE_CODE_REF, getattr(gdb, "TYPE_CODE_RVALUE_REF", -1)):
        return address_of(value.referenced_value(), text)
    if code in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC) and value.address is not None:
        return int(value.address) & MASK
    if code not in ADDRESSES:
        raise library.Error("'%s' is of type %s, not an address" % (text, value.type))
    return int(value) & MASK


def words_of(argument_kind, argument):
    """The words the library takes; an ADDR becomes a number."""
    if not argument_kind.startswith("ADDR"):
        return gdb.string_to_argv(argument)
    options, expression = words.split_expression(argument)
    if not expression:
        return options
    try:
        value = gdb.parse_and_eval(expression)
        return options + [hex(address_of(value, expression))]
    except (gdb.error, library.Error):
        if argument_kind == "ADDR":
            raise
        return options + [expression]       # ADDR|TYPE: the name of a type


# ---- commands

class View(gdb.Command):
    def __init__(self, typed, command):
        self.typed = typed
        self.name, self.view, self.argument, is_required, help_text = command
        usage = typed + (" %s" if is_required else " [%s]" if self.argument else "%s") \
            % self.argument
        self.__doc__ = "%s.\nUsage: %s [--top N] [--sort COLUMN] [--min SIZE] [--type GLOB] " \
            "[--format text|json|csv]" % (help_text[:1].upper() + help_text[1:], usage)
        if self.view == "by-site":
            self.__doc__ += "\nAlso: [--group-by line|file|traceback] [--cumulative]"
        if self.argument.startswith("ADDR"):
            self.__doc__ += "\nADDR is any expression of GDB's: $rdi, &x, p->next."
        super(View, self).__init__(typed, gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        with sentences(self.typed):
            if self.typed in state.heap and not state.settings["corescan heap-command"].value:
                raise library.Error("set corescan heap-command on brings it back")
            self.answer(argument, Screen(self.typed, argument, from_tty))

    def answer(self, argument, screen):
        page, state.page = state.page, None
        asked = words_of(self.argument, argument)
        progress = screen.progress()
        try:
            session = session_for(self.typed, progress)
            session.handle.progress = progress
            asking = (self.typed, argument, screen.history, session)
            skip = page[1] if page and page[0] == asking and screen.can_repeat() else 0
            text, shown, more = self.ask(session, asked, skip, screen)
        finally:
            screen.clear()
        self.warn(session)
        write(plain(text))
        if not words.is_machine_format(asked):
            self.after(session, screen, skip, shown, more)
        if more and screen.can_repeat():
            state.page = (asking, skip + shown)
        elif skip:
            self.dont_repeat()

    def ask(self, session, asked, skip, screen):
        handle = session.handle
        for option, value in screen.options().items():
            handle.set(option, value)
        top = state.settings["pyheap top"].value
        handle.set("top", None if top == 0 else "0" if top is None or top < 0 else str(top))
        has_header = not session.is_shown or self.view in ALWAYS_WITH_HEADER
        handle.set("header", None if has_header else "0")
        return handle.command(self.name, asked, skip)

    @staticmethod
    def warn(session):
        if not session.is_shown and session.handle.missing():
            gdb.write(plain("warning: answered in part: %s\n" % session.handle.missing()),
                      gdb.STDERR)
        session.is_shown = True

    @staticmethod
    def after(session, screen, skip, shown, more):
        address = session.handle.last_address()
        if address:
            line = remember(address)
            if screen.is_typed:
                gdb.write(line)
        if more and shown and screen.can_repeat():
            gdb.write("-- Enter: the next %d of %d --\n"
                      % (min(shown, more), skip + shown + more))

    def complete(self, text, word):
        last = text.split()[-1:] if not text.endswith(" ") else []
        if last and last[0].startswith("-"):
            start = len(last[0]) - len(word or "")      # GDB's word begins after a dash
            return [o[start:] for o in OPTIONS if o.startswith(last[0])]
        return gdb.COMPLETE_EXPRESSION if self.argument.startswith("ADDR") else gdb.COMPLETE_NONE


OPTIONS = ("--top", "--sort", "--min", "--type", "--format", "--json", "--no-values", "--attrs",
           "--group-by", "--cumulative")


def remember(address):
    """Into the value history; the line GDB would print."""
    value = gdb.Value(address).cast(gdb.lookup_type("void").pointer())
    gdb.set_convenience_variable("corescan", value)
    return target.say("print $corescan")    # gdb.add_history() came with GDB 12


class SubPrefix(gdb.Command):
    def __init__(self, typed, help_text):
        self.typed = typed
        self.__doc__ = help_text[:1].upper() + help_text[1:] + "."
        super(SubPrefix, self).__init__(typed, gdb.COMMAND_DATA, prefix=True)

    def invoke(self, argument, from_tty):
        prefix(self.typed, argument, from_tty, False)


def below(name):
    """Commands of the table directly under a prefix: (typed name, help)."""
    own = "corescan " + name if name == "heap" else name
    start = own + " "
    return [(name + " " + c[0][len(start):], c[4]) for c in state.commands
            if c[0].startswith(start) and " " not in c[0][len(start):]]


def next_words(name, text):
    """What a prefix could go on with, before GDB knows its commands."""
    kind, _, room = name.partition(" ")
    names = below(name) if not room or kind not in ("set", "show") else \
        [(kind + " " + s, "") for s in state.settings if s.startswith(room + " ")]
    found = [n[len(name) + 1:] for n, _ in names]
    return [n for n in found if n.startswith(text)]


def prefix(name, argument, from_tty, is_new):
    """A prefix alone, or with a word that is no command of its."""
    kind, _, room = name.partition(" ")
    if argument and is_new:     # the commands are there since a moment ago
        try:
            gdb.execute(name + " " + argument, from_tty)
        except gdb.error as problem:
            raise gdb.GdbError(str(problem))
        return
    if argument:
        raise gdb.GdbError('Undefined %s command: "%s".  Try "help %s".'
                           % (name, argument.split()[0], name))
    if kind == "show" and room:
        for setting in sorted(state.settings):
            if setting.startswith(room + " "):
                gdb.execute("show " + setting, from_tty)
        return
    if kind == "set" and room:
        raise gdb.GdbError('"%s" must be followed by the name of a setting: %s'
                           % (name, ", ".join(next_words(name, ""))))
    rows = below(name)
    widest = max([len(n) for n, _ in rows] or [0])
    gdb.write("".join("%s  %s\n" % (n.ljust(widest), h) for n, h in rows))


# ---- settings

class Setting(gdb.Parameter):
    def __init__(self, name, kind, value, doc, *choices):
        self.name, self.__doc__ = name, doc
        self.set_doc, self.show_doc = "Set: " + doc, "Show: " + doc
        super(Setting, self).__init__(name, gdb.COMMAND_DATA, kind, *choices)
        self.value = value
        state.settings[name] = self

    def get_set_string(self):
        return ""

    def get_show_string(self, value):
        return "%s is %s." % (self.name, value)


class HeapCommand(Setting):
    def get_set_string(self):
        if self.value and not state.heap:
            if "heap" in target.say("complete heap").split():
                self.value = False
                raise gdb.GdbError("set corescan heap-command: `heap' is somebody else's command; "
                                   "`corescan heap' does the same")
            name_heap()
        return ""


def name_heap():
    for command in state.commands:
        if command[0] == "corescan heap" or command[0].startswith("corescan heap "):
            typed = command[0][len("corescan "):]
            state.heap[typed] = SubPrefix(typed, command[4]) if not command[1] \
                else View(typed, command)


def make_settings():
    Setting("pyheap top", gdb.PARAM_ZUINTEGER_UNLIMITED, 0,
            "how many rows a table shows; 0 is what each command usually does.")
    Setting("pyheap memory-source", gdb.PARAM_ENUM, "auto",
            "how the target's memory is read: auto, direct (by the library itself), gdb.",
            ["auto", "direct", "gdb"])
    Setting("pyheap values", gdb.PARAM_BOOLEAN, True,
            "whether text of the target's objects is shown.")
    Setting("pyheap swap-in", gdb.PARAM_BOOLEAN, False,
            "whether pages of a process that are swapped out are read back in.")
    HeapCommand("corescan heap-command", gdb.PARAM_BOOLEAN, False,
                "whether `heap' is short for `corescan heap'.")


# ---- $pyobj(), $heap_block()

def function(name, arguments):
    with sentences("$" + name):
        if len(arguments) != 1:
            raise library.Error("takes one address")
        address = address_of(arguments[0], str(arguments[0]))
        handle = session_for("$" + name).handle
        handle.progress = None
        handle.set("brief", "1")        # who refers to it takes longer
        try:
            answer = handle.render("object", hex(address), "json")
        finally:
            handle.set("brief", None)
        rows = json.loads(answer)["views"][0]["rows"]
        known = {row["field"]: row["value"] for row in reversed(rows)}  # the first of each name
        field = "object" if name == "pyobj" else "block"
        if field not in known:
            raise library.Error("there is no %s at %s" % (
                "Python object" if name == "pyobj" else "block", hex(address)))
        kind = "void"
        if name == "pyobj":
            kind = TYPES.get(known.get("type"), "PyObject")
        return gdb.Value(int(str(known[field]), 0)).cast(pointer_to(kind))


def pointer_to(name):
    for known in (name, "PyObject", "void") if name != "void" else ("void",):
        try:
            return gdb.lookup_type(known).pointer()
        except gdb.error:
            continue
    raise library.Error("GDB knows no type void")


# ---- beginning and end

def start(folder):
    """Name the commands, once; GdbError while the library cannot be loaded.
    True: just now."""
    if not state.settings:
        make_settings()
        for name in EVENTS:
            if hasattr(gdb.events, name):
                getattr(gdb.events, name).connect(on_change)
    if state.library:
        return False
    with sentences("corescan"):
        state.library = library.load(folder)
    state.commands = state.library.commands()
    for command in state.commands:
        if command[1]:
            View(command[0], command)
        elif " " in command[0]:
            SubPrefix(command[0], command[4])
    return True


def stop():
    """Another copy takes over."""
    for name in EVENTS:
        if hasattr(gdb.events, name):
            try:
                getattr(gdb.events, name).disconnect(on_change)
            except (TypeError, ValueError):
                pass
    for session in state.sessions.values():
        session.handle.close()
    state.sessions.clear()
