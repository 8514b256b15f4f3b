"""Large bodies: an upload is counted; a download comes as the path says."""

import os
import sys

# Once per interpreter, into the error log: the benchmark checks the mode it measures.
print("bench: gil", getattr(sys, "_is_gil_enabled", lambda: True)(), file=sys.stderr, flush=True)

PIECE = 64 * 1024
LARGE = 10 * 1024 * 1024
FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "large.bin")

BLOCK = bytes(LARGE)
SMALL_BLOCKS = [bytes(50)] * 20_000
ONE_SMALL = bytes(50 * 20_000)


def count(body):
    received = 0
    while piece := body.read(PIECE):
        received += len(piece)
    return b"%d" % received


def pieces(size):
    while size > 0:
        # A new object each time: a piece that is kept somewhere shows in the memory.
        yield bytes(min(PIECE, size))
        size -= PIECE


def read_in_pieces(file, size):
    with file:
        while piece := file.read(size):
            yield piece


def body_for(environ):
    """The body, and its length if the application tells it."""
    path = environ["PATH_INFO"]
    if path == "/block":
        return [BLOCK], LARGE
    if path == "/small-blocks":
        return SMALL_BLOCKS, len(ONE_SMALL)
    if path == "/one-small":
        return [ONE_SMALL], len(ONE_SMALL)
    if path == "/file":
        # PEP 3333 leaves it to the server whether there is a wrapper.
        return environ.get("wsgi.file_wrapper", read_in_pieces)(open(FILE, "rb"), PIECE), LARGE
    return pieces(int(environ["QUERY_STRING"] or LARGE)), None


def application(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        answer = count(environ["wsgi.input"])
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
        return [answer]
    body, length = body_for(environ)
    headers = [("Content-Type", "application/octet-stream")]
    if length is not None:
        headers.append(("Content-Length", str(length)))
    start_response("200 OK", headers)
    return body
