"""Answers with the keys of its environ that a proxy may have changed, one "key=value" a line."""

KEYS = (
    "REMOTE_ADDR HTTP_HOST SERVER_NAME SERVER_PORT SCRIPT_NAME PATH_INFO REQUEST_SCHEME "
    "wsgi.url_scheme mod_wsgi.mount_point mod_wsgi.script_name HTTPS HTTP_FORWARDED"
).split()


def application(environ, start_response):
    shown = [key for key in environ if key in KEYS or key.startswith("HTTP_X_")]
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return ["".join(f"{key}={environ[key]}\n" for key in sorted(shown)).encode()]
