"""Shows whether two requests run Python code at the same moment."""

import sys
import threading
import time

# Under a GIL a thread that never waits keeps it for this long.
sys.setswitchinterval(600)

ROUNDS = 50
barrier = threading.Barrier(2)
turns = [0, 0]


def meet(mine):
    """Both have to be under way to pass."""
    barrier.wait(5)
    return "met"


def volley(mine):
    """Two threads answer each other's turns without ever waiting for anything but memory."""
    turns[mine] = 0
    barrier.wait(5)
    limit = time.monotonic() + 2
    for turn in range(1, ROUNDS + 1):
        turns[mine] = turn
        while turns[1 - mine] < turn:
            if time.monotonic() > limit:
                return f"alone since turn {turn}"
    return "played"


def application(environ, start_response):
    what, mine = environ["PATH_INFO"].strip("/").split("/")
    answer = {"meet": meet, "volley": volley}[what](int(mine))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer.encode()]
