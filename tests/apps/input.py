"""Ways to use wsgi.input; the path names the function that answers."""

import threading

HEADERS = [("Content-Type", "application/octet-stream")]
released = threading.Event()
called = []


def application(environ, start_response):
    called.append(environ["PATH_INFO"])
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", HEADERS)
    return [body]


def echo_in_parts(environ, start_response):
    start_response("200 OK", HEADERS)
    return iter(lambda: environ["wsgi.input"].read(10007), b"")


def ignore(environ, start_response):
    start_response("200 OK", HEADERS)
    return [b"ignored"]


def wait_and_echo(environ, start_response):
    released.wait(10)
    return echo(environ, start_response)


def release(environ, start_response):
    released.set()
    start_response("200 OK", HEADERS)
    return [b"released"]


def answer_and_echo(environ, start_response):
    write = start_response("200 OK", HEADERS)
    write(b"body:")
    return [environ["wsgi.input"].read()]


def swallow(environ, start_response):
    """Goes on as if the error of the body had not happened."""
    try:
        environ["wsgi.input"].read()
    except OSError:
        pass
    start_response("200 OK", HEADERS)
    return [b"swallowed"]


def was_called(environ, start_response):
    start_response("200 OK", HEADERS)
    return [",".join(called[:-1]).encode()]


kept = []


def keep(environ, start_response):
    kept.append(environ["wsgi.input"])
    kept.append(environ["wsgi.input"].read(1))
    start_response("200 OK", HEADERS)
    return [b"kept"]


def use_what_was_kept(environ, start_response):
    start_response("200 OK", HEADERS)
    late = kept[0]
    outcome = []
    for call in (late.read, lambda: late.read(0), late.readline, late.readlines, lambda: next(late)):
        try:
            outcome.append(repr(call()))
        except Exception as error:
            outcome.append(type(error).__name__)
    return [" ".join(outcome).encode()]
