"""Reads in one thread and answers in another."""

import contextlib
import gc
import os
import threading

# What became of the last read in a thread.
outcome = []
ended = threading.Event()


def read_in_thread(environ, size=-1):
    outcome.clear()
    ended.clear()

    def read():
        try:
            outcome.append(environ["wsgi.input"].read(size))
        except Exception as error:  # What it is depends on how the request ends.
            outcome.append(error)
        ended.set()

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def ticks(environ, start_response):
    """Writes and logs while another thread waits for the body."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    thread = read_in_thread(environ)
    for number in range(3):
        print(f"tick {number}", file=environ["wsgi.errors"])
        yield f"tick {number}\n".encode()
    thread.join()
    yield b"read %d bytes\n" % len(outcome[0])


def echo(environ, start_response):
    """Gives back each byte as soon as it is there."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    for byte in iter(lambda: environ["wsgi.input"].read(1), b""):
        yield byte


def download(environ, start_response):
    """Writes much in another thread, for a client that does not read."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])

    def send():
        with contextlib.suppress(OSError):  # The client goes away in the end.
            for _ in range(64):
                write(b"x" * (1 << 20))

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    return []


def answer(environ, start_response):
    """Answers while another thread still waits for the body."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    read_in_thread(environ)
    return [b"answer"]


def answer_in_pieces(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    read_in_thread(environ)
    return iter([b"ans", b"wer"])


def deaf(environ, start_response):
    """Does not read the body."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"ans", b"wer"])


def deaf_list(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"answer"]


def half(environ, start_response):
    """Reads a part of the body."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read(3)]


def reader(environ, start_response):
    """What became of the thread that read."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(ended.wait(20)).encode(), b" ", repr(outcome).encode()]


def collect(environ, start_response):
    """A collection of garbage, which without the GIL stops all threads."""
    gc.collect()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)
