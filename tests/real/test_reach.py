"""What lives and what is garbage, object by object, against what the process says of itself."""
import array
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import ROOT, check_each, interpreters, main, skip  # noqa: E402

BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
TOOL = os.path.join(BUILD, "tests/real/tool_reached")
FOUND, _ = interpreters()
APPS = ("plain", "numpy", "tornado.web", "django.http")


def ids_of(path):
    with open(path) as f:
        return {int(line) for line in f}


def reached(core):
    done = subprocess.run([TOOL, core], stdout=subprocess.PIPE, timeout=120, check=True)
    words = array.array("Q")
    words.frombytes(done.stdout)
    return dict(zip(words[0::2], words[1::2]))


@check_each([(i, app) for i in FOUND for app in APPS], name=lambda r: "%s-%s" % (r[0].name, r[1]))
def says_of_each_object_whether_it_lives(t, row):
    interpreter, app = row
    if not os.path.exists(TOOL):
        skip("tool_reached is not built")
    if app != "plain":
        interpreter.must_have(app)
    out = os.path.join(t.dir, "ids")
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    core, _ = t.core_of([interpreter.path, os.path.join(HERE, "reach_worker.py"), out, app], env=env)
    live, garbage = ids_of(out + ".live"), ids_of(out + ".garbage")
    told = reached(core)
    lost = [a for a in live if told.get(a) == 0]
    t.equal(len(lost), 0, "of %d objects that live some are said to be garbage: %s" % (
        len(live), [hex(a) for a in lost[:5]]))
    t.true(len(garbage) > 5000, "there is garbage: %d" % len(garbage))
    kept = [a for a in garbage if told.get(a) != 0]
    t.equal(len(kept), 0, "of %d objects of garbage some are said to live: %s" % (
        len(garbage), [hex(a) for a in kept[:5]]))
    others = [a for a, state in told.items() if state == 0 and a not in garbage]
    t.equal(len(others), 0, "nothing else is garbage: %s" % [hex(a) for a in others[:5]])
    done = subprocess.run([TOOL.replace("reached", "two"), core], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=120)
    t.equal((done.returncode, done.stderr), (0, b""), "two threads make the same graph as one")
    # a reference that was never given back
    stuck = ids_of(out + ".stuck")
    t.equal([hex(a) for a in stuck if told.get(a) != 2][:5], [], "leaked with all they lead to")
    leaked = [a for a, state in told.items() if state == 2 and a not in stuck]
    t.true(len(leaked) <= 1000, "few others are leaked, by the interpreter itself: %d" % len(leaked))
    rows = t.corescan_json([core, "--leaks"])["views"][0]["rows"]
    mine = {(r["kind"], r["type"]): r["count"] for r in rows if r["type"].startswith("__main__.")}
    t.equal(mine, {("garbage", "__main__.Node"): len([a for a in ids_of(out + ".nodes")]),
                   ("leaked", "__main__.Stuck"): 50}, "--leaks counts them")


main()
