"""Ways to use the write callable; the path names the function that answers."""

import threading

HEADERS = [("Content-Type", "text/plain")]
released = threading.Event()


def application(environ, start_response):
    headers = list(HEADERS)
    if "HTTP_X_LENGTH" in environ:
        headers.append(("Content-Length", environ["HTTP_X_LENGTH"]))
    write = start_response("200 OK", headers)
    return globals()[environ["PATH_INFO"].strip("/")](write, start_response)


def only_written(write, start_response):
    write(b"one")
    write(b"")
    write(b"three")
    return []


def written_and_returned(write, start_response):
    write(b"one")
    return [b"three", b"5"]


def written_in_the_body(write, start_response):
    yield b"one"
    write(b"three")
    yield b"5"


def step_by_step(write, start_response):
    write(b"first")
    released.wait(10)
    write(b"second")
    return []


def release(write, start_response):
    released.set()
    return [b"released"]


def outcomes(write, start_response):
    class Derived(bytes):
        pass

    outcome = []
    for arguments in ((Derived(b"x"),), (bytearray(b"x"),), (memoryview(b"x"),), ("x",), (None,), (), (b"x", b"x")):
        try:
            outcome.append(repr(write(*arguments)))
        except Exception as error:
            outcome.append(type(error).__name__)
    try:
        write(data=b"x")
    except TypeError:
        outcome.append("TypeError")
    return [" ".join(outcome).encode()]


def an_empty_write_settles_the_headers(write, start_response):
    write(b"")
    try:
        start_response("500 Too Late", [])
    except RuntimeError:
        return [b"RuntimeError"]
    return [b"no exception"]


def too_much(write, start_response):
    for number in range(5):
        write(b"%d" % number)
    return [b"more"]
