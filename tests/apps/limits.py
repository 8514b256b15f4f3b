"""Requests that take long in one way or another; the path says in which."""

import ctypes
import os
import time
from urllib.parse import parse_qs

import mod_wsgi


def seconds(environ):
    return float(parse_qs(environ["QUERY_STRING"])["seconds"][0])


def fast(environ):
    return f"{os.getpid()}"


def wait(environ):
    """Python that does nothing, for some seconds."""
    time.sleep(seconds(environ))
    return f"{os.getpid()}"


def spin(environ):
    """Python code without an end."""
    while True:
        pass


def burn(environ):
    """So many seconds of CPU time."""
    until = time.thread_time() + seconds(environ)
    while time.thread_time() < until:
        pass
    return f"{os.getpid()}"


def swallow(environ):
    """Pays no heed to exceptions."""
    while True:
        try:
            time.sleep(0.05)
        except mod_wsgi.RequestTimeout:
            pass


def recover(environ):
    """Makes a response of its own out of the exception."""
    try:
        spin(environ)
    except mod_wsgi.RequestTimeout as error:
        return f"recovered, {isinstance(error, Exception)}"


def hold(environ):
    """A call of C that keeps Python to itself."""
    ctypes.PyDLL(None).sleep(60)


def raise_it(environ):
    """The exception is everyone's to raise."""
    raise mod_wsgi.RequestTimeout("by the application")


class Closing:
    """A whole body, and an end that is interrupted."""

    def __iter__(self):
        return iter([b"all"])

    def close(self):
        raise mod_wsgi.RequestTimeout


class Stream:
    """Some of a body, and then no end."""

    def __init__(self, errors):
        self.errors = errors
        self.first = True

    def __iter__(self):
        return self

    def __next__(self):
        if self.first:
            self.first = False
            return b"so far"
        spin(None)

    def close(self):
        print("the stream is closed", file=self.errors)


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if "tell=yes" in environ["QUERY_STRING"]:
        print("begun", file=environ["wsgi.errors"])
    if name == "late":
        start_response("200 OK", [])
        return [b"x" * (32 << 20)]
    if name == "closing":
        start_response("200 OK", [])
        return Closing()
    if name == "stream":
        start_response("200 OK", [])
        return Stream(environ["wsgi.errors"])
    if name == "endless-head":
        start_response("200 OK", [("X-Lost", "yes")])
        spin(environ)
    body = globals()[name](environ).encode()
    start_response("200 OK", [])
    return [body]
