"""Echoes and streams; counts how its requests end."""

import itertools
import threading

lock = threading.Lock()
counts = {"begun": 0, "closed": 0, "cut": 0}


def count(what):
    with lock:
        counts[what] += 1


class Body:
    """Pieces of a body; close() is what PEP 3333 promises in any case."""

    def __init__(self, pieces):
        self.pieces = pieces

    def __iter__(self):
        return self.pieces

    def close(self):
        count("closed")


def pieces_of(read):
    try:
        while piece := read(65536):
            yield piece
    except OSError:
        # The client left while it was sending.
        count("cut")


def numbered(total):
    for number in range(total // 16):
        yield b"%015d\n" % number


def large(total):
    """The numbered lines in pieces of 64 KiB."""
    lines = numbered(total)
    while piece := b"".join(itertools.islice(lines, 4096)):
        yield piece


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/counts":
        start_response("200 OK", [("Content-Type", "text/plain")])
        with lock:
            return [repr(sorted(counts.items())).encode()]
    count("begun")
    if path == "/echo":
        body = pieces_of(environ["wsgi.input"].read)
    elif path == "/store":
        body = iter([b"%d" % sum(map(len, pieces_of(environ["wsgi.input"].read)))])
    else:
        body = large(int(path.strip("/")))
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return Body(body)
