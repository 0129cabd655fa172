"""Single objects: instances with their attributes, referents and referrers, against what the
process itself says of them; in every interpreter found, dead and alive."""
import ast
import collections
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import check_each, interpreters, main, skip  # noqa: E402

FOUND, _ = interpreters()


def worker(interpreter, out):
    return [interpreter.path, os.path.join(HERE, "objects_worker.py"), out]


def read_truth(out):
    with open(out, encoding="utf-8") as f:
        return ast.literal_eval(f.read())


def run_worker(t, interpreter):
    out = os.path.join(t.dir, "truth")
    core, _ = t.core_of(worker(interpreter, out))
    return core, read_truth(out)


def view(t, target, *args):
    return t.corescan_json([target] + list(args))["views"][0]


def address(row):
    return int(row["address"], 16) if row["address"] else 0


def check_instances(t, target, truth):
    """Every attribute of every instance of every class."""
    for name, (attrs, want) in truth["instances"].items():
        rows = view(t, target, "--instances", name, "--attrs", attrs)["rows"]
        if not t.equal(sorted(map(address, rows)), sorted(want), "instances of " + name):
            continue
        t.equal([r["retained"] for r in rows], sorted((r["retained"] for r in rows), reverse=True),
                name + ": sorted by what they retain")
        for row in rows:
            size, values = want[address(row)]
            t.true(size <= row["bytes"] <= row["retained"],
                   "%s: %d bytes, getsizeof %d, retained %d" % (name, row["bytes"], size, row["retained"]))
            for attr, value in values.items():
                column = "." + attr if attr in ("address", "bytes", "retained") else attr
                t.equal(row[column], value, "%s at %s: %s" % (name, row["address"], attr))


@check_each(FOUND, name=lambda i: i.name)
def shows_every_attribute_as_python_does(t, interpreter):
    core, truth = run_worker(t, interpreter)
    check_instances(t, core, truth)
    for name, (attrs, want) in truth["some"].items():
        rows = {address(r): r for r in view(t, core, "--instances", name, "--attrs", attrs, "--top", "0")["rows"]}
        for addr, values in want.items():
            for attr, value in values.items():
                t.equal(rows.get(addr, {}).get(attr), value, "%s at 0x%x: %s" % (name, addr, attr))
    # one after the other, and not of one class
    attrs = ["number", "name", "a", "b", "label"]
    rows = {address(r): r for r in view(t, core, "--instances", "__main__.*", "--attrs", ",".join(attrs),
                                        "--sort", "address", "--top", "0")["rows"]}
    for name, (_, want) in truth["instances"].items():
        for addr, (_, values) in want.items():
            for attr in set(attrs) & set(values) if addr in rows else ():
                t.equal(rows[addr][attr], values[attr], "%s at 0x%x among others: %s" % (name, addr, attr))
    t.true(len(truth["instances"]) >= 20, "only %d classes" % len(truth["instances"]))


@check_each(FOUND, name=lambda i: i.name)
def the_bytes_of_instances_sum_to_those_of_the_type(t, interpreter):
    core, _ = run_worker(t, interpreter)
    types = [r for r in view(t, core, "--by-type")["rows"] if r["kind"] != "raw"]
    whole = view(t, core, "--instances", "*")
    t.equal(whole["total"]["bytes"], sum(r["bytes"] for r in types), "of all types")
    t.equal(len(whole["rows"]) + whole["more"]["rows"], sum(r["count"] for r in types), "objects")
    for row in types[:20] + [r for r in types if r["type"] in ("type", "set", "module") or
                             r["type"].startswith(("__main__.", "collections."))]:
        found = view(t, core, "--instances", row["type"], "--top", "3")
        t.equal((found["total"]["bytes"], len(found["rows"]) + found.get("more", {}).get("rows", 0)),
                (row["bytes"], row["count"]), row["type"])


def compare_references(t, target, truth):
    for addr, want in truth["referents"].items():
        rows = view(t, target, "--referents", hex(addr))["rows"]
        t.equal(collections.Counter(address(r) for r in rows if r["hold"] == "strong"),
                collections.Counter(want), "referents of 0x%x" % addr)
        t.true(not [r for r in rows if r["hold"] in ("guess", "weak")], "guesses of 0x%x" % addr)
    for addr, want in truth["referrers"].items():
        rows = view(t, target, "--referrers", hex(addr))["rows"]
        # roots have no block
        t.equal({address(r) for r in rows if r["hold"] == "strong" and r["bytes"]}, set(want),
                "referrers of 0x%x: %s" % (addr, rows))
        t.equal(sorted(address(r) for r in rows if r["hold"] == "weak"),
                sorted(truth["weak"].get(addr, [])), "weak references to 0x%x" % addr)
    for key, (holder, held) in truth["names"].items():
        rows = view(t, target, "--referrers", hex(held))["rows"]
        t.true([r for r in rows if address(r) == holder and r["edge"] == "['%s']" % key],
               "['%s'] of 0x%x: %s" % (key, holder, rows))
    rows = view(t, target, "--referrers", hex(truth["local"]))["rows"]
    t.true([r for r in rows if r["edge"] == "local held_by_a_local" and r["hold"] == "strong" and
            r["type"] == "waiter() in objects_worker.py"], "a local variable: %s" % rows)


def check_native(t, target, truth):
    block, held = truth["raw"]
    rows = view(t, target, "--referents", hex(block))["rows"]
    t.equal([(address(r), r["type"], r["edge"], r["hold"]) for r in rows],
            [(held, "__main__.Raw", "perhaps at +16", "guess")], "a malloc block's words")
    rows = view(t, target, "--referrers", hex(held))["rows"]
    t.true((block, "perhaps at +16", "guess") in [(address(r), r["edge"], r["hold"]) for r in rows],
           "who perhaps refers to it: %s" % rows)


@check_each(FOUND, name=lambda i: i.name)
def gives_the_collectors_referents_and_referrers(t, interpreter):
    core, truth = run_worker(t, interpreter)
    compare_references(t, core, truth)
    check_native(t, core, truth)
    # None lies in the interpreter's data: all objects are asked
    some = view(t, core, "--instances", "__main__.Default", "--attrs", "b")["rows"][0]
    t.equal(some["b"], "None", "a default")


@check_each([i for i in FOUND if i in (FOUND[0], FOUND[-1])], name=lambda i: i.name)
def a_living_process_is_told_the_same(t, interpreter):
    out = os.path.join(t.dir, "truth")
    child = t.start(worker(interpreter, out))
    child.wait_line("ready")
    truth = read_truth(out)
    check_instances(t, child.pid, truth)
    compare_references(t, child.pid, truth)
    rows = view(t, child.pid, "--object", hex(truth["local"]))["rows"]
    t.true([r for r in rows if r["field"] == "referrer" and "local held_by_a_local" in r["value"]],
           "--object: %s" % rows)


def fields(view_of_object, name):
    return [r["value"] for r in view_of_object["rows"] if r["field"] == name]


@check_each([i for i in FOUND if i in (FOUND[0], FOUND[-1])], name=lambda i: i.name)
def an_object_knows_its_neighbours(t, interpreter):
    core, truth = run_worker(t, interpreter)
    rows = view(t, core, "--object", hex(truth["garbage"]))
    t.equal(fields(rows, "retained"), ["not known: no root reaches it"], "garbage")
    raw = view(t, core, "--instances", "__main__.Raw")["rows"]
    t.equal([r["retained"] for r in raw if address(r) == truth["garbage"]], [None], "garbage retains")
    text = t.corescan([core, "--instances", "__main__.Raw"])[1]
    t.true("No root reaches 2 of them" in text, "says so: " + text)
    for addr in truth["referents"]:
        rows = view(t, core, "--object", hex(addr))
        for one, many in (("referent", "referents"), ("referrer", "referrers")):
            table = view(t, core, "--" + many, hex(addr))["rows"]
            t.equal(fields(rows, many), [len(table)], "%s of 0x%x" % (many, addr))
            t.equal(len(fields(rows, one)), len(table), "rows")
        t.true(fields(rows, "retained")[0] >= fields(rows, "bytes")[0], "retained")
    block, held = truth["raw"]
    t.equal(fields(view(t, core, "--object", hex(block)), "referent"),
            ["perhaps at +16: __main__.Raw 0x%x (maybe)" % held], "a malloc block")
    out = t.corescan([core, "--object", hex(min(truth["instances"]["__main__.Many"][1]))])[1]
    t.true(out.count("\n  referent ") <= 20, "at most 20 in text")
    dicts = view(t, core, "--instances", "dict", "--sort", "bytes", "--top", "1")["rows"]
    many = len(view(t, core, "--referents", dicts[0]["address"], "--top", "0")["rows"])
    rows = view(t, core, "--object", dicts[0]["address"], "--top", "7")
    t.equal((fields(rows, "referents"), len(fields(rows, "referent")), fields(rows, "more_referents")),
            ([many], 7, [many - 7]), "--top 7 of %d" % many)


# Static objects of 3.11 have counts near 999999999: fill that part of the brk heap with what
# looks like objects wherever one looks.
COUNTS_AS_ADDRESSES = """
import ctypes, sys, time
libc = ctypes.CDLL(None)
libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
low, high = 999999488, 999999488 + (1 << 16)
end = libc.sbrk(0)
if end <= low and libc.sbrk(high + 65536 - end) == end:
    words = (ctypes.c_uint64 * ((high - low) // 8)).from_address(low)
    words[:] = [id(list)] * len(words)
    kept = [5, "", (), b""] * 10
    print([id(o) for o in kept], id(kept), sep=", ", file=open(sys.argv[1], "w"))
print("ready", flush=True)
time.sleep(1000)
"""


@check_each([i for i in FOUND if i.version[:2] == (3, 11)], name=lambda i: i.name)
def a_count_is_no_address(t, interpreter):
    out = os.path.join(t.dir, "truth")
    core, _ = t.core_of([interpreter.path, "-c", COUNTS_AS_ADDRESSES, out])
    if not os.path.exists(out):
        skip("the brk heap of %s cannot reach there" % interpreter.name)
    ids, kept = read_truth(out)
    rows = view(t, core, "--referents", hex(kept), "--top", "0")["rows"]
    t.equal([(address(r), r["type"]) for r in rows if r["edge"].startswith("[")],
            list(zip(ids, ["int", "str", "tuple", "bytes"] * 10)), "in the interpreter's data")


@check_each(FOUND[-1:], name=lambda i: i.name)
def no_values_shows_no_text(t, interpreter):
    core, truth = run_worker(t, interpreter)
    odd = sorted(truth["instances"]["__main__.Odd"][1])
    asks = [["--instances", "__main__.Odd", "--attrs", "x_y1"], ["--referents", hex(odd[0])],
            ["--object", hex(odd[0])]]
    for ask in asks:
        # of the object itself it depends on who keeps the attributes, it or its dict
        t.true(truth["secret"] in t.corescan([core, "--json"] + ask)[1] or ask[0] != "--instances",
               "shown by " + ask[0])
        for form in ("text", "json", "csv"):
            out = t.corescan([core, "--no-values", "--format", form] + ask)[1]
            t.true(truth["secret"] not in out and len(out) > 20, "%s: %s" % (ask, out))
    rows = view(t, core, "--no-values", "--instances", "__main__.Odd", "--attrs", "x_y1,ärger")["rows"]
    t.equal({r["x_y1"] for r in rows}, {"str of %d" % len(truth["secret"])}, "its length only")
    t.equal(sorted(r["ärger"] for r in rows), list(range(6)), "numbers are no text")


@check_each(FOUND[-1:], name=lambda i: i.name)
def rows_are_picked_sorted_and_counted(t, interpreter):
    core, truth = run_worker(t, interpreter)
    all_rows = view(t, core, "--instances", "*", "--top", "0")["rows"]
    by = {k: sorted(all_rows, key=lambda r: (r[k] is None, -(r[k] or 0), -address(r)))
          for k in ("bytes", "retained")}
    for key, args in (("retained", []), ("retained", ["--sort", "retained"]), ("bytes", ["--sort", "bytes"])):
        for top in ("1", "7", "1500"):
            found = view(t, core, "--instances", "*", "--top", top, *args)
            t.equal(found["rows"], by[key][:int(top)], "top %s by %s" % (top, key))
            t.equal(found["more"], {"rows": len(all_rows) - int(top),
                                    "bytes": sum(r["bytes"] for r in by[key][int(top):])}, "the rest")
    t.equal(len(view(t, core, "--instances", "*")["rows"]), 1000, "JSON's page")
    big = view(t, core, "--instances", "*", "--min", "8k", "--top", "0")
    want = [r for r in by["retained"] if (r["retained"] or r["bytes"]) >= 8192]
    t.equal(big["rows"], want, "--min")
    t.equal(big["total"]["bytes"], sum(r["bytes"] for r in want), "--min sums what it shows")
    some = view(t, core, "--instances", "__main__.S*")["rows"]
    t.true({address(r) for r in some} >= set(truth["instances"]["__main__.SlotDict"][1]), "a pattern")
    code, out, _ = t.corescan([core, "--instances", "SlotDict"])
    t.equal(code, 1, "exit of an unknown type")
    t.true("There is no type 'SlotDict': did you mean __main__.SlotDict?" in out, "says so: " + out)
    _, out, _ = t.corescan([core, "--why", "SlotDict"])
    t.true("There is no type 'SlotDict': did you mean __main__.SlotDict?" in out, "--why too: " + out)
    code, out, _ = t.corescan([core, "--referrers", "0x10"])
    t.true(code == 1 and "Nothing in use is at 0x10." in out, "nothing there: " + out)


main()
