"""Takes its time to load, and notes each load in the folder that NOTES names.

With WAIT_FOR set, loading lasts until that file is there.
"""

import os
import time

import mod_wsgi

try:
    from _interpreters import get_current
except ImportError:
    from _xxsubinterpreters import get_current

with open(os.path.join(os.environ["NOTES"], "loads"), "a") as loads:
    loads.write(f"{mod_wsgi.application_group}\n")

if awaited := os.environ.get("WAIT_FOR"):
    limit = time.monotonic() + 8
    while not os.path.exists(awaited) and time.monotonic() < limit:
        time.sleep(0.005)
else:
    time.sleep(0.03)


def application(environ, start_response):
    current = get_current()
    interpreter = current[0] if isinstance(current, tuple) else current
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"group={mod_wsgi.application_group}\ninterpreter={int(interpreter)}\n".encode()]
