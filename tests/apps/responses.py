"""Responses on their way through httpd's filters; the path names the function that answers."""

import os
import sys

counts = {}


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    counts[name] = counts.get(name, 0) + 1
    return globals()[name](environ, start_response)


# For caches: what is whole may be kept for an hour, what is not may not.

KEPT = [("Content-Type", "text/html"), ("Cache-Control", "max-age=3600")]


def whole(environ, start_response):
    start_response("200 OK", [*KEPT, ("Content-Length", "6")])
    return [b"call %d" % counts["whole"]]


def raises(environ, start_response):
    start_response("200 OK", KEPT)
    yield b"so far"
    raise ValueError("half-way")


def exits(environ, start_response):
    start_response("200 OK", KEPT)
    yield b"so far"
    sys.exit("half-way")


def yields_str(environ, start_response):
    start_response("200 OK", KEPT)
    yield b"so far"
    yield "text"


def writes(environ, start_response):
    start_response("200 OK", KEPT)(b"so far")
    raise ValueError("half-way")


def short(environ, start_response):
    start_response("200 OK", [*KEPT, ("Content-Length", "10")])
    return [b"so far"]


def short_file(environ, start_response):
    start_response("200 OK", [*KEPT, ("Content-Length", "1000000")])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


def raises_at_the_end(environ, start_response):
    start_response("200 OK", [*KEPT, ("Content-Length", "6")])
    yield b"call %d" % counts["raises_at_the_end"]
    raise ValueError("at the end")


def dies(environ, start_response):
    start_response("200 OK", KEPT)
    yield b"so far"
    os._exit(7)


def recovers(environ, start_response):
    """Fails at the first call, and half-way at the second."""
    call = counts["recovers"]
    if call == 1:
        raise ValueError("at once")
    start_response("200 OK", KEPT)
    yield b"call %d" % call
    if call == 2:
        raise ValueError("half-way")


# For filters that make the body, or change it.

ROOT = os.path.dirname(os.path.dirname(__file__))


def sends_file(environ, start_response):
    """X-Sendfile as Werkzeug and Django send it; the query says what else is given."""
    headers = [("Content-Type", "text/plain"), ("X-Sendfile", f"{ROOT}/data")]
    query = environ["QUERY_STRING"].split(",")
    if "missing" in query:
        headers[1] = ("X-Sendfile", f"{ROOT}/missing")
    if "length" in query:
        headers.append(("Content-Length", str(os.path.getsize(f"{ROOT}/data"))))
    start_response("200 OK", headers)
    if "body" in query:
        return [b"of the application"]
    if "blocks" in query:
        return iter([b"of the ", b"application"])
    return []


def counted(environ, start_response):
    """Twenty bytes, in the way that the query names."""
    body = b"0123456789abcdefghij"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "20"), ("ETag", '"a"')])
    way = environ["QUERY_STRING"]
    if way == "blocks":
        return iter([body[:5], body[5:]])
    return [body]


def own_part(environ, start_response):
    headers = [("Content-Type", "text/plain"), ("Content-Length", "4"), ("Content-Range", "bytes 0-3/20")]
    start_response("206 Partial Content", headers)
    return [b"0123"]


def file(environ, start_response):
    headers = [("Content-Type", "text/plain")]
    if environ["QUERY_STRING"] == "refuses":
        headers.append(("Accept-Ranges", "none"))
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](open(f"{ROOT}/data", "rb"))


def long_line(environ, start_response):
    """A line that is too long for mod_substitute; the query says what comes before and how."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    line = b"x" * 3_000_000
    way = environ["QUERY_STRING"]
    if way == "late":
        return iter([b"so far\n", line])
    if way == "writes":
        return writes_line(start_response, line)
    return [line]


def writes_line(start_response, line):
    start_response("200 OK", [("Content-Type", "text/plain")])(line)
    return []


def text(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [] if environ["QUERY_STRING"] == "nothing" else [b"given"]


def many(environ, start_response):
    """A million bytes, as the query says."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    blocks = [b"x" * 50] * 20_000
    ways = {"list": list, "tuple": tuple, "one": lambda blocks: [b"".join(blocks)], "made": lambda blocks: iter(blocks[:100])}
    return ways[environ["QUERY_STRING"]](blocks)


def mixed(environ, start_response):
    """Small blocks, large ones and empty ones; with a length that the query names."""
    headers = [("Content-Type", "text/plain")]
    if environ["QUERY_STRING"]:
        headers.append(("Content-Length", environ["QUERY_STRING"]))
    start_response("200 OK", headers)
    return [b"a" * 10, b"", b"b" * 70_000, b"c" * 65_530, b"d" * 10, b"", b"e" * 200_000, b"f"]


def plain(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"plain"]


def fails(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-App", "1")])
    raise ValueError("at once")
