"""root_worker.py - objects that only the interpreter itself holds; says ready and waits."""
import atexit
import codecs
import sys
import time


class Handled(Exception):
    pass


class AtExit:
    def __call__(self):
        pass


class Search:
    def __call__(self, name):
        return None


class Errors:
    def __call__(self, error):
        raise error


class Profiler:
    def __call__(self, frame, event, arg):
        pass


def sleep_while_handling():
    try:
        raise Handled()
    except Handled:
        print("ready", flush=True)
        time.sleep(1000)


atexit.register(AtExit())
codecs.register(Search())
codecs.register_error("mine", Errors())
sys.setprofile(Profiler())
sleep_while_handling()
