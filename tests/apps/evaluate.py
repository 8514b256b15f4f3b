"""Evaluates the expression in header X-Python inside the application.

The answer is repr() of the value, or the name of the type of the exception.
"""

import mod_wsgi

kept = {}


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except Exception as error:
        return type(error).__name__


def application(environ, start_response):
    names = {
        "environ": environ,
        "input": environ["wsgi.input"],
        "errors": environ["wsgi.errors"],
        "start_response": start_response,
        "mod_wsgi": mod_wsgi,
        "attempt": attempt,
        "kept": kept,
    }
    try:
        answer = repr(eval(environ["HTTP_X_PYTHON"], names))
    except BaseException as error:
        answer = type(error).__name__
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [answer.encode()]
