"""corescan_words.py - what people type and debuggers print, taken apart.

Pure functions on text: no debugger, no library.
"""
import bisect
import re

_VALUED = ("top", "sort", "min", "type", "attrs", "format", "depth",
           "group-by")
_OPTION_FIRST = re.compile(r"--([a-z-]*)(=\S*)?(?:\s+|$)")
_OPTION_LAST = re.compile(r"(?:^|\s)(--(?:json|no-values)|--(?:%s)(?:=\S+|\s+\S+))\s*$"
                          % "|".join(_VALUED))


def split_expression(text):
    """(options as words, the expression): options may stand on both sides;
    after -- everything is the expression."""
    options, tail, text = [], [], text.strip()
    while True:
        m = _OPTION_FIRST.match(text)
        if not m:
            break
        text = text[m.end():]
        if m.group(0).strip() == "--":
            return options, text.strip()
        options.append("--" + m.group(1) + (m.group(2) or ""))
        if m.group(1) in _VALUED and not m.group(2) and text:
            value, _, text = text.partition(" ")
            options.append(value)
            text = text.lstrip()
    while True:
        m = _OPTION_LAST.search(text)
        if not m:
            break
        tail = m.group(1).split(None, 1) + tail
        text = text[:m.start()]
    return options + tail, text.strip()


def is_machine_format(words):
    """Do the options ask for JSON or CSV?"""
    return any(w == "--json" or w in ("--format=json", "--format=csv") or
               (w == "--format" and v in ("json", "csv"))
               for w, v in zip(words, words[1:] + [""]))


def is_command_line(typed, name, argument):
    """Is the typed line this command with this argument? Its words may be abbreviated."""
    words = typed.split(None, len(name.split()))
    ours = name.split()
    return (len(words) >= len(ours) and
            all(full.startswith(word) for full, word in zip(ours, words)) and
            " ".join(words[len(ours):]).strip() == argument.strip())


# ---- what GDB prints. Columns and their order differ from 10.1 to 18.1.

_HEX = r"(0x[0-9a-f]+)"
_CORE_FILE = re.compile(r"^Local core dump file:\n\t`(.*)', file type ", re.M)
_CONNECTION = re.compile(r"^\*\s+(\d+)\s+(\S+)", re.M)
_MAPPING = re.compile(r"^\s*%s\s+%s\s+%s\s+%s(?:[ \t]+([r-][w-][x-][ps-]))?(?:[ \t]+(\S.*?))?[ \t]*$"
                      % (_HEX, _HEX, _HEX, _HEX), re.M)
_LOADED = re.compile(r"^\s*\[\d+\]\s+%s->%s at %s: load\d+\w*( .*)$" % (_HEX, _HEX, _HEX), re.M)
_AUXV = re.compile(r"^(\d+)\s.*\s(0x[0-9a-f]+|\d+)(?: \".*)?$", re.M)
_QUOTED = re.compile(r"^(cmdline|exe) = '(.*)'$", re.M)


def core_path(info_files):
    m = _CORE_FILE.search(info_files)
    return m.group(1) if m else None


def connection(info_connections):
    """(number, type) of the current one, or (None, "")."""
    m = _CONNECTION.search(info_connections)
    return (int(m.group(1)), m.group(2)) if m else (None, "")


def mappings(info_proc_mappings):
    """(start, end, permissions, offset, name), permissions "" where GDB tells none."""
    return [(int(a, 16), int(b, 16), perms, int(offset, 16), name)
            for a, b, _, offset, perms, name in _MAPPING.findall(info_proc_mappings)]


def loaded_sections(maint_info_sections):
    """The core file's segments as mappings without names; what it left out cannot
    be read from it."""
    found = []
    for a, b, _, flags in _LOADED.findall(maint_info_sections):
        words = flags.split()
        perms = "---p"
        if "HAS_CONTENTS" in words:
            perms = "r%s%sp" % ("-" if "READONLY" in words else "w", "x" if "CODE" in words else "-")
        found.append((int(a, 16), int(b, 16), perms, 0, ""))
    return found


def _row_at(rows, starts, address):
    nr = bisect.bisect_right(starts, address) - 1
    return rows[nr] if nr >= 0 and address < rows[nr][1] else None


def named(segments, files):
    """Segments, cut where files begin and end and with their names and offsets;
    files without a segment are kept."""
    segments, files = sorted(segments), sorted(files)
    segment_starts, file_starts = [m[0] for m in segments], [m[0] for m in files]
    edges = sorted({edge for m in segments + files for edge in m[:2]})
    found = []
    for start, end in zip(edges, edges[1:]):
        segment = _row_at(segments, segment_starts, start)
        file = _row_at(files, file_starts, start)
        if segment or file:
            perms = segment[2] if segment else file[2] or "---p"
            offset = file[3] + start - file[0] if file else 0
            found.append((start, end, perms, offset, file[4] if file else ""))
    return found


def maps_text(rows):
    """As /proc/PID/maps."""
    return "".join("%x-%x %s %08x 00:%02x %d %s\n" % (
        start, end, perms or "rw-p", offset, name.startswith("/"), name.startswith("/"), name)
        for start, end, perms, offset, name in sorted(rows))


def auxv(info_auxv):
    """Tags and values in turns."""
    return [int(n, 0) for pair in _AUXV.findall(info_auxv) for n in pair]


_OPENED = re.compile(rb"F([0-9a-f]+)$")
_PREAD = re.compile(rb"F([0-9a-f]+);(.*)$", re.S)
_ESCAPED = re.compile(rb"\}(.)", re.S)


def remote_descriptor(reply):
    """The descriptor, in hex, of a vFile:open; None when it failed."""
    m = _OPENED.match(reply)
    return m.group(1).decode() if m else None


def remote_bytes(reply):
    """The bytes of a vFile:pread; None when it failed."""
    m = _PREAD.match(reply)
    if not m:
        return None
    found = _ESCAPED.sub(lambda e: bytes([e.group(1)[0] ^ 0x20]), m.group(2))
    return found if len(found) == int(m.group(1), 16) else None


def process_words(info_proc):
    """{"cmdline": ..., "exe": ...} as far as told."""
    return dict(_QUOTED.findall(info_proc))
