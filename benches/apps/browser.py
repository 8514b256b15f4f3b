"""What a browser sends and gets: 20 headers with a large cookie, a page of 16 KiB with ten headers."""

import sys

# Once per interpreter, into the error log: the benchmark checks the mode it measures.
print("bench: gil", getattr(sys, "_is_gil_enabled", lambda: True)(), file=sys.stderr, flush=True)

PAGE = b"p" * (16 * 1024)
HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Length", str(len(PAGE))),
    ("Cache-Control", "private, max-age=0, must-revalidate"),
    ("Content-Language", "en"),
    ("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"),
    ("Referrer-Policy", "same-origin"),
    ("Set-Cookie", "session=0123456789abcdef0123456789abcdef; Path=/; HttpOnly; SameSite=Lax"),
    ("Vary", "Accept-Encoding, Cookie"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
]


def application(environ, start_response):
    # What an application does with a request at the least: who is it, and which language do they want?
    if "session=" not in environ["HTTP_COOKIE"] or not environ["HTTP_ACCEPT_LANGUAGE"]:
        start_response("400 Bad Request", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return []
    start_response("200 OK", list(HEADERS))
    return [PAGE]
