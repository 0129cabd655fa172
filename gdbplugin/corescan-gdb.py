"""GDB commands of corescan: where the memory of a process or core file went.

(gdb) source .../corescan-gdb.py, or `make install` puts a copy where GDB reads
it at every start. Then it only names the commands: the rest is loaded at the
first prompt or use, and a part that is missing is told by the commands.
"""
import os
import sys

import gdb

FOLDER = os.path.dirname(os.path.realpath(__file__))    # `make install` writes the path here
MODULES = ("corescan_gdb", "corescan_target", "corescan_words", "corescan_library")
PREFIXES = (
    ("pyheap", """What Python's heap holds: types, objects, who holds them.
Alone it lists its commands. Reads core files and stopped processes; nothing is run in them."""),
    ("corescan", """Where the memory of the target is: every view of corescan.
Alone it lists its commands. `corescan heap' is about malloc."""),
    ("set pyheap", "Settings of the pyheap commands."),
    ("show pyheap", "Settings of the pyheap commands."),
    ("set corescan", "Settings of the corescan commands."),
    ("show corescan", "Settings of the corescan commands."),
)


def load():
    """(the module with the rest, did it name new commands just now?)"""
    sys.path.insert(0, FOLDER)
    try:
        import corescan_gdb
        return corescan_gdb, corescan_gdb.start(FOLDER)
    except (ImportError, SyntaxError, AttributeError) as problem:
        raise gdb.GdbError("corescan: its GDB commands in %s cannot be loaded: %s"
                           % (FOLDER, problem))
    finally:
        sys.path.remove(FOLDER)


class Prefix(gdb.Command):
    def __init__(self, name, doc):
        self.name, self.__doc__ = name, doc
        super(Prefix, self).__init__(name, gdb.COMMAND_DATA, prefix=True)

    def invoke(self, argument, from_tty):
        module, is_new = load()
        module.prefix(self.name, argument, from_tty, is_new)

    def complete(self, text, _word):
        try:
            return load()[0].next_words(self.name, text)
        except gdb.GdbError:
            return []


class Function(gdb.Function):
    def __init__(self, name, doc):
        self.name, self.__doc__ = name, doc
        super(Function, self).__init__(name)

    def invoke(self, *arguments):
        return load()[0].function(self.name, arguments)


def before_first_prompt():
    gdb.events.before_prompt.disconnect(before_first_prompt)
    try:
        load()
    except Exception:   # whatever it is, the first command tells it
        pass


def begin():
    for name, doc in PREFIXES:
        Prefix(name, doc)
    Function("pyobj", "$pyobj (ADDR): the Python object at or around an address.")
    Function("heap_block", "$heap_block (ADDR): the malloc or pymalloc block around an address.")
    if __name__ != "__main__":
        gdb.events.before_prompt.connect(before_first_prompt)
        return
    for name in MODULES:    # sourced: this copy, whatever was loaded before
        old = sys.modules.pop(name, None)
        if hasattr(old, "stop"):
            old.stop()
    try:
        load()
    except gdb.GdbError as problem:
        gdb.write("%s\n" % problem, gdb.STDERR)


begin()
