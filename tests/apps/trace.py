"""Answers with what its environ has of a trace context, or fails; the path says how."""

KEYS = ("HTTP_TRACEPARENT", "HTTP_TRACESTATE", "mod_wsgi.trace_id", "mod_wsgi.span_id")


def application(environ, start_response):
    if environ["PATH_INFO"] == "/raise":
        print("about to raise")
        raise ValueError("of a request")
    start_response("200 OK", [])
    return ["\n".join(environ.get(key, "-") for key in KEYS).encode()]
