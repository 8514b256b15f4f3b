"""What the applications of the tests are loaded with."""

import linecache
import textwrap


def load(source, name, names={}):
    """The namespace of a module with that source, which finds `names` there."""
    namespace = {"__name__": "application", "raised_by": raised_by, **names}
    run_in(namespace, source, name)
    return namespace


def run_in(namespace, source, name):
    """Runs statements; tracebacks show their lines."""
    source = textwrap.dedent(source)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    # Assertions hold even where the environment asks for optimisation.
    exec(compile(source, name, "exec", optimize=0), namespace)


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
