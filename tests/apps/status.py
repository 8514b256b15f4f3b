"""Ends its requests in all the ways that are counted. Folder NOTES holds what it has begun and what it waits for."""

import gc
import importlib
import os
import signal
import threading
import time

TEXT = [("Content-Type", "text/plain")]


def note(text, number=None):
    with open(os.path.join(os.environ["NOTES"], f"{text}.{number or os.getpid()}"), "a") as notes:
        notes.write("x")


def wait(environ, start_response):
    note("thread", threading.get_native_id())
    note("waiting")
    limit = time.monotonic() + 30
    while not os.path.exists(os.path.join(os.environ["NOTES"], "release")) and time.monotonic() < limit:
        time.sleep(0.005)
    return plain(environ, start_response)


def plain(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "4")])
    return [b"done"]


def garbage(environ, start_response):
    gc.collect()
    return plain(environ, start_response)


def extension(environ, start_response):
    importlib.import_module(environ["QUERY_STRING"])
    return plain(environ, start_response)


def missing(environ, start_response):
    start_response("404 Not Found", TEXT)
    return [b"no"]


def moved(environ, start_response):
    start_response("302 Found", [*TEXT, ("Location", "http://localhost/elsewhere")])
    return [b"there"]


def inside(environ, start_response):
    """A daemon has httpd answer with another resource, which there is not."""
    start_response("200 OK", [*TEXT, ("Location", "/there/missing")])
    return [b"elsewhere"]


def broken(environ, start_response):
    raise ValueError("on purpose")


def cut(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"so far"
    raise ValueError("half-way")


def die(environ, start_response):
    os.kill(os.getpid(), signal.SIGKILL)


def fork(environ, start_response):
    """A copy of the process that comes back from the application must not count anything."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return plain(environ, start_response)
    os._exit(0)


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].split("/")[1]](environ, start_response)
