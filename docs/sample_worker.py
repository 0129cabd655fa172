"""A worker that forgot to stop caching: the process scripts/try lets die.

usage: sample_worker.py SESSIONS abort|wait
"""
import os
import signal
import sys


class Session:
    def __init__(self, number):
        self.user = "user-%d" % number
        self.token = os.urandom(16).hex()
        self.cart = [{"item": number % 997, "price": number / 7.0}]


class Cache:
    """Grows with every request; nothing ever leaves it."""

    def __init__(self):
        self.sessions = {}

    def login(self, number):
        self.sessions["session:%d" % number] = Session(number)


def main():
    cache = Cache()
    for number in range(int(sys.argv[1])):
        cache.login(number)
    print("ready", flush=True)
    if sys.argv[2] == "wait":
        signal.pause()
    os.abort()


if __name__ == "__main__":
    main()
