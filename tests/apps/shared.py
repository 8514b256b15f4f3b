"""Requests that several threads of the application work on at the same time."""

import contextlib
import gc
import logging
import queue
import sys
import threading
import time

kept = {}
waiting = []
lines = []
ended = []


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


def plain(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]


def collects(environ, start_response):
    """Stops all threads that are attached to Python."""
    gc.collect()
    return plain(environ, start_response)


def answers_at_once(environ, start_response):
    """Does not look at the body."""
    start_response("200 OK", [])
    return [b"answer"]


def yields_at_once(environ, start_response):
    """The same in blocks."""
    start_response("200 OK", [])
    yield b"ans"
    yield b"wer"


def duplex(environ, start_response):
    """One thread waits for lines of the client, another one sends them back."""
    lines = queue.Queue()

    def read():
        for line in environ["wsgi.input"]:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read).start()
    start_response("200 OK", [])
    yield b"ready\n"
    while (line := lines.get(timeout=60)) is not None:
        yield b"echo " + line
    yield b"bye\n"


def reads_in_a_thread(environ, start_response):
    """Answers while a thread still reads. What became of the read stands in `kept`."""
    began = threading.Event()

    def read():
        began.set()
        try:
            kept["read"] = repr(environ["wsgi.input"].read())
        except Exception as error:
            kept["read"] = type(error).__name__

    kept["read"] = "under way"
    threading.Thread(target=read).start()
    began.wait()
    time.sleep(0.05)
    start_response("200 OK", [])
    return [b"answer"]


def what_was_read(environ, start_response):
    start_response("200 OK", [])
    return [kept["read"].encode()]


def how_many_wait(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % len(waiting)]


def waits_for_client(environ, start_response):
    """A thread reads what the client does not send, and the answer waits for that."""
    outcome = []

    def read():
        waiting.append(environ["PATH_INFO"])
        try:
            outcome.append(environ["wsgi.input"].read(5))
        except Exception as error:
            outcome.append(type(error).__name__.encode())

    thread = threading.Thread(target=read)
    thread.start()
    print("a thread waits for its client", file=environ["wsgi.errors"])
    thread.join()
    start_response("200 OK", [])
    return outcome


def fills_client(environ, start_response):
    """A thread writes more than the client takes; others of the request log meanwhile."""
    write = start_response("200 OK", [])
    errors = environ["wsgi.errors"]
    stop = threading.Event()

    def send():
        waiting.append(environ["PATH_INFO"])
        try:
            for _ in range(64):
                write(b"x" * 1000000)
        except Exception as error:
            kept["write"] = type(error).__name__
        stop.set()

    def log():
        while True:
            errors.write("a thread says something\n")
            lines.append(environ["PATH_INFO"])
            if stop.wait(0.05):
                return

    def read():
        while not stop.wait(0.05):
            with contextlib.suppress(OSError):
                environ["wsgi.input"].read(1)

    threads = [threading.Thread(target=target) for target in (send, log, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended.append(environ["PATH_INFO"])
    return []


def how_many_lines(environ, start_response):
    """How many lines were logged for clients that did not take their response, and for how many of them."""
    start_response("200 OK", [])
    return [b"%d %d" % (len(lines), len(ended))]


def stress(environ, start_response):
    """Two threads read, two log, and this one sends 200 blocks."""
    stream, errors = environ["wsgi.input"], environ["wsgi.errors"]
    counts = []

    def read():
        count = 0
        try:
            while data := stream.read(97):
                count += len(data)
        except Exception as error:
            count = type(error).__name__
        counts.append(count)

    def log():
        for number in range(15):
            errors.write("a thread says something\n")

    threads = [threading.Thread(target=target) for target in (read, read, log, log)]
    start_response("200 OK", [])
    for thread in threads:
        thread.start()
    try:
        for number in range(200):
            yield b"%03d" % number + b"x" * 697
    finally:
        for thread in threads:
            thread.join()
    yield b"read " + (b"%d" % sum(counts) if all(isinstance(count, int) for count in counts) else repr(counts).encode())


def logs_for_ever(environ, start_response):
    """Threads that log as long as the process lives, also after the request."""
    errors = environ["wsgi.errors"]

    def log():
        while True:
            try:
                errors.write("a thread says something\n")
            except RuntimeError:
                pass
            sys.stderr.write("a thread says something\n")
            logging.getLogger().error("a thread says something")
            time.sleep(0.0005)

    for _ in range(4):
        threading.Thread(target=log, daemon=True).start()
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]
