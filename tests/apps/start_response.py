"""Ways to call start_response; the path names the function that answers."""

import sys
from urllib.parse import unquote


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


def all_of_it(environ, start_response):
    headers = [
        ("Content-Type", "text/plain; charset=latin-1"),
        ("X-First", "1"),
        ("Set-Cookie", "a=1; Path=/"),
        ("Set-Cookie", "b=2; Path=/"),
        ("X-Mixed-Case", "  padded\tinside"),
        ("X-Empty", ""),
        ("X-Latin", "\xe9"),
        ("WWW-Authenticate", "Basic realm=a"),
        ("WWW-Authenticate", "Negotiate"),
        ("Location", "/elsewhere"),
        ("Last-Modified", "not a date"),
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ]
    start_response("299 Very Own", headers)
    # What is sent is what was said.
    headers.append(("X-Late", "1"))
    return [b"body"]


def status(environ, start_response):
    start_response(environ["HTTP_X_STATUS"], [("Content-Length", "0")])
    return []


def header(environ, start_response):
    name, _, value = unquote(environ["HTTP_X_PAIR"], "latin-1").partition("|")
    headers = [(name, value)]
    if "HTTP_X_LENGTH" in environ:
        headers.append(("Content-Length", environ["HTTP_X_LENGTH"]))
    start_response("200 OK", headers)
    return [b"the application's"]


def many_headers(environ, start_response):
    number, size = map(int, environ["QUERY_STRING"].split(","))
    start_response("200 OK", [("X", "v" * size)] * number)
    return [b"many"]


def replaced(environ, start_response):
    start_response("500 First", [("X-First", "1"), ("Content-Type", "text/first")])
    start_response("200 OK", [("X-Second", "2")])
    return [b"second"]


def replaced_with_exc_info(environ, start_response):
    start_response("200 OK", [("X-First", "1")])
    try:
        raise KeyError("handled by the application")
    except KeyError:
        start_response("503 Sorry", [("X-Second", "2")], sys.exc_info())
    return [b"sorry"]


def again_after_the_headers(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"sent:")
    try:
        start_response("500 Too Late", [])
    except RuntimeError:
        return [b"RuntimeError"]
    return [b"no exception"]


def exc_info_after_the_headers(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"sent:")
    try:
        raise KeyError("the first failure")
    except KeyError:
        exc_info = sys.exc_info()
    try:
        start_response("500 Too Late", [], exc_info)
    except KeyError as error:
        same = error is exc_info[1]
        frames = []
        traceback = error.__traceback__
        while traceback:
            frames.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        return [f"{same} {frames[-1]}".encode()]
    return [b"no exception"]


def exc_info_unhandled_after_the_headers(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"sent")
    try:
        raise KeyError("reported by start_response")
    except KeyError:
        start_response("500 Too Late", [], sys.exc_info())
    return [b"not reached"]


def a_failing_call_changes_nothing(environ, start_response):
    start_response("200 OK", [("X-Kept", "1")])
    try:
        start_response("500 Oops", [("X-Bad", "a\r\nb")])
    except ValueError:
        return [b"ValueError"]
    return [b"no exception"]


def lazily(environ, start_response):
    yield b""
    start_response("200 OK", [("X-Lazy", "1")])
    yield b""
    yield b"lazy"


def never(environ, start_response):
    return [b"no status"]


def never_and_nothing(environ, start_response):
    return []


kept = []


def keep(environ, start_response):
    kept.append((start_response, start_response("200 OK", [])))
    return [b"kept"]


def use_what_was_kept(environ, start_response):
    start_response("200 OK", [])
    old_start_response, old_write = kept.pop()
    outcome = []
    for call in (lambda: old_start_response("200 OK", []), lambda: old_write(b"late")):
        try:
            call()
            outcome.append("no exception")
        except Exception as error:
            outcome.append(type(error).__name__)
    return [" ".join(outcome).encode()]


def own_framing(environ, start_response):
    names = ["Transfer-Encoding", "Connection", "Upgrade", "transfer-encoding"]
    start_response("200 OK", [(name, "close") for name in names])
    return [b"abc"]


def two_types(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/first"), ("Content-Type", "Text/Last; Charset=X")])
    return [b"typed"]


def empty_type(environ, start_response):
    start_response("200 OK", [("Content-Type", "")])
    return [b"typed"]


def long_text(environ, start_response):
    start_response("200 OK", [("Content-Type", environ["HTTP_X_TYPE"]), ("Content-Length", "10000")])
    return [b"0123456789" * 500] * 2
