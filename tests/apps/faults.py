"""Does what the path says. What it waits for and what it has begun are files in the folder NOTES."""

import ctypes
import os
import resource
import sys
import threading
import time

TEXT = ("Content-Type", "text/plain")


def note(text):
    with open(os.path.join(os.environ["NOTES"], f"{text}.{os.getpid()}"), "a") as notes:
        notes.write("x")


def wait():
    """Until the file "release" is there."""
    limit = time.monotonic() + 30
    while not os.path.exists(os.path.join(os.environ["NOTES"], "release")) and time.monotonic() < limit:
        time.sleep(0.005)


def answer(start_response, body):
    start_response("200 OK", [TEXT, ("Content-Length", str(len(body)))])
    return [body]


def plain(environ, start_response):
    return answer(start_response, b"done")


def pid(environ, start_response):
    return answer(start_response, str(os.getpid()).encode())


def short(environ, start_response):
    """Takes a moment, so that some are under way at any time."""
    time.sleep(0.02)
    return answer(start_response, b"done")


def blocked(environ, start_response):
    note("blocked")
    wait()
    return answer(start_response, b"done")


def hold(environ, start_response):
    """Keeps Python to itself, and notes it when it does."""
    library = ctypes.PyDLL(None)
    path = os.path.join(os.environ["NOTES"], f"holding.{os.getpid()}").encode()
    sys.setswitchinterval(3600)
    library.close(library.creat(path, 0o644))
    library.sleep(60)


kept = []
SIZES = [1 << power for power in range(24, 5, -1)]


def fill(environ, start_response):
    """Keeps all memory there is until something is written to the pipe "free"."""
    pipe = os.open(os.path.join(os.environ["NOTES"], "free"), os.O_RDWR)

    def free():
        try:
            os.read(pipe, 1)
        finally:
            kept.clear()

    threading.Thread(target=free).start()
    for size in SIZES:
        try:
            while True:
                kept.append(bytearray(size))
        except MemoryError:
            pass
    return answer(start_response, b"full")


def meet(environ, start_response):
    """Waits until three requests are here at once."""
    note("meeting")
    limit = time.monotonic() + 8
    while os.path.getsize(os.path.join(os.environ["NOTES"], f"meeting.{os.getpid()}")) < 3:
        if time.monotonic() > limit:
            return answer(start_response, b"alone")
        time.sleep(0.005)
    return answer(start_response, b"met")


def chunked(environ, start_response):
    start_response("200 OK", [TEXT])
    yield b"so far"
    note("sent")
    wait()
    yield b", and the rest"


def sized(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", "20")])
    yield b"so far"
    note("sent")
    wait()
    yield b", and the rest"


def upload(environ, start_response):
    first = environ["wsgi.input"].read(10)
    note("reading")
    return answer(start_response, first + environ["wsgi.input"].read())


def deaf(environ, start_response):
    """Answers at length and does not read what it is sent."""
    return answer(start_response, b"x" * 3_000_000)


def large(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", str(200 << 20))])
    block = b"x" * 65536
    return (block for _ in range((200 << 20) // len(block)))


class Endless:
    """A response without end, which notes that it was closed."""

    def __iter__(self):
        return self

    def __next__(self):
        time.sleep(0.002)
        return b"x" * 1000

    def close(self):
        note("closed")


def endless(environ, start_response):
    note("endless")
    start_response("200 OK", [TEXT])
    return Endless()


def hoard(environ, start_response):
    """Leaves this process no descriptor until it is released."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = []
    with open(os.path.join(os.environ["NOTES"], f"hoard.{os.getpid()}"), "a") as notes:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
        try:
            while True:
                files.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            notes.write("x")
            notes.flush()
        wait()
    for file in files:
        os.close(file)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    return answer(start_response, b"done")


def frugal(environ, start_response):
    """Gets by with few descriptors from here on."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
    return answer(start_response, b"done")


def leave(environ, start_response):
    os._exit(0)


def peak(environ, start_response):
    """The most memory that this process ever had, in KiB."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return answer(start_response, line.split()[1].encode())


def application(environ, start_response):
    return getattr(sys.modules[__name__], environ["PATH_INFO"].strip("/"))(environ, start_response)
