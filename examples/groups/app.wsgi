"""Says which process of which group answers, and how it shares its time."""

import os
import sys
import threading

import mod_wsgi

SERVED = 0
LOCK = threading.Lock()


def gil():
    return "on" if getattr(sys, "_is_gil_enabled", lambda: True)() else "off"


def application(environ, start_response):
    global SERVED
    with LOCK:
        SERVED += 1
        served = SERVED
    lines = [
        f"group    {environ['mod_wsgi.process_group'] or '(httpd itself)'}",
        f"process  {os.getpid()}, one of {mod_wsgi.maximum_processes} with {mod_wsgi.threads_per_process} threads",
        f"GIL      {gil()}",
        f"served   {served} by this process so far",
    ]
    body = ("\n".join(lines) + "\n").encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
