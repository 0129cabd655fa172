"""A worker of a given size: records, instances, dicts, lists and strings, as services hold them.

usage: worker.py BYTES abort|wait
"""
import os
import signal
import sys

PAGE = os.sysconf("SC_PAGE_SIZE")


class Order:
    def __init__(self, number):
        self.number = number
        self.customer = "customer-%d" % (number * 7919)
        self.total = number / 3.0
        self.lines = [number * 31, number / 7.0, "sku-%d" % number]


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y


def record(number):
    return {"id": number * 1000, "name": "name-%d" % number, "tags": ("t%d" % (number % 50), number * 13),
            "score": number * 0.5}


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * PAGE


def main():
    target = int(sys.argv[1])
    kept, number = [], 1 << 20
    while resident() < target:
        for number in range(number + 1, number + 2001):
            kept.append(record(number))
            kept.append(Order(number))
            kept.append(Point(number * 3, float(number)))
    print("ready", flush=True)
    if sys.argv[2] == "wait":
        signal.pause()
    os.abort()


if __name__ == "__main__":
    main()
