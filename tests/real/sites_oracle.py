"""sites_oracle.py - what tracemalloc says of this process, while it says hardly anything more.

ask() forks: the child writes what was recorded, the parent allocates nothing from then on.
Run as a program it compares two snapshots: sites_oracle.py THEIRS OURS. What ask() itself
allocated is left out on both sides: traces that begin in this file.
"""
import json
import os
import signal
import sys
import tracemalloc

from _tracemalloc import _get_traces as get_traces

HERE = __file__
MODES = (("line", "lineno", False), ("file", "filename", False), ("traceback", "traceback", False),
         ("line", "lineno", True), ("file", "filename", True))


def rows_of(snapshot):
    """{mode: [[frames, count, size], ...]}, the most recent frame first."""
    out = {}
    for name, key, cumulative in MODES:
        out[name + ("-cumulative" if cumulative else "")] = [
            [[[f.filename, f.lineno] for f in reversed(s.traceback)], s.count, s.size]
            for s in snapshot.statistics(key, cumulative)]
    return out


def write(folder, traces, objects):
    """In the child: what is allocated here is nobody's business."""
    limit = tracemalloc.get_traceback_limit()
    places = []
    for o in objects:
        traceback = tracemalloc.get_object_traceback(o)
        frames = traceback and [[f.filename, f.lineno] for f in reversed(traceback)]
        places.append([hex(id(o)), type(o).__name__, frames])
    tracemalloc.stop()
    snapshot = tracemalloc.Snapshot(traces, limit)
    snapshot.dump(os.path.join(folder, "truth.pickle"))
    with open(os.path.join(folder, "truth.json"), "w") as f:
        json.dump({"rows": rows_of(snapshot), "objects": places, "traces": len(traces),
                   "limit": limit, "oracle": HERE}, f)
    os.write(1, b"ready\n")
    os._exit(0)


def once(folder, objects, is_real, fork=os.fork, pause=signal.pause):
    """Attributes are looked up before: a cache of types may let go of another name for one."""
    traces = get_traces()
    if not fork():
        if is_real:
            write(folder, traces, objects)
        os._exit(0)
    if is_real:
        pause()


def ask(folder, objects):
    once(folder, objects, False)    # what free lists hand out is then this file's already
    once(folder, objects, True)


def without_us(snapshot):
    counts = {}
    for trace in snapshot.traces._traces:
        if trace[2][0][0] != HERE:
            counts[trace] = counts.get(trace, 0) + 1
    return counts


def compare(theirs, ours):
    """A JSON document: how many traces differ, some of them, and our rows."""
    a, b = tracemalloc.Snapshot.load(theirs), tracemalloc.Snapshot.load(ours)
    x, y = without_us(a), without_us(b)
    wrong = [[k, x.get(k, 0), y.get(k, 0)] for k in set(x) | set(y) if x.get(k, 0) != y.get(k, 0)]
    hide = (tracemalloc.Filter(False, HERE),)
    moved = [str(s) for s in b.filter_traces(hide).compare_to(a.filter_traces(hide), "lineno")
             if s.size_diff or s.count_diff]
    domains = [len(s.filter_traces((tracemalloc.DomainFilter(True, 5),)).traces) for s in (a, b)]
    print(json.dumps({"same": sum(x.values()), "wrong": len(wrong), "some": repr(wrong[:5]),
                      "moved": moved[:5], "limits": [a.traceback_limit, b.traceback_limit],
                      "domains": domains, "rows": rows_of(b), "oracle": HERE}))


if __name__ == "__main__":
    # code compiled there has the name it had there
    HERE = json.load(open(sys.argv[3]))["oracle"]
    compare(sys.argv[1], sys.argv[2])
