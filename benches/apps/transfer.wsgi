"""Large bodies: an upload is counted, a download of QUERY_STRING bytes is generated."""

import sys

PIECE = 64 * 1024

# Once per interpreter, into the error log: the benchmark checks the mode it measures.
print("bench: gil", getattr(sys, "_is_gil_enabled", lambda: True)(), file=sys.stderr, flush=True)


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


def application(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        answer = count(environ["wsgi.input"])
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
        return [answer]
    size = int(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return pieces(size)
