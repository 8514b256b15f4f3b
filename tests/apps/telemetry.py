"""Requests for telemetry; the path says what one does."""

import gc
import os
import time

import mod_wsgi

RELEASE = os.path.join(os.path.dirname(__file__), "release")
mod_wsgi.start_recording_metrics()


def application(environ, start_response):
    path = environ["PATH_INFO"]
    body = b"done"
    if path == "/hold":
        while not os.path.exists(RELEASE):
            time.sleep(0.02)
    elif path == "/read":
        body = b"%d" % len(environ["wsgi.input"].read())
    elif path == "/collect":
        gc.collect()
    elif path == "/metrics":
        metrics = mod_wsgi.request_metrics()
        body = str(metrics and metrics["request_count"]).encode()
    elif path == "/raise":
        raise ValueError("of a request")
    start_response("404 Not Found" if path == "/missing" else "200 OK", [])
    return [body]
