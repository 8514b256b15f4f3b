"""Answers with where it is mounted: SCRIPT_NAME, "|", PATH_INFO."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]


def handler(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["mod_wsgi.request_handler"].encode()]


def groups(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    keys = ("process_group", "application_group", "callable_object")
    return ["|".join(environ["mod_wsgi." + key] for key in keys).encode()]
