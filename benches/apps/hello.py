"""The smallest application: the same 13 bytes that the null handler answers."""

import sys

# Once per interpreter, into the error log: the benchmark checks the mode it measures.
print("bench: gil", getattr(sys, "_is_gil_enabled", lambda: True)(), file=sys.stderr, flush=True)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, World!"]
