"""Shows whether two interpreters of a process run Python code at the same moment.

They share no objects: each sets its own byte of the file "turns" in the folder
NOTES, which both have mapped. The path says which byte: /any/0 or /any/1.
"""

import mmap
import os
import sys
import time

# Under a GIL a thread that never waits keeps it for this long.
sys.setswitchinterval(600)

ROUNDS = 50

with open(os.path.join(os.environ["NOTES"], "turns"), "r+b") as file:
    turns = mmap.mmap(file.fileno(), 4)


def meet(mine):
    """Waits, and lets other threads run, until both have come."""
    limit = time.monotonic() + 5
    turns[2 + mine] = 1
    while not turns[3 - mine]:
        if time.monotonic() > limit:
            raise TimeoutError("the other did not come")
        time.sleep(0.001)


def volley(mine):
    """Answers the other's turns without ever waiting for anything but memory."""
    limit = time.monotonic() + 2
    for turn in range(1, ROUNDS + 1):
        turns[mine] = turn
        while turns[1 - mine] < turn:
            if time.monotonic() > limit:
                return f"alone since turn {turn}"
    return "played"


def application(environ, start_response):
    mine = int(environ["PATH_INFO"].rpartition("/")[2])
    meet(mine)
    answer = volley(mine)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer.encode()]
