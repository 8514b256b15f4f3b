"""Logs through mod_wsgi.LogHandler what the header X-Python evaluates."""

import logging
import sys
import threading

import mod_wsgi

formatted = []


class Formatter(logging.Formatter):
    """Notes what it is asked to format."""

    def format(self, record):
        text = super().format(record)
        formatted.append(text)
        return text


class Counting(mod_wsgi.LogHandler):
    """A handler of an application's own, which counts."""

    count = 0

    def emit(self, record):
        Counting.count += 1
        super().emit(record)


def logger(handler):
    handler.setFormatter(Formatter("%(message)s"))
    log = logging.Logger("app", level=1)
    log.addHandler(handler)
    return log


log = logger(mod_wsgi.LogHandler())
own = logger(Counting())
log.warning("loaded")


def record(level, text="text", path="/srv/site/views.py", line=42):
    return logging.LogRecord("app", level, path, line, text, None, None)


def emit(*records):
    for one in records:
        log.handlers[0].emit(one)


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except Exception as error:
        return type(error).__name__


def without_level(level=None):
    one = record(30)
    del one.levelno
    if level is not None:
        one.levelno = level
    return one


def in_thread(call, *arguments):
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    thread.join()


def application(environ, start_response):
    formatted.clear()
    answer = repr(eval(environ["HTTP_X_PYTHON"], globals() | {"environ": environ}))
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [answer.encode()]
