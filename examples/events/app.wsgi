"""Times requests, lists those under way, and ends a thread of its own in order: all of it by events of mod_wsgi.

    make serve APP=examples/events/app.wsgi
    curl http://127.0.0.1:8000/ & curl http://127.0.0.1:8000/sleep & curl http://127.0.0.1:8000/
"""

import queue
import sys
import threading
import time

import mod_wsgi

FINISHED = queue.SimpleQueue()
SLOW = 0.2


@mod_wsgi.subscribe_events
def follow(name, **event):
    if name == "request_started":
        event["request_data"]["path"] = event["request_environ"]["PATH_INFO"]
    elif name == "request_finished":
        FINISHED.put((event["request_data"]["path"], event["status"], event["application_time"]))


def report():
    """Runs in a thread, so that no request waits for it."""
    while (finished := FINISHED.get()) is not None:
        path, status, seconds = finished
        if seconds > SLOW:
            print(f"slow request: {path} took {seconds:.1f} s and answered {status}", file=sys.stderr)


@mod_wsgi.subscribe_shutdown
def end(name, *, shutdown_reason, **event):
    # Python waits for its threads before it runs exit functions: this is the place to tell them.
    FINISHED.put(None)


threading.Thread(target=report, daemon=False).start()


def application(environ, start_response):
    if environ["PATH_INFO"] == "/sleep":
        time.sleep(2 * SLOW)
    # One that another thread has begun this moment has no path yet: its event comes next.
    paths = sorted(data["path"] for data in mod_wsgi.active_requests.copy().values() if "path" in data)
    body = ("under way: " + " ".join(paths) + "\n").encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
