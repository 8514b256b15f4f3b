"""Error documents, and applications that need one."""

TEXT = ("Content-Type", "text/plain")


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [TEXT])
    return [body or b"nothing"]


def page(environ, start_response):
    """The page for an error: how it was called, and what there was to read."""
    status = environ.get("REDIRECT_STATUS", "200")
    lengths = [name for name in ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING") if name in environ]
    fields = [environ["REQUEST_METHOD"], status, environ.get("REDIRECT_URL", "-"), *lengths]
    fields.append(repr(environ["wsgi.input"].read()))
    start_response(status + " Page", [TEXT])
    return [" ".join(fields).encode()]


def raises(environ, start_response):
    """Says what is to be taken back, and fails."""
    headers = [("WWW-Authenticate", 'Basic realm="application"'), ("Set-Cookie", "application=yes"), ("X-Own", "yes")]
    start_response("200 OK", [TEXT, *headers])
    raise ValueError("no page")


def raises_at_once(environ, start_response):
    raise ValueError("no page")


def private(environ, start_response):
    """Logs in by itself."""
    if "HTTP_AUTHORIZATION" in environ:
        start_response("200 OK", [TEXT])
        return [b"welcome"]
    start_response("401 Unauthorized", [TEXT, ("WWW-Authenticate", 'Basic realm="application"')])
    return [b"who are you?"]
