"""Answers with what the application sees of a request that another module of httpd has led to it."""

import os


def answer(start_response, fields):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(field or "-" for field in fields).encode("latin-1")]


def application(environ, start_response):
    return answer(start_response, ["no option of the alias holds"])


def shown(environ, start_response):
    """Method, mount, path info, query, application group, callable, status of the redirect, body."""
    body = environ["wsgi.input"].read().decode("latin-1")
    keys = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "mod_wsgi.application_group")
    keys += ("mod_wsgi.callable_object", "REDIRECT_STATUS")
    return answer(start_response, [*(environ.get(key) for key in keys), body])


other = shown


def process(environ, start_response):
    return answer(start_response, [environ["mod_wsgi.process_group"], str(os.getuid()), environ["REQUEST_URI"]])
