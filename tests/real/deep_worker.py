"""deep_worker.py KIND N - a chain of N links that only its first holds up; says ready and waits.

KIND: lists (each in the next), nodes (instances with an attribute), dicts.
"""
import gc
import sys

gc.disable()


class Node:
    __slots__ = ("next",)


def chain(kind, count):
    top = None
    for _ in range(count):
        if kind == "lists":
            top = [top]
        elif kind == "dicts":
            top = {"next": top}
        else:
            node = Node()
            node.next = top
            top = node
    return top


DEEP = chain(sys.argv[1], int(sys.argv[2]))
print("ready", flush=True)
sys.stdin.read()
