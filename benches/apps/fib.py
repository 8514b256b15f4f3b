"""Work for the processor, all of it Python: no wait, no C extension."""

import sys

# Once per interpreter, into the error log: the benchmark checks the mode it measures.
print("bench: gil", getattr(sys, "_is_gil_enabled", lambda: True)(), file=sys.stderr, flush=True)


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def application(environ, start_response):
    body = b"%d" % fib(17)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
