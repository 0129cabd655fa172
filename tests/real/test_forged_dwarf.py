#!/usr/bin/env python3
"""Debug data that were made to hurt: written in assembler, linked to a real program, read with
the core it leaves. Each is answered, within seconds and little memory, and spoils nothing else.
"""
import os
import re
import resource
import shutil
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import harness
from harness import check, check_each, main, skip

PROGRAM = """
#include <stdlib.h>
void *root;
void __attribute__((noinline)) victim(void) { abort(); }
int main(void) { root = calloc(1, 64); *(void **)root = calloc(1, 64); victim(); return 0; }
"""
TAG = dict(unit=0x11, function=0x2e, block=0xb, namespace=0x39, struct=0x13, member=0xd, pointer=0xf,
           typedef=0x16, array=1, range=0x21, variable=0x34, inheritance=0x1c)
AT = dict(sibling=1, location=2, name=3, size=0xb, lines=0x10, low=0x11, high=0x12, language=0x13,
          bound=0x2f, origin=0x31, at=0x38, base=0x40, declared=0x47, type=0x49, ranges=0x55)
FORM = dict(addr=1, u4=6, u8=7, text=8, u1=0xb, ref=0x13, indirect=0x16, off=0x17, expr=0x18)
MANY = 2000000


class Forger:
    """A unit of DWARF 4 as assembler text. Labels are places in it."""

    def __init__(self, unit="language:u1 low:addr high:u8"):
        self.abbrevs, self.lines, self.behind = [], [], []
        self.kind("unit", unit)
        if unit == "language:u1 low:addr high:u8":
            self.add(".byte 1, 12; .quad victim, 0x100")

    def kind(self, tag, attributes="", children=True):
        """A new kind of entry; its code."""
        self.abbrevs.append((TAG[tag], children, [a.split(":") for a in attributes.split()]))
        return len(self.abbrevs)

    def add(self, *lines):
        self.lines += lines

    def end(self, levels=1):
        self.add(".fill %d, 1, 0" % levels)

    def root(self, label):
        """`root` has the type at a label."""
        code = self.kind("variable", "name:text type:ref location:expr", False)
        self.add('.byte %d; .asciz "root"; .long %s-.Lunit; .byte 9, 3; .quad root' % (code, label))

    def text(self):
        out = ['.section .note.GNU-stack,"",@progbits', '.section .debug_abbrev,"",@progbits', ".Labbrev:"]
        for nr, (tag, children, attributes) in enumerate(self.abbrevs):
            out.append(".uleb128 %d, %d; .byte %d" % (nr + 1, tag, children))
            out += [".uleb128 %d, %d" % (AT[a], FORM[f]) for a, f in attributes] + [".byte 0, 0"]
        out += [".byte 0", '.section .debug_info,"",@progbits', ".Lunit: .long .Lend-.Lstart",
                ".Lstart: .short 4; .long .Labbrev; .byte 8"]
        return "\n".join(out + self.lines + [".Lend:"] + self.behind) + "\n"


def function(f, attributes="", values=""):
    code = f.kind("function", "low:addr high:u8 name:text " + attributes)
    f.add('.byte %d; .quad victim, 0x100; .asciz "victim"%s' % (code, values))


def blocks_without_end():
    f = Forger()
    function(f)
    f.add(".fill %d, 1, %d" % (MANY, f.kind("block")))
    return f


def blocks_around_the_pc_without_end():
    f = Forger()
    function(f)
    f.add(".rept 200000; .byte %d; .quad victim; .byte 255; .endr" % f.kind("block", "low:addr high:u1"))
    return f


def namespaces_without_end():
    f = Forger()
    f.add(".fill %d, 1, %d" % (MANY, f.kind("namespace")))
    return f


def structs_without_end():
    f = Forger()
    f.add('.rept %d; .byte %d; .asciz "a"; .byte 8; .endr' % (MANY // 4, f.kind("struct", "name:text size:u1")))
    return f


def a_typedef_of_itself():
    f = Forger()
    f.add('.Lt: .byte %d; .asciz "t"; .long .Lt-.Lunit' % f.kind("typedef", "name:text type:ref", False))
    f.root(".Lt")
    f.end()
    return f


def a_struct_inside_itself():
    f = Forger()
    pointer, struct = f.kind("pointer", "type:ref", False), f.kind("struct", "name:text size:u1")
    member, base = (f.kind("member", "name:text type:ref at:u1", False),
                    f.kind("inheritance", "type:ref at:u1", False))
    f.add(".Lp: .byte %d; .long .Ls-.Lunit" % pointer, '.Ls: .byte %d; .asciz "s"; .byte 56' % struct,
          '.byte %d; .asciz "me"; .long .Ls-.Lunit; .byte 0' % member,
          ".byte %d; .long .Ls-.Lunit; .byte 0; .byte 0" % base)
    f.root(".Lp")
    f.end()
    return f


def arrays_of_any_size():
    f = Forger()
    pointer, struct = f.kind("pointer", "type:ref", False), f.kind("struct", "name:text size:u8")
    member, array = f.kind("member", "name:text type:ref at:u1", False), f.kind("array", "type:ref")
    bound = f.kind("range", "bound:u8", False)
    f.add(".Lp: .byte %d; .long .Ls-.Lunit" % pointer)
    for name, of, bounds in (("a", "a", [-1]), ("b", "s", [0x7fffffffffffff, 0x3fffffff]),
                             ("c", "p", [0xffffffff]), ("d", "s", [0xfffffffe]), ("e", "p", [0xfffffff])):
        f.add(".L%s: .byte %d; .long .L%s-.Lunit" % (name, array, of),
              *[".byte %d; .quad %d" % (bound, b) for b in bounds] + [".byte 0"])
    f.add('.Ls: .byte %d; .asciz "s"; .quad 0x7fffffffffffffff' % struct)
    f.add(*['.byte %d; .asciz "%s"; .long .L%s-.Lunit; .byte 0' % (member, c, c) for c in "abcdep"])
    f.end()
    for name in "sabcdep":
        f.root(".L" + name)
    f.end()
    return f


def siblings_that_lead_back():
    f = Forger()
    struct, array = f.kind("struct", "sibling:ref name:text size:u1"), f.kind("array", "type:ref")
    bound = f.kind("range", "sibling:ref bound:u1")
    member = f.kind("member", "sibling:ref name:text type:ref at:u1")
    pointer = f.kind("pointer", "type:ref", False)
    f.add(".La: .byte %d; .long .Lp-.Lunit; .Lr: .byte %d; .long .Lr-.Lunit; .byte 3, 0, 0" % (array, bound),
          '.Ls: .byte %d; .long .Ls-.Lunit; .asciz "_object"; .byte 56' % struct,
          '.Lm: .byte %d; .long .Lm-.Lunit; .asciz "m"; .long .La-.Lunit; .byte 0, 0, 0' % member,
          ".Lp: .byte %d; .long .Ls-.Lunit" % pointer)
    f.root(".Lp")
    f.root(".La")
    f.end()
    return f


def origins_in_a_circle():
    f = Forger()
    function(f, "origin:ref", "; .long .Lf-.Lunit")
    f.lines[-1] = ".Lf: " + f.lines[-1]
    one, other = (f.kind("variable", "declared:ref location:expr", False),
                  f.kind("variable", "origin:ref", False))
    f.add(".Lv: .byte %d; .long .Lw-.Lunit; .byte 9, 3; .quad root" % one,
          ".Lw: .byte %d; .long .Lv-.Lunit" % other)
    f.end(2)
    return f


def forms_that_name_forms():
    f = Forger()
    f.add('.byte %d; .fill %d, 1, 0x16; .byte 8; .asciz "x"' % (f.kind("variable", "name:indirect", False), MANY))
    f.end()
    return f


def a_unit_of_forms_that_name_forms():
    f = Forger("name:indirect language:u1")
    f.add('.byte 1; .fill %d, 1, 0x16; .byte 8; .asciz "x"; .byte 12' % MANY)
    f.end()
    return f


def one_list_of_ranges_for_everybody():
    f = Forger("language:u1 low:addr ranges:off")
    f.add(".byte 1, 12; .quad 0; .long 0; .rept 200000; .byte %d; .long 0; .endr" %
          f.kind("function", "ranges:off", False))
    f.end()
    f.behind = ['.section .debug_ranges,"",@progbits', ".rept 200000; .quad 0x10, 0x20; .endr; .quad 0, 0"]
    return f


def units_of_eleven_bytes():
    f = Forger()
    f.end()
    f.behind = [".rept 1000000; .long 8; .short 4; .long .Labbrev; .byte 8, 0; .endr"]
    return f


def names_of_four_thousand_letters():
    f = Forger()
    f.add('.rept 40; .byte %d; .fill 98, 1, 97; .byte 0; .endr' % f.kind("namespace", "name:text"))
    struct = f.kind("struct", "name:text size:u1", False)
    f.add(*['.byte %d; .asciz "n%d"; .byte 8' % (struct, i) for i in range(150000)])
    f.end(41)
    return f


def pointers_to_pointers_without_end():
    f = Forger()
    code = f.kind("pointer", "type:ref", False)
    f.add(".Lp: .rept 300000; 9: .byte %d; .long 9b+5-.Lunit; .endr; .byte %d; .long .Lp-.Lunit" % (code, code))
    f.root(".Lp")
    f.end()
    return f


def a_line_table_of_eight_million_rows():
    f = Forger("language:u1 low:addr high:u8 lines:off")
    f.abbrevs[0] = (TAG["unit"], False, f.abbrevs[0][2])
    f.add(".byte 1, 12; .quad victim, 0x100; .long 0")
    f.behind = ['.section .debug_line,"",@progbits', ".long 2f-1f", "1: .short 4; .long 4f-3f",
                "3: .byte 1, 1, 1, -5, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0",
                '.asciz "x.c"; .byte 0, 0, 0, 0', "4: .byte 0, 9, 2; .quad victim",
                ".fill 8000000, 1, 20; .byte 0, 1, 1", "2:"]
    return f


def locations_that_make_no_sense():
    f = Forger()
    pointer = f.kind("pointer", "", False)
    f.add(".Lp: .byte %d" % pointer)
    function(f, "base:expr", "; .byte 2, 0x91, 0")
    code = f.kind("variable", "name:text type:ref location:expr", False)
    for expr in (".byte 2, 0x91, 0", ".byte 3, 0x2f, -3, -1", ".uleb128 3000000; .fill 3000000, 1, 0x12",
                 ".byte 4, 0x98, 0, 0, 0", ".byte 2, 0xa3, 200", ".byte 1, 0x22", ".byte 0", ".byte 1, 0xff"):
        f.add('.byte %d; .asciz "v"; .long .Lp-.Lunit; %s' % (code, expr))
    f.end(2)
    return f


# what is made, and whether it is told
CASES = [(blocks_without_end, True), (blocks_around_the_pc_without_end, True), (namespaces_without_end, True),
         (structs_without_end, True), (a_typedef_of_itself, False), (a_struct_inside_itself, False),
         (arrays_of_any_size, False), (siblings_that_lead_back, False), (origins_in_a_circle, False),
         (forms_that_name_forms, True), (a_unit_of_forms_that_name_forms, True),
         (one_list_of_ranges_for_everybody, False), (units_of_eleven_bytes, True),
         (names_of_four_thousand_letters, True), (pointers_to_pointers_without_end, False),
         (a_line_table_of_eight_million_rows, False), (locations_that_make_no_sense, False)]


def build(t, forger, program=PROGRAM):
    if not shutil.which("gcc"):
        skip("gcc is not installed")
    for name, text in (("main.c", program), ("forged.s", forger.text())):
        with open(os.path.join(t.dir, name), "w") as f:
            f.write(text)
    subprocess.run(["gcc", "-O1", "main.c", "forged.s", "-Wl,--build-id", "-o", "worker"], cwd=t.dir,
                   check=True, timeout=harness.TIMEOUT)
    return os.path.join(t.dir, "worker")


def measured(t, argv):
    """Exit status, seconds of CPU, MiB at most; what it said is in t.dir/said."""
    with open(os.path.join(t.dir, "said"), "wb") as said:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (100, 100)))
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else (
        status >> 8 or -(status & 127))
    return child.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def answered(t, core, is_told, *texts):
    """Within bounds, and the rest is as ever."""
    is_slow = "check" in os.path.basename(os.environ.get("BUILD", ""))      # sanitized
    code, seconds, mib = measured(t, [harness.CORESCAN, core, "--by-type", "--threads", "--verbose",
                                      "--doctor"])
    with open(os.path.join(t.dir, "said"), errors="replace") as f:
        said = f.read()
    t.equal((code, "native.dwarf" in said), (int(is_told), is_told), "exit status, and an anomaly: " + said[-300:])
    for text in ("malloc, type unknown", "victim") + texts:
        t.true(text in said, "%r is there: %s" % (text, said[:300]))
    t.true(seconds < (20 if is_slow else 4), "%.1f s" % seconds)
    t.true(mib < (700 if is_slow else 200), "%.0f MiB" % mib)


@check_each(CASES, name=lambda c: c[0].__name__)
def forged_debug_data_cost_little(t, case):
    make, is_told = case
    answered(t, t.kernel_core([build(t, make())], ready=None)[0], is_told)


@check
def sections_that_unpack_to_anything_are_not_unpacked(t):
    if not shutil.which("objcopy"):
        skip("objcopy is not installed")
    f = namespaces_without_end()
    f.lines[-1] = ".byte 0"
    f.behind = ['.section .debug_str,"MS",@progbits,1', ".fill 0x8000000, 1, 65; .byte 0"]
    path = build(t, f)
    subprocess.run(["objcopy", "--compress-debug-sections=zlib", path], check=True)
    t.true(os.path.getsize(path) < 1 << 20, "128 MiB in %d bytes" % os.path.getsize(path))
    core = t.kernel_core([path], ready=None)[0]
    answered(t, core, True)
    # one that says more than it holds
    with open(path, "rb") as bomb:
        data = bytearray(bomb.read())
    table = subprocess.run(["readelf", "-SW", path], stdout=subprocess.PIPE).stdout.decode()
    at = int(re.search(r"\.debug_str\s+PROGBITS\s+[0-9a-f]+ ([0-9a-f]+)", table).group(1), 16)
    t.equal(struct.unpack_from("<Q", data, at + 8)[0], 0x8000001, "the length in the header")
    struct.pack_into("<Q", data, at + 8, 1 << 40)
    os.unlink(path)
    with open(path, "wb") as bomb:
        bomb.write(data)
    answered(t, core, True)


# of a function that calls abort(): what its frame says, and whether the stack can go on; None:
# nothing of the file that elfutils would read for it is read
FRAMES = [("a_register_of_any_number", ".cfi_escape 0x05, 0xff, 0xff, 0xff, 0xff, 0x07, 1", False),
          ("an_expression_that_turns_round", ".cfi_escape 0x0f, 3, 0x2f, 0xfd, 0xff", False),
          ("an_expression_that_grows", ".cfi_escape 0x0f, 6, 0x77, 8, 0x12, 0x2f, 0xfc, 0xff", False),
          ("states_without_end", ".rept 2000000; .cfi_escape 0x0a; .endr", None),
          ("states_nobody_remembered", ".cfi_escape 0x0b, 0x0b, 0x0b", False),
          ("a_place_far_away", ".cfi_escape 0x04, 0xff, 0xff, 0xff, 0xff", True),
          ("an_expression_of_megabytes",
           ".cfi_escape 0x0f, 0x80, 0x80, 0x80, 1; .rept 2097152; .cfi_escape 0x96; .endr", None)]


@check_each(FRAMES, name=lambda f: f[0])
def forged_unwind_data_end_a_stack_and_nothing_else(t, case):
    _, frame, goes_on = case
    f = Forger()
    f.end()
    f.behind = [".text", ".globl victim", ".type victim, @function", "victim: .cfi_startproc",
                "subq $8, %rsp; .cfi_adjust_cfa_offset 8"] + frame.split("; ") + [
                    "call abort@PLT", ".cfi_endproc", ".size victim, .-victim"]
    core = t.kernel_core([build(t, f, PROGRAM.replace("{ abort(); }", ";"))], ready=None)[0]
    answered(t, core, goes_on is None, *(["main"] if goes_on else ["native stack"]))


main()
