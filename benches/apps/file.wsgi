"""A file that stands beside the application, through wsgi.file_wrapper."""

import os
import sys

PATH = os.path.join(os.path.dirname(__file__), "one-mib.bin")
LENGTH = str(os.path.getsize(PATH))

# Once per interpreter, into the error log: the benchmark checks the mode it measures.
print("bench: gil", getattr(sys, "_is_gil_enabled", lambda: True)(), file=sys.stderr, flush=True)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", LENGTH)])
    return environ["wsgi.file_wrapper"](open(PATH, "rb"))
