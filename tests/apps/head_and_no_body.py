"""Responses that have no body on the wire; the path names the function that answers."""

seen = []


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if name != "what_was_seen":
        seen.append(environ["REQUEST_METHOD"])
    return globals()[name](environ, start_response)


def body(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-App", "1")])
    return [b"0123456789"]


def length(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    return [b"0123456789"]


def length_alone(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    return []


def written(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"01234")
    return [b"56789"]


def raises(environ, start_response):
    raise ValueError("no answer")


def status(environ, start_response):
    headers = [("Content-Type", "text/plain"), ("X-App", "1"), ("ETag", '"tag"')]
    if "HTTP_X_LENGTH" in environ:
        headers.append(("Content-Length", environ["HTTP_X_LENGTH"]))
    start_response(environ["HTTP_X_STATUS"], headers)
    return [environ["HTTP_X_BODY"].encode()]


def what_was_seen(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    answer = ",".join(seen)
    seen.clear()
    return [answer.encode()]
