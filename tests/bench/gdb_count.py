"""Sourced by gdb: count a CPython's objects by type with gdb's Python API alone.

What people do without corescan, done well: no gdb.Value for an object, one
read_memory() of its head. Follows the collector's lists, which need no layout to
be found (three circular lists side by side, in the first interpreter). Prints
`counted N SECONDS` for the first LIMIT objects.
"""
import struct
import time

import gdb

LIMIT = 200000
memory = gdb.selected_inferior()


def words(addr, count):
    return struct.unpack("<%dQ" % count, memory.read_memory(addr, 8 * count).tobytes())


def is_head(addr):
    try:
        following = words(addr, 1)[0] & ~3
        return following and words(following + 8, 1)[0] & ~3 == addr
    except (gdb.error, OverflowError):  # no address
        return False


def find_lists():
    runtime = int(gdb.parse_and_eval("(unsigned long)&_PyRuntime"))
    for interpreter in words(runtime, 128):
        if interpreter < 4096 or interpreter % 8 or interpreter >> 47:
            continue
        for at in range(interpreter, interpreter + 4096, 8):
            if all(is_head(at + 24 * i) for i in range(3)) and any(
                    words(at + 24 * i, 1)[0] != at + 24 * i for i in range(3)):
                return [at + 24 * i for i in range(3)]
    raise gdb.GdbError("no collector's lists found")


def count():
    types, done, start = {}, 0, time.perf_counter()
    for head in find_lists():
        at = words(head, 1)[0] & ~3
        while at != head and done < LIMIT:
            following, _, _, kind = words(at, 4)
            types[kind] = types.get(kind, 0) + 1
            done += 1
            at = following & ~3
    print("counted %d %.3f" % (done, time.perf_counter() - start))


count()
