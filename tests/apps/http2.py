"""Bodies in both directions; the path names the function that answers."""

import time

HEADERS = [("Content-Type", "text/plain")]


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


def protocol(environ, start_response):
    start_response("200 OK", HEADERS)
    return [f"{environ['SERVER_PROTOCOL']} {environ['wsgi.url_scheme']}".encode()]


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", HEADERS)
    return [body]


def large(environ, start_response):
    start_response("200 OK", HEADERS)
    return (b"x" * 65536 for _ in range(64))


def written(environ, start_response):
    write = start_response("200 OK", HEADERS)
    for _ in range(3):
        write(b"x" * 100)
    return [b"the rest"]


def endless(environ, start_response):
    start_response("200 OK", HEADERS)
    try:
        while True:
            yield b"more"
            time.sleep(0.01)
    finally:
        print("the endless response is closed", file=environ["wsgi.errors"])


def fails(environ, start_response):
    raise ValueError("at once")
