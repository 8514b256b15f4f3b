"""Says which process, thread and interpreter answer, and whether they hold a GIL.

    make serve
    curl http://127.0.0.1:8000/
"""

import os
import sys
import threading


def application(environ, start_response):
    group = environ["mod_wsgi.application_group"]
    lines = [
        "Hello from Python " + sys.version.split()[0],
        f"process      {os.getpid()}",
        f"thread       {threading.get_native_id()}",
        "interpreter  " + (group or "main"),
        "GIL          " + ("on: one thread runs Python at a time" if holds_gil() else "off: threads run in parallel"),
    ]
    body = ("\n".join(lines) + "\n").encode()
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


def holds_gil():
    # Before 3.13 every Python has one, and nothing to ask.
    return getattr(sys, "_is_gil_enabled", lambda: True)()
