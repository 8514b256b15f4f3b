"""Tells which interpreter and which thread serves, one "key=value" a line."""

import sys
import threading

import mod_wsgi

try:
    from _interpreters import get_current
except ImportError:
    from _xxsubinterpreters import get_current

group_at_load = mod_wsgi.application_group
lock = threading.Lock()
local = threading.local()
requests = 0


def interpreter():
    current = get_current()
    return int(current[0] if isinstance(current, tuple) else current)


def application(environ, start_response):
    global requests
    # Looked up in the interpreter that runs, whichever loaded this module.
    import mod_wsgi

    with lock:
        requests += 1
        count = requests
    local.requests = getattr(local, "requests", 0) + 1
    facts = {
        "group": environ["mod_wsgi.application_group"],
        "group_of_interpreter": mod_wsgi.application_group,
        "group_at_load": group_at_load,
        "interpreter": interpreter(),
        "requests": count,
        "thread": threading.get_ident(),
        "thread_id": environ["mod_wsgi.thread_id"],
        "requests_of_thread": local.requests,
        "multithread": environ["wsgi.multithread"],
        "multiprocess": environ["wsgi.multiprocess"],
        "left_in_sys": getattr(sys, "left_behind", ""),
    }
    sys.left_behind = group_at_load
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["".join(f"{key}={value}\n" for key, value in facts.items()).encode()]
