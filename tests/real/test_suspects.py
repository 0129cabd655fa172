"""The default page names what accumulates: by the path, the size and the way to see more."""
import ast
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import check_each, interpreters, main  # noqa: E402

FOUND, _ = interpreters()
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def page_of(t, target):
    """The default page's suspects as text, lines joined; and all of it."""
    code, out, err = t.corescan([target])
    t.true(code in (0, 1), "exits with %d: %s" % (code, err[-300:]))
    part = re.search(r"^SUSPECTS\n(.*?)\n\n", out, re.M | re.S)
    return re.sub(r"\s+", " ", part.group(1)).strip() if part else "", out


def suspects_of(t, args):
    return [v for v in t.corescan_json(args)["views"] if v["view"] == "suspects"][0]["rows"]


def truth_of(child):
    return int([line.split()[1] for line in child.lines if line.startswith("truth")][0])


def worker(kind):
    return [os.path.join(HERE, "suspect_worker.py"), kind]


@check_each(FOUND, name=lambda i: i.name)
def names_six_kinds_of_holder_in_order_of_size(t, interpreter):
    out = os.path.join(t.dir, "truth")
    child = t.start([interpreter.path, os.path.join(HERE, "holder_worker.py"), out])
    child.wait_line("ready")
    with open(out) as f:
        truth = ast.literal_eval(f.read())["holders"]
    pages = [page_of(t, child.pid)]
    core = t.gcore_of(child.pid)
    pages.append(page_of(t, core))
    for text, whole in pages:
        places = []
        for name in sorted(truth, key=truth.get, reverse=True):
            told = {"__main__.CLOSURE": "__main__.CLOSURE.__closure__.texts",
                    "thread_local": "thread_local (local of in_thread() in holder_worker.py)",
                    "frame_local": "frame_local (local of main() in holder_worker.py)"}.get(name, name)
            t.true(told in text, "%s is not told: %s" % (told, text))
            places.append(text.find(told))
        t.equal(places, sorted(places), "in order of size")
        t.true(len(re.findall(r"(?:^| )[1-9] ", text)) <= 9 and " 6 " not in text[:4],
               "five sentences at most")
        t.equal(len(re.findall(r"corescan \S+ --", text)), 5, "each with its command: " + text)
        t.true(max(map(len, whole.splitlines())) <= 80, "no line is longer than 80")


@check_each(FOUND, name=lambda i: i.name)
def names_the_handler_of_a_tornado_server(t, interpreter):
    interpreter.must_have("tornado.web")
    argv = [interpreter.path, os.path.join(HERE, "tornado_worker.py")]
    child = t.start(argv)
    child.wait_line("ready")
    size = int([line.split()[1] for line in child.lines if line.startswith("bytes")][0])
    live = suspects_of(t, [child.pid])
    core, _ = t.core_of(argv)
    for rows in (live, suspects_of(t, [core])):
        t.equal(rows[0]["name"], "__main__.BadHandler.memory_list", "the first suspect: %s" % rows[0])
        t.equal((rows[0]["type"], rows[0]["count"]), ("list", 1000000), "what it is")
        t.true(size * 0.99 <= rows[0]["bytes"] <= size * 1.2,
               "%d bytes, the process says %d" % (rows[0]["bytes"], size))
    text, _ = page_of(t, core)
    t.true(text.startswith("1 __main__.BadHandler.memory_list, a list of 1,000,000 items, keeps "),
           "the page begins with it: " + text[:200])


# kind -> suspect's kind, its name, what its sentence says, what is the truth about
EXPECTED = {
    "copies": ("copies", None, "'the same text', is there 60,000 times", None),
    "room": ("spare room", "__main__.EMPTIED", "room for much more than", "bytes"),
    "cache": ("holder", "__main__.squared", "a functools.lru_cache without a maxsize of 60,000 entries",
              "count"),
    "bounded_cache": ("holder", "__main__.bounded", "a functools._lru_cache_wrapper, keeps", None),
    "big": ("object", "__main__.HOLDER.blob", "a bytes, has 30.0 MiB", "bytes"),
    "shared": ("group", "__main__.BY_", "60,000 __main__.Session have", "count"),
    "linked": ("holder", "__main__.HEAD", "a __main__.Link, keeps", None),
    "tree": ("holder", "__main__.ROOT", "a __main__.Tree, keeps", None),
}


@check_each([(i, kind) for i in FOUND for kind in sorted(EXPECTED)],
            name=lambda r: "%s-%s" % (r[0].name, r[1]))
def tells_what_is_wrong(t, row):
    interpreter, kind = row
    core, child = t.core_of([interpreter.path] + worker(kind))
    expected, name, words, field = EXPECTED[kind]
    rows = suspects_of(t, [core, "--suspects"])
    mine = [r for r in rows if r["kind"] == expected and (not name or (r["name"] or "").startswith(name))]
    if not t.true(mine, "no such suspect: %s" % [r["text"] for r in rows]):
        return
    t.true(words in mine[0]["text"], "its sentence: " + mine[0]["text"])
    if field:
        truth = truth_of(child)
        allowed = 0.15 * truth if kind == "room" else 8192 if kind == "big" else 0
        t.true(abs(mine[0][field] - truth) <= allowed,
               "%s %d, the process says %d" % (field, mine[0][field], truth))
    if kind != "copies":
        t.equal(mine[0], rows[0], "it is the first")


main()
