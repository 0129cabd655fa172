"""Cores of real processes, spoiled: what a mutation is aimed at, and what is asked of an answer."""
import bisect
import collections
import json
import os
import random
import re
import signal
import struct
import subprocess
import time

import harness
from harness import CORESCAN

BUILD = os.environ.get("BUILD", os.path.join(harness.ROOT, "build"))
SECONDS, EXTRA_RSS = 20, 600 << 20
PAGE, PHDR = 4096, struct.Struct("<IIQQQQQQ")
PT_LOAD, PF_W = 1, 2


class Core:
    """A core file's bytes and what of them a mutation is aimed at."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        phoff, = struct.unpack_from("<Q", self.data, 32)
        phnum, = struct.unpack_from("<H", self.data, 56)
        self.headers = [PHDR.unpack_from(self.data, phoff + i * PHDR.size) for i in range(phnum)]
        # (address, file offset, length) of what the process could write
        self.parts = sorted((h[3], h[2], h[5]) for h in self.headers
                            if h[0] == PT_LOAD and h[1] & PF_W and h[5])
        self.starts = [p[0] for p in self.parts]
        self._find_targets()

    def offset(self, addr):
        """Where in the file; None when it is not writable memory."""
        i = bisect.bisect(self.starts, addr) - 1
        if i < 0 or addr - self.starts[i] >= self.parts[i][2] - 7:
            return None
        return self.parts[i][1] + addr - self.starts[i]

    def _find_targets(self):
        low, high = self.starts[0], self.starts[-1] + self.parts[-1][2]
        self.pointers, self.pools, self.records = [], [], []
        seen = collections.Counter()
        for addr, at, size in self.parts:
            words = struct.unpack_from("<%dQ" % (size // 8), self.data, at)
            for i, w in enumerate(words):
                if low <= w < high and not w % 8 and self.offset(w) is not None:
                    self.pointers.append(at + i * 8)
                    seen[w] += 1
            for off in range(0, size - 48, PAGE):
                count, = struct.unpack_from("<I", self.data, at + off)
                index, size_class, following, last = struct.unpack_from("<4I", self.data, at + off + 32)
                if 0 < count < 1024 and size_class < 32 and 48 <= following <= 16384 and \
                        (16384 - last == 16 * (size_class + 1) or 4096 - last == 16 * (size_class + 1)):
                    self.pools.append(at + off)
        for at in self.pointers:
            base, pool, free, total = struct.unpack_from("<QQII", self.data, at)
            if not base % PAGE and base <= pool <= base + (2 << 20) and free <= total and \
                    total in (63, 64, 127, 128):
                self.records.append(at)
        # what many words point at: types, mostly
        self.popular = [self.offset(a) for a, n in seen.most_common(120)]
        brk = [p for p in self.parts if p[2] >= 8 * PAGE]
        self.modules = [p for p in self.parts if p not in brk] or self.parts
        self.heaps = brk or self.parts


NASTY = (0, 1, 2, 7, 8, 16, 0x20, 0x21, 0xff, 0xfff, 0x1000, 0xffff, 1 << 20, 1 << 31, (1 << 32) - 1,
         1 << 32, 1 << 40, (1 << 47) - 16, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 16, (1 << 64) - 1)


class Mutant:
    def __init__(self, core, seed):
        self.core, self.rng, self.data = core, random.Random(seed), bytearray(core.data)

    def word(self, at):
        return struct.unpack_from("<Q", self.data, at)[0]

    def put(self, at, value):
        if 0 <= at <= len(self.data) - 8:
            struct.pack_into("<Q", self.data, at, value & (1 << 64) - 1)

    def value(self, at):
        """Something to put in the place of the word at `at`."""
        r, old = self.rng, self.word(at)
        return (lambda: r.choice(NASTY), lambda: r.getrandbits(64),
                lambda: self.word(r.choice(self.core.pointers)), lambda: old ^ 1 << r.randrange(64),
                lambda: old + r.choice((-4096, -16, -8, -1, 1, 8, 16, 4096)))[r.randrange(5)]()

    def somewhere(self, parts):
        addr, at, size = self.rng.choice(parts)
        return at + self.rng.randrange(size // 8) * 8

    def near(self, ats, first, last):
        """A word some bytes around one of the places."""
        return max(0, self.rng.choice(ats) + self.rng.randrange(first, last, 8))

    def pointee(self):
        return self.core.offset(self.core_word(self.rng.choice(self.core.pointers)))

    def core_word(self, at):
        return struct.unpack_from("<Q", self.core.data, at)[0]

    # kinds
    def words(self):
        return self.somewhere(self.core.heaps)

    def module_data(self):
        return self.somewhere(self.core.modules)

    def pointer(self):
        return self.rng.choice(self.core.pointers)

    def chunk_size(self):
        return self.pointee() - 8

    def gc_link(self):
        return self.pointee() - 16

    def head(self):
        return self.pointee() + self.rng.randrange(0, 64, 8)

    def type_field(self):
        return self.near(self.core.popular, 0, 420)

    def pool_header(self):
        return self.near(self.core.pools, 0, 48)

    def arena_record(self):
        return self.near(self.core.records, -8, 48)

    def spoil(self, kind):
        for _ in range(self.rng.choice((1, 2, 5, 20, 100))):
            at = getattr(self, kind)()
            if 0 <= at <= len(self.data) - 8:
                self.put(at, self.value(at))
        if self.rng.randrange(8) == 0:  # and a page of something else
            _, at, size = self.rng.choice(self.core.heaps)
            at += self.rng.randrange(size // PAGE) * PAGE
            _, other, size = self.rng.choice(self.core.heaps)
            other += self.rng.randrange(size // PAGE) * PAGE
            self.data[at:at + PAGE] = self.core.data[other:other + PAGE]

    def address(self):
        """Of anything, for --object."""
        return "0x%x" % self.core_word(self.rng.choice(self.core.pointers))


def run(path, args, program=CORESCAN):
    """(exit, stdout, stderr, seconds, peak RSS), or None after SECONDS."""
    started = time.monotonic()
    with open(path + ".out", "w+b") as out, open(path + ".err", "w+b") as err:
        child = subprocess.Popen([program, path] + args, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=err)
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            seconds = time.monotonic() - started
            if pid:
                break
            if seconds > SECONDS:
                os.kill(child.pid, signal.SIGKILL)
                os.wait4(child.pid, 0)
                child.returncode = -9
                return None
            time.sleep(0.002 if seconds < 1 else 0.05)
        child.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        out.seek(0)
        err.seek(0)
        return (child.returncode, out.read().decode("utf-8", "replace"),
                err.read().decode("utf-8", "replace"), seconds, usage.ru_maxrss * 1024)


def problem_of(path, answer, exits=(0, 1), is_report=True):
    """What is wrong with a run, or None."""
    if answer is None:
        return "still running after %d s" % SECONDS
    code, out, err, _, rss = answer
    word = re.search(r".*(ERROR: \w*Sanitizer.*|runtime error.*)", err)
    if word or code not in exits:
        where = re.findall(r"#\d+ \S+ in (\w+) ", err)
        return "exit %d: %s %s" % (code, word.group(0) if word else err.strip()[-300:], where[:6])
    if code == 3:
        return None if len(err.strip()) > 20 else "exit 3 without a sentence"
    if not is_report:
        return None
    doc = json.loads(out)
    present = doc["target"]["bytes"]["present"]
    got = sum(r["bytes"] for v in doc["views"] if v["view"] == "summary" for r in v["rows"])
    if got != present:
        return "the ledger sums to %d of %d" % (got, present)
    if rss > 6 * os.path.getsize(path) + EXTRA_RSS:
        return "%d MB of memory" % (rss >> 20)
    return None


def c_core(t):
    victim = os.path.join(BUILD, "tests", "real", "victim_heap")
    if not os.path.exists(victim):
        harness.skip("victim_heap is not built")
    return t.core_of([victim])[0]
