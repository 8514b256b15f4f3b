"""Callables of many names, each of which answers its own."""


def answering(name):
    def callable(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [name.encode()]

    return callable


application, a, b, c, d, e, f = map(answering, ("application", "a", "b", "c", "d", "e", "f"))
