"""An application that exercises everything, watched by wsgiref's validator."""

import io
import tempfile
from wsgiref.validate import validator

HEADERS = [("Content-Type", "text/plain")]


def inner(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/") or "simple"](environ, start_response)


application = validator(inner)


def simple(environ, start_response):
    start_response("200 OK", HEADERS)
    return [b"simple"]


def reads(environ, start_response):
    stream = environ["wsgi.input"]
    parts = [stream.read(3), stream.readline(), stream.readlines(5)[0], next(iter(stream)), stream.read(-1)]
    start_response("200 OK", HEADERS)
    return [b"|".join(parts)]


def writes(environ, start_response):
    write = start_response("200 OK", HEADERS)
    write(b"written ")
    environ["wsgi.errors"].write("noted\n")
    environ["wsgi.errors"].writelines(["listed\n"])
    environ["wsgi.errors"].flush()
    return [b"returned"]


def generates(environ, start_response):
    start_response("200 OK", HEADERS)
    yield b"one "
    yield b""
    yield b"two"


def replaces(environ, start_response):
    import sys

    start_response("200 OK", HEADERS)
    try:
        raise ValueError("replaced")
    except ValueError:
        start_response("500 Replaced", HEADERS, sys.exc_info())
    return [b"replaced"]


def wraps(environ, start_response):
    start_response("200 OK", HEADERS)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"wrapped"))


def wraps_file(environ, start_response):
    file = tempfile.TemporaryFile()
    file.write(b"from a file")
    file.seek(5)
    start_response("200 OK", HEADERS)
    return environ["wsgi.file_wrapper"](file)


def no_content(environ, start_response):
    start_response("204 No Content", [("X-App", "1")])
    return []
