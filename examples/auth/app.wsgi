"""An application that knows its users by name and never sees a password: httpd has checked it (passwords.py)."""


def application(environ, start_response):
    user = environ["REMOTE_USER"]
    text = f"Hello, {user}.\n" if environ["PATH_INFO"] != "/reports" else f"Reports for {user}.\n"
    body = text.encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        # Not for the next user of this browser, nor for a cache.
        ("Cache-Control", "private, no-store"),
    ]
    start_response("200 OK", headers)
    return [body]
