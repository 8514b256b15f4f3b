"""Ways to fail; the path names the function that answers."""

import io
import os
import sys
import tempfile

PLAIN = [("Content-Type", "text/plain"), ("X-App", "1")]
closed = []


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


# Before anything was sent.


def raises(environ, start_response):
    raise ValueError("before start_response")


def raises_after_start_response(environ, start_response):
    start_response("200 OK", PLAIN)
    raise ValueError("after start_response")


def raises_on_first_item(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b""
    raise ValueError("on the first item")


def raises_after_empty_write(environ, start_response):
    write = start_response("200 OK", PLAIN + [("Content-Length", "5")])
    write(b"")
    raise ValueError("after an empty write")


def exits(environ, start_response):
    sys.exit("leaving")


def interrupts(environ, start_response):
    raise KeyboardInterrupt


def generator_exit(environ, start_response):
    raise GeneratorExit


def stop_iteration(environ, start_response):
    raise StopIteration


def returns_none(environ, start_response):
    start_response("200 OK", PLAIN)


def returns_number(environ, start_response):
    start_response("200 OK", PLAIN)
    return 5


def returns_str(environ, start_response):
    start_response("200 OK", PLAIN)
    return "text"


def returns_bytes(environ, start_response):
    start_response("200 OK", PLAIN)
    return b"text"


def yields_str(environ, start_response):
    start_response("200 OK", PLAIN)
    return ["text"]


def second_item_is_str(environ, start_response):
    start_response("200 OK", PLAIN)
    return [b"not sent yet", "text"]


def yields_bytearray(environ, start_response):
    start_response("200 OK", PLAIN)
    return [bytearray(b"text")]


def yields_none(environ, start_response):
    start_response("200 OK", PLAIN)
    return [None]


def iter_fails(environ, start_response):
    start_response("200 OK", PLAIN)

    class Body:
        def __iter__(self):
            raise ValueError("in __iter__")

        def close(self):
            closed.append("iter_fails")

    return Body()


def chained(environ, start_response):
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError("the consequence") from error


def exception_group(environ, start_response):
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])


def unprintable(environ, start_response):
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    raise Odd


def close_fails(environ, start_response):
    start_response("200 OK", PLAIN)

    class Body(list):
        def close(self):
            raise ValueError("in close()")

    return Body([b"whole"])


# After bytes were sent.


def sends_and_raises(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"so far"
    raise ValueError("half-way")


def sends_and_raises_with_length(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "100")])
    yield b"so far"
    raise ValueError("half-way")


def sends_all_and_raises(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "3")])
    yield b"all"
    raise ValueError("after the last byte")


def writes_and_raises(environ, start_response):
    start_response("200 OK", PLAIN)(b"so far")
    raise ValueError("half-way")


def sends_and_yields_str(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"so far"
    yield "text"


def sends_and_exits(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"so far"
    sys.exit(3)


def short(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "10")])
    return [b"so far"]


def short_by_everything(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "10")])
    return []


def child_dies(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"so far"
    os._exit(7)


def fine(environ, start_response):
    start_response("200 OK", PLAIN)
    return [b"fine"]


def what_was_closed(environ, start_response):
    start_response("200 OK", PLAIN)
    return [",".join(closed).encode()]


# A client that leaves.


def endless(environ, start_response):
    start_response("200 OK", PLAIN)

    class Body:
        def __iter__(self):
            return self

        def __next__(self):
            return b"x" * 65536

        def close(self):
            closed.append("endless")

    return Body()


def endless_write(environ, start_response):
    write = start_response("200 OK", PLAIN)
    try:
        while True:
            write(b"x" * 65536)
    except OSError:
        closed.append("OSError")
        raise


def reads(environ, start_response):
    try:
        body = environ["wsgi.input"].read()
    except OSError:
        closed.append("OSError")
        raise
    start_response("200 OK", PLAIN)
    return [body]


def long_file(environ, start_response):
    class File(io.FileIO):
        def close(self):
            if not self.closed:
                closed.append("file")
            super().close()

    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    os.truncate(descriptor, 1 << 30)
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](File(descriptor))
