"""Answers with the method it sees."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])])
    return [environ["REQUEST_METHOD"].encode()]
