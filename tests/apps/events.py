"""Notes in the folder NOTES what subscribers are told; the path says what a request does."""

import atexit
import ctypes
import json
import os
import sys
import threading
import time
from urllib.parse import parse_qs

import mod_wsgi

group = mod_wsgi.application_group or "main"
told = []
ending = threading.Event()


def note(*words):
    with open(os.path.join(os.environ["NOTES"], f"{group}.{os.getpid()}"), "a") as notes:
        notes.write(" ".join(map(str, words)) + "\n")


def current_request():
    """What this thread's request is called in its own notes; 'none' without one."""
    try:
        return mod_wsgi.request_data().setdefault("name", "a request")
    except RuntimeError:
        return "none"


# The request that loads this script, if one does.
loaded_for = current_request()


@mod_wsgi.subscribe_events
def request(name, **payload):
    if name.startswith("process_"):
        note("all", name)
    else:
        told.append((name, payload))


@mod_wsgi.subscribe_shutdown
def stopping(name, /, *, shutdown_reason, **others):
    assert not others, others
    here = threading.current_thread() is threading.main_thread() or group != "main"
    note(name, shutdown_reason or "-", "on the main thread" if here else "elsewhere", "for", current_request())
    ending.set()


@mod_wsgi.subscribe_signals
def signal(name, /, *, signame, signum, **others):
    assert not others, others
    thread = threading.current_thread()
    here = thread is threading.main_thread() or thread.ident in serving
    note(name, signame, signum, "on a thread that serves" if here else "apart", "for", current_request())


serving = set()


def plain(environ):
    return "done"


def pid(environ):
    return f"{os.getpid()}"


def events(environ):
    """The events so far, of this request and those before it, without what is no JSON."""
    return json.dumps([(name, payload) for name, payload in told], default=lambda value: type(value).__name__)


def including(environ, start_response):
    """A page of which a filter of httpd makes another request, in the middle of this one."""
    mine = mod_wsgi.request_data()
    assert list(mod_wsgi.active_requests.values()) == [mine]
    write = start_response("200 OK", [("Content-Type", "text/html")])
    write(b'before <!--#include virtual="/main/active"--> between')
    assert mod_wsgi.request_data() is mine
    assert list(mod_wsgi.active_requests.values()) == [mine]
    print("still this request", file=sys.stderr)
    return [b" after"]


def names(environ):
    return " ".join(name for name, payload in told)


def loaded(environ):
    return loaded_for


def spoil(environ):
    """Subscribers that fail, before the others."""

    def fail(name, **payload):
        raise KeyError(f"in {name}")

    def leave(name, **payload):
        raise SystemExit(3)

    mod_wsgi.event_callbacks[:0] = [fail, leave]
    return "done"


def active(environ):
    """How many requests of this interpreter run, and whether each has a dictionary."""
    mod_wsgi.request_data()["path"] = environ["PATH_INFO"]
    mine = mod_wsgi.active_requests[environ["mod_wsgi.request_id"]]
    assert mine is mod_wsgi.request_data()
    return " ".join(sorted(data.get("path", "-") for data in mod_wsgi.active_requests.copy().values()))


def churn(environ):
    """A thread has subscribers come and go, and looks at the requests, until "release" is there."""

    def callback(name, **payload):
        mod_wsgi.request_data()[name] = payload["request_id"]
        return {"more": name}

    def run():
        while not os.path.exists(os.path.join(os.environ["NOTES"], "release")):
            for _ in range(100):
                mod_wsgi.subscribe_events(callback)
                assert all(type(data) is dict for data in mod_wsgi.active_requests.copy().values())
                mod_wsgi.event_callbacks.remove(callback)
        note("churned")

    threading.Thread(target=run, daemon=False).start()
    return "done"


def blocked(environ):
    """Waits until the file "release" is there."""
    mod_wsgi.request_data()["path"] = environ["PATH_INFO"]
    note("blocked")
    while not os.path.exists(os.path.join(os.environ["NOTES"], "release")):
        time.sleep(0.005)
    return "done"


def end_of_process(environ):
    """A thread and an exit function, which come after the event."""

    def run():
        ending.wait()
        time.sleep(0.1)
        note("thread ended")

    # Threads of httpd are daemons in the eyes of threading, and would hand that on.
    threading.Thread(target=run, daemon=False).start()
    atexit.register(note, "exit function")
    return f"{os.getpid()}"


def until_the_end(environ):
    """Runs when the process is told to end, and a moment longer."""
    note("blocked")
    ending.wait()
    time.sleep(0.3)
    note("request ended")
    return f"{os.getpid()}"


def never_told(environ):
    """A subscriber from which no one comes back."""
    mod_wsgi.subscribe_shutdown(lambda name, **payload: threading.Event().wait())
    return f"{os.getpid()}"


def never_signalled(environ):
    mod_wsgi.subscribe_signals(lambda name, **payload: (note("signalled"), threading.Event().wait()))
    return f"{os.getpid()}"


def failing_ends(environ):
    def fail(name, **payload):
        raise ValueError(f"in {name}")

    def leave(name, **payload):
        raise SystemExit(3)

    mod_wsgi.event_callbacks[:0] = [fail, leave]
    return f"{os.getpid()}"


def spin(environ):
    while True:
        time.sleep(0.01)


def burn(environ):
    until = time.thread_time() + 0.2
    while time.thread_time() < until:
        pass
    return f"{os.getpid()}"


def hold(environ):
    """A call of C that keeps Python to itself for some seconds."""
    ctypes.PyDLL(None).sleep(3)
    return "done"


def application(environ, start_response):
    serving.add(threading.get_ident())
    name = environ["PATH_INFO"].strip("/")
    if name == "including":
        return including(environ, start_response)
    body = globals()[name](environ).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
