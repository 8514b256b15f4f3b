"""Answers with its environ, one "key=repr(value)" a line."""


def application(environ, start_response):
    lines = [f"{key}={value!r}\n" for key, value in sorted(environ.items())]
    # What one request puts in must not be met by the next.
    environ["left.behind"] = True
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return ["".join(lines).encode("utf-8", "backslashreplace")]
