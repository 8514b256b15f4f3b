"""Does what the path says, and notes in the folder NOTES what happens at the end."""

import atexit
import os
import sys
import threading
import time

import mod_wsgi

name = mod_wsgi.application_group or "main"


def note(text):
    with open(os.path.join(os.environ["NOTES"], f"{name}.{os.getpid()}"), "a") as notes:
        notes.write(text + "\n")


def exit_function():
    """An exit function that notes itself."""
    atexit.register(note, "exit function")


def exit_function_fails():
    """One that raises; the others run nevertheless."""
    atexit.register(note, "exit function after a failure")

    def fail():
        raise ValueError("in an exit function")

    atexit.register(fail)


def exit_function_lasts():
    """One that lasts longer than httpd waits before it sends another signal."""

    def last():
        note("exit function begins")
        time.sleep(3.5)
        note("exit function ends")

    atexit.register(last)


def thread():
    """A thread that ends by itself a little later than the process is told to."""

    def run():
        main = threading.main_thread()
        while main.is_alive() and not stopping():
            time.sleep(0.01)
        time.sleep(0.1)
        note("thread ended")

    # Threads of httpd are daemons in the eyes of threading, and would hand that on.
    threading.Thread(target=run, daemon=False).start()


def stopping():
    return os.path.exists(os.path.join(os.environ["NOTES"], "stopping"))


def endless_thread():
    """A thread that is no daemon and waits for something that never comes."""
    threading.Thread(target=threading.Event().wait, daemon=False).start()


def busy_daemon():
    """Daemon threads that never rest, in Python code and in and out of the interpreter."""

    def count():
        number = 0
        while True:
            number += len([number])

    def sleep():
        while True:
            time.sleep(0.0001)

    for target in (count, sleep, sleep):
        threading.Thread(target=target, daemon=True).start()


def printing_daemon():
    """A daemon thread that keeps using the streams without writing a line."""

    def run():
        while True:
            sys.stderr.write("")
            sys.stderr.flush()
            time.sleep(0.0005)

    threading.Thread(target=run, daemon=True).start()


def slow():
    """Takes a second."""
    time.sleep(1)


def blocked():
    """Waits until the file "release" is there."""
    note("blocked")
    limit = time.monotonic() + 8
    while not os.path.exists(os.path.join(os.environ["NOTES"], "release")) and time.monotonic() < limit:
        time.sleep(0.005)


def plain():
    pass


def application(environ, start_response):
    globals()[environ["PATH_INFO"].strip("/")]()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"done"]
