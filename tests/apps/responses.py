"""Responses on their way through httpd's filters; the path names the function that answers."""

import os
import sys

counts = {}


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    counts[name] = counts.get(name, 0) + 1
    return globals()[name](environ, start_response)


# For caches: what is whole may be kept for an hour, what is not may not.

KEPT = [("Content-Type", "text/html"), ("Cache-Control", "max-age=3600")]


def whole(environ, start_response):
    start_response("200 OK", [*KEPT, ("Content-Length", "6")])
    return [b"call %d" % counts["whole"]]


def raises(environ, start_response):
    start_response("200 OK", KEPT)
    yield b"so far"
    raise ValueError("half-way")


def exits(environ, start_response):
    start_response("200 OK", KEPT)
    yield b"so far"
    sys.exit("half-way")


def yields_str(environ, start_response):
    start_response("200 OK", KEPT)
    yield b"so far"
    yield "text"


def writes(environ, start_response):
    start_response("200 OK", KEPT)(b"so far")
    raise ValueError("half-way")


def short(environ, start_response):
    start_response("200 OK", [*KEPT, ("Content-Length", "10")])
    return [b"so far"]


def short_file(environ, start_response):
    start_response("200 OK", [*KEPT, ("Content-Length", "1000000")])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


def raises_at_the_end(environ, start_response):
    start_response("200 OK", [*KEPT, ("Content-Length", "6")])
    yield b"call %d" % counts["raises_at_the_end"]
    raise ValueError("at the end")


def dies(environ, start_response):
    start_response("200 OK", KEPT)
    yield b"so far"
    os._exit(7)


def recovers(environ, start_response):
    """Fails at the first call, and half-way at the second."""
    call = counts["recovers"]
    if call == 1:
        raise ValueError("at once")
    start_response("200 OK", KEPT)
    yield b"call %d" % call
    if call == 2:
        raise ValueError("half-way")
