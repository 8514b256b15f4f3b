"""All functions that control scripts may have. Each answers with the value of the expression in its header of the
request (X-Allow-Access for allow_access), or without one as each client would wish."""

import sys

kept = {}


def answer(name, default, environ, *arguments):
    expression = environ.get(f"HTTP_X_{name.upper()}")
    if expression is None:
        return default
    names = {"environ": environ, "arguments": arguments, "kept": kept, "sys": sys}
    return eval(expression, names)


def allow_access(environ, host):
    return answer("allow_access", None, environ, host)


def check_password(environ, user, password):
    return answer("check_password", password == "secret", environ, user, password)


def get_realm_hash(environ, user, realm):
    return answer("get_realm_hash", None, environ, user, realm)


def groups_for_user(environ, user):
    return answer("groups_for_user", ["staff", b"Web Team"], environ, user)


def process_group(environ):
    return answer("process_group", None, environ)


def application_group(environ):
    return answer("application_group", None, environ)


def callable_object(environ):
    return answer("callable_object", None, environ)
