"""Says in which process group and interpreter it runs, and whether there is a GIL."""

import os
import sys


def application(environ, start_response):
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    lines = [
        f"group        {environ['mod_wsgi.process_group'] or '(httpd itself)'}",
        f"interpreter  {environ['mod_wsgi.application_group'] or '(main)'}",
        f"GIL          {'on' if gil else 'off'}",
        f"process      {os.getpid()}",
    ]
    body = ("\n".join(lines) + "\n").encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
