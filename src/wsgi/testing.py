"""What the applications of the tests are loaded with."""

import linecache
import textwrap


def load(source, name):
    """The namespace of a module with that source; tracebacks show its lines."""
    source = textwrap.dedent(source)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    namespace = {"__name__": "application", "raised_by": raised_by}
    exec(compile(source, name, "exec"), namespace)
    return namespace


def body_of_application(statements):
    """The source of an application that runs the statements, then answers."""
    return (
        "def application(environ, start_response):\n"
        "    input, errors = environ['wsgi.input'], environ['wsgi.errors']\n"
        + textwrap.indent(textwrap.dedent(statements), "    ")
        + "\n    start_response('200 OK', [])\n    return []\n"
    )


def raised_by(call, *arguments, **named):
    """The class of the exception that the call raises, or None."""
    try:
        call(*arguments, **named)
    except BaseException as error:
        return type(error)
