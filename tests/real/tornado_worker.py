"""tornado_worker.py - a web server nobody prepared, with a handler that hoards; says ready.

Answers one request of its own first, so that it has done what a server does.
"""
import json
import sys
import threading
import tracemalloc
import urllib.request

import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web


class GoodHandler(tornado.web.RequestHandler):
    def get(self):
        self.write("good")


class BadHandler(tornado.web.RequestHandler):
    memory_list = [i for i in range(1000000)]

    def get(self):
        self.write("bad %d" % len(self.memory_list))


def ask(port):
    print(urllib.request.urlopen("http://127.0.0.1:%d/bad" % port, timeout=30).read().decode())
    items = BadHandler.memory_list
    if tracemalloc.is_tracing():
        top = tracemalloc.take_snapshot().statistics("traceback")[0]
        frames = [[f.filename, f.lineno] for f in reversed(top.traceback)]
        print("top", json.dumps([frames, top.count, top.size]))
    print("bytes", sys.getsizeof(items) + sum(map(sys.getsizeof, items)))
    print("ready", flush=True)


sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
server = tornado.httpserver.HTTPServer(
    tornado.web.Application([(r"/", GoodHandler), (r"/bad", BadHandler)]))
server.add_sockets(sockets)
threading.Thread(target=ask, args=(sockets[0].getsockname()[1],), daemon=True).start()
tornado.ioloop.IOLoop.current().start()
