"""What test_gdb.py looks at: some objects, two idle threads. Prints "ready" and waits.

usage: gdb_worker.py OBJECTS
"""
import signal
import sys
import threading


class Order:
    def __init__(self, number):
        self.customer = "customer-%d" % number
        self.lines = [{"item": number % 97, "price": number / 7.0}]


KEEP = {"order:%d" % i: Order(i) for i in range(int(sys.argv[1]))}
FOREVER = threading.Event()
for _ in range(2):
    threading.Thread(target=FOREVER.wait, daemon=True).start()
print("ready")
sys.stdout.flush()
signal.pause()
